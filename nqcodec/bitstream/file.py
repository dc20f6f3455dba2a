"""A whole .nq file: order of chunks, segments by index (formats/nq.md, 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from nqcodec.bitstream.chunks import FRAMING_BYTES, HEAD_BYTES, SIGNATURE, Chunk, pack_chunk, read_chunks
from nqcodec.bitstream.header import (
    INDEX_ENTRY_BYTES,
    VHDR_BYTES,
    IndexEntry,
    pack_index,
    pack_video,
    parse_index,
    parse_video,
)
from nqcodec.bitstream.metadata import pack_metadata, parse_metadata
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import MD5_BYTES, PackedSegment, Segment, SegmentLayout, parse_segment, scan_segment
from nqcodec.errors import FormatError, InputError, LimitError, UnsupportedError
from nqcodec.media.metadata import Metadata
from nqcodec.media.video import Video
from nqcodec.network.program import Limits

FRAME_HASHES = "fHSH"


def overhead_bytes(segments: int, frames: int = 0) -> int:
    """Bytes of a file beyond the payloads of its segments, metadata not counted; `frames` counts frame hashes, 0 for
    none."""
    fixed = len(SIGNATURE) + FRAMING_BYTES + VHDR_BYTES + FRAMING_BYTES + 4 + FRAMING_BYTES
    hashes = FRAMING_BYTES + MD5_BYTES * frames if frames else 0
    return fixed + segments * (INDEX_ENTRY_BYTES + FRAMING_BYTES) + hashes


def pack_file(
    video: Video,
    segments: Sequence[tuple[int, PackedSegment]],
    frame_md5: Sequence[bytes] = (),
    metadata: Metadata | None = None,
) -> bytes:
    """The bytes of a file from (frames, segment) pairs in time order and, if given, one MD5 a frame and metadata."""
    head = SIGNATURE + pack_chunk("VHDR", pack_video(video, max(one.minor for _, one in segments)))
    offset = len(head) + FRAMING_BYTES + 4 + INDEX_ENTRY_BYTES * len(segments)
    entries, body = [], bytearray(pack_metadata(metadata) if metadata else b"")
    for frames, segment in segments:
        entries.append(IndexEntry(frames, offset + len(body), len(segment.payload)))
        body += pack_chunk("SEGM", segment.payload)
    if frame_md5:
        body += pack_chunk(FRAME_HASHES, b"".join(frame_md5))
    return head + pack_chunk("SIDX", pack_index(entries)) + bytes(body) + pack_chunk("NEND", b"")


@dataclass(frozen=True)
class NqFile:
    """A file whose frame and header have been checked; networks are decoded when asked for.

    Attributes:
        path: for messages.
        size: bytes of the file.
        version: (major, minor).
        video: description, frames included.
        index: the segments' places.
        frame_md5: one hash a frame, or empty.
        metadata: what it keeps of the clip beside the pictures.
    """

    path: str
    size: int
    version: tuple[int, int]
    video: Video
    index: tuple[IndexEntry, ...]
    frame_md5: tuple[bytes, ...] = field(repr=False)
    metadata: Metadata
    chunks: tuple[Chunk, ...] = field(repr=False)

    @property
    def bpp(self) -> float:
        """Bits a luma pixel, every byte of the file counted."""
        return 8 * self.size / self.video.pixels

    def segment(self, number: int, limits: Limits | None = None, threads: int = 1) -> Segment:
        """Decode segment `number`'s network; raises FormatError, UnsupportedError or LimitError."""
        return parse_segment(self._reader(number), self._segment_video(number), limits or Limits(), threads)

    def layout(self, number: int, limits: Limits | None = None) -> SegmentLayout:
        """Segment `number` taken apart without entropy decoding; raises as `segment` does."""
        return scan_segment(self._reader(number), self._segment_video(number), limits or Limits())

    def start(self, number: int) -> int:
        """First frame of segment `number`."""
        return self._starts[number]

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return tuple(accumulate((entry.frames for entry in self.index), initial=0))

    @cached_property
    def _segments(self) -> tuple[Chunk, ...]:
        return tuple(chunk for chunk in self.chunks if chunk.kind == "SEGM")

    def _segment_video(self, number: int) -> Video:
        return self.video.with_frames(self.index[number].frames)

    def _reader(self, number: int) -> Reader:
        chunk = self._segments[number]
        return Reader(chunk.payload, base=chunk.offset + HEAD_BYTES, path=self.path, chunk="SEGM")


