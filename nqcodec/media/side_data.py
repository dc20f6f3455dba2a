"""What a source holds beside its pictures: audio, frame times, HDR10 values, display matrix, interlacing.

Readers fill a `SideData` as they go; `nqcodec.encoder.kept` decides what a file keeps of it and which warnings
the user gets.
"""

from __future__ import annotations

import itertools
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from nqcodec.media.metadata import (
    CHROMATICITY_UNIT,
    LUMINANCE_UNIT,
    DisplayMatrix,
    FrameTimes,
    LightLevel,
    MasteringDisplay,
)

if TYPE_CHECKING:
    import av

ANOTHER_RATE = Fraction(1, 1000)
"""Relative error that the frame rate of a container may have, because some containers only estimate it."""
_MASTERING = struct.Struct("=22i")
"""AVMasteringDisplayMetadata: red, green, blue and white (x, y), least and greatest luminance, each a fraction of two
integers, and two flags: whether chromaticities and luminances are known."""
_LIGHT = struct.Struct("=2I")
"""AVContentLightMetadata: MaxCLL, MaxFALL."""
_MATRIX = struct.Struct("=9i")
IDENTITY = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)


@dataclass
class Stamps:
    """Time stamps of the frames of a source from its first one on.

    Attributes:
        tick: their unit, in seconds.
        shown: the stamp of each frame.
        last: ticks that the last of them is shown for; 0 if unknown.
        usable: whether each frame has a stamp that is later than the one before.
    """

    tick: Fraction
    shown: array[int] = field(default_factory=lambda: array("q"))
    last: int = 0
    usable: bool = True

    def add(self, stamp: int | None, duration: int | None) -> None:
        """Add the time stamp and the duration of the next frame, as its decoder gives them, in ticks."""
        if stamp is None or (self.shown and stamp <= self.shown[-1]):
            self.usable = False
            stamp = self.shown[-1] if self.shown else 0
        self.shown.append(stamp)
        self.last = duration or 0

    def times(self, start: int, frames: int, fps: Fraction) -> FrameTimes | None:
        """Times of frames start..start+frames-1 of the source; None if they cannot be used."""
        if not self.usable or len(self.shown) < start + frames:
            return None
        shown = self.shown[start : start + frames + 1]
        durations = [later - earlier for earlier, later in itertools.pairwise(shown)]
        if len(durations) < frames:
            durations.append(self.last or max(1, round(1 / (fps * self.tick))))
        return FrameTimes.of(self.tick, self.shown[start] - self.shown[0], durations)

    def constant(self, start: int, frames: int, fps: Fraction) -> bool:
        """Whether frames start..start+frames-1 come at a constant rate, their stamps rounded to ticks."""
        shown = self.shown[start : start + frames]
        span = (shown[-1] - shown[0]) * self.tick
        if not self.usable or not span:
            return True
        mean = (frames - 1) / span
        rates = (fps, mean) if abs(mean - fps) <= ANOTHER_RATE * fps else (fps,)
        return any(_fits(shown, self.tick * rate) for rate in rates)


def _fits(shown: array[int], frames_a_tick: Fraction) -> bool:
    """Whether no stamp is more than a tick from where the rate puts it."""
    above, below = frames_a_tick.as_integer_ratio()
    return all(abs((stamp - shown[0]) * above - index * below) <= above for index, stamp in enumerate(shown))


@dataclass
class SideData:
    """What a source holds beside its pictures, as far as it has been read.

    Attributes:
        audio, subtitles: the codec of each such stream.
        interlaced: whether its pictures are pairs of fields.
        alpha: whether it has an alpha channel, which readers drop.
        depth: bits a sample of the source if readers give fewer, else 0.
        stamps: when its frames are shown, if it has time stamps.
    """

    audio: tuple[str, ...] = ()
    subtitles: tuple[str, ...] = ()
    interlaced: bool = False
    alpha: bool = False
    depth: int = 0
    stamps: Stamps | None = None
    mastering: MasteringDisplay | None = None
    light: LightLevel | None = None
    matrix: DisplayMatrix | None = None

    def see(self, picture: av.VideoFrame) -> None:
        """Record the side data of the next decoded frame, in display order."""
        if self.stamps is None:
            self.stamps = Stamps(Fraction(picture.time_base or 1))
            found: list[Any] = list(picture.side_data)  # PyAV's stubs take it for a mapping of names
            self.take({data.type.name: bytes(data) for data in found})
        self.stamps.add(picture.pts, getattr(picture, "duration", None))  # which PyAV does not have in all versions
        self.interlaced = self.interlaced or picture.interlaced_frame

    def take(self, found: Mapping[str, bytes]) -> None:
        """Record FFmpeg's side data of a frame, given by the name of its type."""
        self.mastering = mastering_display(found.get("MASTERING_DISPLAY_METADATA", b"")) or self.mastering
        self.light = light_level(found.get("CONTENT_LIGHT_LEVEL", b"")) or self.light
        self.matrix = display_matrix(found.get("DISPLAYMATRIX", b"")) or self.matrix


def mastering_display(data: bytes) -> MasteringDisplay | None:
    """AVMasteringDisplayMetadata in our units; None if it is empty or impossible for a display."""
    if len(data) < _MASTERING.size:
        return None
    numbers = _MASTERING.unpack_from(data)
    *pairs, (places_known, luminance_known) = zip(numbers[::2], numbers[1::2], strict=True)
    units = [CHROMATICITY_UNIT] * 8 + [LUMINANCE_UNIT] * 2
    values = [round(Fraction(*pair) / unit) if pair[1] > 0 else 0 for pair, unit in zip(pairs, units, strict=True)]
    places, (least, most) = (values[:8], values[8:])
    if not places_known:
        places = [0] * 8
    if not luminance_known:
        least = most = 0
    known = any((*places, least, most))
    legal = min(*places, least) >= 0 and max(places) <= 1 / CHROMATICITY_UNIT and least <= most < 1 << 32
    red, green, blue, white = zip(places[::2], places[1::2], strict=True)
    return MasteringDisplay(red, green, blue, white, most, least) if known and legal else None


def light_level(data: bytes) -> LightLevel | None:
    """AVContentLightMetadata; None if it is empty or a value needs more than 16 bits."""
    if len(data) < _LIGHT.size:
        return None
    most, average = _LIGHT.unpack_from(data)
    return LightLevel(most, average) if (most or average) and max(most, average) < 1 << 16 else None


def display_matrix(data: bytes) -> DisplayMatrix | None:
    """FFmpeg's display matrix; None if it is missing or leaves pictures as they are."""
    if len(data) < _MATRIX.size:
        return None
    values = _MATRIX.unpack_from(data)
    return DisplayMatrix(values) if values != IDENTITY else None
