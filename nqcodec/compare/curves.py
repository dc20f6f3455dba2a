"""Rate-distortion curves against one another: Bjontegaard deltas, and bits at equal quality.

Rates are compared as logarithms, between measured points by monotone cubic interpolation (PCHIP), as in JCT-VC's
spreadsheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module

from nqcodec.errors import UnsupportedError

Point = tuple[float, float]
"""(rate in any unit, quality in dB)."""
LEAST_POINTS = 2
METHOD = "pchip"


@dataclass(frozen=True)
class Delta:
    """How one curve lies to an anchor's.

    Attributes:
        rate: BD-rate, mean difference of bits at equal quality, in % of the anchor's.
        quality: BD-PSNR, mean difference of quality at equal rate, in dB; None where no rate is shared.
        low, high: ends of the shared range of quality, over which `rate` is the mean; nothing outside it counts.
        share: the shared range as a part of the range that both cover together.
        points: measured points of the curve and of the anchor.
    """

    rate: float
    quality: float | None
    low: float
    high: float
    share: float
    points: tuple[int, int]


@dataclass(frozen=True)
class Ratio:
    """Bits of a file over the bits that an anchor needs for the same quality.

    Attributes:
        value: below 1 where the file is smaller than the anchor's.
        extrapolated: the quality lies outside the anchor's measured range, so its curve was continued straight.
    """

    value: float
    extrapolated: bool

    def __str__(self) -> str:
        return f"{'~' if self.extrapolated else ''}{self.value:.2f}"


def check_packages(*names: str) -> None:
    """Raise UnsupportedError for the first package that is not installed."""
    for name in names:
        try:
            import_module(name)
        except ImportError as error:
            raise UnsupportedError(f"comparing needs {name}: pip install 'nqcodec[compare]'") from error


def front(points: Iterable[Point]) -> list[Point]:
    """The points that no other beats in both rate and quality, by rising rate: a curve that rises strictly."""
    kept: list[Point] = []
    for rate, quality in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or quality > kept[-1][1]:
            kept.append((rate, quality))
    return kept


def bjontegaard_delta(points: Sequence[Point], anchor: Sequence[Point]) -> Delta | None:
    """BD-rate and BD-PSNR of a curve against an anchor's, over what both cover and nothing else.

    None where they share no range of quality, or one of them has fewer than two points that are better at a higher
    rate.

    Raises:
        UnsupportedError: the package bjontegaard is missing.
    """
    check_packages("bjontegaard")
    from bjontegaard import bd_psnr, bd_rate

    ours, theirs = front(points), front(anchor)
    if min(len(ours), len(theirs)) < LEAST_POINTS:
        return None
    (rates, qualities), (rates_a, qualities_a) = zip(*ours, strict=True), zip(*theirs, strict=True)
    low, high, share = _shared(qualities, qualities_a)
    if low >= high:
        return None
    options = {"method": METHOD, "require_matching_points": False, "min_overlap": 0}
    same_rates = _shared(rates, rates_a)
    quality = None
    if same_rates[0] < same_rates[1]:
        quality = float(bd_psnr(rates_a, qualities_a, rates, qualities, **options))
    rate = float(bd_rate(rates_a, qualities_a, rates, qualities, **options))
    return Delta(rate, quality, low, high, share, (len(ours), len(theirs)))


def bits_ratio(point: Point, anchor: Sequence[Point]) -> Ratio | None:
    """A point's rate over the anchor's at the point's quality; None where the anchor has fewer than two points.

    Outside the anchor's range the straight line through its two last points is taken, log rate over dB.
    """
    curve = front(anchor)
    if len(curve) < LEAST_POINTS:
        return None
    rate, quality = point
    logs, psnrs = [math.log(rate) for rate, _ in curve], [psnr for _, psnr in curve]
    outside = not psnrs[0] <= quality <= psnrs[-1]
    if outside:
        near = 0 if quality < psnrs[0] else len(curve) - 2
        slope = (logs[near + 1] - logs[near]) / (psnrs[near + 1] - psnrs[near])
        log = logs[near] + slope * (quality - psnrs[near])
    else:
        log = _interpolated(psnrs, logs, quality)
    return Ratio(rate / math.exp(log), outside)


def _interpolated(x: list[float], y: list[float], at: float) -> float:
    check_packages("scipy")
    from scipy.interpolate import PchipInterpolator

    return float(PchipInterpolator(x, y)(at))


def _shared(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """(low, high) of two rising sequences' common range, and that range as a part of what they cover together."""
    low, high = max(first[0], second[0]), min(first[-1], second[-1])
    return low, high, max(0.0, high - low) / (max(first[-1], second[-1]) - min(first[0], second[0]))
