"""The progress of an encode: events of its stages, each with the time that its stage will still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from nqcodec.training.progress import Progress

LEAST_SECONDS = 2.0
"""Seconds of a stage before its remaining time is shown: the first iterations are slow, because memory is allocated and
threads start."""


@dataclass(frozen=True)
class Event:
    """Progress of one stage: `iteration` of `iterations`, or a line of text where `iterations` is 0.

    Attributes:
        psnr: mean PSNR-YUV of recent training frames in dB.
        size: bytes of the segment as estimated.
        eta: seconds left of the stage; None while that is not known.
        rate: number of the task's rate that the stage is for; None where it serves them all.
        figures: further figures of the fit at that time: "loss" (mean since the last event), "lambda" (in nats of the
            loss a bit), and "step_index <tensor key>", that tensor's mean step index in eighths of an octave.
        level: of a line of text: "debug" for details of the plan, "warning" for what a user should not overlook.
    """

    name: str
    stage: str
    iteration: int = 0
    iterations: int = 0
    psnr: float | None = None
    size: int | None = None
    eta: float | None = None
    text: str = ""
    rate: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    level: Literal["debug", "info", "warning"] = "info"

    @staticmethod
    def of(progress: Progress, name: str, stage: str | None = None, rate: int | None = None) -> Event:
        """The event for a progress report of the training of segment `name`; `stage` replaces the report's own."""
        p = progress
        counted = stage or p.stage, p.iteration, p.iterations
        return Event(name, *counted, p.psnr, p.size, p.eta, rate=rate, figures=p.figures())


class RemainingTime:
    """Gives events the seconds left of their stage, or None while its speed is not known yet.

    The speed is measured from the first event of the stage on. So neither the time of reading and setting up counts,
    nor the iterations of an earlier run, after which a resumed stage begins.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begins: dict[tuple[str, str, int | None], tuple[int, float]] = {}

    def __call__(self, event: Event) -> Event:
        """The event with its `eta` as known now."""
        if not event.iterations:
            return event
        now = self._clock()
        first, begin = self._begins.setdefault((event.name, event.stage, event.rate), (event.iteration, now))
        taken, seconds = event.iteration - first, now - begin
        if event.iteration >= event.iterations:
            return replace(event, eta=0.0)
        if taken <= 0 or seconds < LEAST_SECONDS:
            return replace(event, eta=None)
        return replace(event, eta=seconds / taken * (event.iterations - event.iteration))
