"""Uniform quantizers on integer step indices: value = integer * 2^(index / 8) (formats/nq.md, 4 and 6.1).

A file has step sizes but no zero points. It can hold asymmetric quantizers all the same: it stores the code minus the
zero point, so a zero point only decides where integers are clamped (`UniformQuantizer`). The rate of entropy-coded
integers does not depend on where their range lies, and the encoder allocates coded bits. Therefore its own quantizers
are symmetric; asymmetric ones serve to compare sensitivities and the papers' fixed bit widths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.autograd import Function

from nqcodec.network.integer_network import STEP_INDEX_RANGE, Int32, channel_axis

OCTAVE = 8
"""Step indices for a factor of two of the step size."""

SEARCHES: dict[str, float | None] = {"max": None, "mse": 2.0, "l1": 1.0, "lp": 3.5}
"""Searches for an initial step size by name: the power p of the summed |error|^p that is minimised, or None for the
step size that just covers the range. NeuroQuant's `mse` is our `lp`, with its power."""

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


def along_channels(step_indices: Tensor, name: str, dimensions: int) -> Tensor:
    """Step indices [1] or [channels] shaped to broadcast over a tensor `name` with that many dimensions."""
    if step_indices.numel() == 1:
        return step_indices.reshape(())
    shape = [1] * dimensions
    shape[channel_axis(name)] = -1
    return step_indices.view(shape)


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


def quantize(x: Tensor, step_indices: Tensor, bits: int) -> Tensor:
    """Integers of `x`, in `x`'s type, for step indices that broadcast with it; clamped to `bits` bits.

    Straight-through: the gradient passes to `x` where nothing is clamped, and to `step_indices` everywhere; with
    `dequantize` theirs is that of LSQ (Esser et al., ICLR 2020).
    """
    low, high = limits(bits)
    return straight_round(x / torch.exp2(step_indices.to(x.dtype) / OCTAVE)).clamp(low, high)


def dequantize(integers: Tensor, step_indices: Tensor) -> Tensor:
    """Integers (of a float type) times their step sizes."""
    return integers * torch.exp2(step_indices.to(integers.dtype) / OCTAVE)


def quantize_array(x: npt.NDArray[np.floating], index: npt.ArrayLike, bits: int) -> Int32:
    """`quantize` in numpy: int32 of `x`'s shape for step indices that broadcast with it."""
    integers: Int32 = np.clip(np.rint(x / step_size(index)), *limits(bits)).astype(np.int32)
    return integers


def covering_step_index(x: npt.NDArray[np.floating], bits: int) -> int:
    """The finest step index at which nothing of `x` is clamped to `bits` bits."""
    size = float(np.abs(x).max(initial=0.0)) / (limits(bits)[1] + 0.5 - 1e-6)
    if size <= 0:
        return 0
    return min(max(math.ceil(OCTAVE * math.log2(size)), STEP_INDEX_RANGE[0]), STEP_INDEX_RANGE[1])


def search_step_index(x: npt.NDArray[np.floating], bits: int, power: float = 2.0) -> int:
    """The step index of least sum |error|^power at `bits` bits: the best compromise of rounding and clamping, found by
    trial."""
    low, high = (np.array([limit]) for limit in limits(bits))
    return int(_search_rows(x.reshape(1, -1), np.array([covering_step_index(x, bits)]), low, high, power)[0])


def initial_step_index(x: npt.NDArray[np.floating], bits: int, search: str) -> int:
    """The step index of a symmetric quantizer of `x`, by a name of `SEARCHES`."""
    power = SEARCHES[search]
    return covering_step_index(x, bits) if power is None else search_step_index(x, bits, power)


def _search_rows(rows: npt.NDArray[np.floating], coarsest: Int32, low: Int32, high: Int32, power: float) -> Int32:
    """For each row of `rows` [n, values] the step index of least sum |error|^power, clamped to low..high [n].

    Tries every index from `coarsest` [n], which clamps nothing, down two octaves: no finer one has less error on
    values of a Gaussian or a Laplacian distribution. Of equal ones the coarsest is taken.
    """
    flat = rows.astype(np.float64)
    best, least = coarsest.astype(np.int32), np.full(len(rows), np.inf)
    for down in range(2 * OCTAVE + 1):
        index = np.maximum(coarsest - down, STEP_INDEX_RANGE[0]).astype(np.int32)
        size = step_size(index)[:, None]
        rounded = np.clip(np.rint(flat / size), low[:, None], high[:, None]) * size
        error = (np.abs(rounded - flat) ** power).sum(axis=1)
        best, least = np.where(error < least, index, best), np.minimum(error, least)
    return best


