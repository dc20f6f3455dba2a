"""Chunks about a clip that break a rule (formats/nq.md, 2.6 to 2.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance_vectors.build import File, Vector
from conformance_vectors.containers import VIDEO
from conformance_vectors.faults import FORMAT, refused
from conformance_vectors.metadata import BT2020, FRAMES, MINOR, PARTS, QUARTER_TURN, TIMES, matrix
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
from nqcodec.bitstream.reader import write_uv

HEAD = (1).to_bytes(4, "little") + (1000).to_bytes(4, "little")
"""A tick of a millisecond."""


def fault(name: str, purpose: str, kind: str, *payloads: bytes) -> Vector:
    """A file whose pictures are right, with one or several chunks of a kind."""
    chunks = b"".join(pack_chunk(kind, payload) for payload in payloads)
    data = File(VIDEO, PARTS, before={0: chunks}).data()
    return replace(refused(f"chunk-{name}", purpose, data, FORMAT, f"refused:{kind}"), minor=MINOR)


def runs(*numbers: int, start: int = 0) -> bytes:
    """Payload of fTIM from the numbers of its runs as they are coded."""
    return HEAD + b"".join(map(write_uv, (start, *numbers)))


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from times()
    dark, white = replace(BT2020, most=49), replace(BT2020, white=(15635, 50001))
    for name, purpose, kind, payloads in (
        ("mastering-display-short", "A byte less.", MASTERING, [pack_mastering(BT2020)[:-1]]),
        ("mastering-display-long", "A byte more.", MASTERING, [pack_mastering(BT2020) + b"\0"]),
        ("mastering-display-chromaticity", "A coordinate above 1.", MASTERING, [pack_mastering(white)]),
        ("mastering-display-luminance", "The least above the greatest.", MASTERING, [pack_mastering(dark)]),
        ("mastering-display-twice", "Two chunks, though they agree.", MASTERING, [pack_mastering(BT2020)] * 2),
        ("light-level-short", "A byte less.", LIGHT, [bytes(3)]),
        ("light-level-long", "A byte more.", LIGHT, [bytes(5)]),
        ("light-level-twice", "Two chunks, though they agree.", LIGHT, [bytes(4)] * 2),
        ("display-matrix-short", "Eight values.", MATRIX, [matrix(QUARTER_TURN[:8])]),
        ("display-matrix-long", "Ten values.", MATRIX, [matrix((*QUARTER_TURN, 0))]),
        ("display-matrix-longer-form", "A value in a longer form.", MATRIX, [b"\x80\0" + matrix(QUARTER_TURN[1:])]),
        ("display-matrix-twice", "Two chunks, though they agree.", MATRIX, [matrix(QUARTER_TURN)] * 2),
        ("encoder-empty", "No text.", ENCODER, [b""]),
        ("encoder-too-long", "A byte more than a text may have.", ENCODER, [b"x" * (MOST_TEXT + 1)]),
        ("encoder-control", "A line feed.", ENCODER, [b"nqcodec\n"]),
        ("encoder-delete", "The character 7F.", ENCODER, [b"nqcodec \x7f"]),
        ("encoder-latin", "A character beyond ASCII.", ENCODER, ["nqcodec für".encode()]),
        ("encoder-twice", "Two chunks.", ENCODER, [b"nqcodec", b"other"]),
    ):  # fmt: skip
        yield fault(name, purpose, kind, *payloads)


def times() -> Iterator[Vector]:
    """Frame times."""
    legal = pack_times(TIMES)
    for name, purpose, payloads in (
        ("empty", "No field.", [b""]),
        ("cut", "The end within a number.", [legal[:-1] + b"\x80"]),
        ("tick-num-0", "A tick of no seconds.", [bytes(4) + legal[4:]]),
        ("tick-den-0", "A tick without a denominator.", [legal[:4] + bytes(4) + legal[8:]]),
        ("no-runs", "No run.", [runs()]),
        ("no-ticks", "A frame of no ticks.", [runs(2 * 40, 0, 2 * 17 + 1, FRAMES - 2)]),
        ("no-ticks-run", "A run of frames of no ticks.", [runs(1, FRAMES)]),
        ("run-of-1", "A run of one frame.", [runs(2 * 40 + 1, 1, 2 * 17 + 1, FRAMES - 1)]),
        ("run-of-0", "A run of no frames.", [runs(2 * 40 + 1, 0, 2 * 17 + 1, FRAMES)]),
        ("no-count", "A run without its number.", [runs(2 * 40 + 1)]),
        ("too-few", "A frame less than the file has.", [runs(2 * 40 + 1, FRAMES - 1)]),
        ("too-many", "A frame more than the file has.", [runs(2 * 40 + 1, FRAMES, 2 * 40)]),
        ("run-too-long", "A run that goes on beyond the file.", [runs(2 * 40 + 1, (1 << 32) - 1)]),
        ("longer-form", "A number in a longer form.", [HEAD + b"\x80\0" + legal[9:]]),
        ("twice", "Two chunks, though they agree.", [legal, legal]),
    ):
        yield fault(f"frame-times-{name}", purpose, FRAME_TIMES, *payloads)
