"""Places in a clip as people write them: a frame number, or a time, which a frame rate turns into a frame number.

A time has a unit (`1.5s`, `200ms`, `40000us`) or is a clock time (`MM:SS` or `HH:MM:SS`, the seconds with or without
decimals). Its frame is the first that is shown at that time or later, frame n being shown at n / fps,
so that half-open ranges of times which follow one another share no frame and leave none out. Nothing is rounded.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from nqcodec.errors import UsageError

_UNITS = {"s": Fraction(1), "ms": Fraction(1, 1000), "us": Fraction(1, 1_000_000)}
_WITH_UNIT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(us|ms|s)", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True)
class Time:
    """A time from a clip's start, in seconds."""

    seconds: Fraction

    def frame(self, fps: Fraction) -> int:
        """The first frame that is shown at this time or later."""
        return math.ceil(self.seconds * fps)


Position = int | Time
"""A frame number, or a time that becomes one once the frame rate is known."""


def frame_at(position: Position, fps: Fraction) -> int:
    """The frame number of a place in a clip of that rate."""
    return position.frame(fps) if isinstance(position, Time) else position


def parse_position(text: str) -> Position:
    """A frame number or a time; raises ValueError."""
    if _NUMBER.fullmatch(text):
        return int(text)
    if found := _WITH_UNIT.fullmatch(text):
        return Time(Fraction(found[1]) * _UNITS[found[2]])
    if found := _CLOCK.fullmatch(text):
        hours, minutes, seconds = int(found[1] or 0), int(found[2]), Fraction(found[3])
        if minutes < 60 and seconds < 60:
            return Time(3600 * hours + 60 * minutes + seconds)
    raise ValueError(text)


def parse_range(text: str, frames: int, fps: Fraction, name: str = "--frames") -> tuple[int, int]:
    """A half-open range of a clip's frames, or the single frame of one place, as (first, after the last).

    `A:B` has frame numbers or times with a unit, and either may be left out. Clock times hold colons themselves, so
    `A-B` has a dash between two times of any form, of which the last may be left out. What has one colon and no dash
    is always a range, never MM:SS.

    Args:
        frames: of the clip.
        fps: of the clip.
        name: of what has the range, for messages.

    Raises:
        UsageError: no range, or one that is not within the clip.
    """
    try:
        start, stop = _range_ends(text, frames)
    except ValueError as error:
        raise UsageError(
            f"{name} {text}: write A:B with frame numbers or times such as 1.5s, A-B with clock times such as "
            "00:00:02-00:00:04, or one of them for a single frame"
        ) from error
    first = frame_at(start, fps)
    last = first + 1 if stop is None else frame_at(stop, fps)
    if not 0 <= first < last <= frames:
        length = f"{float(frames / fps):.2f} s at {fps} frames a second"
        raise UsageError(f"{name} {text}: not within 0:{frames} ({length})")
    return first, last


def _range_ends(text: str, frames: int) -> tuple[Position, Position | None]:
    """(from, to) as they stand in a range; to is None for a single place. Raises ValueError."""
    first, dash, last = text.partition("-")
    if dash:
        ends = parse_position(first), parse_position(last) if last else frames
        if not any(isinstance(end, Time) for end in ends):
            raise ValueError(text)  # elsewhere N-M often includes M
        return ends
    if text.count(":") != 1:
        return parse_position(text), None
    first, _, last = text.partition(":")
    return parse_position(first) if first else 0, parse_position(last) if last else frames
