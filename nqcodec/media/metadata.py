"""What a file keeps of a clip beside its pictures: frame times, HDR10 values, display matrix, encoder and settings."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any

CHROMATICITY_UNIT = Fraction(1, 50000)
LUMINANCE_UNIT = Fraction(1, 10000)
"""Units of `MasteringDisplay`: of CIE 1931 coordinates, and in cd/m2."""


@dataclass(frozen=True)
class FrameTimes:
    """When each frame is shown, where a constant frame rate does not say it.

    Attributes:
        tick: the unit, in seconds.
        start: ticks from the first frame of the source to the first one here.
        runs: (ticks that a frame is shown for, how many frames in a row), in order.
    """

    tick: Fraction
    start: int
    runs: tuple[tuple[int, int], ...]

    @staticmethod
    def of(tick: Fraction, start: int, durations: Iterable[int]) -> FrameTimes:
        """From the duration of every frame, in the coarsest unit that holds all exactly."""
        runs = [(ticks, len(list(group))) for ticks, group in groupby(durations)]
        unit = math.gcd(start, *(ticks for ticks, _ in runs))
        return FrameTimes(tick * unit, start // unit, tuple((ticks // unit, count) for ticks, count in runs))

    @staticmethod
    def joined(parts: Sequence[tuple[FrameTimes | None, int]], fps: Fraction) -> FrameTimes | None:
        """The times of clips one after another, each given as its times, or None at rate `fps`, and its frames.

        None where none has times of its own.
        """
        known = [times for times, _ in parts if times]
        if not known:
            return None
        ticks = [times.tick for times in known] + ([1 / fps] if len(known) < len(parts) else [])
        denominator = math.lcm(*(tick.denominator for tick in ticks))
        tick = Fraction(math.gcd(*(int(tick * denominator) for tick in ticks)), denominator)
        durations = [
            (int(length * own / tick), count)
            for own, runs in ((t.tick, t.runs) if t else (1 / fps, ((1, n),)) for t, n in parts)
            for length, count in runs
        ]
        runs = [
            (length, sum(count for _, count in same)) for length, same in groupby(durations, key=lambda run: run[0])
        ]
        first = parts[0][0]
        return FrameTimes(tick, int(first.start * first.tick / tick) if first else 0, tuple(runs))

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self._firsts[-1]

    def constant(self, fps: Fraction) -> bool:
        """Whether they are those of a constant rate."""
        return all(ticks * self.tick == 1 / fps for ticks, _ in self.runs)

    def ticks(self, frame: int) -> int:
        """Ticks from the first frame to frame `frame`, 0 <= frame <= frames; the last is the end of the clip."""
        run = min(bisect_right(self._firsts, frame), len(self.runs)) - 1
        return self._begins[run] + (frame - self._firsts[run]) * self.runs[run][0]

    def cut(self, start: int, stop: int) -> FrameTimes:
        """The times of frames start..stop-1."""
        kept = []
        for (ticks, count), first in zip(self.runs, self._firsts, strict=False):
            inside = min(stop, first + count) - max(start, first)
            if inside > 0:
                kept.append((ticks, inside))
        return FrameTimes(self.tick, self.start + self.ticks(start), tuple(kept))

    @cached_property
    def _firsts(self) -> tuple[int, ...]:
        return tuple(accumulate((count for _, count in self.runs), initial=0))

    @cached_property
    def _begins(self) -> tuple[int, ...]:
        return tuple(accumulate((ticks * count for ticks, count in self.runs), initial=0))


@dataclass(frozen=True)
class MasteringDisplay:
    """Mastering display colour volume of SMPTE ST 2086, in the units of H.265; 0 where a value is not known.

    Attributes:
        red, green, blue, white: chromaticity (x, y), in 1/50000.
        most, least: luminance in 1/10000 cd/m2.
    """

    red: tuple[int, int]
    green: tuple[int, int]
    blue: tuple[int, int]
    white: tuple[int, int]
    most: int
    least: int


@dataclass(frozen=True)
class LightLevel:
    """Content light level of CTA-861.3 in cd/m2: of the brightest pixel, and the highest mean of a frame; 0 unknown."""

    most: int
    average: int


@dataclass(frozen=True)
class DisplayMatrix:
    """How pictures are turned and mirrored to be shown: the 3x3 matrix of an ISO base media file's track, row by row.

    The first two columns have 16 fractional bits, the last one 30.
    """

    values: tuple[int, ...]

    @property
    def rotation(self) -> int:
        """Degrees, anticlockwise, that a picture is turned by to be shown, to the nearest whole one, -179 to 180."""
        a, b = self.values[:2]
        degrees = -round(math.degrees(math.atan2(b, a)))
        return 180 if degrees == -180 else degrees

    @property
    def mirrored(self) -> bool:
        """Whether a picture is mirrored as well."""
        a, b, _, c, d = self.values[:5]
        return a * d - b * c < 0


@dataclass(frozen=True)
class Metadata:
    """All of it; None and an empty text for what a file does not have."""

    times: FrameTimes | None = None
    mastering: MasteringDisplay | None = None
    light: LightLevel | None = None
    matrix: DisplayMatrix | None = None
    encoder: str = ""

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    def cut(self, start: int, stop: int) -> Metadata:
        """The metadata of frames start..stop-1 alone."""
        return replace(self, times=self.times.cut(start, stop)) if self.times else self

    def as_dict(self) -> dict[str, Any]:
        """The metadata that is present, as plain data with its units in the names."""
        found: dict[str, Any] = {}
        if self.encoder:
            found["encoder"] = self.encoder
        if self.times:
            found["frame_times"] = {
                "tick_seconds": str(self.times.tick),
                "start_ticks": self.times.start,
                "runs_of_ticks_and_frames": [list(run) for run in self.times.runs],
            }
        if self.mastering:
            found["mastering_display"] = _mastering_dict(self.mastering)
        if self.light:
            found["content_light_level"] = {
                "max_cll_cd_m2": self.light.most,
                "max_fall_cd_m2": self.light.average,
            }
        if self.matrix:
            found["display_matrix"] = {
                "values": list(self.matrix.values),
                "rotation_degrees": self.matrix.rotation,
                "mirrored": self.matrix.mirrored,
            }
        return found


def _mastering_dict(display: MasteringDisplay) -> dict[str, Any]:
    places = {name: getattr(display, name) for name in ("red", "green", "blue", "white")}
    return {
        **{name: [float(value * CHROMATICITY_UNIT) for value in place] for name, place in places.items()},
        "max_luminance_cd_m2": float(display.most * LUMINANCE_UNIT),
        "min_luminance_cd_m2": float(display.least * LUMINANCE_UNIT),
    }
