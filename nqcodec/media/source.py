"""Opening a clip to read, whatever it is: y4m, raw planar, PNGs, or anything FFmpeg reads; from a file or a pipe."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from nqcodec.errors import InputError, LimitError, UsageError
from nqcodec.media.png import PngReader, is_pattern
from nqcodec.media.raw import CSP, RawReader, csp_name
from nqcodec.media.side_data import SideData
from nqcodec.media.stream import ByteStream
from nqcodec.media.text import counted
from nqcodec.media.video import MATRIX_IDENTITY, Colour, Frame, Video
from nqcodec.media.y4m import MAGIC, Y4mReader

RAW_EXTENSIONS = frozenset({".yuv", ".raw"})
"""Raw planar video by name; with --input-res, a file without an extension or with .bin is too."""
_RAW_IF_SAID = frozenset({"", ".bin"})
MAX_PIXELS = 1 << 26
"""Pixels a frame at most, the default limit of formats/nq.md 8: checked before a frame is allocated."""
DEFAULT_FPS = Fraction(25)
DEPTHS = range(8, 13)


class Reader(Protocol):
    """The interface of every format's reader."""

    video: Video

    def frames(self, start: int = 0) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class Source:
    """A clip being read, as an iterator over frames that may be walked once.

    Attributes:
        name: what messages call it.
        video: the clip; `frames` is what iteration will give, or 0 while unknown (pipes, and what FFmpeg reads).
    """

    def __init__(self, name: str, reader: Reader, start: int = 0, count: int | None = None) -> None:
        """Give frames `start`, `start` + 1, ... of `reader`, at most `count` of them.

        Raises:
            InputError: the clip is known to hold no frame there.
        """
        self.name, self._reader, self._start, self._count = name, reader, start, count
        total = reader.video.frames
        left = total - start
        if total and left <= 0:
            raise self._past_end(total)
        self.video = reader.video.with_frames(min(left, count or left) if total else 0)

    @property
    def side(self) -> SideData:
        """What the source holds beside its pictures; complete after all frames have been read."""
        return getattr(self._reader, "side", SideData())

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames.

        Raises:
            InputError: the stream is damaged, or ends before the first wanted frame.
        """
        given = 0
        for frame in itertools.islice(self._reader.frames(self._start), self._count):
            yield frame
            given += 1
        if not given:
            if self._start:
                raise self._past_end(None)
            raise no_frames(self.name)

    def _past_end(self, total: int | None) -> InputError:
        size = "ends before it" if total is None else f"has only {counted(total, 'frame')}"
        return InputError(f"{self.name}: --seek {self._start} asks for a frame, but the clip {size}; lower --seek")

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def no_frames(name: str) -> InputError:
    """The error for a clip with a header and nothing after it."""
    return InputError(f"{name}: the clip has zero frames")


def open_source(
    path: str | os.PathLike[str],
    *,
    input_res: tuple[int, int] | None = None,
    fps: Fraction | None = None,
    csp: str | None = None,
    depth: int | None = None,
    start: int = 0,
    count: int | None = None,
    stdin: BinaryIO | None = None,
) -> Source:
    """Open a clip.

    A stream that begins with YUV4MPEG2 is y4m whatever its name. A folder, a .png or a pattern of them is PNGs; .yuv
    and .raw are raw planar, and so is standard input with `input_res`. Everything else is left to FFmpeg.

    Args:
        path: file, folder, numbered pattern, or "-" for standard input.
        input_res: (width, height), for raw video.
        fps: rate of raw video and PNGs (default 25), and of streams that state none.
        csp: i400, i420 (default), i422, i444 or gbr, for raw video.
        depth: 8 (default) to 12 bits a sample, for raw video.
        start: frames to pass over.
        count: frames to give at most; None for all.
        stdin: the stream behind "-", by default `sys.stdin.buffer`.

    Raises:
        InputError: missing, empty, foreign, damaged, cut, without frames, or of a size that the options deny.
        UsageError: raw video without `input_res`, values out of range, or options that contradict what the clip says.
        LimitError: frames larger than any .nq file may hold.
        UnsupportedError: a kind of picture that is not supported, or a missing library.
    """
    options = _Options(input_res, fps, csp, depth)
    if start < 0 or (count is not None and count < 1):
        raise UsageError("--seek must be at least 0 and --frames at least 1")
    name = "standard input" if os.fspath(path) == "-" else os.fspath(path)
    reader = _open_reader(path, options, stdin)
    try:
        options.check(name, reader)
        return Source(name, reader, start, count)
    except BaseException:
        reader.close()
        raise


class _Options:
    """The user's options for the input, checked on their own first and against the clip later."""

    def __init__(
        self, input_res: tuple[int, int] | None, fps: Fraction | None, csp: str | None, depth: int | None
    ) -> None:
        if input_res is not None and min(input_res) < 1:
            raise UsageError(f"--input-res {input_res[0]}x{input_res[1]}: width and height must be at least 1")
        if fps is not None and fps <= 0:
            raise UsageError(f"--fps {fps}: the rate must be above 0")
        if csp is not None and csp not in CSP:
            raise UsageError(f"--input-csp {csp}: must be one of {', '.join(CSP)}")
        if depth is not None and depth not in DEPTHS:
            raise UsageError(f"--input-depth {depth}: must be {DEPTHS[0]} to {DEPTHS[-1]}")
        self.input_res, self.fps, self.csp, self.depth = input_res, fps, csp, depth

    def raw_video(self, name: str) -> Video:
        """The raw clip that the options describe."""
        if self.input_res is None:
            raise UsageError(
                f"{name}: raw video does not state its size; give --input-res WIDTHxHEIGHT, and --fps, --input-csp and "
                "--input-depth where they are not 25, i420 and 8"
            )
        colour = Colour(matrix=MATRIX_IDENTITY, full_range=True) if self.csp == "gbr" else Colour()
        chroma = CSP[self.csp or "i420"]
        return _within_limit(name, Video(*self.input_res, 0, self.fps or DEFAULT_FPS, chroma, self.depth or 8, colour))

    def check(self, name: str, reader: Reader) -> None:
        """Refuse options that the opened clip contradicts, and use the given rate if the clip states none."""
        video = _within_limit(name, reader.video)
        if not getattr(reader, "has_rate", True) and self.fps is not None:
            reader.video = video = replace(video, fps=self.fps)
        said: list[tuple[str, object, object]] = [
            ("--input-res", self.input_res, (video.width, video.height)),
            ("--fps", self.fps, video.fps),
            ("--input-csp", self.csp, csp_name(video)),
            ("--input-depth", self.depth, video.depth),
        ]
        for option, asked, real in said:
            if asked is not None and asked != real:
                raise UsageError(
                    f"{name}: {option} {_shown(asked)} contradicts the clip, which has {_shown(real)}; leave it out"
                )


