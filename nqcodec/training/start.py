"""The start of training and its order of frames: settings and seed decide both."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from nqcodec.network.program import Program
from nqcodec.training.network import FloatNetwork


class StartSettings(Protocol):
    """The settings of any training that decide its start."""

    @property
    def seed(self) -> int: ...

    @property
    def device(self) -> str: ...


def new_network(program: Program, frames: int, settings: StartSettings) -> FloatNetwork:
    """A network with the random start that `settings.seed` gives, on `settings.device`."""
    generator = torch.Generator().manual_seed(settings.seed)
    return FloatNetwork(program, frames, generator).to(settings.device)


def batch_frames(frames: int, batch: int, iteration: int, seed: int) -> Tensor:
    """Frame numbers [B] (int64) of an iteration: epochs in a seeded random order; the last batch of each may be
    smaller.

    The numbers may also be those of the patches of all frames.
    """
    per_epoch = -(-frames // batch)
    epoch, place = divmod(iteration, per_epoch)
    # Torch's generator uses only 32 bits of a seed; an odd multiplier keeps different seeds different in them.
    generator = torch.Generator().manual_seed((seed * 0x9E3779B1 + epoch) & 0xFFFFFFFF)
    return torch.randperm(frames, generator=generator)[place * batch : (place + 1) * batch]
