"""VMAF by FFmpeg's filter, where this FFmpeg was built with libvmaf."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

from nqcodec.errors import UnsupportedError
from nqcodec.formats.libav import import_av, pixel_format, plane_views
from nqcodec.video import Frame, Video

_FILTER = "libvmaf"


def has_vmaf() -> bool:
    """Whether PyAV is here and its FFmpeg has libvmaf."""
    try:
        av = import_av()
    except UnsupportedError:
        return False
    return _FILTER in av.filter.filters_available


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


class Vmaf:
    """Collects frames and gives their VMAF with libvmaf's default model."""

    def __init__(self, video: Video) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nqcodec-vmaf-")
        self._log = Path(self._folder.name) / "log.json"
        # FFmpeg's filter syntax needs colons in names escaped.
        log = str(self._log).replace("\\", "/").replace(":", r"\:")
        self._filter = PairFilter(video, _FILTER, f"log_fmt=json:log_path={log}")

    def add(self, reference: Frame, decoded: Frame) -> None:
        """Compare one frame."""
        self._filter.add(reference, decoded)

    def mean(self) -> float:
        """The mean over frames; call once, after the last."""
        self._filter.finish()
        mean = pooled_mean(self._log.read_text("utf-8"))
        self._folder.cleanup()
        return mean


def pooled_mean(log: str) -> float:
    """The mean over frames in a JSON log of libvmaf."""
    return float(json.loads(log)["pooled_metrics"]["vmaf"]["mean"])
