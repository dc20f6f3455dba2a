"""--progress json: how far a command is, as one JSON object a line on stderr, for programs that show it their way."""

from __future__ import annotations

import json
import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from nqcodec.cli.log import Level, say

if TYPE_CHECKING:
    from nqcodec.encoder.progress import Event
    from nqcodec.encoder.report import EncodeReport

LINE_SECONDS = 0.5
"""Between two lines of a stage; its first and last are always written."""


class ProgressLines:
    """Writes the lines of one call: every key is always there, null where nothing is known."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._last: dict[tuple[str, str], float] = {}

    def write(
        self,
        source: str,
        stage: str,
        iteration: int,
        of: int,
        *,
        psnr: float | None = None,
        size: int | None = None,
        eta: float | None = None,
        **more: Any,
    ) -> None:
        """A line, unless the stage's last one is too near.

        Args:
            source: the clip, its segment or the file.
            of: iterations of the stage.
            psnr: PSNR-YUV in dB.
            size: bytes.
            eta: seconds left of the stage.
            more: further keys.
        """
        now, key = time.monotonic(), (source, stage)
        if iteration < of and now - self._last.get(key, -math.inf) < LINE_SECONDS:
            return
        self._last[key] = now
        line = {"input": source, "stage": stage, "iteration": iteration, "of": of}
        figures = {"psnr": psnr, "bytes": size, "eta": eta, "elapsed": now - self._begin, **more}
        click.echo(json.dumps({**line, **{name: _rounded(value) for name, value in figures.items()}}), err=True)


def _rounded(value: Any) -> Any:
    """A figure short enough to read; JSON has no infinities."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


class EncodeProgressJson:
    """Receives the `Event`s of any number of segments; a line of text is the log's, and none of these."""

    def __init__(self) -> None:
        self._lines = ProgressLines()

    def __enter__(self) -> EncodeProgressJson:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: every line is whole."""

    def __call__(self, event: Event) -> None:
        if not event.steps:
            say(f"{event.name}: {event.text}", Level[event.level.upper()])
            return
        figures = {"loss": event.figures.get("loss"), "lambda": event.figures.get("price"), "rate": event.rate}
        self._lines.write(
            event.name, event.stage, event.step, event.steps, psnr=event.psnr, size=event.size, eta=event.eta, **figures
        )

    def done(self, report: EncodeReport) -> None:
        """The last line of a file: its figures as decoded."""
        known: dict[str, Any] = {"psnr": report.psnr["yuv"], "size": report.size, "eta": 0.0, **report.metrics}
        self._lines.write(report.name, "done", 1, 1, **known, output=report.output, bpp=report.bpp)


class FrameProgressJson:
    """A bar's place where a number of frames is decoded: it is told of each."""

    def __init__(self, source: str, frames: int):
        self._source, self._frames, self._count = source, frames, 0
        self._lines, self._begin = ProgressLines(), time.monotonic()

    def __enter__(self) -> FrameProgressJson:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close: every line is whole."""

    def update(self, count: int = 1) -> None:
        """So many more frames are done."""
        self._count += count
        pace = (time.monotonic() - self._begin) / self._count
        left = (self._frames - self._count) * pace
        fps = 1 / pace if pace else None
        self._lines.write(self._source, "decode", self._count, self._frames, eta=left, fps=fps)
