"""The bytes that a file of a quality or a PSNR is expected to take: by a short fit of the clip, or by another file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nqcodec.encoder.rate import Rate
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.methods.rate_aware.goals import SLOPED_BITS, size_at, slope_of
from nqcodec.methods.rate_aware.quality_control import NATS, PEAK, SLOPE

ITERATIONS, MOST_SHARE, MOST_SHORT_FITS = 300, 0.15, 2
"""Iterations of a short fit, and their largest part of the fit's own; and most short fits before it."""

EARLY_GAIN, LATE_GAIN, LATE = 1.1, 0.5, 1440
"""Decibels at equal bytes by each doubling of the iterations, up to `LATE` of them and beyond. With them, 300
iterations said within 0.4 dB what 1,440 and 5,760 gave on three clips."""

REACH, LEAST_BYTES = 3.0, 800
"""How many times more or fewer bytes than its own a short fit can say something about, and the fewest that are
expected: a network with some use for more does no harm to a smaller file, and one without ends far below the PSNR asked
for."""


@dataclass(frozen=True)
class ShortFit:
    """What a short fit gave: its iterations, bytes of its file, and PSNR-YUV in dB."""

    iterations: int
    size: int
    psnr: float


def short_iterations(iterations: int) -> int:
    """Iterations of the short fit before one of `iterations`."""
    return max(1, min(ITERATIONS, round(MOST_SHARE * iterations)))


def expected_bytes(rate: Rate, short: ShortFit, iterations: int, pixels: int) -> int:
    """Bytes of a file of a quality or PSNR, fitted in `iterations` iterations.

    Args:
        short: a short fit of the same clip.
        pixels: luma pixels of all frames.
    """
    early = math.log2(max(min(iterations, LATE) / short.iterations, 1))
    psnr = short.psnr + EARLY_GAIN * early + LATE_GAIN * math.log2(max(iterations / max(LATE, short.iterations), 1))
    if rate.psnr is not None:
        return _within_reach(size_at(rate.psnr, short.size, psnr), short)
    assert rate.quality is not None
    # At the size looked for, lambda for ln(MSE) times the bits is SLOPED_BITS, and the MSE falls as size^-SLOPE.
    bits, error = 8 * short.size / pixels, PEAK**2 * math.exp(-NATS * psnr)
    factor = SLOPED_BITS * error / slope_of(rate.quality) / bits
    return _within_reach(short.size * math.pow(factor, 1 / (1 + SLOPE)), short)


def _within_reach(size: float, short: ShortFit) -> int:
    """Bytes as far from those of a short fit as it can say something about, and not too few for any network."""
    return round(max(min(size, REACH * short.size), short.size / REACH, LEAST_BYTES))


def relative_bytes(rate: Rate, other: Rate) -> float:
    """Bytes of a file at `rate`, as a part of those at another one of the same kind."""
    if rate.psnr is not None and other.psnr is not None:
        return size_at(rate.psnr, 1.0, other.psnr)
    assert rate.quality is not None
    assert other.quality is not None
    return math.pow(slope_of(other.quality) / slope_of(rate.quality), 1 / (1 + SLOPE))


def relative_budgets(task: SegmentTask, size: int) -> tuple[int, ...]:
    """Bytes of the payload at each of the task's rates, of which the middle one takes `size`."""
    rates = [rate for rate in task.rates if rate]
    middle = middle_of(rates)
    return tuple(max(1, round(size * relative_bytes(rate, middle))) for rate in rates)


def middle_of(rates: Sequence[Rate]) -> Rate:
    """The middle one of rates of one kind."""
    return sorted(rates, key=lambda rate: rate.value)[len(rates) // 2]
