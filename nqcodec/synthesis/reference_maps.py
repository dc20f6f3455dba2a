"""The definition of the operations that have no tensors, one function each (formats/nq.md, 6.4 and 6.7 to 6.14).

Maps are int16 [C, H, W]; `width` and `frac` are the signed bits and the fractional bits of the result. Sums are int64:
the limits of formats/nq.md keep them below 2^63.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.network import tables
from nqcodec.network.integer_network import Int16, Int64, Rescaled
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    TAP_BITS,
    WARP_BITS,
    Add,
    Concat,
    Fold,
    Frequency,
    Mul,
    Norm,
    Operation,
    Shuffle,
    Tile,
    Upsample,
    Warp,
    Window,
)

Integers = npt.NDArray[np.integer]

ANGLE_BITS = 32
"""An angle of 2^32 is one turn (formats/nq.md, 6.7)."""

PHASE_BITS = 7
"""Weights of neighbours sum to 2^7 along each axis (formats/nq.md, 6.8)."""

MEAN_BITS, DEVIATION_BITS, RECIPROCAL_BITS = 8, 16, 46
"""Fractional bits of a mean, bits added to a variance, and the reciprocal's numerator (formats/nq.md, 6.12)."""


@dataclass(frozen=True)
class Evaluation:
    """The inputs of an operation's definition, beside the operation's fields.

    Attributes:
        inputs: maps that it reads.
        fracs: their fractional bits.
        width, frac: signed bits and fractional bits of its map.
        t, frames: the frame, and how many the segment has.
        factors: derived constants of an operation with tensors, else None.
    """

    inputs: Sequence[Int16]
    fracs: Sequence[int]
    width: int
    frac: int
    t: int
    frames: int
    factors: Rescaled | None = None


Definition = Callable[[Any, Evaluation], Int16]
"""The map of an operation, which is of the class that a table has the definition for."""


def clamp_width(values: Int64, width: int) -> Int64:
    """Clamp to a signed width (formats/nq.md, 6.1)."""
    return np.clip(values, -(1 << (width - 1)), (1 << (width - 1)) - 1)


def shift(values: Integers, n: int) -> Int64:
    """(v + 2^(n-1)) >> n for n > 0, else v << -n (formats/nq.md, 6.5)."""
    v = values.astype(np.int64)
    return (v + (1 << (n - 1))) >> n if n > 0 else v << -n


