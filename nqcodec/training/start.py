"""What training starts from, and the order in which it sees frames: settings and seed decide both."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from nqcodec.network.program import Program
from nqcodec.training.network import FloatNetwork


class StartSettings(Protocol):
    """What settings of any training say of its start."""

    @property
    def seed(self) -> int: ...

    @property
    def device(self) -> str: ...


def new_network(program: Program, frames: int, settings: StartSettings) -> FloatNetwork:
    """A network with the random start that `settings.seed` gives, on `settings.device`."""
    generator = torch.Generator().manual_seed(settings.seed)
    return FloatNetwork(program, frames, generator).to(settings.device)


def batch_frames(frames: int, batch: int, step: int, seed: int) -> Tensor:
    """Frame numbers [B] (int64) of a step: epochs in a seeded random order, the last batch of each may be smaller.

    The numbers may as well be those of the patches of all frames.
    """
    per_epoch = -(-frames // batch)
    epoch, place = divmod(step, per_epoch)
    # Torch's generator heeds 32 bits of a seed only; an odd multiplier keeps seeds apart in them.
    generator = torch.Generator().manual_seed((seed * 0x9E3779B1 + epoch) & 0xFFFFFFFF)
    return torch.randperm(frames, generator=generator)[place * batch : (place + 1) * batch]