@dataclass(frozen=True)
class QuantizerKind:
    """A way to choose a tensor's quantizer at a given bit width.

    Attributes:
        symmetric: zero point in the middle of the codes; otherwise where the range of the values, 0 included, has it.
        per_channel: a step size (and a zero point) for each output channel of a weight and each channel of a latent; a
            bias has one (formats/nq.md, 4).
        search: a name of `SEARCHES`.
    """

    symmetric: bool = True
    per_channel: bool = False
    search: str = "mse"


@dataclass(frozen=True, eq=False)
class UniformQuantizer:
    """Codes 0 .. 2^bits - 1 with value = (code - zero) * 2^(step index / 8).

    The integer code - zero is what a file stores. It needs `bits` bits if the quantizer is symmetric, and at most one
    more if not: an 8-bit asymmetric weight can exceed what a file allows, and nothing else can.

    Attributes:
        axis: the tensor's axis of channels (formats/nq.md, 4).
        step_indices: int32 step indices, [1] or [channels].
        zeros: int32 zero points, 0 .. 2^bits - 1, shaped as `step_indices`.
        bits: width of the codes.
    """

    axis: int
    step_indices: Int32
    zeros: Int32
    bits: int

    @staticmethod
    def of(x: npt.NDArray[np.floating], name: str, bits: int, kind: QuantizerKind) -> UniformQuantizer:
        """The initial quantizer of tensor `x`, whose name in the file is `name`."""
        axis = channel_axis(name)
        split = kind.per_channel and name != "bias"
        rows = np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) if split else x.reshape(1, -1)
        if kind.symmetric:
            coarsest = np.array([covering_step_index(row, bits) for row in rows], np.int32)
            zeros = np.full(len(rows), 1 << (bits - 1), np.int32)
        else:
            coarsest, zeros = _asymmetric(rows, bits)
        power = SEARCHES[kind.search]
        step_indices = coarsest
        if power is not None:
            step_indices = _search_rows(rows, coarsest, -zeros, (1 << bits) - 1 - zeros, power)
        return UniformQuantizer(axis, step_indices, zeros, bits)

    def integers(self, x: npt.NDArray[np.floating]) -> Int32:
        """Codes less zero points, int32, of `x`'s shape."""
        zeros = self._shaped(self.zeros, x.ndim)
        rounded = np.rint(x / step_size(self._shaped(self.step_indices, x.ndim)))
        integers: Int32 = np.clip(rounded, -zeros, (1 << self.bits) - 1 - zeros).astype(np.int32)
        return integers

    def values(self, x: npt.NDArray[np.floating]) -> Float64:
        """What a decoder makes of `x`, float64."""
        return self.integers(x) * step_size(self._shaped(self.step_indices, x.ndim))

    def _shaped(self, each: Int32, dimensions: int) -> Int32:
        shape = [1] * dimensions
        shape[self.axis] = each.size
        return each.reshape(shape)


def _asymmetric(rows: npt.NDArray[np.floating], bits: int) -> tuple[Int32, Int32]:
    """(step indices, zero points) [n] whose codes span each row's range, 0 included.

    The step size is the next one above range / (2^bits - 1), so at most half a step size is clamped at an end. A search
    that narrows the range narrows both of its ends alike, so the zero point does not change.
    """
    low, high = np.minimum(rows.min(axis=1), 0.0), np.maximum(rows.max(axis=1), 0.0)
    size = (high - low) / ((1 << bits) - 1)
    index = np.ceil(OCTAVE * np.log2(np.where(size > 0, size, 1.0)))
    step_indices = np.clip(index, *STEP_INDEX_RANGE).astype(np.int32)
    zeros = np.clip(np.rint(-low / step_size(step_indices)), 0, (1 << bits) - 1).astype(np.int32)
    return step_indices, zeros
