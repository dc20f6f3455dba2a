"""Small synthetic clips, and files of them, for the tests of readers, writers and commands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nqcodec.media.sink import open_sink
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Frame, Video, frame_bytes

SIZES = [(1, 1), (3, 5), (17, 33), (16, 16)]
LAYOUTS = ["400", "420", "422", "444", "rgb"]


def video(
    layout: str = "420", depth: int = 8, size: tuple[int, int] = (17, 33), frames: int = 3, full: bool = False
) -> Video:
    """A clip's description, at 30000/1001 frames a second."""
    if layout == "rgb":
        colour, chroma = Colour(1, 13, MATRIX_IDENTITY, full_range=True), Chroma.C444
    else:
        colour, chroma = Colour(1, 1, 1, full_range=full), Chroma[f"C{layout}"]
    return Video(*size, frames, Fraction(30000, 1001), chroma, depth, colour)


def noise(clip: Video, seed: int = 0) -> list[Frame]:
    """Frames of noise over the whole range of the depth, extremes included where a plane has room for them."""
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(clip.frames):
        planes = [rng.integers(0, 1 << clip.depth, shape).astype(clip.dtype) for shape in clip.plane_shapes]
        for plane in planes:
            plane.flat[0], plane.flat[-1] = 0, (1 << clip.depth) - 1
        frames.append(tuple(planes))
    return frames


def write(path: Path | str, clip: Video, frames: Iterable[Frame], **choice: Any) -> Video:
    """Write frames through a sink, with `open_sink`'s options; returns the clip as written."""
    with open_sink(path, clip, **choice) as sink:
        for frame in frames:
            sink.write(frame)
    return sink.written


def broken_off(clip: Video, error: BaseException) -> Iterator[Frame]:
    """One frame, and then the error."""
    yield noise(clip)[0]
    raise error


def assert_same(found: Iterable[Frame], wanted: list[Frame]) -> None:
    """Equal frames, in number, plane shapes, sample types and samples."""
    given = list(found)
    assert len(given) == len(wanted)
    for one, other in zip(given, wanted, strict=True):
        assert [(p.shape, p.dtype) for p in one] == [(p.shape, p.dtype) for p in other]
        assert all(np.array_equal(p, q) for p, q in zip(one, other, strict=True))


def md5(frames: Iterable[Frame]) -> str:
    """MD5 of raw planes."""
    return hashlib.md5(b"".join(frame_bytes(frame) for frame in frames)).hexdigest()
