"""VHDR: what the file says of its video (formats/nq.md, 2.1).

Each field is declared once, in order; writer, reader and `nqdec --info` go by this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from nqcodec.bitstream import LEAST_MINOR, MAJOR, MINOR
from nqcodec.bitstream.reader import Reader, write_integer
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


MOST_UV, MOST_U8, MOST_SAR = (1 << 32) - 1, 255, (1 << 16) - 1

VIDEO_FIELDS: tuple[Field, ...] = (
    Field("width", "uv", 1, MOST_UV, lambda v: v.width),
    Field("height", "uv", 1, MOST_UV, lambda v: v.height),
    Field("fps_num", "uv", 1, MOST_UV, lambda v: v.fps.numerator),
    Field("fps_den", "uv", 1, MOST_UV, lambda v: v.fps.denominator),
    Field("chroma", "u8", 0, 3, lambda v: int(v.chroma)),
    Field("depth", "u8", 8, 12, lambda v: v.depth),
    Field("primaries", "u8", 0, MOST_U8, lambda v: v.colour.primaries),
    Field("transfer", "u8", 0, MOST_U8, lambda v: v.colour.transfer),
    Field("matrix", "u8", 0, MOST_U8, lambda v: v.colour.matrix),
    Field("full_range", "u8", 0, 1, lambda v: int(v.colour.full_range)),
    Field("chroma_location", "u8", 0, 5, lambda v: v.colour.chroma_location),
    Field("sar_num", "uv", 1, MOST_SAR, lambda v: v.sar.numerator),
    Field("sar_den", "uv", 1, MOST_SAR, lambda v: v.sar.denominator),
)


def described(video: Video) -> dict[str, int]:
    """The header's fields by name, and the number of frames."""
    return {**{field.name: field.get(video) for field in VIDEO_FIELDS}, "frames": video.frames}


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
    """((major, minor), video of 0 frames) of a VHDR payload: how many frames there are, the segments say.

    Raises:
        FormatError: a value outside its range, a wrong length.
        UnsupportedError: another major version.
    """
    major, minor = reader.fixed("u8", "major"), reader.fixed("u8", "minor")
    if major != MAJOR:
        raise UnsupportedError(f"{reader.path}: {_other_version(major, minor)}")
    values: dict[str, int] = {}
    for field in VIDEO_FIELDS:
        start = reader.position
        value = reader.integer(field.kind, field.name)
        if not field.low <= value <= field.high:
            raise reader.error(f"{field.name} is {value}, outside {field.low}..{field.high}", start)
        values[field.name] = value
    if minor <= MINOR and reader.left:
        raise reader.error(f"{reader.left} bytes too many for a header of version {major}.{minor}")
    if values["matrix"] == MATRIX_IDENTITY and values["chroma"] != Chroma.C444:
        raise reader.error("matrix 0 (RGB) needs 4:4:4", 0)
    return (major, minor), _video_of(values)


def _other_version(major: int, minor: int) -> str:
    if major < MAJOR:
        return (
            f"is of format version {major}.{minor}, and this decoder reads {MAJOR}.x: encode the clip again, or use "
            "the nqcodec that wrote it"
        )
    return f"format version {major}.{minor} is newer than this decoder's {MAJOR}.{MINOR}: update nqcodec"


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
        0,
        Fraction(values["fps_num"], values["fps_den"]),
        Chroma(values["chroma"]),
        values["depth"],
        colour,
        Fraction(values["sar_num"], values["sar_den"]),
    )
