"""How long a stage of an encode will still take, by the steps seen in this run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from nqcodec.encoder.segment_job import Event

LEAST_SECONDS = 2.0
"""Time to watch a stage before its pace is told: first steps are slow, while memory is touched and threads start."""


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
        if not event.steps:
            return event
        now = self._clock()
        step, begin = self._begins.setdefault((event.name, event.stage, event.rate), (event.step, now))
        taken, seconds = event.step - step, now - begin
        if event.step >= event.steps:
            return replace(event, eta=0.0)
        if taken <= 0 or seconds < LEAST_SECONDS:
            return replace(event, eta=None)
        return replace(event, eta=seconds / taken * (event.steps - event.step))