def run_fold(x: Int16, rows: int, columns: int) -> Int16:
    """[C rows columns, H, W] to [C, H rows, W columns]; shuffle is its square case (formats/nq.md, 6.4)."""
    channels, height, width = x.shape
    blocks = x.reshape(channels // (rows * columns), rows, columns, height, width)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(-1, height * rows, width * columns)


def run_frequency(op: Frequency, t: int, width: int, frac: int) -> Int16:
    """Sines and cosines of frame t as a map [2 n, 1, 1] (formats/nq.md, 6.7)."""
    table = tables.sine()
    index_bits = table.size.bit_length() - 1
    drop = ANGLE_BITS - index_bits
    angle = np.array(op.phases, np.int64) + t * np.array(op.increments, np.int64) + (1 << (drop - 1))
    i = (angle >> drop) & (table.size - 1)
    pairs = np.stack([table[i], table[(i + table.size // 4) & (table.size - 1)]], axis=1)
    return clamp_width(shift(pairs, 15 - frac), width).astype(np.int16).reshape(-1, 1, 1)


def neighbours(count: int, size: int, ratio: int) -> tuple[Int64, Int64, Int64]:
    """(i0, i1, f) of formats/nq.md 6.8 for the first `count` outputs along an axis of `size` inputs: int64 [count]."""
    p = 2 * np.arange(count, dtype=np.int64) + 1 - ratio
    i = p // (2 * ratio)
    f = (((p - 2 * ratio * i) << PHASE_BITS) + ratio) // (2 * ratio)
    return np.clip(i, 0, size - 1), np.clip(i + 1, 0, size - 1), f


def between(first: Integers, second: Integers, weight: Int64) -> Int64:
    """Neighbours along an axis, blended with the second's weight, unrounded (formats/nq.md, 6.8)."""
    one = np.int64(1 << PHASE_BITS)
    return np.asarray(first * (one - weight) + second * weight, np.int64)


def run_upsample(x: Int16, op: Upsample) -> Int16:
    """[C, H, W] to [C, op.height, op.width] (formats/nq.md, 6.8)."""
    i0, i1, f = neighbours(op.height, x.shape[1], op.ratio)
    j0, j1, g = neighbours(op.width, x.shape[2], op.ratio)
    rows = between(x[:, i0], x[:, i1], f[:, None])
    return shift(between(rows[:, :, j0], rows[:, :, j1], g), 2 * PHASE_BITS).astype(np.int16)


def run_window(x: Int16, op: Window, t: int) -> Int16:
    """The window of [C, H, W] at frame t, as [C r r, op.height, op.width] (formats/nq.md, 6.13)."""
    (i, f), (j, g) = (divmod(place, 1 << op.bits) for place in op.position(t))
    # The row and column past the window have no weight if the map ends before them.
    r = op.ratio
    rows, columns = i + np.arange(op.height * r + 1), j + np.arange(op.width * r + 1)
    covered = x[:, np.minimum(rows, x.shape[1] - 1)][:, :, np.minimum(columns, x.shape[2] - 1)].astype(np.int64)
    one = 1 << op.bits
    lines = covered[:, :-1] * (one - f) + covered[:, 1:] * f
    part = shift(lines[:, :, :-1] * (one - g) + lines[:, :, 1:] * g, 2 * op.bits).astype(np.int16)
    return part.reshape(-1, op.height, r, op.width, r).transpose(0, 2, 4, 1, 3).reshape(-1, op.height, op.width)


def warp_places(vectors: Int16, op: Warp, frac: int) -> tuple[Int64, Int64]:
    """Rows and columns [H, W] that vectors [2, H, W] lead to, in 2^-WARP_BITS of a cell (formats/nq.md, 6.14)."""
    _, height, width = vectors.shape
    one = 1 << WARP_BITS
    down, right = shift(vectors, frac + op.bits - WARP_BITS)
    rows = np.clip(np.arange(height)[:, None] * one + down, 0, (height - 1) * one)
    return rows, np.clip(np.arange(width) * one + right, 0, (width - 1) * one)


def cubic_weights(fractions: Int64) -> Int64:
    """Weights [4, N] of the cells -1, 0, 1 and 2, in 1/64, for fractions [N] in 1/32 (formats/nq.md, 6.14)."""
    one, middle = 1 << WARP_BITS, fractions - (1 << WARP_BITS - 1)
    before, after = ((3 * f * (one - f) ** 2 + 1024) >> 11 for f in (fractions, one - fractions))
    second = 32 + ((middle * (2300 - middle**2) + 512) >> 10)
    return np.stack([-before, (1 << TAP_BITS) + before - second, second + after, -after])


def run_warp(x: Int16, vectors: Int16, op: Warp, frac: int, width: int) -> Int16:
    """[C, H, W] at places displaced by vectors [2, H, W] with `frac` fractional bits (formats/nq.md, 6.14)."""
    places = warp_places(vectors, op, frac)
    return WARPS[op.taps](x.astype(np.int64), *places, width).astype(np.int16)


def warp_linear(x: Int64, rows: Int64, columns: Int64, width: int) -> Int64:
    """[C, H, W] between two cells along each axis: a mean, so never beyond `width`."""
    one = 1 << WARP_BITS
    (i, f), (j, g) = np.divmod(rows, one), np.divmod(columns, one)
    below, beside = np.minimum(i + 1, x.shape[1] - 1), np.minimum(j + 1, x.shape[2] - 1)
    upper = x[:, i, j] * (one - g) + x[:, i, beside] * g
    lower = x[:, below, j] * (one - g) + x[:, below, beside] * g
    return shift(upper * (one - f) + lower * f, 2 * WARP_BITS)


def warp_cubic(x: Int64, rows: Int64, columns: Int64, width: int) -> Int64:
    """[C, H, W] between four cells along each axis, those beyond the map clamped to it; may overshoot `width`."""
    one = 1 << WARP_BITS
    (i, f), (j, g) = np.divmod(rows, one), np.divmod(columns, one)
    weights, total = cubic_weights(np.arange(one)), np.zeros_like(x)
    for r in range(CUBIC_TAPS):
        row, along = np.clip(i - 1 + r, 0, x.shape[1] - 1), np.zeros_like(x)
        for k in range(CUBIC_TAPS):
            along += x[:, row, np.clip(j - 1 + k, 0, x.shape[2] - 1)] * weights[k, g]
        total += along * weights[r, f]
    return clamp_width(shift(total, 2 * TAP_BITS), width)


WARPS: dict[int, Callable[[Int64, Int64, Int64, int], Int64]] = {LINEAR_TAPS: warp_linear, CUBIC_TAPS: warp_cubic}
"""By the taps of a `warp`: its map from the input's values, the places to read at and the map's width."""


def run_tile(x: Int16, op: Tile) -> Int16:
    """[C, H, W] repeated over [C, op.height, op.width] (formats/nq.md, 6.9)."""
    rows, columns = np.arange(op.height) % x.shape[1], np.arange(op.width) % x.shape[2]
    return x[:, rows][:, :, columns]


def run_concat(inputs: Sequence[Int16], fracs: Sequence[int], width: int, frac: int) -> Int16:
    """Maps with `fracs` fractional bits, stacked and brought to one format (formats/nq.md, 6.10)."""
    parts = [clamp_width(shift(x, own - frac), width) for x, own in zip(inputs, fracs, strict=True)]
    return np.concatenate(parts).astype(np.int16)


def run_add(inputs: Sequence[Int16], fracs: Sequence[int], width: int, frac: int) -> Int16:
    """Sum of two maps with `fracs` fractional bits (formats/nq.md, 6.11)."""
    finest = max(fracs)
    a, b = (x.astype(np.int64) << (finest - own) for x, own in zip(inputs, fracs, strict=True))
    return clamp_width(shift(a + b, finest - frac), width).astype(np.int16)


def run_mul(inputs: Sequence[Int16], fracs: Sequence[int], width: int, frac: int) -> Int16:
    """Product of two maps with `fracs` fractional bits (formats/nq.md, 6.11)."""
    a, b = inputs
    return clamp_width(shift(a.astype(np.int64) * b, sum(fracs) - frac), width).astype(np.int16)


def isqrt(values: Int64) -> Int64:
    """Largest integers whose squares are at most `values`, each in 0 .. 2^60.

    A root in float64 is off by one at most: its argument is rounded by less than 2^8, and a neighbour's square differs
    by 2^30 there. Two corrections in integers make it exact.
    """
    root = np.sqrt(values.astype(np.float64)).astype(np.int64)
    root -= root * root > values
    return root + ((root + 1) * (root + 1) <= values)


def run_norm(x: Int16, width: int, frac: int) -> Int16:
    """Channels less their mean, over their standard deviation (formats/nq.md, 6.12)."""
    values, channels = x.astype(np.int64), x.shape[0]
    deviation = (values << MEAN_BITS) - (values.sum(axis=0) << MEAN_BITS) // channels
    variance = (deviation * deviation).sum(axis=0) // channels
    root = np.maximum(isqrt(variance << DEVIATION_BITS), 1)
    scaled = deviation * ((1 << RECIPROCAL_BITS) // root)
    return clamp_width(shift(scaled, RECIPROCAL_BITS - MEAN_BITS - frac), width).astype(np.int16)


MAP_DEFINITIONS: dict[type[Operation], Definition] = {
    Shuffle: lambda op, e: run_fold(e.inputs[0], op.ratio, op.ratio),
    Fold: lambda op, e: run_fold(e.inputs[0], op.rows, op.columns),
    Frequency: lambda op, e: run_frequency(op, e.t, e.width, e.frac),
    Upsample: lambda op, e: run_upsample(e.inputs[0], op),
    Window: lambda op, e: run_window(e.inputs[0], op, e.t),
    Warp: lambda op, e: run_warp(e.inputs[0], e.inputs[1], op, e.fracs[1], e.width),
    Tile: lambda op, e: run_tile(e.inputs[0], op),
    Concat: lambda op, e: run_concat(e.inputs, e.fracs, e.width, e.frac),
    Add: lambda op, e: run_add(e.inputs, e.fracs, e.width, e.frac),
    Mul: lambda op, e: run_mul(e.inputs, e.fracs, e.width, e.frac),
    Norm: lambda op, e: run_norm(e.inputs[0], e.width, e.frac),
}
"""The definitions of this module by operation."""
