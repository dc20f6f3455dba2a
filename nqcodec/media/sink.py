"""Opening a clip to write: y4m, raw planar, numbered PNGs, or what FFmpeg writes; to a file, a folder or standard
output.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from nqcodec.errors import OutputError, UsageError
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.audio_copy import AudioCopy
from nqcodec.media.colour import convert
from nqcodec.media.libav_write import CONTAINERS, LibavWriter
from nqcodec.media.metadata import Metadata
from nqcodec.media.output import ByteOutput, StandardOutput
from nqcodec.media.png import FIRST_NUMBER, PngWriter, is_pattern
from nqcodec.media.raw import RawWriter
from nqcodec.media.source import RAW_EXTENSIONS
from nqcodec.media.video import Frame, Video
from nqcodec.media.y4m import Y4mWriter


class Writer(Protocol):
    """The interface of every format's writer. `video` is the clip as written."""

    video: Video

    def write(self, frame: Frame) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Sink:
    """A clip being written. As a context manager it closes when the block ends and aborts on any exception.

    No file has the output's name before `close`, and after `abort` or an error nothing is left, except for bytes that
    were sent to standard output.

    Attributes:
        name: its name in messages.
        video: the clip that `write` takes.
        written: the clip as the file holds it; it differs where the format cannot hold `video`.
        depth: bits a sample in the file.
        written_metadata: what the file holds of the clip's metadata.
    """

    def __init__(self, name: str, video: Video, writer: Writer) -> None:
        self.name, self.video, self.written = name, video, writer.video
        self.depth: int = getattr(writer, "depth", writer.video.depth)
        self.written_metadata: Metadata = getattr(writer, "written_metadata", Metadata())
        self._writer, self._frames, self._open = writer, 0, True

    def write(self, frame: Frame) -> None:
        """Append a frame of `video`. When that fails the sink is aborted.

        Raises:
            OutputError: the disk is full, the reader has gone, the codec refuses.
            ValueError: the frame is not one of `video`, or the sink is closed.
        """
        if not self._open:
            raise ValueError(f"{self.name}: is closed")
        shapes = tuple(plane.shape for plane in frame)
        if shapes != self.video.plane_shapes or any(plane.dtype != self.video.dtype for plane in frame):
            raise ValueError(f"{self.name}: planes of {shapes} do not make a frame of {self.video}")
        try:
            self._writer.write(convert(frame, self.video, self.written))
        except BaseException:
            self.abort()
            raise
        self._frames += 1

    def close(self) -> None:
        """Finish, and give the output its name. Does nothing when already closed or aborted.

        Raises:
            OutputError: as `write`, or no frame was written.
        """
        if not self._open:
            return
        if not self._frames:
            self.abort()
            raise OutputError(f"{self.name}: no frame was written")
        self._open = False
        try:
            self._writer.close()
        except BaseException:
            self._writer.abort()
            raise

    def abort(self) -> None:
        """Remove what was written. Does nothing when already closed or aborted."""
        if self._open:
            self._open = False
            self._writer.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def open_sink(
    path: str | os.PathLike[str],
    video: Video,
    *,
    codec: str | None = None,
    options: Mapping[str, str] | None = None,
    stdout: BinaryIO | None = None,
    y4m: bool = False,
    raw: bool = False,
    first: int = FIRST_NUMBER,
    metadata: Metadata | None = None,
    audio: AudioCopy | None = None,
) -> Sink:
    """Open an output for frames of `video`.

    The extension decides: .y4m; .yuv or .raw; .png (a pattern, or one picture); .mp4, .m4v, .mov, .mkv or .webm; an
    existing folder or a path that ends in / gets PNGs. Standard output is y4m unless `raw`. RGB clips become
    limited-range 4:4:4 YUV in y4m, which has no RGB; raw files keep their planes G, B, R, whose MD5 is the clip's
    hash.

    Args:
        path: file, folder, numbered pattern, or "-" for standard output.
        video: the clip; its `frames` may be 0 (unknown).
        codec: FFmpeg's name of an encoder, for its containers; default lossless.
        options: that encoder's options.
        stdout: the stream behind "-", by default `sys.stdout.buffer`.
        y4m, raw: force that format whatever the name.
        first: number of the first frame in the names of pictures, where `video` is a part of a clip.
        metadata: what to write beside the pictures; FFmpeg's containers take frame times, display matrix and, by some
            encoders, HDR10 values.
        audio: audio to write beside the pictures, into FFmpeg's containers only; it is closed with the sink.

    Raises:
        OutputError: unknown extension, missing folder, no permission, or no codec for the clip.
        UsageError: both formats forced, a codec where none is used, an option that the codec does not have, or standard
            output is a terminal.
        UnsupportedError: a missing library, or a matrix that a needed conversion does not know.
    """
    name = os.fspath(path)
    suffix = Path(path).suffix.lower()
    if y4m and raw:
        raise UsageError("--y4m and --raw exclude each other")
    by_libav = suffix in CONTAINERS and name != "-" and not (y4m or raw)
    if (codec or options) and not by_libav:
        raise UsageError(f"{name}: a codec can be chosen only for {', '.join(CONTAINERS)}")
    if by_libav:
        return Sink(name, video, LibavWriter(path, video, codec, options, metadata, audio))
    if audio:
        raise UsageError(f"{name}: --audio is only for {', '.join(CONTAINERS)}")
    if name == "-":
        return Sink(name, video, _byte_writer(StandardOutput(stdout), video, raw))
    if y4m or raw or suffix == ".y4m" or suffix in RAW_EXTENSIONS:
        return Sink(name, video, _byte_writer(AtomicFile(path), video, raw or (suffix in RAW_EXTENSIONS and not y4m)))
    if suffix == ".png" or name.endswith(os.sep) or Path(path).is_dir():
        if suffix == ".png" and not is_pattern(path) and video.frames > 1:
            raise OutputError(f"{name}: one picture, but the clip has {video.frames}; use {Path(path).stem}_%05d.png")
        return Sink(name, video, PngWriter(path, video, first))
    raise OutputError(
        f"{name}: unknown extension; use .y4m, .yuv, %05d.png, a folder (ending in {os.sep}) or {', '.join(CONTAINERS)}"
    )


def _byte_writer(output: ByteOutput, video: Video, raw: bool) -> Writer:
    """A raw or y4m writer, which discards its output when it cannot begin."""
    try:
        return RawWriter(output, video) if raw else Y4mWriter(output, video)
    except BaseException:
        output.abort()
        raise
