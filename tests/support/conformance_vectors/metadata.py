"""Legal chunks about a clip: frame times, HDR10, display matrix, encoder (formats/nq.md, 2.6 to 2.9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from conformance_vectors.build import File, Vector
from conformance_vectors.containers import VIDEO, small_part
from nqcodec.bitstream.chunks import pack_chunk
from nqcodec.bitstream.metadata import (
    ENCODER,
    FRAME_TIMES,
    LIGHT,
    MASTERING,
    MATRIX,
    MOST_TEXT,
    pack_mastering,
    pack_times,
)
from nqcodec.bitstream.reader import write_sv
from nqcodec.media.metadata import FrameTimes, MasteringDisplay

PARTS = [small_part(980), small_part(981, 3)]
FRAMES = sum(part.frames for part in PARTS)
MINOR = 3
"""Least minor version of the specification that has these chunks."""

MOST_TICKS = (1 << 31) - 1
"""Most ticks of a frame: twice as many, and one more, fit a uv."""

QUARTER_TURN = (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
LONG_TICK = Fraction((1 << 32) - 1, (1 << 32) - 2)
BT2020 = MasteringDisplay((35400, 14600), (8500, 39850), (6550, 2300), (15635, 16450), 10_000_000, 50)
TIMES = FrameTimes(Fraction(1, 1000), 0, ((40, 1), (80, 1), (17, 3)))


def matrix(values: Sequence[int]) -> bytes:
    """Payload of dMTX."""
    return b"".join(map(write_sv, values))


def legal(name: str, purpose: str, *chunks: tuple[str, bytes], place: int = 0) -> Vector:
    """A vector of two segments with chunks before that of a number, or before the end."""
    packed = b"".join(pack_chunk(kind, payload) for kind, payload in chunks)
    return Vector(f"chunk-{name}", purpose, File(VIDEO, PARTS, before={place: packed}).data(), minor=MINOR)


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from times()
    yield from colour_volumes()
    for name, purpose, values in (
        ("quarter-turn", "A quarter turn.", QUARTER_TURN),
        ("mirrored", "A mirror image, moved back into the picture.", (-65536, 0, 0, 0, 65536, 0, 8 << 16, 0, 1 << 30)),
        ("extremes", "The least and the greatest values.", (-(1 << 31), (1 << 31) - 1, 0) * 3),
    ):
        yield legal(
            f"display-matrix-{name}", f"A display matrix: {purpose[0].lower()}{purpose[1:]}", (MATRIX, matrix(values))
        )
    yield legal("encoder", "Encoder and settings.", (ENCODER, b"nqcodec 0.1.0 bpp=0.1 preset=fast"))
    yield legal("encoder-one-byte", "An encoder of one letter.", (ENCODER, b"~"))
    yield legal("encoder-longest", "The longest text.", (ENCODER, (b"x264 - core ~ " * MOST_TEXT)[:MOST_TEXT]))
    every = ((ENCODER, b"nqcodec"), (MATRIX, matrix(QUARTER_TURN)), (LIGHT, bytes(4)), (MASTERING, bytes(24)))
    chunks = (*every, (FRAME_TIMES, pack_times(TIMES)))
    yield legal("metadata-between-segments", "Every chunk of metadata, between two segments.", *chunks, place=1)
    yield legal("metadata-before-end", "Every chunk of metadata, before the end.", *chunks, place=len(PARTS))


def times() -> Iterator[Vector]:
    """Frame times."""
    for name, purpose, stamps in (
        (
            "single",
            "A duration of its own for each frame.",
            FrameTimes(Fraction(1, 90000), 0, tuple((3003 + i, 1) for i in range(FRAMES))),
        ),
        ("runs", "Single frames and a run, across the segments.", TIMES),
        (
            "one-run",
            "One run of all frames, later in the source.",
            FrameTimes(Fraction(1001, 24000), 100, ((1, FRAMES),)),
        ),
        (
            "longest",
            "The longest start and durations, and a tick of large numbers.",
            FrameTimes(LONG_TICK, (1 << 32) - 1, ((MOST_TICKS, 4), (MOST_TICKS, 1))),
        ),
    ):
        yield legal(f"frame-times-{name}", purpose, (FRAME_TIMES, pack_times(stamps)))


def colour_volumes() -> Iterator[Vector]:
    """Mastering display and light level."""
    light = (LIGHT, (1000).to_bytes(2, "little") + (400).to_bytes(2, "little"))
    yield legal(
        "hdr10", "Mastering display and light level of BT.2020 primaries.", (MASTERING, pack_mastering(BT2020)), light
    )
    greatest = MasteringDisplay(*[(50000, 50000)] * 4, (1 << 32) - 1, (1 << 32) - 1)
    yield legal("mastering-display-greatest", "The greatest values.", (MASTERING, pack_mastering(greatest)))
    yield legal("mastering-display-unknown", "Values that are not known.", (MASTERING, bytes(24)))
    yield legal("light-level-greatest", "The greatest values.", (LIGHT, b"\xff" * 4))
