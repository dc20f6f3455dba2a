"""Legal files around legal segments: segments, ancillary chunks, versions (formats/nq.md, 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance_vectors.backbones import PROGRAMS, operations_of
from conformance_vectors.build import File, Part, Vector, part
from conformance_vectors.calm import Calm, calm_network
from nqcodec.bitstream.chunks import pack_chunk
from nqcodec.bitstream.file import FRAME_HASHES
from nqcodec.bitstream.header import pack_video
from nqcodec.media.video import Video
from nqcodec.network.operations import Conv, Grid, Operation, Planes

VIDEO = Video(8, 6, 2)
OPERATIONS: tuple[Operation, ...] = (Grid((), 2, 3, 3, 4), Conv((0,), 6, 1), Planes((1,), 2))


def small_part(seed: int, frames: int = 2) -> Part:
    """A segment of a small picture."""
    video = VIDEO.with_frames(frames)
    return part(video, calm_network(video, OPERATIONS, Calm(seed)))


def header(major: int, minor: int, extra: bytes = b"", frames: int = 2) -> bytes:
    """A VHDR payload of any version."""
    return bytes([major, minor]) + pack_video(VIDEO.with_frames(frames))[2:] + extra


def vectors() -> Iterator[Vector]:
    """All of this module."""
    parts = [small_part(900 + number, 1 + number % 3) for number in range(9)]
    yield Vector("segments-nine", "Nine segments of one to three frames.", File(VIDEO, parts).data())
    yield Vector(
        "segments-of-many-programs",
        "Segments of different programs, each with its own T.",
        File(Video(31, 23), list(programs())).data(),
    )
    hashes = b"".join(digest for one in parts for digest in one.frame_md5)
    yield Vector(
        "chunk-frame-hashes",
        "An MD5 of each frame, over several segments.",
        File(VIDEO, parts, before={len(parts): pack_chunk(FRAME_HASHES, hashes)}).data(),
    )
    yield from ancillaries()
    yield from versions()


def programs() -> Iterator[Part]:
    """A segment for each of some backbones, of different lengths."""
    for frames, name in ((1, "nerv"), (3, "pyramid-light"), (2, "hinerv")):
        video = Video(31, 23, frames)
        how = Calm(920 + frames, width=13, frac=10, head_frac=13)
        yield part(video, calm_network(video, operations_of(PROGRAMS[name], video), how))


def ancillaries() -> Iterator[Vector]:
    """Unknown chunks that a decoder skips, wherever they may stand."""
    note = pack_chunk("nOTE", b"any bytes at all, \x89NQV and SEGM among them")
    parts = [small_part(930), small_part(931)]
    for name, where, before in (
        ("after-index", "after the index", {0: note}),
        ("between-segments", "between two segments", {1: note}),
        ("before-end", "before the end", {2: note}),
        (
            "everywhere",
            "everywhere, several, empty ones and one of a lower-case name among them",
            {0: note + pack_chunk("zzzz", b""), 1: note + note, 2: pack_chunk("aBCD", b"\0" * 300)},
        ),
    ):
        data = File(VIDEO, parts, before=before).data()
        yield Vector(f"chunk-unknown-{name}", f"Unknown ancillary chunks {where}: they are skipped.", data)


def versions() -> Iterator[Vector]:
    """Every minor version of this major one is read."""
    parts = [small_part(940)]
    for minor, extra, what in (
        (0, b"", "version 1.0 has the same header"),
        (2, b"", "a newer minor version with a header of the same length"),
        (9, bytes(range(40)), "a newer minor version whose header is longer: what is beyond is ignored"),
        (255, b"\xff", "the last minor version, a header of one byte more"),
    ):
        file = File(replace(VIDEO, frames=2), parts, header(1, minor, extra))
        features = ("version:longer-header",) if extra else ()
        yield Vector(f"version-1-{minor}", f"{what[0].upper()}{what[1:]}.", file.data(), features=features)
