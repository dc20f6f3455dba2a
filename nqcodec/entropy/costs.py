"""Bits that symbols take under the integer tables, found without coding. Encode side only: floating point."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from nqcodec.entropy import models, native
from nqcodec.entropy.models import MAX_SCALE, Events, Int32, Int64
from nqcodec.network import tables

Float64 = npt.NDArray[np.float64]

SCALES = MAX_SCALE + 1

LIST_SCALES = 24
"""Scale indices worth trying for a list of scale indices, whose entries are all within 63 of one another."""


@cache
def _symbol_bits() -> Float64:
    """Bits of each symbol of each row, float64 [32, 256]; infinite beyond a row's last."""
    frequencies = np.diff(tables.gaussian().cumulative, axis=1).astype(np.float64)
    with np.errstate(divide="ignore"):
        bits: Float64 = -np.log2(frequencies / tables.TOTAL)
    return bits


def gaussian_bits(distances: Int64, scales: Int64) -> Float64:
    """Bits of values at `distances` from the offset under scale indices, element by element with broadcasting."""
    row, shift = models.scale_row(scales)
    width = tables.gaussian().half_width[row].astype(np.int64)
    h = (distances + ((np.int64(1) << shift) >> 1)) >> shift
    beyond = np.abs(h) - width
    symbol = np.where(beyond > 0, 2 * width + 1, h + width)
    escape = np.where(beyond > 0, 2 * models.bit_length(np.maximum(beyond, 0)), 0)
    bits: Float64 = _symbol_bits()[row, symbol] + escape + shift
    return bits


def gaussian_bits_all(distances: Int64) -> Float64:
    """Bits of values at `distances` [n] from the offset under every scale index: float64 [64, n]."""
    return gaussian_bits(distances[None, :], np.arange(SCALES, dtype=np.int64)[:, None])


def event_bits(events: Events) -> float:
    """Cross-entropy of events in bits."""
    low, high = events
    return float(-np.log2((high - low) / np.float64(tables.TOTAL)).sum())


def adaptive_bits(values: Int32, bits: int) -> float:
    """Exact cross-entropy in bits of one piece, int32 [n], under the adaptive model."""
    find = native.adaptive_events if native.available() else models.adaptive_events
    return event_bits(find(values, bits))


@dataclass(frozen=True)
class Histogram:
    """A tensor's distinct values and how often each occurs in each channel, on which the bits of a static model depend.

    Attributes:
        values: int64 [distinct], ascending.
        counts: float64 [channels, distinct]; one row for the whole tensor where channels do not matter.
    """

    values: Int64
    counts: Float64

    @staticmethod
    def of(values: npt.NDArray[np.integer], axis: int | None) -> Histogram:
        """The histogram of a tensor, by channel along `axis`, or of the whole tensor if that is None."""
        if axis is None:
            axis, values = 0, values.reshape(1, -1)
        channels, low = values.shape[axis], int(values.min())
        span = int(values.max()) - low + 1
        column = (values - low).astype(np.int64)
        row_shape = [-1 if i == axis else 1 for i in range(values.ndim)]
        cell = column + span * np.arange(channels).reshape(row_shape)
        counts = np.bincount(cell.ravel(), minlength=channels * span).reshape(channels, span)
        present = np.flatnonzero(counts.any(axis=0))
        return Histogram(present + low, counts[:, present].astype(np.float64))

    @property
    def totals(self) -> Float64:
        """Occurrences in the whole tensor, float64 [distinct]."""
        sums: Float64 = self.counts.sum(axis=0)
        return sums

    def bits_by_scale(self, offset: int) -> Float64:
        """Bits of each channel under each scale index: float64 [channels, 64]."""
        by_scale: Float64 = self.counts @ gaussian_bits_all(self.values - offset).T
        return by_scale

    def offsets(self) -> list[int]:
        """Offsets worth trying: none, the mean and the median."""
        totals = self.totals
        mean = float(self.values @ totals / totals.sum())
        median = self.values[np.searchsorted(np.cumsum(totals), totals.sum() / 2)]
        return sorted({0, round(mean), int(median)})


def best_scale(by_scale: Float64) -> tuple[int, float]:
    """(scale index, bits) of the one scale that codes all channels of float64 [channels, 64] in fewest bits."""
    totals = by_scale.sum(axis=0)
    scale = int(totals.argmin())
    return scale, float(totals[scale])


def best_channel_scales(by_scale: Float64) -> tuple[Int32, int, int, float]:
    """Scale indices by channel in fewest bits, the list's own included.

    The bits of a list entry depend only on its distance from the base and on the list's scale index, so for each such
    pair the best scale index of a channel does not depend on the other channels.

    Args:
        by_scale: float64 [channels, 64], bits of each channel under each scale index.

    Returns:
        (int32 [channels] scale indices, base, scale index of the list, bits of values and list).
    """
    indices = np.arange(SCALES, dtype=np.int64)
    best: tuple[Int32, int, int, float] | None = None
    for base in sorted({best_scale(by_scale)[0], int(np.median(by_scale.argmin(axis=1)))}):
        for list_scale, entry_bits in enumerate(gaussian_bits_all(indices - base)[:LIST_SCALES]):
            total = by_scale + entry_bits
            bits = float(total.min(axis=1).sum())
            if best is None or bits < best[3]:
                best = total.argmin(axis=1).astype(np.int32), base, list_scale, bits
    assert best is not None
    return best


def empirical_bits(values: npt.NDArray[np.integer]) -> float:
    """Bits of values under their own histogram: the order-0 entropy times their number."""
    counts = Histogram.of(values, None).totals
    return float((counts * np.log2(values.size / counts)).sum())
