"""A clip to encode: where its frames come from and in which format they are coded. Small and picklable, so that every
segment's process opens its own part of it; frames are streamed, never all held.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from nqcodec.errors import InputError, UsageError
from nqcodec.media.colour import convert
from nqcodec.media.positions import Position, Time, frame_at
from nqcodec.media.side_data import SideData
from nqcodec.media.source import Source, open_source
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Frame, Plane, Video, frame_bytes

CSP = {"i400": Chroma.C400, "i420": Chroma.C420, "i422": Chroma.C422, "i444": Chroma.C444, "rgb": Chroma.C444}
HD_HEIGHT = 720
"""RGB is coded as BT.709 from this height on, as BT.601 below: what players assume of unmarked video."""


@dataclass(frozen=True)
class ClipInput:
    """A source and the options it was named with.

    Attributes:
        path: file, folder, pattern or "-".
        input_res, fps, csp, depth: description of raw input; None if the source states it itself.
        start, count: --seek and --frames; times become frames by the source's frame rate.
        coded_csp, coded_depth: format to code in, None for the source's own (RGB sources: i420).
        label: the name to show; differs from `path` once standard input has been copied to a file.
    """

    path: str
    input_res: tuple[int, int] | None = None
    fps: Fraction | None = None
    csp: str | None = None
    depth: int | None = None
    start: Position = 0
    count: Position | None = None
    coded_csp: str | None = None
    coded_depth: int | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """The clip's name in messages."""
        return self.label or ("stdin" if self.path == "-" else self.path)

    def open(self, start: int = 0, count: int | None = None) -> Source:
        """The source's frames start..start+count-1 of those that --seek and --frames leave, as they are."""
        first, most = self._frame_range()
        left = None if most is None else most - start
        wanted = left if count is None else count if left is None else min(count, left)
        return self._open(first + start, wanted)

    def in_frames(self) -> ClipInput:
        """The same clip with `start` and `count` as numbers of frames; the source is opened only for a time."""
        start, count = self._frame_range()
        return replace(self, start=start, count=count)

    def _frame_range(self) -> tuple[int, int | None]:
        start, count = self.start, self.count
        if isinstance(start, Time) or isinstance(count, Time):
            with self._open(0, None) as source:
                fps = source.video.fps
            start, count = frame_at(start, fps), None if count is None else frame_at(count, fps)
        return start, count

    def _open(self, start: int, count: int | None) -> Source:
        return open_source(
            self.path,
            input_res=self.input_res,
            fps=self.fps,
            csp=self.csp,
            depth=self.depth,
            start=start,
            count=count,
        )

    def stamp(self) -> tuple[int, ...]:
        """Size and time of change of the source's file: equal ones mean the same content; empty for other sources."""
        try:
            state = os.stat(self.path)
        except OSError:
            return ()
        return (state.st_size, state.st_mtime_ns) if stat.S_ISREG(state.st_mode) else ()

    def describe(
        self, watch: Callable[[Plane, int], None] | None = None, digest: hashlib.blake2b | None = None
    ) -> Video:
        """The video of `probe`."""
        return self.probe(watch, digest)[0]

    def probe(
        self, watch: Callable[[Plane, int], None] | None = None, digest: hashlib.blake2b | None = None
    ) -> tuple[Video, SideData]:
        """The video as it will be coded, frames counted in one pass over them, and what the source has beside them.

        Args:
            watch: called with the first plane (luma, or green) of each frame of the source, and its bits a sample.
            digest: updated with every sample.

        Raises:
            InputError: it cannot be read or has no frames.
        """
        frames = 0
        with self.open() as source:
            video = source.video
            for frame in source:
                if watch:
                    watch(frame[0], video.depth)
                if digest:
                    digest.update(frame_bytes(frame))
                frames += 1
        if frames == 0:
            raise InputError(
                f"{self.name}: no frames to encode" + (f" after --seek {self.start}" if self.start else "")
            )
        return self.coded(video).with_frames(frames), source.side

    def coded(self, video: Video) -> Video:
        """The description of the source's video as it is coded in the file."""
        csp = self.coded_csp or ("i420" if video.is_rgb else None)
        depth = self.coded_depth or min(max(video.depth, 8), 12)
        if csp is None:
            return replace(video, depth=depth)
        if csp == "rgb":
            colour = replace(video.colour, matrix=MATRIX_IDENTITY, full_range=True)
        elif video.is_rgb:
            code = 1 if video.height >= HD_HEIGHT else 6
            colour = Colour(primaries=video.colour.primaries, transfer=video.colour.transfer, matrix=code)
        else:
            colour = video.colour
        return replace(video, chroma=CSP[csp], depth=depth, colour=colour)

    def frames(self, start: int = 0, count: int | None = None) -> Iterator[Frame]:
        """Coded-format frames start..start+count-1."""
        with self.open(start, count) as source:
            target = self.coded(source.video)
            same = target == source.video
            for frame in source:
                yield frame if same else convert(frame, source.video, target)

    def as_file(self, folder: Path) -> ClipInput:
        """The same clip, readable more than once: standard input is copied into `folder` first."""
        if self.path != "-":
            return self
        if sys.stdin.isatty():
            raise UsageError("- reads a clip from standard input, and that is a terminal: pipe one in")
        # Without an extension the bytes decide, and --input-res says that they are raw, as for a pipe.
        path = folder / "stdin"
        with path.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy, 1 << 20)
        return replace(self, path=str(path), label="stdin")
