"""The quality of a float network over all frames of its clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nqcodec.training.clip import PackedClip
from nqcodec.training.losses import plane_errors, psnr
from nqcodec.training.network import FloatNetwork, Transform


@dataclass(frozen=True)
class Quality:
    """Mean over frames of float PSNR in dB: of each plane, and weighted (6:1:1 for Y, U, V)."""

    planes: tuple[float, ...]
    yuv: float


@torch.no_grad()
def evaluate(
    network: FloatNetwork,
    clip: PackedClip,
    transform: Transform | None = None,
    batch: int = 4,
    as_samples: bool = False,
) -> Quality:
    """Mean per-frame PSNR of the network's output as float values; `as_samples` rounds and clips them as `planes` does
    (formats/nq.md, 6.6), which costs 0.5 dB at 50 dB and 8 bits."""

    def output(part: Tensor) -> Tensor:
        values: Tensor = network(part, transform)
        scale = 2.0**clip.video.depth
        return ((values.float() + 0.5) * scale).round().clamp(0, scale - 1) / scale - 0.5 if as_samples else values

    times = torch.arange(clip.frames, device=clip.device)
    errors = [plane_errors(output(part), clip.batch(part), clip) for part in times.split(batch)]
    return mean_quality(torch.cat(errors), clip)


def mean_quality(errors: Tensor, clip: PackedClip) -> Quality:
    """The quality for mean squared errors [B, planes] of packed values."""
    planes = psnr(errors, clip.video.depth).mean(dim=0)
    return Quality(tuple(planes.tolist()), float(planes @ clip.weights))
