"""The ancillary chunks about a clip: fTIM, mDCV, cLLI, dMTX and eNCD (formats/nq.md, 2.6 to 2.9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from nqcodec.bitstream.chunks import HEAD_BYTES, Chunk, pack_chunk
from nqcodec.bitstream.reader import Reader, write_integer, write_sv, write_uv
from nqcodec.errors import FormatError
from nqcodec.media.metadata import DisplayMatrix, FrameTimes, LightLevel, MasteringDisplay, Metadata
from nqcodec.media.video import Video

FRAME_TIMES, MASTERING, LIGHT, MATRIX, ENCODER = "fTIM", "mDCV", "cLLI", "dMTX", "eNCD"
MOST_CHROMATICITY = 50000
MATRIX_VALUES = 9
MOST_TEXT = 4096
"""Bytes of the encoder's text at most."""


def pack_metadata(metadata: Metadata) -> bytes:
    """The chunks, framed, of what there is; raises ValueError for a value outside its range."""
    chunks = []
    if metadata.times:
        chunks.append(pack_chunk(FRAME_TIMES, pack_times(metadata.times)))
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


def parse_metadata(chunks: Sequence[Chunk], video: Video, path: str) -> Metadata:
    """The metadata in the chunks of a file; raises FormatError, which names the chunk and the byte."""
    found: dict[str, Any] = {}
    for chunk in chunks:
        if chunk.kind not in PARSERS:
            continue
        name, parse = PARSERS[chunk.kind]
        if name in found:
            raise FormatError("there may be only one", path=path, chunk=chunk.kind, offset=chunk.offset)
        reader = Reader(chunk.payload, base=chunk.offset + HEAD_BYTES, path=path, chunk=chunk.kind)
        found[name] = parse(reader, video.frames)
        if reader.left:
            raise reader.error(f"{reader.left} bytes too many")
    return Metadata(**found)


def _times(reader: Reader, frames: int) -> FrameTimes:
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


def _mastering(reader: Reader, _: int) -> MasteringDisplay:
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


def _light(reader: Reader, _: int) -> LightLevel:
    return LightLevel(reader.fixed("u16", "MaxCLL"), reader.fixed("u16", "MaxFALL"))


def _matrix(reader: Reader, _: int) -> DisplayMatrix:
    return DisplayMatrix(tuple(reader.sv("a value") for _ in range(MATRIX_VALUES)))


def _encoder(reader: Reader, _: int) -> str:
    text = reader.take(reader.left, "the text")
    if not 1 <= len(text) <= MOST_TEXT:
        raise reader.error(f"the text has {len(text)} bytes, and may have 1 to {MOST_TEXT}", 0)
    wrong = next((place for place, byte in enumerate(text) if not 32 <= byte < 127), None)
    if wrong is not None:
        raise reader.error(f"byte {text[wrong]:#04x} is no printable ASCII character", wrong)
    return text.decode("ascii")


PARSERS: dict[str, tuple[str, Callable[[Reader, int], Any]]] = {
    FRAME_TIMES: ("times", _times),
    MASTERING: ("mastering", _mastering),
    LIGHT: ("light", _light),
    MATRIX: ("matrix", _matrix),
    ENCODER: ("encoder", _encoder),
}
"""For each chunk the field of `Metadata` and what reads it, given the payload and the number of frames."""
