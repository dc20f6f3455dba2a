"""From a rate asked for to bytes, and from bytes to a size of network. No torch here.

A rate is bits a pixel, kb/s, or a number of parameters. Bytes always mean the whole file, header and hashes included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nqcodec.bitstream.file import overhead_bytes
from nqcodec.errors import RateError, UsageError
from nqcodec.video import Video


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
            raise UsageError("give exactly one of --bpp, --bitrate and --params")
        if not 0 < given[0] < math.inf:
            raise UsageError(f"a rate is positive and finite, not {given[0]}")

    def file_bytes(self, video: Video) -> int | None:
        """Most bytes that the file may have; None where the rate is a number of parameters."""
        if self.bpp is not None:
            return int(self.bpp * video.pixels / 8)
        if self.bitrate is not None:
            return int(self.bitrate * 1000 / 8 * video.frames / video.fps)
        return None


def bytes_as_rate(size: int, video: Video) -> str:
    """A size in bytes as bpp and kb/s for messages."""
    bits = 8 * size
    return f"{size} bytes = {bits / video.pixels:.5f} bpp = {bits / 1000 * float(video.fps) / video.frames:.1f} kb/s"


def segment_lengths(frames: int, longest: int | None) -> list[int]:
    """Frames of each segment: as equal as possible, none longer than `longest` (None: one segment)."""
    if longest is None or longest >= frames:
        return [frames]
    count = -(-frames // longest)
    return [frames * (i + 1) // count - frames * i // count for i in range(count)]


def segment_budgets(total: int, lengths: list[int], hashed_frames: int, video: Video) -> list[int]:
    """Payload bytes for each segment out of `total` file bytes, in proportion to its frames.

    Raises:
        RateError: not even headers fit.
    """
    left = total - overhead_bytes(len(lengths), hashed_frames)
    if left < len(lengths):
        least = overhead_bytes(len(lengths), hashed_frames)
        raise RateError(f"the headers alone take {bytes_as_rate(least, video)}: ask for more")
    return [left * n // sum(lengths) for n in lengths]
