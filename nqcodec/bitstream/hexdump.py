"""A file taken apart byte by byte: every field with its offset, its name in the specification and its value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile

from nqcodec.bitstream.chunks import CRC_BYTES, HEAD_BYTES, SIGNATURE, Chunk, read_chunks
from nqcodec.bitstream.header import parse_video
from nqcodec.bitstream.index import INDEX, parse_index
from nqcodec.bitstream.metadata import (
    CLIP,
    FRAME_HASHES,
    FRAME_TIMES,
    PARSERS,
    chunk_reader,
    parse_clip,
    parse_frame_hashes,
    parse_times,
)
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import parse_head, parse_program_chunk, scan_segment
from nqcodec.bitstream.stream import PROGRAM
from nqcodec.media.video import Video
from nqcodec.network.operations import OPERATIONS
from nqcodec.network.program import Limits

TITLES = {
    "VHDR": "the video header (2.1)",
    "SEGM": "a segment (2.2)",
    PROGRAM: "a common program (2.3)",
    FRAME_HASHES: "frame hashes (2.4)",
    INDEX: "the segment index (2.5)",
    FRAME_TIMES: "frame times (2.6)",
    "mDCV": "mastering display (2.7)",
    "cLLI": "content light level (2.7)",
    "dMTX": "display matrix (2.8)",
    "eNCD": "encoder (2.9)",
    CLIP: "the beginning of a clip (2.10)",
    "NEND": "the end (2.11)",
}
"""What each chunk is, and the section of the specification that says it."""

CODE = "operation code "
"""How the text of an operation's code begins."""

ROW, SHOWN_ROWS = 8, 4
"""Bytes of a line, and lines of a long field that are shown."""


@dataclass(frozen=True)
class FieldBytes:
    """A field as it lies in the file: where, its bytes, and what it is; a title has no bytes."""

    offset: int
    data: bytes
    what: str


class RecordingReader(Reader):
    """A reader that notes every field which is read through it, with its value."""

    def __init__(self, chunk: Chunk, path: str):
        plain = chunk_reader(chunk, path)
        super().__init__(plain.data, base=plain.base, path=path, chunk=chunk.kind)
        self.fields: list[FieldBytes] = []
        self._inside = False

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        with self._recording() as noted:
            data = super().take(count, what)
            noted(what)
        return data

    def fixed(self, kind: str, what: str) -> int:
        """A u8, u16 or u32."""
        with self._recording() as noted:
            value = super().fixed(kind, what)
            noted(f"{what} {value}")
        return value

    def uv(self, what: str) -> int:
        """An unsigned LEB128 integer."""
        with self._recording() as noted:
            value = super().uv(what)
            noted(f"{what} {value}")
        return value

    def sv(self, what: str) -> int:
        """A zigzag-coded signed integer."""
        with self._recording() as noted:
            value = super().sv(what)
            noted(f"{what} {value}")
        return value

    @contextmanager
    def _recording(self) -> Iterator[Callable[[str], None]]:
        """Notes only the outermost of reads within one another."""
        start, outermost = self.position, not self._inside
        self._inside = True

        def noted(what: str) -> None:
            if outermost and self.position > start:
                self.fields.append(FieldBytes(self.base + start, self.data[start : self.position], what))

        try:
            yield noted
        finally:
            self._inside = not outermost


def file_fields(data: bytes, path: str, limits: Limits | None = None) -> Iterator[FieldBytes]:
    """Every field of a file in order, each chunk led by a title.

    Raises:
        FormatError, UnsupportedError, LimitError: as the file gives cause.
    """
    yield FieldBytes(0, data[: len(SIGNATURE)], "signature")
    chunks = list(read_chunks(data, path))
    video = parse_video(chunk_reader(chunks[0], path))[1]
    program: Chunk | None = None
    for number, chunk in enumerate(chunks):
        program = chunk if chunk.kind == PROGRAM else program
        title = TITLES.get(chunk.kind, "a chunk that this version does not know")
        yield FieldBytes(chunk.offset, b"", f"{chunk.kind}, {title}")
        yield FieldBytes(chunk.offset, data[chunk.offset : chunk.offset + 4], "type")
        head = chunk.offset + HEAD_BYTES
        yield FieldBytes(head - 4, data[head - 4 : head], f"length {len(chunk.payload)}")
        if chunk.kind == PROGRAM and not _is_taken(chunks[number + 1 :], path):
            yield FieldBytes(head, chunk.payload, "a program that no segment takes")
        else:
            frames = _frames_after(chunks[number:], path)
            yield from _payload_fields(chunk, path, video.with_frames(frames), limits or Limits(), program)
        yield FieldBytes(chunk.end - CRC_BYTES, data[chunk.end - CRC_BYTES : chunk.end], "crc")


def _is_taken(after: list[Chunk], path: str) -> bool:
    """Whether a segment takes the PROG that stands before these chunks."""
    until = takewhile(lambda chunk: chunk.kind != PROGRAM, after)
    return any(parse_head(chunk_reader(chunk, path)).takes_program for chunk in until if chunk.kind == "SEGM")


def _frames_after(chunks: list[Chunk], path: str) -> int:
    """Frames of the segment that is next, 0 where there is none."""
    found = next((chunk for chunk in chunks if chunk.kind == "SEGM"), None)
    return parse_head(chunk_reader(found, path)).frames if found else 0


def _payload_fields(
    chunk: Chunk, path: str, video: Video, limits: Limits, program: Chunk | None
) -> Iterator[FieldBytes]:
    """The fields of a chunk's payload."""
    reader = RecordingReader(chunk, path)
    if chunk.kind == "VHDR":
        parse_video(reader)
    elif chunk.kind == "SEGM":
        scan_segment(reader, video, limits, chunk_reader(program, path) if program else None)
    elif chunk.kind == PROGRAM:
        parse_program_chunk(reader, video, limits)
    elif chunk.kind == INDEX:
        parse_index(reader)
    elif chunk.kind == FRAME_HASHES:
        parse_frame_hashes(reader, video.frames)
    elif chunk.kind == FRAME_TIMES:
        parse_times(reader, video.frames)
    elif chunk.kind == CLIP:
        parse_clip(reader)
    elif chunk.kind in PARSERS:
        PARSERS[chunk.kind][1](reader)
    if reader.left:
        reader.take(reader.left, "fields that this version does not know")
    yield from map(_named, reader.fields)


def _named(field: FieldBytes) -> FieldBytes:
    """The field; an operation's code has its name with it."""
    code = field.what.removeprefix(CODE)
    if code == field.what:
        return field
    return replace(field, what=f"{field.what}, {OPERATIONS[int(code)].name}")


def dump_lines(fields: Iterator[FieldBytes]) -> Iterator[str]:
    """The fields as text: offset, bytes in hexadecimal, name and value."""
    for field in fields:
        if not field.data:
            yield ""
            yield field.what
            continue
        rows = [field.data[start : start + ROW] for start in range(0, len(field.data), ROW)]
        for number, row in enumerate(rows[:SHOWN_ROWS]):
            what = field.what if number == 0 else ""
            yield f"{field.offset + ROW * number:06x}  {row.hex(' '):<{3 * ROW}} {what}".rstrip()
        if len(rows) > SHOWN_ROWS:
            yield f"{'':8}... {len(field.data) - ROW * SHOWN_ROWS} more bytes"
