"""Converts a requested rate to bytes, and shares bytes out to segments. It needs no torch.

A rate is bits a pixel, kb/s, or a number of parameters. Bytes always mean the whole file, header and hashes included.
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


FIRST_BPP = 0.1
"""Bits a pixel to begin with: most clips are good to look at, and an encode takes minutes."""

NETWORK_BYTES = 4096
"""Bytes that a segment may take beyond the size of its samples: for program, step sizes and weights, which are
most of the file of a tiny clip."""


@dataclass(frozen=True)
class Rate:
    """What the user asked for: exactly one of the three is set."""

    bpp: float | None = None
    bitrate: float | None = None
    """kb/s, 1000 bits each."""
    parameters: int | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.bpp, self.bitrate, self.parameters) if value is not None]
        if len(given) != 1:
            raise not_one_rate(len(given))
        self._check_types()
        if not 0 < given[0] < math.inf:
            raise UsageError(f"a rate is positive and finite, not {given[0]}")

    def _check_types(self) -> None:
        """Raise UsageError for what is no number, as a caller from Python may give."""
        said = {"bpp": (self.bpp, Real), "bitrate": (self.bitrate, Real), "params": (self.parameters, Integral)}
        for name, (value, kind) in said.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
                wanted = "whole number" if kind is Integral else "number"
                raise UsageError(f"{name}={value!r}: is a {type(value).__name__}: give one {wanted}")

    def file_bytes(self, video: Video) -> int | None:
        """Most bytes that the file may have; None where the rate is a number of parameters."""
        if self.bpp is not None:
            return int(self.bpp * video.pixels / 8)
        if self.bitrate is not None:
            return int(self.bitrate * 1000 / 8 * video.frames / video.fps)
        return None


def not_one_rate(given: int) -> UsageError:
    """The error for `given` rates where exactly one is needed; if none is given, it suggests one."""
    start = "" if given else f"; --bpp {FIRST_BPP} is a good start"
    return UsageError(f"give exactly one of --bpp, --bitrate and --params{start}")


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
