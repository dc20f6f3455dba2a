"""Symmetric uniform quantizers on integer step indices: value = integer * 2^(index / 8) (formats/nq.md, 4 and 6.1)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd import Function

from nqcodec.network import STEP_RANGE, Int32, channel_axis

OCTAVE = 8
"""Step indices to a factor of two."""

Float64 = npt.NDArray[np.float64]


def limits(bits: int) -> tuple[int, int]:
    """Smallest and largest integer of `bits` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def bits_needed(values: npt.NDArray[np.integer]) -> int:
    """Fewest bits, at least 2, whose range holds all values."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return max(2, high.bit_length() + 1, (-low - 1).bit_length() + 1 if low < 0 else 0)


def step_size(index: npt.ArrayLike) -> Float64:
    """2^(index / 8), float64."""
    return np.exp2(np.asarray(index, np.float64) / OCTAVE)


def along_channels(steps: Tensor, name: str, dimensions: int) -> Tensor:
    """Steps [1] or [channels] shaped to broadcast over a tensor `name` with that many dimensions."""
    if steps.numel() == 1:
        return steps.reshape(())
    shape = [1] * dimensions
    shape[channel_axis(name)] = -1
    return steps.view(shape)


class _Round(Function):
    """Rounding to nearest, ties to even, with the identity's gradient; exact, which x + (round(x) - x) is not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient


def straight_round(x: Tensor) -> Tensor:
    """Round to the nearest integer; the gradient passes straight through."""
    rounded: Tensor = _Round.apply(x)  # type: ignore[no-untyped-call]
    return rounded


def quantise(x: Tensor, steps: Tensor, bits: int) -> Tensor:
    """Integers of `x`, in `x`'s type, for step indices that broadcast with it; clamped to `bits` bits.

    Straight-through: the gradient reaches `x` where nothing is clamped, and `steps` everywhere.
    """
    low, high = limits(bits)
    return straight_round(x / torch.exp2(steps.to(x.dtype) / OCTAVE)).clamp(low, high)


def fake_quantise(x: Tensor, steps: Tensor, bits: int) -> Tensor:
    """`quantise` and back: what a decoder makes of `x`. Steps get the gradient of LSQ (Esser et al., ICLR 2020)."""
    return dequantise(quantise(x, steps, bits), steps)


def dequantise(integers: Tensor, steps: Tensor) -> Tensor:
    """Integers (of a float type) times their steps."""
    return integers * torch.exp2(steps.to(integers.dtype) / OCTAVE)


def quantise_array(x: npt.NDArray[np.floating], index: npt.ArrayLike, bits: int) -> Int32:
    """`quantise` in numpy: int32 of `x`'s shape for step indices that broadcast with it."""
    integers: Int32 = np.clip(np.rint(x / step_size(index)), *limits(bits)).astype(np.int32)
    return integers


def covering_step(x: npt.NDArray[np.floating], bits: int) -> int:
    """The finest step index at which nothing of `x` is clamped to `bits` bits."""
    reach = float(np.abs(x).max(initial=0.0)) / (limits(bits)[1] + 0.5 - 1e-6)
    if reach <= 0:
        return 0
    return min(max(math.ceil(OCTAVE * math.log2(reach)), STEP_RANGE[0]), STEP_RANGE[1])


def search_step(x: npt.NDArray[np.floating], bits: int, power: float = 2.0) -> int:
    """The step index of least sum |error|^power at `bits` bits: rounding against clamping, by trial.

    Tries every index from the one that clamps nothing down two octaves: no finer one has ever less error on values
    that are spread like a Gaussian or a Laplacian.
    """
    finest = covering_step(x, bits)
    flat = x.astype(np.float64).ravel()

    def error(index: int) -> float:
        return float((np.abs(quantise_array(flat, index, bits) * step_size(index) - flat) ** power).sum())

    return min(range(finest, max(finest - 2 * OCTAVE, STEP_RANGE[0]) - 1, -1), key=error)
