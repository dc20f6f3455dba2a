"""The context model of latents: values to events and back (formats/nq.md, 3.6). The definition.

Every value has a prediction and a scale, both sums over values before it in the array. Values are integers
[T, C, H, W]. An encoder knows them all and works on whole arrays. A decoder goes row by row: the contributions of
earlier rows are summed for a whole row, and the two neighbours to the left are added value by value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt

from nqcodec.entropy import models
from nqcodec.entropy.coder import ArithmeticDecoder
from nqcodec.entropy.models import MAX_SCALE, Events, Int32, Int64
from nqcodec.network import tables
from nqcodec.network.integer_network import LATENT_BITS, Context, check_context

IntArray = npt.NDArray[np.integer]
Shape = tuple[int, int, int, int]

NEIGHBOURS: tuple[Shape, ...] = (
    (0, 0, 0, -1),
    (0, 0, -1, 0),
    (0, 0, -1, -1),
    (0, 0, -1, 1),
    (-1, 0, 0, 0),
    (-1, 0, 0, 1),
    (-1, 0, 1, 0),
    (0, -1, 0, 0),
    (0, 0, 0, -2),
    (0, 0, -2, 0),
    (-1, 0, 0, -1),
    (-1, 0, -1, 0),
    (0, -1, 0, 1),
    (0, -1, 1, 0),
)
"""(dt, dc, dy, dx) of each neighbour, by its bit in the mask."""

LEFT, LEFT_2 = 0, 8
"""The neighbours in a value's own row."""

MARGIN = 2
"""Zeros before each row of a decoder's arrays: as far as a neighbour lies to the left, or to a row's right."""

PHASES = 5


def used_neighbours(context: Context) -> list[int]:
    """The neighbours in the mask: those with a weight other than 0."""
    return [j for j in range(len(NEIGHBOURS)) if context.mean[j] or context.scale[j]]


