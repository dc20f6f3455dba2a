"""Converts a requested rate to bytes, and shares bytes out to segments. It needs no torch.

A rate is bits a pixel, kb/s, a quality, a PSNR, or a number of parameters. Bytes always mean the whole file, header and
hashes included.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from nqcodec.bitstream.writer import overhead_bytes
from nqcodec.errors import RateError, UsageError
from nqcodec.media.scenes import Cut
from nqcodec.media.video import Video

LEAST_SEGMENT_BYTES = 1000
"""Least bytes of a segment that begins at a scene cut alone, because each repeats program, step sizes and weights.

Two scenes of 12 frames, 176x144: own segments gained 1.1 dB at 720 bytes each, and lost 1.8 at 450.
"""


QUALITY_RANGE, PSNR_RANGE = (1.0, 100.0), (10.0, 70.0)
"""The least and the most that may be asked for; PSNR in dB. Beyond 70 dB samples of 12 bits are exact."""

DEFAULT_QUALITY = 50.0
"""The quality where no rate is asked for: about what the defaults of x265 and x264 give (docs/guide.md)."""

TYPICAL_BPP, QUALITY_OCTAVE, PSNR_OCTAVE = 0.1, 10.0, 4.0
"""Bits a pixel that clips take on average at `DEFAULT_QUALITY`, and how much more quality, or dB, doubles them: a guess
that only a first short fit begins with (`nqcodec.encoder.size_estimate`). Of one clip 2 dB double them, but a low PSNR
is asked of clips that are hard to code."""

TYPICAL_PSNR = 38.0
"""PSNR-YUV in dB that goes with `TYPICAL_BPP`."""

NETWORK_BYTES = 4096
"""Bytes that a segment may take beyond the size of its samples: for program, step sizes and weights, which are
most of the file of a tiny clip."""


@dataclass(frozen=True)
class Rate:
    """What the user asked for: exactly one of the five is set."""

    bpp: float | None = None
    bitrate: float | None = None
    """kb/s, 1000 bits each."""
    parameters: int | None = None
    quality: float | None = None
    """`QUALITY_RANGE`, higher is better: a constant lambda, whatever the size."""
    psnr: float | None = None
    """PSNR-YUV in dB of the decoded file."""

    def __post_init__(self) -> None:
        given = [value for value in self._given().values() if value is not None]
        if len(given) != 1:
            raise not_one_rate(len(given))
        self._check_types()
        if not 0 < given[0] < math.inf:
            raise UsageError(f"a rate is positive and finite, not {given[0]}")
        for name, (low, high) in {"quality": QUALITY_RANGE, "psnr": PSNR_RANGE}.items():
            value = self._given()[name]
            if value is not None and not low <= value <= high:
                unit = " dB" if name == "psnr" else ""
                raise UsageError(f"--{name} is {low:g} to {high:g}{unit}, higher is better, not {value:g}")

    def _given(self) -> dict[str, float | None]:
        """The five by the names of their options."""
        by_size = {"bpp": self.bpp, "bitrate": self.bitrate, "params": self.parameters}
        return {**by_size, "quality": self.quality, "psnr": self.psnr}

    @property
    def name(self) -> str:
        """The name of the option that was given."""
        return next(name for name, value in self._given().items() if value is not None)

    @property
    def value(self) -> float:
        """The value that was given."""
        return next(value for value in self._given().values() if value is not None)

    @property
    def has_quality(self) -> bool:
        """Whether a quality or a PSNR decides the size, instead of the reverse."""
        return self.name in ("quality", "psnr")

    def _check_types(self) -> None:
        """Raise UsageError for what is no number, as a caller from Python may give."""
        for name, value in self._given().items():
            kind = Integral if name == "params" else Real
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
                wanted = "whole number" if kind is Integral else "number"
                raise UsageError(f"{name}={value!r}: is a {type(value).__name__}: give one {wanted}")

    def file_bytes(self, video: Video) -> int | None:
        """Most bytes that the file may have; None where none are asked for."""
        if self.bpp is not None:
            return int(self.bpp * video.pixels / 8)
        if self.bitrate is not None:
            return int(self.bitrate * 1000 / 8 * video.frames / video.fps)
        return None

    def guessed_bytes(self, video: Video) -> int:
        """Bytes that a file of this quality or PSNR has of a clip of average content; at least one a frame."""
        octaves = 0.0
        if self.quality is not None:
            octaves = (self.quality - DEFAULT_QUALITY) / QUALITY_OCTAVE
        elif self.psnr is not None:
            octaves = (self.psnr - TYPICAL_PSNR) / PSNR_OCTAVE
        guess = TYPICAL_BPP * 2**octaves * video.pixels / 8
        return max(video.frames, round(min(guess, most_bytes([video.frames], False, video))))


def not_one_rate(given: int) -> UsageError:
    """The error for `given` rates where exactly one is needed."""
    start = "" if given else f"; --quality {DEFAULT_QUALITY:g} is a good start"
    return UsageError(f"give exactly one of --quality, --psnr, --bpp, --bitrate and --params{start}")


def rate_of(
    bpp: float | None, bitrate: float | None, params: int | None, quality: float | None, psnr: float | None
) -> Rate:
    """The rate that was given, or `DEFAULT_QUALITY` where none was; raises UsageError for more than one."""
    given = (bpp, bitrate, params, quality, psnr)
    return Rate(quality=DEFAULT_QUALITY) if given == (None,) * 5 else Rate(*given)


def bytes_as_rate(size: int, video: Video) -> str:
    """A size in bytes as bpp and kb/s for messages."""
    bits = 8 * size
    return f"{size} bytes = {bits / video.pixels:.5f} bpp = {bits / 1000 * float(video.fps) / video.frames:.1f} kb/s"


def affordable_cuts(cuts: Sequence[Cut], frames: int, size: int) -> list[Cut]:
    """The cuts at which a clip of `frames` frames in `size` bytes gains by a new segment.

    While a segment would get less than `LEAST_SEGMENT_BYTES`, the weaker of the cuts around the shortest goes.
    """
    kept = list(cuts)
    while kept:
        borders = [0, *(cut.frame for cut in kept), frames]
        lengths = [end - begin for begin, end in itertools.pairwise(borders)]
        shortest = lengths.index(min(lengths))
        if size * lengths[shortest] >= LEAST_SEGMENT_BYTES * frames:
            break
        kept.remove(min(kept[max(0, shortest - 1) : shortest + 1], key=lambda cut: cut.strength))
    return kept


def segment_lengths(frames: int, longest: int | None, cuts: Sequence[int] = ()) -> list[int]:
    """Frames of each segment.

    Args:
        frames: of the clip.
        longest: most frames of a segment; None for no bound.
        cuts: frames at which a segment begins in any case, in order, each in 1..frames - 1.

    What lies between two cuts is shared out as equally as possible.
    """
    lengths = []
    for begin, end in itertools.pairwise([0, *cuts, frames]):
        scene = end - begin
        count = -(-scene // (longest or scene))
        lengths += [scene * (i + 1) // count - scene * i // count for i in range(count)]
    return lengths


def most_bytes(lengths: Sequence[int], hashed: bool, video: Video) -> int:
    """Bytes beyond which a file has no use for more: its samples, uncompressed, would take no more."""
    samples = sum(height * width for height, width in video.plane_shapes)
    raw = -(-samples * video.depth * video.frames // 8)
    return overhead_bytes(video, lengths, hashed=hashed) + len(lengths) * NETWORK_BYTES + raw


def segment_budgets(total: int, lengths: list[int], hashed: bool, video: Video, metadata_bytes: int = 0) -> list[int]:
    """`PackedSegment.size` of each segment out of `total` file bytes, in proportion to its frames.

    Where each doubling of a segment's bytes gains it as many decibels as another, whatever its content, this is the
    share with the highest mean PSNR over frames.

    Raises:
        RateError: not even headers fit, or the clip has fewer bytes uncompressed.
    """
    most = most_bytes(lengths, hashed, video) + metadata_bytes
    if total > most:
        asked = bytes_as_rate(total, video)
        raise RateError(f"{asked} is more than the clip takes uncompressed: the most is {bytes_as_rate(most, video)}")
    least = overhead_bytes(video, lengths, hashed=hashed) + metadata_bytes
    left = total - least
    if left < len(lengths):
        spare = f", or save {metadata_bytes} bytes by --no-metadata" if metadata_bytes else ""
        raise RateError(f"the headers alone take {bytes_as_rate(least, video)}: ask for more{spare}")
    return [left * n // sum(lengths) for n in lengths]
