"""The ancillary chunks about the whole video and about segments (formats/nq.md, 2.4 and 2.6 to 2.10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from nqcodec.bitstream.chunks import HEAD_BYTES, Chunk, pack_chunk
from nqcodec.bitstream.reader import Reader, write_integer, write_sv, write_uv
from nqcodec.bitstream.segment import MD5_BYTES
from nqcodec.media.metadata import DisplayMatrix, FrameTimes, LightLevel, MasteringDisplay, Metadata

FRAME_TIMES, FRAME_HASHES, CLIP = "fTIM", "fHSH", "cLIP"
"""Chunks about the segment that follows."""

MASTERING, LIGHT, MATRIX, ENCODER = "mDCV", "cLLI", "dMTX", "eNCD"
"""Chunks about the whole video."""

MOST_CHROMATICITY = 50000
MATRIX_VALUES = 9
MOST_TEXT = 4096
"""Bytes of the encoder's text at most."""
MOST_NAME = 255
"""Bytes of a clip's name at most."""


@dataclass(frozen=True)
class ClipStart:
    """Where a clip begins: its name, and the number that the first frame has in the clip as it was encoded."""

    name: str
    start: int = 0


def pack_metadata(metadata: Metadata) -> bytes:
    """The chunks about the whole video, framed, of what there is; raises ValueError for a value outside its range."""
    chunks = []
    if metadata.mastering:
        chunks.append(pack_chunk(MASTERING, pack_mastering(metadata.mastering)))
    if metadata.light:
        light = (metadata.light.most, metadata.light.average)
        chunks.append(pack_chunk(LIGHT, b"".join(write_integer("u16", value) for value in light)))
    if metadata.matrix:
        chunks.append(pack_chunk(MATRIX, b"".join(map(write_sv, metadata.matrix.values))))
    if metadata.encoder:
        chunks.append(pack_chunk(ENCODER, metadata.encoder.encode("ascii")))
    return b"".join(chunks)


def pack_clip(clip: ClipStart) -> bytes:
    """Payload of cLIP; raises ValueError for a start or a name that it cannot hold."""
    name = clip.name.encode("utf-8")
    if reason := _why_no_name(name):
        raise ValueError(f"{clip.name!r} is no name of a clip: {reason}")
    return write_uv(clip.start) + name


def _why_no_name(name: bytes) -> str:
    """What is wrong with the name of a clip; empty if nothing."""
    if not 1 <= len(name) <= MOST_NAME:
        return f"it has {len(name)} bytes, and may have 1 to {MOST_NAME}"
    if any(byte < 32 or byte == 127 for byte in name):
        return "it has a control character"
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return "it is not UTF-8"
    return ""


def pack_times(times: FrameTimes) -> bytes:
    """Payload of fTIM; raises ValueError for a value outside its range."""
    out = bytearray(write_integer("u32", times.tick.numerator) + write_integer("u32", times.tick.denominator))
    out += write_uv(times.start)
    for ticks, count in times.runs:
        out += write_uv(2 * ticks + (count > 1))
        if count > 1:
            out += write_uv(count)
    return bytes(out)


def pack_mastering(display: MasteringDisplay) -> bytes:
    """Payload of mDCV; raises ValueError for a value outside its range."""
    places = (display.red, display.green, display.blue, display.white)
    values = b"".join(write_integer("u16", value) for place in places for value in place)
    return values + write_integer("u32", display.most) + write_integer("u32", display.least)


def parse_metadata(chunks: Sequence[Chunk], path: str) -> Metadata:
    """The metadata in the chunks about the whole video; raises FormatError, which names the chunk and the byte."""
    found: dict[str, Any] = {}
    for chunk in chunks:
        if chunk.kind not in PARSERS:
            continue
        name, parse = PARSERS[chunk.kind]
        reader = chunk_reader(chunk, path)
        found[name] = parse(reader)
        if reader.left:
            raise reader.error(f"{reader.left} bytes too many")
    return Metadata(**found)