def _shown(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _within_limit(name: str, video: Video) -> Video:
    if video.width * video.height > MAX_PIXELS:
        raise LimitError(f"{name}: frames of {video.width}x{video.height} exceed the limit of {MAX_PIXELS} pixels")
    return video


def _open_reader(path: str | os.PathLike[str], options: _Options, stdin: BinaryIO | None) -> Reader:
    """The reader for what `path` turns out to be."""
    if os.fspath(path) == "-":
        stream = ByteStream(stdin or sys.stdin.buffer, "standard input")
        return _open_stream(stream, raw=options.input_res is not None, options=options)
    place = Path(path)
    suffix = place.suffix.lower()
    if is_pattern(place) or place.is_dir() or suffix == ".png":
        return PngReader(place, options.fps or DEFAULT_FPS)
    raw = suffix in RAW_EXTENSIONS or (suffix in _RAW_IF_SAID and options.input_res is not None)
    stream = ByteStream.open(place)
    try:
        return _open_stream(stream, raw=raw, options=options, y4m=suffix == ".y4m")
    except BaseException:
        stream.close()
        raise


def _open_stream(stream: ByteStream, *, raw: bool, options: _Options, y4m: bool = False) -> Reader:
    """The reader for bytes, by their first ones, then by what the name and options say."""
    head = stream.peek(len(MAGIC))
    if not head:
        raise InputError(f"{stream.name}: {'no data came' if stream.size is None else 'the file is empty'}")
    if head == MAGIC or y4m:
        reader = Y4mReader(stream)
        if stream.size is not None and not reader.video.frames:
            raise no_frames(stream.name)
        return reader
    if raw:
        return RawReader(stream, options.raw_video(stream.name))
    from nqcodec.media.libav import LibavReader

    if stream.size is None:
        return LibavReader(stream)
    stream.close()
    return LibavReader(stream.name)
