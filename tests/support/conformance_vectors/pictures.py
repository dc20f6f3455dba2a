"""Pictures: chroma formats, depths, odd sizes, crops, rates and colour (formats/nq.md, 2.1, 6.6 and 7)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from conformance_vectors.build import Vector
from conformance_vectors.calm import Calm, calm_vector
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network.operations import Conv, Grid, Operation, Planes
from nqcodec.network.program import head_channels

RGB = Colour(1, 13, 0, True)


def head(video: Video, ratio: int, height: int | None = None, width: int | None = None) -> list[Operation]:
    """A grid, a convolution and the planes of a picture; height and width are of the map, at least what covers it."""
    rows, columns = height or -(-video.height // ratio), width or -(-video.width // ratio)
    channels = head_channels(video.chroma, ratio)
    return [Grid((), 2, 3, rows, columns), Conv((0,), channels, 3), Planes((1,), ratio)]


def vectors() -> Iterator[Vector]:
    """All of this module."""
    for chroma in Chroma:
        name = chroma.name[1:]
        yield calm_vector(
            f"picture-{name}", f"A {chroma.label} picture.", Calm(400 + chroma), *_of(Video(16, 12, 2, chroma=chroma))
        )
        yield calm_vector(
            f"picture-{name}-odd",
            f"A {chroma.label} picture of odd sizes: planes rounded up, maps cropped.",
            Calm(410 + chroma),
            *_of(Video(13, 7, 2, chroma=chroma)),
        )
        yield calm_vector(
            f"picture-{name}-one-pixel",
            f"A {chroma.label} picture of one pixel and one frame.",
            Calm(420 + chroma),
            *_of(Video(1, 1, 1, chroma=chroma)),
        )
    yield calm_vector(
        "picture-rgb", "Planes G, B, R.", Calm(430), *_of(Video(12, 10, 2, chroma=Chroma.C444, colour=RGB), 1)
    )
    for depth in (9, 10, 11, 12):
        video = Video(10, 6, 2, chroma=Chroma(depth % 4), depth=depth)
        yield calm_vector(
            f"picture-{depth}-bit",
            f"{depth}-bit samples, two bytes each, {video.chroma.label}.",
            Calm(430 + depth, width=14, frac=11, head_frac=14),
            *_of(video),
        )
    video = Video(9, 5, 2, depth=12)
    yield calm_vector(
        "picture-12-bit-coarse-head",
        "12-bit samples from a head of 7 fractional bits: the shift to samples goes to the left.",
        Calm(443, width=8, frac=6, head_frac=7),
        *_of(video),
    )
    video = Video(9, 5, 2)
    yield calm_vector(
        "picture-far-crop",
        "A picture that is a corner of what the program makes.",
        Calm(444),
        head(video, 2, 6, 9),
        video,
    )
    yield from descriptions()


def _of(video: Video, ratio: int = 2) -> tuple[list[Operation], Video]:
    return head(video, ratio), video


def descriptions() -> Iterator[Vector]:
    """What the header says and decoding does not depend on."""
    colour = Colour(9, 16, 9, True, 5)
    for name, purpose, rate, aspect in (
        ("rate-ntsc", "30000/1001 frames a second, samples 40 to 33.", Fraction(30000, 1001), Fraction(40, 33)),
        (
            "rate-long",
            "The longest rate and sample aspect that fit their fields.",
            Fraction((1 << 32) - 1, (1 << 32) - 2),
            Fraction(65535, 65534),
        ),
        ("rate-slow", "One frame in 2^32 - 1 seconds.", Fraction(1, (1 << 32) - 1), Fraction(1, 65535)),
    ):
        video = Video(6, 4, 2, rate, Chroma.C420, 8, colour, aspect)
        yield calm_vector(f"picture-{name}", purpose, Calm(450 + len(name)), *_of(video))
