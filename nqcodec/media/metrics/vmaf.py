"""VMAF by FFmpeg's filter libvmaf, where an FFmpeg at hand was built with it: PyAV's own, or an ffmpeg program."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from nqcodec.errors import UnsupportedError
from nqcodec.media.libav import import_av, pixel_format, plane_views
from nqcodec.media.video import Frame, Plane, Video

_FILTER = "libvmaf"
_SECONDS = 20.0
"""Time that a program has to list its filters, and one to end after its last frame has come."""

MISSING = (
    "VMAF is left out: neither PyAV's FFmpeg nor an ffmpeg program found here has libvmaf "
    "(pip install 'nqcodec[vmaf]' brings one)"
)
"""The note that replaces VMAF where it is not measured."""


def has_vmaf() -> bool:
    """Whether VMAF can be measured here."""
    return _library_has_vmaf() or vmaf_program() is not None


def vmaf_source() -> str | None:
    """A description of the FFmpeg that measures VMAF, to note with results; None if there is none."""
    if _library_has_vmaf():
        return f"PyAV {import_av().__version__}"
    program = vmaf_program()
    if program is None:
        return None
    version = _output(program, "-version").partition(" Copyright")[0]
    return version.strip() or program


def _library_has_vmaf() -> bool:
    try:
        av = import_av()
    except UnsupportedError:
        return False
    return _FILTER in av.filter.filters_available


@cache
def vmaf_program() -> str | None:
    """An ffmpeg program with libvmaf: the one on the path, or that of the package imageio-ffmpeg; None if neither."""
    candidates = [shutil.which("ffmpeg")]
    with contextlib.suppress(ImportError, RuntimeError):  # raised where it has no binary for this machine
        import imageio_ffmpeg

        candidates.append(imageio_ffmpeg.get_ffmpeg_exe())
    return next((one for one in candidates if one and f" {_FILTER} " in _output(one, "-filters")), None)


def _output(program: str, option: str) -> str:
    """The output of a program; empty if it does not run."""
    try:
        done = subprocess.run(
            [program, "-hide_banner", option], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


class PairFilter:
    """An FFmpeg filter that compares a decoded clip (its first input) with a reference and writes a log."""

    def __init__(self, video: Video, name: str, arguments: str) -> None:
        """Build the graph; `arguments` are the filter's options."""
        self._av, self._video, self._count = import_av(), video, 0
        self._graph = self._av.filter.Graph()
        self._inputs = [self._source() for _ in ("decoded", "reference")]
        compare = self._graph.add(name, arguments)
        self._sink = self._graph.add("buffersink")
        for number, source in enumerate(self._inputs):
            source.link_to(compare, 0, number)
        compare.link_to(self._sink)
        self._graph.configure()

    def add(self, reference: Frame, decoded: Frame) -> None:
        """Compare one frame."""
        for source, frame in zip(self._inputs, (decoded, reference), strict=True):
            source.push(self._picture(frame))
        self._count += 1
        self._drain()

    def finish(self) -> None:
        """End both clips and let the filter write its log."""
        for source in self._inputs:
            source.push(None)
        self._drain()
        # The filter closes its log when it is freed.
        del self._graph, self._inputs, self._sink

    def _source(self) -> Any:
        video = self._video
        return self._graph.add_buffer(
            width=video.width,
            height=video.height,
            format=self._av.VideoFormat(pixel_format(video)),
            time_base=1 / video.fps,
        )

    def _picture(self, frame: Frame) -> Any:
        picture = self._av.VideoFrame(self._video.width, self._video.height, pixel_format(self._video))
        for view, plane in zip(plane_views(picture, self._video), frame, strict=True):
            view[: plane.shape[0], : plane.shape[1]] = plane
        picture.pts, picture.time_base = self._count, 1 / self._video.fps
        return picture

    def _drain(self) -> None:
        with contextlib.suppress(self._av.BlockingIOError, self._av.EOFError):
            while True:
                self._sink.pull()


