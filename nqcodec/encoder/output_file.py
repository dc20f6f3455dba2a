"""A file in the making: each segment goes into it as soon as it and those before it are finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from nqcodec.bitstream.file import NqFile, parse_file, read_file
from nqcodec.bitstream.writer import NqWriter
from nqcodec.encoder.segment_result import SegmentResult
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.metadata import Metadata
from nqcodec.media.output import ByteOutput, StandardOutput
from nqcodec.media.video import Video

STANDARD_OUTPUT = Path("-")


@dataclass(frozen=True)
class OutputPlan:
    """What is known of a file before its first segment is finished.

    Attributes:
        path: of the file; "-" is standard output.
        video: of the clip.
        metadata: of the clip, frame times included.
        lengths: frames of each segment.
        hashed: whether the file has hashes of frames.
        work: a folder for the file while it has no name.
    """

    path: Path
    video: Video
    metadata: Metadata
    lengths: Sequence[int]
    hashed: bool
    work: Path


class OutputFile:
    """Takes segments in any order, and writes them in theirs.

    As a context manager it leaves nothing behind unless `commit` gave the file its name; what went to standard output,
    a device or a pipe stays.
    """

    def __init__(self, plan: OutputPlan):
        self._plan = plan
        self._waiting: dict[int, SegmentResult] = {}
        self._written = 0
        self._output: ByteOutput | None = None
        self._writer: NqWriter | None = None
        self._given_out: bytearray | None = None

    def add(self, number: int, result: SegmentResult) -> None:
        """Take a segment; raises OutputError where the file cannot be written."""
        self._waiting[number] = result
        while self._written in self._waiting:
            self._write(self._waiting.pop(self._written))
            self._written += 1

    def finish(self) -> NqFile:
        """Write what follows the last segment; returns the file as a decoder sees it, still without its name."""
        assert self._writer is not None, "segments come first"
        self._writer.finish()
        if self._given_out is not None:  # which cannot be read back
            return parse_file(bytes(self._given_out), str(self._plan.path))
        assert isinstance(self._output, AtomicFile)
        return read_file(self._output.temporary)

    def commit(self) -> None:
        """Give the file its name."""
        assert self._output is not None, "segments come first"
        self._output.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._output:
            self._output.abort()  # nothing after a commit

    def _write(self, result: SegmentResult) -> None:
        plan, number = self._plan, self._written
        writer = self._writer or self._open(result.packed.minor)
        first = sum(plan.lengths[:number])
        writer.segment(
            plan.video.with_frames(result.frames),
            result.packed,
            repeats=result.packed.can_repeat and result.frames in plan.lengths[number + 1 :],
            frame_md5=result.frame_md5 if plan.hashed else (),
            times=plan.metadata.times.cut(first, first + result.frames) if plan.metadata.times else None,
        )

    def _open(self, minor: int) -> NqWriter:
        plan = self._plan
        if plan.path == STANDARD_OUTPUT:
            self._output = StandardOutput()
        else:
            self._output = AtomicFile(plan.path, folder=plan.work)
        if not (isinstance(self._output, AtomicFile) and self._output.temporary.is_file()):
            self._given_out = bytearray()
        self._writer = NqWriter.of(self._put, plan.video, plan.metadata, minor)
        return self._writer

    def _put(self, data: bytes) -> None:
        assert self._output is not None
        self._output.write(data)
        if self._given_out is not None:
            self._given_out += data