def record_bytes(context: Context) -> int:
    """Bytes of mask, base and weights in a tensor's record (formats/nq.md, 4)."""
    used = used_neighbours(context)
    zigzags = [2 * a if a >= 0 else -2 * a - 1 for a in (context.mean[j] for j in used)]
    numbers = [sum(1 << j for j in used), context.base, *zigzags, *(context.scale[j] for j in used)]
    return sum(max(1, -(-number.bit_length() // 7)) for number in numbers)


def check(shape: tuple[int, ...], bits: int, context: Context) -> Shape:
    """The tensor's four sizes; raises ValueError where the context model cannot code it."""
    check_context(context)
    if len(shape) != len(NEIGHBOURS[0]):
        raise ValueError(f"the context model codes latents [T, C, H, W], not {len(shape)} axes")
    if not LATENT_BITS[0] <= bits <= LATENT_BITS[1]:
        raise ValueError(f"the context model codes {LATENT_BITS[0]} to {LATENT_BITS[1]} bits, not {bits}")
    times, channels, height, width = shape
    return times, channels, height, width


@dataclass(frozen=True)
class Points:
    """How each value of a tensor is coded, int64 [values] each: row of the table, k, and u of the specification."""

    rows: Int64
    shifts: Int64
    distances: Int64

    def events(self, start: int, end: int) -> Events:
        """Events of the values from `start` to `end`."""
        chosen = slice(start, end)
        return models.table_events(tables.logistic(), self.rows[chosen], self.shifts[chosen], self.distances[chosen])


def points(values: IntArray, bits: int, context: Context) -> Points:
    """How each of the values [T, C, H, W] is coded; raises ValueError for what the model cannot code."""
    check(values.shape, bits, context)
    known = values.astype(np.int64)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    prediction = np.clip((_weighted(known, context.mean) + 4) >> 3, 8 * low, 8 * high)
    scale = context.base + _weighted(np.abs(8 * known - prediction), context.scale)
    length = models.bit_length(scale)
    scale_indices = np.clip(4 * length + ((4 * scale) >> (length - 1)) - 28, 0, MAX_SCALE)
    centre = (prediction + 4) >> 3
    phase = prediction - 8 * centre
    rows, shifts = models.scale_row(scale_indices)
    distances = np.where(phase < 0, centre - known, known - centre)
    rows = PHASES * rows + np.where(shifts == 0, np.abs(phase), 0)
    return Points(rows.ravel(), shifts.ravel(), distances.ravel())


def _weighted(arrays: Int64, weights: tuple[int, ...]) -> Int64:
    """Sum over the neighbours of weight times neighbour, int64 [T, C, H, W]; outside they are 0."""
    total = np.zeros_like(arrays)
    for weight, offsets in zip(weights, NEIGHBOURS, strict=True):
        if weight:
            pairs = list(zip(arrays.shape, offsets, strict=True))
            here = tuple(slice(max(0, -d), max(0, size - max(0, d))) for size, d in pairs)
            there = tuple(slice(max(0, d), max(0, size - max(0, -d))) for size, d in pairs)
            total[here] += weight * arrays[there]
    return total


class _PieceReader:
    """Gives each value the decoder of its piece, and finds pieces of another length than their values take."""

    def __init__(self, pieces: list[bytes], piece_values: int) -> None:
        self._pieces, self._piece_values = pieces, piece_values
        self.number = -1
        self._left = 0
        self._decoder = ArithmeticDecoder(b"")

    def next(self) -> ArithmeticDecoder:
        """The decoder of the next value."""
        if self._left == 0:
            self.finish()
            self.number += 1
            self._decoder = ArithmeticDecoder(self._pieces[self.number])
            self._left = self._piece_values
        self._left -= 1
        return self._decoder

    def finish(self) -> None:
        """Check the piece whose last value has been decoded; raises ValueError."""
        if self.number >= 0:
            self._decoder.check_finished()


@cache
def _coded_rows() -> list[list[tuple[list[int], int, int]]]:
    """By scale index and |phase|: cumulative frequencies, half-width and k, as `models.decode_distance` takes them."""
    table = tables.logistic()
    cumulative, widths = table.cumulative.tolist(), table.half_width.tolist()
    rows, shifts = models.scale_row(np.arange(MAX_SCALE + 1, dtype=np.int64))
    starts = [(PHASES * row, shift) for row, shift in zip(rows.tolist(), shifts.tolist(), strict=True)]
    return [
        [(cumulative[at], widths[at], shift) for at in ([start] * PHASES if shift else range(start, start + PHASES))]
        for start, shift in starts
    ]


def decode(pieces: list[bytes], shape: tuple[int, ...], bits: int, context: Context, piece_values: int) -> Int32:
    """The tensor, int32 [T, C, H, W], from its pieces of `piece_values` values each, the last shorter.

    Raises:
        ValueError: for a damaged piece, or what the model cannot code.
    """
    times, channels, height, width = check(shape, bits, context)
    stride = width + MARGIN
    known = np.zeros((2, times * channels * height * stride + MARGIN), np.int32)
    reader = _PieceReader(pieces, piece_values)
    try:
        for number, at in enumerate(product(range(times), range(channels), range(height))):
            start = MARGIN + number * stride
            row = slice(start, start + width)
            known[:, row] = _decode_row(reader, *_row_sums(known, shape, start, at, context), bits, context)
        reader.finish()
    except ValueError as error:
        raise ValueError(f"piece {reader.number} of {len(pieces)}: {error}") from error
    return known[0, MARGIN:].reshape(-1, stride)[:, :width].reshape(shape).copy()


def _rows_before(shape: tuple[int, ...], at: tuple[int, int, int], context: Context) -> Iterator[tuple[int, int]]:
    """(neighbour, its distance back in a decoder's arrays) for those used whose row is another and in the tensor."""
    _, channels, height, width = shape
    t, c, y = at
    for j in used_neighbours(context):
        dt, dc, dy, dx = NEIGHBOURS[j]
        if j not in (LEFT, LEFT_2) and t + dt >= 0 and c + dc >= 0 and 0 <= y + dy < height:
            yield j, -((dt * channels + dc) * height + dy) * (width + MARGIN) - dx


def _row_sums(
    known: Int32, shape: tuple[int, ...], start: int, at: tuple[int, int, int], context: Context
) -> tuple[Int32, Int32]:
    """The part of other rows in the predictions (1/64) and scales (1/512) of the row at `start`, int32 [W] each.

    `known` is int32 [2, n]: values and residuals so far, a margin before each row and after the last.
    """
    width = shape[-1]
    mean, scale = np.zeros(width, np.int32), np.full(width, context.base, np.int32)
    for j, back in _rows_before(shape, at, context):
        there = slice(start - back, start - back + width)
        mean += context.mean[j] * known[0, there]
        scale += context.scale[j] * known[1, there]
    return mean, scale


def _decode_row(
    reader: _PieceReader, mean: Int32, scale: Int32, bits: int, context: Context
) -> tuple[list[int], list[int]]:
    """Values and residuals of one row; raises ValueError for a damaged piece."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    coded = _coded_rows()
    values, residuals = [0, 0], [0, 0]
    for others_mean, others_scale in zip(mean.tolist(), scale.tolist(), strict=True):
        total = others_mean + context.mean[LEFT] * values[-1] + context.mean[LEFT_2] * values[-2]
        prediction = min(max((total + 4) >> 3, 8 * low), 8 * high)
        scale_here = others_scale + context.scale[LEFT] * residuals[-1] + context.scale[LEFT_2] * residuals[-2]
        length = scale_here.bit_length()
        scale_index = min(max(4 * length + ((4 * scale_here) >> (length - 1)) - 28, 0), MAX_SCALE)
        centre = (prediction + 4) >> 3
        phase = prediction - 8 * centre
        distance = models.decode_distance(reader.next(), *coded[scale_index][abs(phase)])
        value = centre - distance if phase < 0 else centre + distance
        if not low <= value <= high:
            raise ValueError(f"a value is outside {bits} bits ({low}..{high})")
        values.append(value)
        residuals.append(abs(8 * value - prediction))
    return values[2:], residuals[2:]
