"""Legal files around legal segments: segments, programs, indices, ancillary chunks, versions (formats/nq.md, 2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance_vectors.backbones import PROGRAMS, operations_of
from conformance_vectors.build import File, Part, Vector, part
from conformance_vectors.calm import Calm, calm_network
from nqcodec.bitstream.chunks import pack_chunk
from nqcodec.bitstream.header import pack_video
from nqcodec.bitstream.metadata import FRAME_HASHES
from nqcodec.media.video import Video
from nqcodec.network.operations import Conv, Grid, Operation, Planes

VIDEO = Video(8, 6, 2)
OPERATIONS: tuple[Operation, ...] = (Grid((), 2, 3, 3, 4), Conv((0,), 6, 1), Planes((1,), 2))
OTHER: tuple[Operation, ...] = (Grid((), 1, 6, 3, 4), Planes((0,), 2))


def small_part(seed: int, frames: int = 2, operations: tuple[Operation, ...] = OPERATIONS) -> Part:
    """A segment of a small picture."""
    video = VIDEO.with_frames(frames)
    return part(video, calm_network(video, operations, Calm(seed)))


def header(major: int, minor: int, extra: bytes = b"") -> bytes:
    """A VHDR payload of any version."""
    return bytes([major, minor]) + pack_video(VIDEO)[2:] + extra


def with_hashes(one: Part) -> Part:
    """The segment with hashes of its frames before it."""
    return replace(one, before=one.before + pack_chunk(FRAME_HASHES, b"".join(one.frame_md5)))


def vectors() -> Iterator[Vector]:
    """All of this module."""
    parts = [small_part(900 + number, 1 + number % 3) for number in range(9)]
    yield Vector("segments-nine", "Nine segments of one to three frames.", File(VIDEO, parts).data())
    yield Vector(
        "segments-of-many-programs",
        "Segments of different programs, each with its own T.",
        File(Video(31, 23), list(programs())).data(),
    )
    yield Vector(
        "segments-300-frames",
        "A segment of 300 frames, whose number takes two bytes, and one of one.",
        File(VIDEO, [small_part(910, 300, OTHER), small_part(911, 1)]).data(),
    )
    yield Vector(
        "chunk-frame-hashes",
        "An MD5 of each frame, for all segments.",
        File(VIDEO, [with_hashes(one) for one in parts]).data(),
    )
    yield Vector(
        "chunk-frame-hashes-of-one",
        "An MD5 of each frame of the second of three segments alone.",
        File(VIDEO, [parts[0], with_hashes(parts[1]), parts[2]]).data(),
    )
    yield from common_programs()
    yield from indices()
    yield from ancillaries()
    yield from versions()


def programs() -> Iterator[Part]:
    """A segment for each of some backbones, of different lengths."""
    for frames, name in ((1, "nerv"), (3, "pyramid-light"), (2, "hinerv")):
        video = Video(31, 23, frames)
        how = Calm(920 + frames, width=13, frac=10, head_frac=13)
        yield part(video, calm_network(video, operations_of(PROGRAMS[name], video), how))


def shared(one: Part, *, first: bool = False) -> Part:
    """A segment of `VIDEO` with the program of a PROG, which stands before the `first` one."""
    return one.sharing(VIDEO.with_frames(one.frames), first=first)


def common_programs() -> Iterator[Vector]:
    """Segments that take the program of a PROG."""
    one, two, three = (small_part(970 + number, frames) for number, frames in enumerate((2, 1, 3)))
    other, another = small_part(973, 2, OTHER), small_part(974, 1, OTHER)
    unread = pack_chunk("PROG", b"\xff" * 9)
    for name, purpose, parts in (
        ("one-segment", "One segment, whose program stands in a chunk before it.", [shared(one, first=True)]),
        (
            "three-segments",
            "Three segments that take one program.",
            [shared(one, first=True), shared(two), shared(three)],
        ),
        (
            "and-own",
            "A segment with a program of its own between two that take one.",
            [shared(one, first=True), other, shared(three)],
        ),
        (
            "two",
            "A second common program, in force from the segment on before which it stands.",
            [shared(one, first=True), shared(two), shared(other, first=True), shared(another)],
        ),
        (
            "again",
            "A common program that comes back after another one.",
            [shared(one, first=True), shared(other, first=True), shared(two, first=True)],
        ),
        ("unread", "A chunk that is no program, which no segment takes.", [replace(one, before=unread), two]),
    ):
        yield Vector(f"program-common-{name}", purpose, File(VIDEO, parts).data(), features=("program:common",))


def indices() -> Iterator[Vector]:
    """Files with and without an index."""
    parts = [small_part(975), small_part(976, 1), small_part(977, 3)]
    note = pack_chunk("nOTE", b"text")
    for name, purpose, data in (
        ("of-one", "An index of one segment.", File(VIDEO, parts[:1], indexed=True).data()),
        ("none", "Three segments without an index, as in a stream.", File(VIDEO, parts, indexed=False).data()),
        (
            "distances",
            "An index whose distances count chunks between the segments and after the last.",
            File(VIDEO, [parts[0], replace(parts[1], before=note), parts[2]], end=note).data(),
        ),
    ):
        yield Vector(f"index-{name}", purpose, data)


def ancillaries() -> Iterator[Vector]:
    """Unknown chunks that a decoder skips, wherever they may stand."""
    note = pack_chunk("nOTE", b"any bytes at all, \x89NQV and SEGM among them")
    one, two = small_part(930), small_part(931)
    for name, where, about, before, end in (
        ("after-header", "after the header", note, b"", b""),
        ("between-segments", "between two segments", b"", note, b""),
        ("before-end", "after the last segment", b"", b"", note),
        (
            "everywhere",
            "everywhere, several, empty ones and one of a lower-case name among them",
            note + pack_chunk("zzzz", b""),
            note + note,
            pack_chunk("aBCD", b"\0" * 300),
        ),
    ):
        data = File(VIDEO, [one, replace(two, before=before)], about=about, end=end).data()
        yield Vector(f"chunk-unknown-{name}", f"Unknown ancillary chunks {where}: they are skipped.", data)


def versions() -> Iterator[Vector]:
    """Every minor version of this major one is read."""
    parts = [small_part(940)]
    for minor, extra, what in (
        (1, b"", "a newer minor version with a header of the same length"),
        (9, bytes(range(40)), "a newer minor version whose header is longer: what is beyond is ignored"),
        (255, b"\xff", "the last minor version, a header of one byte more"),
    ):
        file = File(VIDEO, parts, header(2, minor, extra))
        features = ("version:longer-header",) if extra else ()
        yield Vector(f"version-2-{minor}", f"{what[0].upper()}{what[1:]}.", file.data(), features=features)
