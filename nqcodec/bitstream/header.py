"""VHDR and SIDX: what the file says of the video and of its segments (formats/nq.md, 2.1 and 2.2).

Each field is declared once, in order; writer, reader and `nqdec --info` go by these tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from nqcodec.bitstream import LEAST_MINOR, MAJOR, MINOR
from nqcodec.bitstream.reader import SIZES, Reader, write_integer
from nqcodec.errors import UnsupportedError
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Video


@dataclass(frozen=True)
class Field:
    """A header field: its name in the specification, its type, its legal range, and where its value comes from."""

    name: str
    kind: str
    low: int
    high: int
    get: Callable[[Video], int]


U32, U16, U8 = (1 << 32) - 1, (1 << 16) - 1, 255

VIDEO_FIELDS: tuple[Field, ...] = (
    Field("width", "u32", 1, U32, lambda v: v.width),
    Field("height", "u32", 1, U32, lambda v: v.height),
    Field("frames", "u32", 1, U32, lambda v: v.frames),
    Field("fps_num", "u32", 1, U32, lambda v: v.fps.numerator),
    Field("fps_den", "u32", 1, U32, lambda v: v.fps.denominator),
    Field("chroma", "u8", 0, 3, lambda v: int(v.chroma)),
    Field("depth", "u8", 8, 12, lambda v: v.depth),
    Field("primaries", "u8", 0, U8, lambda v: v.colour.primaries),
    Field("transfer", "u8", 0, U8, lambda v: v.colour.transfer),
    Field("matrix", "u8", 0, U8, lambda v: v.colour.matrix),
    Field("full_range", "u8", 0, 1, lambda v: int(v.colour.full_range)),
    Field("chroma_location", "u8", 0, 5, lambda v: v.colour.chroma_location),
    Field("sar_num", "u16", 1, U16, lambda v: v.sar.numerator),
    Field("sar_den", "u16", 1, U16, lambda v: v.sar.denominator),
)
VHDR_BYTES = 2 + sum(SIZES[f.kind] for f in VIDEO_FIELDS)
INDEX_ENTRY_BYTES = 16


@dataclass(frozen=True)
class IndexEntry:
    """One segment's place: frames it covers, offset of its chunk in the file, payload length."""

    frames: int
    offset: int
    length: int


def pack_video(video: Video, minor: int = LEAST_MINOR) -> bytes:
    """The VHDR payload at version `MAJOR`.`minor`; raises ValueError for a value outside its field's range."""
    out = bytearray([MAJOR, minor])
    for field in VIDEO_FIELDS:
        value = field.get(video)
        if not field.low <= value <= field.high:
            raise ValueError(f"{field.name} {value} is outside {field.low}..{field.high}")
        out += write_integer(field.kind, value)
    return bytes(out)


def parse_video(reader: Reader) -> tuple[tuple[int, int], Video]:
    """((major, minor), video) of a VHDR payload.

    Raises:
        FormatError: a value outside its range, a wrong length.
        UnsupportedError: a newer major version.
    """
    major, minor = reader.fixed("u8", "major"), reader.fixed("u8", "minor")
    if major > MAJOR:
        raise UnsupportedError(
            f"{reader.path}: format version {major}.{minor} is newer than this decoder's {MAJOR}.{MINOR}: "
            "update nqcodec"
        )
    if major != MAJOR:
        raise reader.error(f"format version {major}.{minor} does not exist", 0)
    values: dict[str, int] = {}
    for field in VIDEO_FIELDS:
        start = reader.position
        value = reader.fixed(field.kind, field.name)
        if not field.low <= value <= field.high:
            raise reader.error(f"{field.name} is {value}, outside {field.low}..{field.high}", start)
        values[field.name] = value
    if minor <= MINOR and reader.left:
        raise reader.error(f"{reader.left} bytes too many for version {major}.{minor}")
    if values["matrix"] == MATRIX_IDENTITY and values["chroma"] != Chroma.C444:
        raise reader.error("matrix 0 (RGB) needs 4:4:4", 0)
    return (major, minor), _video_of(values)


def _video_of(values: dict[str, int]) -> Video:
    colour = Colour(
        values["primaries"],
        values["transfer"],
        values["matrix"],
        bool(values["full_range"]),
        values["chroma_location"],
    )
    return Video(
        values["width"],
        values["height"],
        values["frames"],
        Fraction(values["fps_num"], values["fps_den"]),
        Chroma(values["chroma"]),
        values["depth"],
        colour,
        Fraction(values["sar_num"], values["sar_den"]),
    )


def pack_index(entries: list[IndexEntry]) -> bytes:
    """The SIDX payload."""
    out = bytearray(write_integer("u32", len(entries)))
    for entry in entries:
        out += (
            write_integer("u32", entry.frames) + write_integer("u64", entry.offset) + write_integer("u32", entry.length)
        )
    return bytes(out)


def parse_index(reader: Reader, video: Video) -> list[IndexEntry]:
    """The segments of a SIDX payload; raises FormatError where they do not cover the video's frames."""
    count = reader.fixed("u32", "count")
    if count < 1 or reader.left != count * INDEX_ENTRY_BYTES:
        raise reader.error(f"{count} segments do not fit {reader.left} bytes")
    entries = []
    for _ in range(count):
        start = reader.position
        entry = IndexEntry(reader.fixed("u32", "frames"), reader.fixed("u64", "offset"), reader.fixed("u32", "length"))
        if entry.frames < 1:
            raise reader.error("a segment without frames", start)
        entries.append(entry)
    covered = sum(entry.frames for entry in entries)
    if covered != video.frames:
        raise reader.error(f"the segments cover {covered} frames, the video has {video.frames}", 0)
    return entries
