"""Writing a .nq file from front to back, a segment at a time (formats/nq.md, 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

from nqcodec.bitstream import LEAST_MINOR
from nqcodec.bitstream.chunks import FRAMING_BYTES, SIGNATURE, pack_chunk
from nqcodec.bitstream.header import pack_video
from nqcodec.bitstream.index import INDEX, INDEXED_SEGMENTS, IndexEntry, pack_index
from nqcodec.bitstream.metadata import CLIP, FRAME_HASHES, FRAME_TIMES, ClipStart, pack_clip, pack_metadata, pack_times
from nqcodec.bitstream.reader import SIZES, write_uv
from nqcodec.bitstream.segment import MD5_BYTES, PackedSegment
from nqcodec.bitstream.stream import PROGRAM
from nqcodec.media.metadata import FrameTimes, Metadata
from nqcodec.media.video import Video

UV_BYTES = 5
"""Most bytes of a uv."""


def overhead_bytes(video: Video, lengths: Sequence[int], *, hashed: bool = False) -> int:
    """Most bytes of a file beyond `PackedSegment.size` of its segments, metadata not counted.

    For one segment it is exact. Of several, programs that are alike stand in the file once, and the index may be
    shorter.

    Args:
        video: of the file.
        lengths: frames of each segment.
        hashed: whether there are hashes of frames.
    """
    fixed = len(SIGNATURE) + FRAMING_BYTES + len(pack_video(video)) + FRAMING_BYTES
    each = [FRAMING_BYTES + len(write_uv(frames)) for frames in lengths]
    if hashed:
        each += [FRAMING_BYTES + MD5_BYTES * frames for frames in lengths]
    if len(lengths) > 1:
        each += [FRAMING_BYTES for _ in lengths]  # of common programs
    if len(lengths) >= INDEXED_SEGMENTS:
        index = FRAMING_BYTES + UV_BYTES + SIZES["u32"]
        each += [index, *(len(write_uv(frames)) + 2 * UV_BYTES for frames in lengths)]
    return fixed + sum(each)


def metadata_bytes(metadata: Metadata, lengths: Sequence[int]) -> int:
    """Bytes of a file that its metadata take, in segments of so many frames each."""
    times, ends = metadata.times, list(accumulate(lengths, initial=0))
    chunks = [pack_chunk(FRAME_TIMES, pack_times(times.cut(*part))) for part in pairwise(ends)] if times else []
    return len(pack_metadata(metadata)) + sum(map(len, chunks))


class NqWriter:
    """Writes a file; nothing that has been written is changed later, so a pipe will do.

    Args:
        write: takes the bytes.
        about: packed chunks about the whole video, VHDR first.
    """

    def __init__(self, write: Callable[[bytes], object], about: Sequence[bytes]):
        self._write = write
        self._offset, self._index = 0, list[IndexEntry]()
        self._program, self._program_offset = b"", -1
        self._put(SIGNATURE + b"".join(about))

    @staticmethod
    def of(
        write: Callable[[bytes], object],
        video: Video,
        metadata: Metadata | None = None,
        minor: int = LEAST_MINOR,
    ) -> NqWriter:
        """The writer of a new file.

        Args:
            write: takes the bytes.
            video: description.
            metadata: about the whole video; times are given with segments.
            minor: of the version that the header names.
        """
        about = [pack_chunk("VHDR", pack_video(video, minor)), pack_metadata(metadata) if metadata else b""]
        return NqWriter(write, about)

    def segment(
        self,
        video: Video,
        packed: PackedSegment,
        *,
        repeats: bool = False,
        frame_md5: Sequence[bytes] = (),
        times: FrameTimes | None = None,
        clip: ClipStart | None = None,
    ) -> None:
        """Write a segment and what belongs to it.

        Args:
            video: description of its `frames`.
            packed: the coded network.
            repeats: whether a later segment may have the same program, which then stands in the file once.
            frame_md5: one MD5 a frame, or none.
            times: of its frames.
            clip: the one that begins with it.
        """
        program = packed.common_program(video)
        if repeats:
            self.program(program)
        if clip:
            self._put(pack_chunk(CLIP, pack_clip(clip)))
        if times:
            self._put(pack_chunk(FRAME_TIMES, pack_times(times)))
        if frame_md5:
            self._put(pack_chunk(FRAME_HASHES, b"".join(frame_md5)))
        taken = program == self._program
        payload = packed.payload(video, takes_program=taken)
        self.chunks(video.frames, [pack_chunk("SEGM", payload)], takes_program=taken)

    def program(self, payload: bytes) -> None:
        """Bring a PROG into force, if it is not already."""
        if payload != self._program:
            self._program, self._program_offset = payload, self._offset
            self._put(pack_chunk(PROGRAM, payload))

    def chunks(self, frames: int, packed: Sequence[bytes], *, takes_program: bool) -> None:
        """Write the packed chunks of a segment of so many frames, the last of which is its SEGM."""
        for chunk in packed[:-1]:
            self._put(chunk)
        self._index.append(IndexEntry(frames, self._offset, self._program_offset if takes_program else -1))
        self._put(packed[-1])

    def finish(self) -> None:
        """Write what follows the last segment."""
        if len(self._index) >= INDEXED_SEGMENTS:
            self._put(pack_chunk(INDEX, pack_index(self._index, self._offset)))
        self._put(pack_chunk("NEND", b""))

    def _put(self, data: bytes) -> None:
        if data:
            self._write(data)
            self._offset += len(data)


def pack_file(
    video: Video,
    segments: Sequence[tuple[int, PackedSegment]],
    frame_md5: Sequence[bytes] = (),
    metadata: Metadata | None = None,
) -> bytes:
    """The bytes of a file from (frames, segment) pairs in time order and, if given, one MD5 a frame and metadata."""
    out = bytearray()
    minor = max(one.minor for _, one in segments)
    writer = NqWriter.of(out.extend, video, metadata, minor)
    programs = [one.program for _, one in segments]
    first = 0
    for number, (frames, packed) in enumerate(segments):
        stop = first + frames
        writer.segment(
            video.with_frames(frames),
            packed,
            repeats=packed.program in programs[number + 1 :],
            frame_md5=frame_md5[first:stop],
            times=metadata.times.cut(first, stop) if metadata and metadata.times else None,
        )
        first = stop
    writer.finish()
    return bytes(out)
