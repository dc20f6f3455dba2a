"""What FFmpeg's encoders and containers take of a clip's metadata: frame times, HDR10 values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from nqcodec.media.metadata import CHROMATICITY_UNIT, LUMINANCE_UNIT, FrameTimes, LightLevel, MasteringDisplay, Metadata

MOST_RATE = (1 << 31) - 1
"""Largest numerator or denominator of a rate or a time base in FFmpeg; a .nq file's have 32 bits."""


class FrameClock:
    """Time stamps of frames in order: those of `times`, or a constant rate where it is None.

    Attributes:
        time_base: their unit in seconds.
    """

    def __init__(self, fps: Fraction, times: FrameTimes | None) -> None:
        self._times = times
        self.time_base = times.tick if times else 1 / fps

    def stamp(self, frame: int) -> int:
        """When frame `frame` is shown; of the number of frames, when the clip ends."""
        return self._times.ticks(frame) if self._times else frame

    def duration(self, frame: int) -> int:
        """How long it is shown."""
        return self.stamp(frame + 1) - self.stamp(frame)


def representable(times: FrameTimes) -> bool:
    """Whether FFmpeg has a time base of that unit."""
    return max(times.tick.numerator, times.tick.denominator) <= MOST_RATE


@dataclass(frozen=True)
class _Hdr:
    """How an encoder takes HDR10 values: the option that holds its own parameters, and their names there."""

    option: str
    mastering: str
    light: str
    number: Callable[[int, Fraction], str]
    """A value as it is written, from its integer and the unit of that."""


def _integer(value: int, _: Fraction) -> str:
    return str(value)


def _decimal(value: int, unit: Fraction) -> str:
    return f"{float(value * unit):.5f}"


HDR: Mapping[str, _Hdr] = {
    "libx264": _Hdr("x264-params", "mastering-display", "cll", _integer),
    "libx265": _Hdr("x265-params", "master-display", "max-cll", _integer),
    "libsvtav1": _Hdr("svtav1-params", "mastering-display", "content-light", _decimal),
}
"""Encoders that write HDR10 values into their streams."""


def with_hdr(codec: str, options: Mapping[str, str], metadata: Metadata) -> dict[str, str]:
    """An encoder's options with the HDR10 values added; as they are for an encoder that takes none."""
    own = HDR.get(codec)
    words = _hdr_words(own, metadata) if own else []
    if own is None or not words:
        return dict(options)
    given = [options[own.option]] if options.get(own.option) else []
    return {**options, own.option: ":".join([*given, *words])}


def _hdr_words(own: _Hdr, metadata: Metadata) -> list[str]:
    words = []
    if metadata.mastering:
        words.append(f"{own.mastering}={_display(own, metadata.mastering)}")
    if metadata.light:
        words.append(f"{own.light}={_level(metadata.light)}")
    return words


def _display(own: _Hdr, display: MasteringDisplay) -> str:
    places = {"G": display.green, "B": display.blue, "R": display.red, "WP": display.white}
    shown = {name: ",".join(own.number(value, CHROMATICITY_UNIT) for value in place) for name, place in places.items()}
    shown["L"] = ",".join(own.number(value, LUMINANCE_UNIT) for value in (display.most, display.least))
    return "".join(f"{name}({value})" for name, value in shown.items())


def _level(light: LightLevel) -> str:
    return f"{light.most},{light.average}"
