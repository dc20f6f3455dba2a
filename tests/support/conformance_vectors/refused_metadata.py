"""Chunks about a clip that break a rule (formats/nq.md, 2.4 and 2.6 to 2.10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance_vectors.build import File, Vector
from conformance_vectors.containers import VIDEO
from conformance_vectors.faults import FORMAT, HASH, refused
from conformance_vectors.metadata import BT2020, PARTS, QUARTER_TURN, TIMES, matrix
from nqcodec.bitstream.chunks import pack_chunk
from nqcodec.bitstream.metadata import (
    CLIP,
    ENCODER,
    FRAME_HASHES,
    FRAME_TIMES,
    LIGHT,
    MASTERING,
    MATRIX,
    MOST_TEXT,
    pack_mastering,
    pack_times,
)
from nqcodec.bitstream.reader import write_uv
from nqcodec.bitstream.stream import BEFORE_SEGMENT

FRAMES = PARTS[1].frames

HEAD = (1).to_bytes(4, "little") + (1000).to_bytes(4, "little")
"""A tick of a millisecond."""


def fault(name: str, purpose: str, kind: str, *payloads: bytes) -> Vector:
    """A file whose pictures are right, with one or several chunks of a kind, before the segment that they belong to."""
    chunks = b"".join(pack_chunk(kind, payload) for payload in payloads)
    if kind in BEFORE_SEGMENT:
        file = File(VIDEO, [PARTS[0], replace(PARTS[1], before=chunks)])
    else:
        file = File(VIDEO, PARTS, about=chunks)
    return refused(f"chunk-{name}", purpose, file.data(), FORMAT, f"refused:{kind}")


HASHES = b"".join(PARTS[1].frame_md5)


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
        ("frame-hashes-twice", "Two chunks, though they agree.", FRAME_HASHES, [HASHES, HASHES]),
        ("frame-hashes-short", "A hash less than the segment has frames.", FRAME_HASHES, [HASHES[:-16]]),
        ("frame-hashes-cut", "A byte less.", FRAME_HASHES, [HASHES[:-1]]),
        ("frame-hashes-long", "A hash more than the segment has frames.", FRAME_HASHES, [HASHES + HASHES[:16]]),
        ("frame-hashes-none", "No hash.", FRAME_HASHES, [b""]),
        ("clip-twice", "Two chunks, though they agree.", CLIP, [b"\0clip", b"\0clip"]),
        ("clip-empty", "No field.", CLIP, [b""]),
        ("clip-no-name", "No name.", CLIP, [b"\0"]),
        ("clip-long-name", "A name of 256 bytes.", CLIP, [b"\0" + b"n" * 256]),
        ("clip-control", "A line feed in the name.", CLIP, [b"\0a\nb"]),
        ("clip-delete", "The character 7F in the name.", CLIP, [b"\0a\x7fb"]),
        ("clip-latin", "A name that is not UTF-8.", CLIP, [b"\0\xe9t\xe9"]),
        ("clip-overlong", "A character of UTF-8 in more bytes than it needs.", CLIP, [b"\0\xc1\xa1"]),
        ("clip-surrogate", "Half of a surrogate pair.", CLIP, [b"\0\xed\xa0\x80"]),
        ("clip-longer-form", "A start in a longer form.", CLIP, [b"\x80\0clip"]),
    ):  # fmt: skip
        yield fault(name, purpose, kind, *payloads)
    wrong = bytes([HASHES[0] ^ 128]) + HASHES[1:]
    for name, purpose, payload in (
        ("first", "A wrong hash of a segment's first frame.", wrong),
        ("last", "A wrong hash of a segment's last frame.", HASHES[:-1] + bytes([HASHES[-1] ^ 1])),
    ):
        vector = fault(f"frame-hash-{name}", purpose, FRAME_HASHES, payload)
        yield replace(vector, error=HASH, features=("refused:hash",))


def times() -> Iterator[Vector]:
    """Frame times."""
    legal = pack_times(TIMES)
    for name, purpose, payloads in (
        ("empty", "No field.", [b""]),
        ("cut", "The end within a number.", [legal[:-1] + b"\x80"]),
        ("tick-num-0", "A tick of no seconds.", [bytes(4) + legal[4:]]),
        ("tick-den-0", "A tick without a denominator.", [legal[:4] + bytes(4) + legal[8:]]),
        ("no-runs", "No run.", [runs()]),
        ("no-ticks", "A frame of no ticks.", [runs(2 * 40, 0, 2 * 17)]),
        ("no-ticks-run", "A run of frames of no ticks.", [runs(1, FRAMES)]),
        ("run-of-1", "A run of one frame.", [runs(2 * 40 + 1, 1, 2 * 17 + 1, FRAMES - 1)]),
        ("run-of-0", "A run of no frames.", [runs(2 * 40 + 1, 0, 2 * 17 + 1, FRAMES)]),
        ("no-count", "A run without its number.", [runs(2 * 40 + 1)]),
        ("too-few", "A frame less than the segment has.", [runs(2 * 40 + 1, FRAMES - 1)]),
        ("too-many", "A frame more than the segment has.", [runs(2 * 40 + 1, FRAMES, 2 * 40)]),
        ("run-too-long", "A run that goes on beyond the segment.", [runs(2 * 40 + 1, (1 << 32) - 1)]),
        ("longer-form", "A number in a longer form.", [HEAD + b"\x80\0" + legal[9:]]),
        ("twice", "Two chunks, though they agree.", [legal, legal]),
    ):
        yield fault(f"frame-times-{name}", purpose, FRAME_TIMES, *payloads)
