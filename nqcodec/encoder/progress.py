"""What an encode tells while it works: events of its stages, each with the time that its stage will still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from nqcodec.training.progress import Progress

LEAST_SECONDS = 2.0
"""Time to watch a stage before its pace is told: first steps are slow, while memory is touched and threads start."""


@dataclass(frozen=True)
class Event:
    """Progress of one stage: step of steps, or with steps 0 a line of text.

    Attributes:
        psnr: mean PSNR-YUV of recent training frames in dB.
        size: bytes of the segment as estimated.
        eta: seconds left of the stage; None while that is not known.
        rate: number of the task's rate that the stage is for; None where it serves them all.
        figures: what else is known of the fit then: "loss" (mean since the last event), "price" (lambda, in nats of
            the loss a bit), and "step <tensor key>", that tensor's mean step index, an eighth of an octave each.
        level: of a line of text: "debug" for details of the plan, "warning" for what a user should not miss.
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
        """What training tells of segment `name`; `stage` in place of its own name for it."""
        p = progress
        counted = stage or p.stage, p.iteration, p.iterations
        return Event(name, *counted, p.psnr, p.size, p.eta, rate=rate, figures=p.figures())


class RemainingTime:
    """Gives events the seconds left of their stage, or None while its pace is not known yet.

    A pace is measured from the first event of the stage on. So neither what was read and set up before it counts, nor
    steps that an earlier run has taken, which a resumed stage begins after.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begins: dict[tuple[str, str, int | None], tuple[int, float]] = {}

    def __call__(self, event: Event) -> Event:
        """The event with its `eta` as known now."""
        if not event.iterations:
            return event
        now = self._clock()
        step, begin = self._begins.setdefault((event.name, event.stage, event.rate), (event.iteration, now))
        taken, seconds = event.iteration - step, now - begin
        if event.iteration >= event.iterations:
            return replace(event, eta=0.0)
        if taken <= 0 or seconds < LEAST_SECONDS:
            return replace(event, eta=None)
        return replace(event, eta=seconds / taken * (event.iterations - event.iteration))
