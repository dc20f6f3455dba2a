"""SSIM and MS-SSIM of luma, by pytorch-msssim."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection

import numpy as np

from nqcodec.media.video import Plane

SSIM_SIDE, MS_SSIM_SIDE = 11, 161
"""Least sides of a picture: a window of 11 pixels; over five scales it needs (11 - 1) * 2^4 + 1."""
MISSING = "SSIM and MS-SSIM need pytorch-msssim: pip install 'nqcodec[compare]'"


def has_ssim() -> bool:
    """Whether SSIM and MS-SSIM can be measured here: needs torch and pytorch-msssim."""
    return all(importlib.util.find_spec(name) for name in ("torch", "pytorch_msssim"))


def similarity(reference: Plane, decoded: Plane, depth: int, names: Collection[str]) -> dict[str, float]:
    """SSIM ("ssim") and MS-SSIM ("ms_ssim") of two luma planes.

    Args:
        reference, decoded: [H, W], unsigned integers of `depth` bits.
        names: which of the two; each needs sides of at least `SSIM_SIDE` or `MS_SSIM_SIDE` pixels.
    """
    import torch
    from pytorch_msssim import ms_ssim, ssim

    pair = [torch.from_numpy(plane.astype(np.float32))[None, None] for plane in (reference, decoded)]
    peak = float((1 << depth) - 1)
    measures = {"ssim": ssim, "ms_ssim": ms_ssim}
    with torch.no_grad():
        return {name: float(measures[name](*pair, data_range=peak)) for name in measures if name in names}