def read_file(path: str | Path, limits: Limits | None = None) -> NqFile:
    """Read and check a file's frame, header and index.

    Raises:
        InputError: the file cannot be read.
        FormatError: it is damaged or foreign.
        UnsupportedError: a newer major version or an unknown critical chunk.
        LimitError: its picture or frame count is over `limits`.
    """
    try:
        with Path(path).open("rb") as file:
            return read_stream(file, str(path), limits)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def read_stream(stream: BinaryIO, name: str, limits: Limits | None = None) -> NqFile:
    """`read_file` for a binary stream, which may be a pipe; `name` is what messages call it.

    Raises:
        OSError: as the stream does.
        FormatError, UnsupportedError, LimitError: as `read_file`.
    """
    data = stream.read(len(SIGNATURE))
    if data == SIGNATURE:  # what is no .nq file may be a device without end
        data += stream.read()
    return parse_file(data, name, limits)


def parse_file(data: bytes, path: str, limits: Limits | None = None) -> NqFile:
    """`read_file` for bytes already in memory."""
    chunks = tuple(read_chunks(data, path))
    _check_order(chunks, path)
    version, video = parse_video(Reader(chunks[0].payload, base=chunks[0].offset + HEAD_BYTES, path=path, chunk="VHDR"))
    _check_video_limits(video, limits or Limits(), path)
    place = chunks[1].offset + HEAD_BYTES
    index = tuple(parse_index(Reader(chunks[1].payload, base=place, path=path, chunk="SIDX"), video))
    segments = [c for c in chunks if c.kind == "SEGM"]
    stated = [(entry.offset, entry.length) for entry in index]
    if stated != [(c.offset, len(c.payload)) for c in segments]:
        raise FormatError("the index does not match the segments' places", path=path, chunk="SIDX", offset=place)
    hashes, metadata = _frame_hashes(chunks, video, path), parse_metadata(chunks, video, path)
    return NqFile(path, len(data), version, video, index, hashes, metadata, chunks)


def _check_order(chunks: tuple[Chunk, ...], path: str) -> None:
    known = ("VHDR", "SIDX", "SEGM", "NEND")
    for position, chunk in enumerate(chunks):
        if chunk.critical and chunk.kind not in known:
            raise UnsupportedError(
                f"{path}, chunk {chunk.kind}, byte {chunk.offset}: critical chunk of a newer format: update nqcodec"
            )
        wanted = known[position] if position < 2 else None
        if (wanted and chunk.kind != wanted) or (position > 1 and chunk.kind in known[:2]):
            raise FormatError(
                "misplaced chunk: a file starts with VHDR and SIDX, once each",
                path=path,
                chunk=chunk.kind,
                offset=chunk.offset,
            )


def _check_video_limits(video: Video, limits: Limits, path: str) -> None:
    try:
        limits.check(picture_pixels=video.width * video.height, frames=video.frames)
    except LimitError as error:
        raise LimitError(f"{path}: {error}") from error


def _frame_hashes(chunks: tuple[Chunk, ...], video: Video, path: str) -> tuple[bytes, ...]:
    found = [c for c in chunks if c.kind == FRAME_HASHES]
    if not found:
        return ()
    if len(found) > 1:
        raise FormatError("there may be only one", path=path, chunk=FRAME_HASHES, offset=found[1].offset)
    payload = found[0].payload
    if len(payload) != MD5_BYTES * video.frames:
        raise FormatError(
            f"{len(payload)} bytes of frame hashes do not fit {video.frames} frames",
            path=path,
            chunk=FRAME_HASHES,
            offset=found[0].offset,
        )
    return tuple(payload[i : i + MD5_BYTES] for i in range(0, len(payload), MD5_BYTES))
