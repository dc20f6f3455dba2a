"""Legal chunks about a clip: frame times, HDR10, display matrix, encoder, clips (formats/nq.md, 2.6 to 2.10)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from conformance_vectors.build import File, Part, Vector
from conformance_vectors.containers import VIDEO, small_part
from nqcodec.bitstream.chunks import pack_chunk
from nqcodec.bitstream.metadata import (
    CLIP,
    ENCODER,
    FRAME_HASHES,
    FRAME_TIMES,
    LIGHT,
    MASTERING,
    MATRIX,
    MOST_NAME,
    MOST_TEXT,
    ClipStart,
    pack_clip,
    pack_mastering,
    pack_times,
)
from nqcodec.bitstream.reader import write_sv
from nqcodec.media.metadata import FrameTimes, MasteringDisplay

PARTS = [small_part(980), small_part(981, 3)]
FRAMES = sum(part.frames for part in PARTS)
MOST_TICKS = (1 << 31) - 1
"""Most ticks of a frame: twice as many, and one more, fit a uv."""

QUARTER_TURN = (0, -65536, 0, 65536, 0, 0, 0, 0, 1 << 30)
LONG_TICK = Fraction((1 << 32) - 1, (1 << 32) - 2)
BT2020 = MasteringDisplay((35400, 14600), (8500, 39850), (6550, 2300), (15635, 16450), 10_000_000, 50)
TIMES = FrameTimes(Fraction(1, 1000), 0, ((40, 1), (17, 2)))
"""Times of the second segment."""


def matrix(values: Sequence[int]) -> bytes:
    """Payload of dMTX."""
    return b"".join(map(write_sv, values))


def legal(name: str, purpose: str, *chunks: tuple[str, bytes]) -> Vector:
    """A vector of two segments with chunks about the whole video."""
    packed = b"".join(pack_chunk(kind, payload) for kind, payload in chunks)
    return Vector(f"chunk-{name}", purpose, File(VIDEO, PARTS, about=packed).data())


def before(*payloads: bytes, kind: str) -> list[Part]:
    """The two segments with a chunk of a kind before each that has a payload."""
    pairs = zip(PARTS, payloads, strict=True)
    return [replace(one, before=pack_chunk(kind, payload)) if payload else one for one, payload in pairs]


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
    every = ((MATRIX, matrix(QUARTER_TURN)), (LIGHT, bytes(4)), (ENCODER, b"nqcodec"), (MASTERING, bytes(24)))
    yield legal("metadata-any-order", "Every chunk about the whole video, in another order.", *every)
    belonging = [(CLIP, pack_clip(ClipStart("all"))), (FRAME_HASHES, b"".join(PARTS[1].frame_md5))]
    belonging += [(FRAME_TIMES, pack_times(TIMES)), ("nOTE", b"text")]
    for name, chunks in (("one-order", belonging), ("other-order", belonging[::-1])):
        last = replace(PARTS[1], before=b"".join(pack_chunk(*chunk) for chunk in chunks))
        purpose = "Every chunk that belongs to a segment, and an unknown one, in one order or another."
        yield Vector(f"chunk-segment-{name}", purpose, File(VIDEO, [PARTS[0], last]).data())
    yield from clips()


def clips() -> Iterator[Vector]:
    """Names of clips."""
    for name, purpose, starts in (
        ("two", "Two clips of a segment each.", (ClipStart("first"), ClipStart("second, \u00e9t\u00e9 \u65e5\u672c"))),
        ("later", "A first segment of no clip, then a clip whose beginning was cut off.", (None, ClipStart("b", 1000))),
        ("one", "A clip of both segments; its name is the longest, and it begins as late as can be said.",
         (ClipStart("n" * MOST_NAME, (1 << 32) - 1), None)),
        ("same-name", "Two clips of one name.", (ClipStart("a"), ClipStart("a"))),
    ):  # fmt: skip
        payloads = [pack_clip(start) if start else b"" for start in starts]
        yield Vector(f"chunk-clips-{name}", purpose, File(VIDEO, before(*payloads, kind=CLIP)).data())


def times() -> Iterator[Vector]:
    """Frame times."""
    for name, purpose, stamps in (
        (
            "single",
            "A duration of its own for each frame of both segments.",
            FrameTimes(Fraction(1, 90000), 0, tuple((3003 + i, 1) for i in range(FRAMES))),
        ),
        (
            "runs",
            "A run, and then a single frame and a run.",
            FrameTimes(Fraction(1, 1000), 0, ((40, 2), (80, 1), (17, 2))),
        ),
        (
            "one-run",
            "One run of all frames of a segment, later in the source.",
            FrameTimes(Fraction(1001, 24000), 100, ((1, FRAMES),)),
        ),
        (
            "longest",
            "The longest durations, and a tick of large numbers.",
            FrameTimes(LONG_TICK, 1, ((MOST_TICKS, FRAMES),)),
        ),
    ):
        stop = PARTS[0].frames
        payloads = [pack_times(stamps.cut(0, stop)), b"" if name == "longest" else pack_times(stamps.cut(stop, FRAMES))]
        yield Vector(f"chunk-frame-times-{name}", purpose, File(VIDEO, before(*payloads, kind=FRAME_TIMES)).data())
    late = pack_times(FrameTimes(Fraction(1, 1000), (1 << 32) - 1, ((40, PARTS[1].frames),)))
    purpose = "Times of the second segment alone, which begins as late as can be said."
    yield Vector("chunk-frame-times-late", purpose, File(VIDEO, before(b"", late, kind=FRAME_TIMES)).data())


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
