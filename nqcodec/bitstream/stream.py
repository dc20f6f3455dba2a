"""A .nq file from front to back, segment by segment as it arrives (formats/nq.md, 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, TypeVar

from nqcodec.bitstream.chunks import Chunk, read_chunks
from nqcodec.bitstream.header import parse_video
from nqcodec.bitstream.index import INDEX, IndexEntry, pack_index
from nqcodec.bitstream.metadata import (
    CLIP,
    FRAME_HASHES,
    FRAME_TIMES,
    PARSERS,
    ClipStart,
    chunk_reader,
    parse_clip,
    parse_frame_hashes,
    parse_metadata,
    parse_times,
)
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import Segment, SegmentHead, SegmentLayout, parse_head, parse_segment, scan_segment
from nqcodec.errors import FormatError, LimitError, UnsupportedError
from nqcodec.media.metadata import FrameTimes
from nqcodec.media.video import Video
from nqcodec.network.program import Limits

PROGRAM = "PROG"
BEFORE_SEGMENT = (CLIP, PROGRAM, FRAME_TIMES, FRAME_HASHES)
"""Chunks that belong to the segment that follows."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class SegmentEntry:
    """A segment of a file, whose network is decoded when asked for.

    Attributes:
        number: counted from 0.
        first: number of its first frame in the file.
        head: frames, hash.
        chunk: SEGM.
        program: the last PROG before it; None where there is none.
        before: the chunks that belong to it, and unknown ones before it, in order.
        frame_md5: one hash a frame, or empty.
        times: of its frames, None where the video's rate says them.
        clip: where a clip begins with it, which.
    """

    number: int
    first: int
    head: SegmentHead
    chunk: Chunk = field(repr=False)
    program: Chunk | None = field(repr=False)
    before: tuple[Chunk, ...] = field(repr=False)
    frame_md5: tuple[bytes, ...] = field(repr=False)
    times: FrameTimes | None
    clip: ClipStart | None
    path: str
    video: Video

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.head.frames

    @property
    def stop(self) -> int:
        """Number in the file of the frame after its last."""
        return self.first + self.head.frames

    @property
    def size(self) -> int:
        """Bytes of its payload."""
        return len(self.chunk.payload)

    def in_index(self) -> IndexEntry:
        """What the index says of it."""
        taken = self.program.offset if self.head.takes_program and self.program else -1
        return IndexEntry(self.frames, self.chunk.offset, taken)

    def decode(self, limits: Limits | None = None, threads: int = 1) -> Segment:
        """Its network; raises FormatError, UnsupportedError or LimitError."""
        return parse_segment(self._reader(), self.video, limits or Limits(), threads, self._common())

    def layout(self, limits: Limits | None = None) -> SegmentLayout:
        """Taken apart without entropy decoding; raises as `decode` does."""
        return scan_segment(self._reader(), self.video, limits or Limits(), self._common())

    def _reader(self) -> Reader:
        return chunk_reader(self.chunk, self.path)

    def _common(self) -> Reader | None:
        return chunk_reader(self.program, self.path) if self.program else None


