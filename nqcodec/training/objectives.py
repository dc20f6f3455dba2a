"""The losses of a float fit by name: `losses.LOSSES`, and those that need more than squared errors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.network.operations import Planes
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip
from nqcodec.training.losses import LOSSES, plane_errors
from nqcodec.training.structure import Structure

STRUCTURE_SHARE = 0.3
"""Weight of 1 - SSIM or 1 - MS-SSIM beside the L1 distance, as NeRV and HiNeRV have it."""

COARSE_CELL = 2
"""Side of the cells whose means a coarse loss compares: half the head's resolution."""

STRUCTURES = {"l1-ssim": False, "l1-ms-ssim": True}
"""Losses with a structural term: whether it has several scales."""

OBJECTIVES = (*LOSSES, "l1", *STRUCTURES)
"""Names that `FitSettings.loss` may have."""


class Objective:
    """A distortion by name, for one clip and program.

    "log-mse" and "mse" are those of `losses`; "l1" is the mean absolute error, weighted over planes; "l1-ssim" is
    0.7 L1 + 0.3 (1 - SSIM) (Chen et al., NeRV, NeurIPS 2021) and "l1-ms-ssim" 0.7 L1 + 0.3 (1 - MS-SSIM) with a window
    of 5 (Kwan et al., HiNeRV, NeurIPS 2023), with the same weights in both terms. For RGB clips, whose planes weigh
    the same, these are the published losses.

    Args:
        plane_weights: one number a plane, of any sum; by default the clip's. (1, 0, 0) is luma alone.

    Raises:
        UsageError: weights that do not fit the clip, or planes too small for the loss.
        UnsupportedError: the loss needs pytorch-msssim, which is not installed.
    """

    def __init__(
        self, name: str, clip: PackedClip, program: Program, plane_weights: Sequence[float] | None = None
    ) -> None:
        self._name, self._clip = name, clip
        self._weights = clip.weights if plane_weights is None else _normalised(plane_weights, clip)
        self._structure = None
        if name in STRUCTURES:
            head = program.operations[-1]
            assert isinstance(head, Planes)
            weights, scales = self._weights.tolist(), STRUCTURES[name]
            self._structure = Structure(clip.video, head.ratio, weights, scales, clip.device)

    def __call__(self, output: Tensor, target: Tensor, errors: Tensor, coarse: bool = False) -> Tensor:
        """The loss, a scalar, of packed maps [B, C, h, w] whose `plane_errors` [B, planes] are `errors`.

        `coarse` compares means of `COARSE_CELL` x `COARSE_CELL` cells alone; losses with a structural term cannot.
        """
        pool = COARSE_CELL if coarse else 1
        if self._name in LOSSES:
            pooled = plane_errors(output, target, self._clip, pool=pool) if coarse else errors
            return LOSSES[self._name](pooled, self._weights)
        distance = (plane_errors(output, target, self._clip, norm=1.0, pool=pool) @ self._weights).mean()
        if self._structure is None:
            return distance
        return (1 - STRUCTURE_SHARE) * distance + STRUCTURE_SHARE * (1 - self._structure(output, target))


def _normalised(weights: Sequence[float], clip: PackedClip) -> Tensor:
    """Plane weights [planes] float32 of sum 1, on the clip's device."""
    count = len(clip.weights)
    if len(weights) != count or min(weights) < 0 or sum(weights) <= 0:
        shown = ":".join(f"{weight:g}" for weight in weights)
        raise UsageError(f"plane weights {shown} do not fit a clip of {count} planes: give {count}, none negative")
    return torch.tensor([weight / sum(weights) for weight in weights], device=clip.device)
