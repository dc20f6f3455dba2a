"""The losses and the quality figures of a fit: per-frame distortions of packed maps against a packed clip.

Values are packed samples: value = sample / 2^depth - 0.5, so a full-scale signal is 1 wide (formats/nq.md, 6.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from nqcodec.training.clip import PackedClip

FLOOR = 1e-10
"""Added to a mean squared error before its logarithm: far below the square of half a 12-bit step size (1.5e-8)."""


def plane_errors(output: Tensor, target: Tensor, clip: PackedClip, norm: float = 2.0, pool: int = 1) -> Tensor:
    """Mean squared error of each plane of each frame, [B, planes] float32, over the samples inside the picture.

    A batch of patches has one row of errors, the means over all of them ([1, planes], `PackedClip.joint`).

    `norm` p other than 2 gives the mean of |error|^p instead. `pool` takes the means of the errors over pool x pool
    cells of each channel before their powers, so that only what is coarser than a cell counts.

    `output` [B, C, h, w] of any float type and `target` [B, C, h, w] float32 are packed values.
    """
    difference = output.float() - target
    if clip.mask is not None:
        difference = difference * clip.mask
    if pool > 1:
        difference = F.avg_pool2d(difference, pool, ceil_mode=True) * pool ** (2 / norm)
    rows = difference.permute(0, 2, 3, 1).flatten(2)
    powers = rows.square() if norm == 2 else rows.abs().pow(norm)
    # Every column has the same weights.
    errors = powers.sum(dim=1) @ clip.averaging[: rows.shape[2]]
    return errors.mean(dim=0, keepdim=True) if clip.joint else errors


def log_mse(errors: Tensor, weights: Tensor) -> Tensor:
    """The default distortion, a scalar: mean over frames of the weighted mean over planes of ln(MSE).

    With weights 6:1:1 it is PSNR-YUV times -ln(10) / 10 and a constant: so training minimises the negative of the
    reported quality. `errors` [B, planes] come from `plane_errors`, `weights` [planes] from the clip.
    """
    return ((errors + FLOOR).log() @ weights).mean()


def mse(errors: Tensor, weights: Tensor) -> Tensor:
    """The papers' distortion, a scalar: mean over frames of the weighted mean over planes of the MSE."""
    return (errors @ weights).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"log-mse": log_mse, "mse": mse}
"""Distortions by the name that `FitSettings.loss` gives them."""


def psnr(errors: Tensor, depth: int) -> Tensor:
    """PSNR in dB of mean squared errors of packed values, at peak 2^depth - 1; at most 100 dB."""
    peak = (2**depth - 1) / 2**depth
    return (20 * math.log10(peak) - 10 * (errors + FLOOR).log10()).clamp(max=100.0)