class NqStream:
    """A file as it arrives: its header at once, then its segments.

    Args:
        source: the bytes, or a stream of them, which may be a pipe: nothing beyond a segment is waited for.
        path: for messages.
        limits: what the file may ask for.

    Attributes:
        version: (major, minor).
        video: description, of 0 frames.
        metadata: what the file keeps of the whole video; times are those of segments.
        chunks: those about the whole video, VHDR first.
        size: bytes that have been read.
        indexed: whether the file turned out to have an index, which is known at its end.

    Raises:
        OSError: as the stream does.
        FormatError: it is damaged or foreign.
        UnsupportedError: another major version or an unknown critical chunk.
        LimitError: its picture is over `limits`.
    """

    def __init__(self, source: bytes | BinaryIO, path: str, limits: Limits | None = None):
        self.path, self.limits, self.size = path, limits or Limits(), 0
        self.indexed = False
        self._chunks = read_chunks(source, path)
        header = self._next()
        if header.kind != "VHDR":
            raise self._error("a file starts with VHDR", header)
        self.version, self.video = parse_video(chunk_reader(header, path))
        self._check(picture_pixels=self.video.width * self.video.height)
        self.chunks, pending = self._about_the_video(header)
        self._pending: Chunk | None = pending
        self.metadata = parse_metadata(self.chunks, path)

    def segments(self) -> Iterator[SegmentEntry]:
        """Each segment as soon as it is there; the end of the file is checked after the last. May be asked for once.

        Raises:
            As the constructor does; LimitError for more frames than `limits` allows, too.
        """
        index: list[IndexEntry] = []  # and no more of each, for a stream may go on for ever
        program: Chunk | None = None
        first = 0
        while True:
            before, chunk = self._before_segment()
            if chunk.kind != "SEGM":
                self._check_end(index, before, chunk)
                return
            program = next((one for one in before if one.kind == PROGRAM), program)
            entry = self._entry(len(index), first, chunk, program, before)
            first = entry.stop
            self._check(frames=first)
            index.append(entry.in_index())
            yield entry

    def _next(self) -> Chunk:
        chunk = next(self._chunks)
        self.size = chunk.end
        if chunk.critical and chunk.kind not in ("VHDR", "SEGM", PROGRAM, INDEX, "NEND"):
            raise UnsupportedError(
                f"{self.path}, chunk {chunk.kind}, byte {chunk.offset}: critical chunk of a newer format: "
                "update nqcodec"
            )
        return chunk

    def _error(self, what: str, chunk: Chunk) -> FormatError:
        return FormatError(f"misplaced chunk: {what}", path=self.path, chunk=chunk.kind, offset=chunk.offset)

    def _check(self, **claims: int) -> None:
        try:
            self.limits.check(**claims)
        except LimitError as error:
            raise LimitError(f"{self.path}: {error}") from error

    def _about_the_video(self, header: Chunk) -> tuple[tuple[Chunk, ...], Chunk]:
        """(chunks about the whole video, the first one after them)."""
        found = [header]
        while (chunk := self._next()).kind in PARSERS or self._unknown(chunk):
            if chunk.kind in {one.kind for one in found} & set(PARSERS):
                raise self._error("there may be only one", chunk)
            found.append(chunk)
        return tuple(found), chunk

    def _unknown(self, chunk: Chunk) -> bool:
        return not chunk.critical and chunk.kind not in (*PARSERS, *BEFORE_SEGMENT)

    def _before_segment(self) -> tuple[tuple[Chunk, ...], Chunk]:
        """(chunks that belong to what follows them, the first one that does not)."""
        found: list[Chunk] = []
        chunk = self._pending or self._next()
        self._pending = None
        while chunk.kind in BEFORE_SEGMENT or self._unknown(chunk):
            if chunk.kind in {one.kind for one in found} & set(BEFORE_SEGMENT):
                raise self._error("there may be only one before a segment", chunk)
            found.append(chunk)
            chunk = self._next()
        if chunk.kind == "VHDR" or chunk.kind in PARSERS:
            raise self._error("what is about the whole video stands before the first segment, once", chunk)
        return tuple(found), chunk

    def _entry(
        self, number: int, first: int, chunk: Chunk, program: Chunk | None, before: tuple[Chunk, ...]
    ) -> SegmentEntry:
        head = parse_head(chunk_reader(chunk, self.path))

        def parsed(kind: str, parse: Callable[[Reader], Value], absent: Value) -> Value:
            for one in before:
                if one.kind == kind:
                    return parse(chunk_reader(one, self.path))
            return absent

        none: tuple[bytes, ...] = ()
        hashes = parsed(FRAME_HASHES, lambda reader: parse_frame_hashes(reader, head.frames), none)
        times = parsed(FRAME_TIMES, lambda reader: parse_times(reader, head.frames), None)
        clip = parsed(CLIP, parse_clip, None)
        return SegmentEntry(
            number,
            first,
            head,
            chunk,
            program,
            before,
            hashes,
            times,
            clip,
            self.path,
            self.video.with_frames(head.frames),
        )

    def _check_end(self, index: list[IndexEntry], before: tuple[Chunk, ...], chunk: Chunk) -> None:
        """Check all after the last segment: `chunk` and what follows it, to the end of the file."""
        for one in before:
            if one.kind in BEFORE_SEGMENT:
                raise self._error("it belongs to a segment, and none follows", one)
        if not index:
            raise self._error("a file has at least one segment", chunk)
        if chunk.kind == INDEX:
            self._check_index(index, chunk)
            self.indexed = True
            chunk = self._next()
        if chunk.kind != "NEND":
            raise self._error("after the index, a file ends with NEND", chunk)
        for _ in self._chunks:  # which checks that nothing follows
            raise AssertionError("a chunk after NEND")

    def _check_index(self, index: list[IndexEntry], chunk: Chunk) -> None:
        try:
            right = pack_index(index, chunk.offset)
        except ValueError as error:
            raise self._error(f"no index can say where the segments lie: {error}", chunk) from error
        if chunk.payload != right:
            place = next((i for i, (a, b) in enumerate(zip(chunk.payload, right, strict=False)) if a != b), None)
            at = min(len(chunk.payload), len(right)) if place is None else place
            raise chunk_reader(chunk, self.path).error("the index does not match the segments before it", at)