class _Comparison(Protocol):
    """Compares pairs of frames and leaves a log."""

    def add(self, reference: Frame, decoded: Frame) -> None:
        """Compare one frame."""

    def finish(self) -> None:
        """End both clips; the log is whole afterwards."""


class PairProgram:
    """An ffmpeg program that compares a decoded clip with a reference by a filter that writes a log.

    Both come through one pipe, as one picture over the other: a program that reads two pipes may wait for the one
    while it is to be given the other.
    """

    def __init__(self, program: str, video: Video, name: str, arguments: str, folder: Path) -> None:
        self._video, self._program, self._messages = video, program, folder / "messages.txt"
        # Even, so that chroma rows of the lower picture begin with it.
        self._rows = even = video.height + video.height % 2
        crop = f"crop={video.width}:{video.height}:0"
        graph = f"split[a][b];[a]{crop}:0:exact=1[d];[b]{crop}:{even}:exact=1[r];[d][r]{name}={arguments}"
        size = f"{video.width}x{2 * even}"
        command = [program, "-hide_banner", "-v", "error", "-f", "rawvideo", "-pix_fmt", pixel_format(video)]
        command += ["-s", size, "-r", str(video.fps), "-i", "pipe:0", "-lavfi", graph, "-f", "null", "-"]
        with self._messages.open("wb") as messages:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=messages, stderr=messages)

    def add(self, reference: Frame, decoded: Frame) -> None:
        """Compare one frame; raises UnsupportedError if the program has given up."""
        assert self._process.stdin is not None
        try:
            for number, planes in enumerate(zip(decoded, reference, strict=True)):
                rows = self._rows // self._video.chroma.plane_sub(number)[1]
                self._process.stdin.write(np.concatenate([_padded(plane, rows) for plane in planes]).tobytes())
        except BrokenPipeError as error:
            raise self._failure() from error

    def finish(self) -> None:
        """End the clips and wait; raises UnsupportedError if the program fails."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.wait() != 0:
            raise self._failure()

    def _failure(self) -> UnsupportedError:
        self._process.wait()
        said = self._messages.read_text("utf-8", errors="replace").strip().splitlines()
        return UnsupportedError(
            f"{self._program} cannot compare these clips: {said[-1] if said else 'no reason given'}"
        )


def _padded(plane: Plane, rows: int) -> Plane:
    """A plane with its last row repeated up to `rows`."""
    return cast(Plane, np.pad(plane, ((0, rows - plane.shape[0]), (0, 0)), mode="edge"))


class Vmaf:
    """Collects frames and gives each one's VMAF with libvmaf's default model."""

    def __init__(self, video: Video) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nqcodec-vmaf-")
        self._log = Path(self._folder.name) / "log.json"
        # FFmpeg's filter syntax needs colons in names escaped.
        log = str(self._log).replace("\\", "/").replace(":", r"\:")
        arguments = f"log_fmt=json:log_path={log}"
        program = None if _library_has_vmaf() else vmaf_program()
        self._filter: _Comparison
        if program is None:
            self._filter = PairFilter(video, _FILTER, arguments)
        else:
            self._filter = PairProgram(program, video, _FILTER, arguments, Path(self._folder.name))

    def add(self, reference: Frame, decoded: Frame) -> None:
        """Compare one frame."""
        self._filter.add(reference, decoded)

    def finish(self) -> list[float]:
        """Each frame's score; call once, after the last frame."""
        self._filter.finish()
        scores = frame_scores(self._log.read_text("utf-8"))
        self._folder.cleanup()
        return scores


def frame_scores(log: str) -> list[float]:
    """The frames' scores in a JSON log of libvmaf, in order."""
    frames = sorted(json.loads(log)["frames"], key=lambda frame: int(frame["frameNum"]))
    return [float(frame["metrics"]["vmaf"]) for frame in frames]
