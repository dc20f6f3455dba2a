"""What nqenc shows while it works: one tqdm bar a stage on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from nqcodec.cli.log import Level, log_level, say
from nqcodec.cli.progress_json import EncodeProgressJson
from nqcodec.cli.signals import outliving_terminal
from nqcodec.encoder.progress import Event
from nqcodec.encoder.report import EncodeReport

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {rate_fmt}{postfix}]"
"""tqdm's own layout without its remaining time: the event's, in the postfix, is the one that counts."""
LINE_SECONDS = 20.0
"""Between two lines where stderr is no terminal."""


def encode_progress(how: str, quiet: bool) -> EncodeProgress | EncodeProgressJson:
    """What shows the progress of an encode: "bar", "json" or "none"; `quiet` leaves only JSON, which was asked for."""
    if how == "json":
        return EncodeProgressJson()
    return EncodeProgress(quiet=quiet or how == "none", bar=True)


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
        if not event.steps:
            self._note(event)
        elif self.bars:
            self._bar(event)
        elif not self.quiet and time.monotonic() - self.last_line > LINE_SECONDS:
            self.last_line = time.monotonic()
            say(f"{event.name}: {event.stage} {event.step}/{event.steps}{_figures(event)}")

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
            # A resumed stage begins after its first steps, which are not of this run's pace.
            bar = self.open_bars[key] = tqdm(
                total=event.steps,
                initial=event.step,
                desc=key,
                unit="step",
                file=sys.stderr,
                leave=False,
                bar_format=BAR,
            )
        bar.set_postfix_str(_figures(event).strip(), refresh=False)
        bar.update(event.step - bar.n)
        if event.step >= event.steps:
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
