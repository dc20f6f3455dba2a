"""What --progress shows on stderr: tqdm bars on a terminal and a line now and then elsewhere, or JSON for programs.

Nothing here loads tqdm before a bar is shown: commands work where it is not installed.
"""

from __future__ import annotations

import json
import math
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import click

from nqcodec.cli.log import Level, log_level, say
from nqcodec.cli.signals import outliving_terminal

if TYPE_CHECKING:
    from nqcodec.encoder.progress import Event
    from nqcodec.encoder.report import EncodeReport

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"
"""tqdm's own layout without its remaining time: the event's, in the postfix, is the one that counts."""
LINE_SECONDS = 20.0
"""Between two lines where stderr is no terminal."""
JSON_SECONDS = 0.5
"""Between two lines of JSON of a stage; its first and last are always written."""

progress_option = click.option(
    "--progress",
    type=click.Choice(["bar", "json", "none"]),
    help="On stderr: a bar, or elsewhere than on a terminal a line now and then; one JSON object a line, -q or not; or "
    "nothing; default: bar.",
)


class Bar(Protocol):
    """What shows the progress of a loop: a tqdm bar or one of those here."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def update(self, count: int = 1, /) -> object:
        """So many more are done."""


class ResizableBar(Bar, Protocol):
    """One whose total may become known on the way."""

    total: float | None


class NoBar:
    """A progress bar that shows nothing."""

    total: float | None = None

    def __enter__(self) -> NoBar:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to close."""

    def update(self, count: int = 1) -> None:
        """Nothing to show."""


def progress_bar(total: int, text: str, unit: str, quiet: bool) -> ResizableBar:
    """A tqdm bar on stderr, only where stderr is a terminal; decoding works where tqdm is not installed."""
    if quiet or not sys.stderr.isatty():
        return NoBar()
    try:
        from tqdm import tqdm
    except ImportError:
        return NoBar()
    return tqdm(total=total or None, desc=text, unit=unit, file=sys.stderr, leave=False)


class EncodeProgress:
    """Receives `Event`s of any number of segments and shows them."""

    def __init__(self, quiet: bool, bar: bool):
        self.quiet = quiet
        self.bars = bar and not quiet and sys.stderr.isatty()
        self.open_bars: dict[str, Any] = {}
        self.last_line = time.monotonic()

    def __enter__(self) -> EncodeProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for bar in self.open_bars.values():
            bar.close()

    def done(self, report: EncodeReport) -> None:
        """A file is finished: the summary that follows says all of it."""

    def __call__(self, event: Event) -> None:
        if not event.iterations:
            self._note(event)
        elif self.bars:
            self._bar(event)
        elif not self.quiet and time.monotonic() - self.last_line > LINE_SECONDS:
            self.last_line = time.monotonic()
            say(f"{event.name}: {event.stage} {event.iteration}/{event.iterations}{_figures(event)}")

    def _note(self, event: Event) -> None:
        text, level = f"{event.name}: {event.text}", Level[event.level.upper()]
        if self.bars and level <= log_level():
            from tqdm import tqdm

            with outliving_terminal():
                tqdm.write(text, file=sys.stderr)
        else:
            say(text, level)

    def _bar(self, event: Event) -> None:
        from tqdm import tqdm

        key = f"{event.name} {event.stage}"
        bar = self.open_bars.get(key)
        if bar is None:
            # A resumed stage begins after its first iterations, which say nothing about the speed of this run.
            bar = self.open_bars[key] = tqdm(
                total=event.iterations,
                initial=event.iteration,
                desc=key,
                unit="iteration",
                file=sys.stderr,
                leave=False,
                bar_format=BAR,
            )
        bar.set_postfix_str(_figures(event).strip(), refresh=False)
        bar.update(event.iteration - bar.n)
        if event.iteration >= event.iterations:
            bar.close()
            del self.open_bars[key]


def _figures(event: Event) -> str:
    figures = "" if event.psnr is None else f"  PSNR-YUV {event.psnr:.2f} dB"
    if event.size is not None:
        figures += f"  {event.size} B"
    return figures if event.eta is None else f"{figures}  {_clock(event.eta)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


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
            of: iterations of the stage; 0 where they are not known.
            psnr: PSNR-YUV in dB.
            size: bytes.
            eta: seconds left of the stage.
            more: further keys.
        """
        now, key = time.monotonic(), (source, stage)
        if (iteration < of or not of) and now - self._last.get(key, -math.inf) < JSON_SECONDS:
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
        if not event.iterations:
            say(f"{event.name}: {event.text}", Level[event.level.upper()])
            return
        figures = {"loss": event.figures.get("loss"), "lambda": event.figures.get("lambda"), "rate": event.rate}
        self._lines.write(
            event.name,
            event.stage,
            event.iteration,
            event.iterations,
            psnr=event.psnr,
            size=event.size,
            eta=event.eta,
            **figures,
        )

    def done(self, report: EncodeReport) -> None:
        """The last line of a file: its figures as decoded."""
        known: dict[str, Any] = {"psnr": report.psnr["yuv"], "size": report.size, "eta": 0.0, **report.metrics}
        self._lines.write(report.name, "done", 1, 1, **known, output=report.output, bpp=report.bpp)


class FrameProgressJson:
    """The progress of a decode as JSON, in place of a bar: `update` is called for every frame.

    Of a stream nobody knows the number of frames: it is 0 then, and so is "of".
    """

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
        seconds_a_frame = (time.monotonic() - self._begin) / self._count
        left = (self._frames - self._count) * seconds_a_frame if self._frames else None
        fps = 1 / seconds_a_frame if seconds_a_frame else None
        self._lines.write(self._source, "decode", self._count, self._frames, eta=left, fps=fps)


def encode_progress(how: str, quiet: bool) -> EncodeProgress | EncodeProgressJson:
    """What shows the progress of an encode: "bar", "json" or "none"; `quiet` leaves only JSON, which was asked for."""
    if how == "json":
        return EncodeProgressJson()
    return EncodeProgress(quiet=quiet or how == "none", bar=True)