def chunk_reader(chunk: Chunk, path: str) -> Reader:
    """A reader of a chunk's payload."""
    return Reader(chunk.payload, base=chunk.offset + HEAD_BYTES, path=path, chunk=chunk.kind)


def parse_frame_hashes(reader: Reader, frames: int) -> tuple[bytes, ...]:
    """The MD5 of each frame of a segment of `frames` frames."""
    if reader.left != MD5_BYTES * frames:
        raise reader.error(f"{reader.left} bytes of frame hashes do not fit {frames} frames", 0)
    return tuple(reader.take(MD5_BYTES, "a hash") for _ in range(frames))


def parse_clip(reader: Reader) -> ClipStart:
    """What cLIP says of the clip that begins."""
    start, place = reader.uv("start"), reader.position
    name = reader.take(reader.left, "the name")
    if reason := _why_no_name(name):
        raise reader.error(f"the name of the clip cannot be read: {reason}", place)
    return ClipStart(name.decode("utf-8"), start)


def parse_times(reader: Reader, frames: int) -> FrameTimes:
    """The times of a segment of `frames` frames."""
    numerator, denominator = reader.fixed("u32", "tick_num"), reader.fixed("u32", "tick_den")
    if not (numerator and denominator):
        raise reader.error(f"a tick of {numerator}/{denominator} seconds is none", 0)
    start = reader.uv("start")
    runs, left = [], frames
    while reader.left:
        place = reader.position
        ticks, repeated = divmod(reader.uv("ticks"), 2)
        count = reader.uv("count") if repeated else 1
        if not ticks:
            raise reader.error("a frame lasts no tick", place)
        if repeated and count < 2:
            raise reader.error(f"a run of {count} frames: a run has at least 2", place)
        if count > left:
            raise reader.error(f"there are times of more than {frames} frames", place)
        runs.append((ticks, count))
        left -= count
    if left:
        raise reader.error(f"there are times of {frames - left} of {frames} frames")
    return FrameTimes(Fraction(numerator, denominator), start, tuple(runs))


def _mastering(reader: Reader) -> MasteringDisplay:
    red, green, blue, white = (_chromaticity(reader, name) for name in ("red", "green", "blue", "white"))
    start = reader.position
    most, least = reader.fixed("u32", "max_luminance"), reader.fixed("u32", "min_luminance")
    if least > most:
        raise reader.error(f"min_luminance {least} is above max_luminance {most}", start)
    return MasteringDisplay(red, green, blue, white, most, least)


def _chromaticity(reader: Reader, name: str) -> tuple[int, int]:
    start = reader.position
    x, y = reader.fixed("u16", f"{name} x"), reader.fixed("u16", f"{name} y")
    if max(x, y) > MOST_CHROMATICITY:
        raise reader.error(f"the chromaticity of {name} is {x}, {y}, above {MOST_CHROMATICITY}", start)
    return x, y


def _light(reader: Reader) -> LightLevel:
    return LightLevel(reader.fixed("u16", "MaxCLL"), reader.fixed("u16", "MaxFALL"))


def _matrix(reader: Reader) -> DisplayMatrix:
    return DisplayMatrix(tuple(reader.sv("a value") for _ in range(MATRIX_VALUES)))


def _encoder(reader: Reader) -> str:
    text = reader.take(reader.left, "the text")
    if not 1 <= len(text) <= MOST_TEXT:
        raise reader.error(f"the text has {len(text)} bytes, and may have 1 to {MOST_TEXT}", 0)
    wrong = next((place for place, byte in enumerate(text) if not 32 <= byte < 127), None)
    if wrong is not None:
        raise reader.error(f"byte {text[wrong]:#04x} is no printable ASCII character", wrong)
    return text.decode("ascii")


PARSERS: dict[str, tuple[str, Callable[[Reader], Any]]] = {
    MASTERING: ("mastering", _mastering),
    LIGHT: ("light", _light),
    MATRIX: ("matrix", _matrix),
    ENCODER: ("encoder", _encoder),
}
"""For each chunk about the whole video the field of `Metadata` and what reads its payload."""
