"""A whole .nq file, read to its end (formats/nq.md, 2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from nqcodec.bitstream.chunks import SIGNATURE, Chunk
from nqcodec.bitstream.metadata import FRAME_TIMES
from nqcodec.bitstream.segment import Segment, SegmentLayout
from nqcodec.bitstream.stream import PROGRAM, NqStream, SegmentEntry
from nqcodec.errors import InputError, NqError, UsageError
from nqcodec.media.metadata import FrameTimes, Metadata
from nqcodec.media.video import Video
from nqcodec.network.program import Limits


@dataclass(frozen=True)
class Clip:
    """A clip of a file.

    Attributes:
        name: of the clip; empty for one without.
        first: number in the file of its first frame.
        frames: number of frames.
        start: number that its first frame has in the clip as it was encoded.
    """

    name: str
    first: int
    frames: int
    start: int = 0


@dataclass(frozen=True)
class NqFile:
    """A file whose frame and header have been checked; networks are decoded when asked for.

    Attributes:
        path: for messages.
        size: bytes of the file.
        version: (major, minor).
        video: description, frames included.
        index: the segments.
        metadata: what it keeps of the clip beside the pictures.
        chunks: those about the whole video.
        indexed: whether it has an index of its segments.
        damage: what is wrong after the last of `index`, in a file that was read as far as possible; else None.
    """

    path: str
    size: int
    version: tuple[int, int]
    video: Video
    index: tuple[SegmentEntry, ...]
    metadata: Metadata
    chunks: tuple[Chunk, ...] = field(repr=False)
    indexed: bool = False
    damage: NqError | None = None

    @property
    def bpp(self) -> float:
        """Bits a luma pixel, every byte of the file counted."""
        return 8 * self.size / self.video.pixels

    @cached_property
    def frame_md5(self) -> tuple[bytes, ...]:
        """One hash a frame, or empty where a segment has none."""
        if not all(entry.frame_md5 for entry in self.index):
            return ()
        return tuple(md5 for entry in self.index for md5 in entry.frame_md5)

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """The clips; none where the file does not say any."""
        if not any(entry.clip for entry in self.index):
            return ()
        begins = [entry for entry in self.index if entry.clip or entry.number == 0]
        ends = [*(entry.first for entry in begins[1:]), self.video.frames]
        found = []
        for entry, end in zip(begins, ends, strict=True):
            name, start = (entry.clip.name, entry.clip.start) if entry.clip else ("", 0)
            found.append(Clip(name, entry.first, end - entry.first, start))
        return tuple(found)

    def clip(self, text: str) -> Clip:
        """The clip of a name, or of a number counted from 0.

        Raises:
            UsageError: there is none, or more than one of the name; the text says which there are.
        """
        named = [clip for clip in self.clips if clip.name == text]
        if not named and text.isascii() and text.isdigit() and int(text) < len(self.clips):
            return self.clips[int(text)]
        if len(named) == 1:
            return named[0]
        listed = ", ".join(f"{number} {clip.name!r}" for number, clip in enumerate(self.clips))
        if named:
            raise UsageError(f"{self.path}: {len(named)} clips have the name {text}: give a number; there are {listed}")
        raise UsageError(
            f"{self.path}: has no clip {text}; " + (f"there are {listed}" if listed else "it has no clips")
        )

    def segment(self, number: int, limits: Limits | None = None, threads: int = 1) -> Segment:
        """Decode segment `number`'s network; raises FormatError, UnsupportedError or LimitError."""
        return self.index[number].decode(limits, threads)

    def layout(self, number: int, limits: Limits | None = None) -> SegmentLayout:
        """Segment `number` taken apart without entropy decoding; raises as `segment` does."""
        return self.index[number].layout(limits)

    def start(self, number: int) -> int:
        """First frame of segment `number`."""
        return self.index[number].first

    def parts(self) -> dict[str, int]:
        """Bytes by part as `PackedSegment.parts`, summed over the segments, and of "metadata"; "header" has the rest.

        Raises:
            FormatError, UnsupportedError, LimitError: as `layout`.
        """
        parts: dict[str, int] = {"header": 0}
        for entry in self.index:
            for name, size in entry.layout().parts.items():
                parts[name] = parts.get(name, 0) + size
            parts["program"] += sum(len(chunk.payload) for chunk in entry.before if chunk.kind == PROGRAM)
        if metadata := self._metadata_bytes():
            parts["metadata"] = metadata
        parts["header"] += self.size - sum(parts.values())
        return parts

    def _metadata_bytes(self) -> int:
        """Bytes of the chunks about the video, and of frame times."""
        chunks = [chunk for chunk in self.chunks if not chunk.critical]
        chunks += [chunk for entry in self.index for chunk in entry.before if chunk.kind == FRAME_TIMES]
        return sum(len(chunk.packed) for chunk in chunks)


def read_file(path: str | Path, limits: Limits | None = None, *, partly: bool = False) -> NqFile:
    """Read and check a file's frame, header and heads of segments.

    Args:
        path: of the file.
        limits: what it may ask for.
        partly: take what stands before the first damage, where that is at least a segment; `damage` says what it is.

    Raises:
        InputError: the file cannot be read.
        FormatError: it is damaged or foreign.
        UnsupportedError: another major version or an unknown critical chunk.
        LimitError: its picture or frame count is over `limits`.
    """
    try:
        with Path(path).open("rb") as file:
            return read_stream(file, str(path), limits, partly=partly)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def read_stream(stream: BinaryIO, name: str, limits: Limits | None = None, *, partly: bool = False) -> NqFile:
    """`read_file` for a binary stream, which may be a pipe; `name` is what messages call it.

    Raises:
        OSError: as the stream does.
        FormatError, UnsupportedError, LimitError: as `read_file`.
    """
    return parse_file(read_signed(stream), name, limits, partly=partly)


def read_signed(stream: BinaryIO) -> bytes:
    """All bytes of a stream that begins with the signature, and else only the first: it may be a device without end.

    Raises:
        OSError: as the stream does.
    """
    data = stream.read(len(SIGNATURE))
    return data + stream.read() if data == SIGNATURE else data


def parse_file(data: bytes, path: str, limits: Limits | None = None, *, partly: bool = False) -> NqFile:
    """`read_file` for bytes already in memory."""
    stream = NqStream(data, path, limits)
    entries: list[SegmentEntry] = []
    damage: NqError | None = None
    try:
        entries.extend(stream.segments())
    except NqError as error:
        if not (partly and entries):
            raise
        damage = error
    frames = entries[-1].stop
    times = FrameTimes.joined([(entry.times, entry.frames) for entry in entries], stream.video.fps)
    video, metadata = stream.video.with_frames(frames), replace(stream.metadata, times=times)
    about = stream.chunks, stream.indexed
    return NqFile(path, len(data), stream.version, video, tuple(entries), metadata, *about, damage)
