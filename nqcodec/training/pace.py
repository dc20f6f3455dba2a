"""How long iterations take, and how much of that is other work on the machine."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

UNTIMED_ITERATIONS, TIMED_ITERATIONS = 3, 6
"""Iterations of a trial before the timing, and during it."""

BUSY = 0.15
"""Part of the time that threads may wait for a CPU on a machine that is called idle."""

TASKS = Path("/proc/self/task")
"""Linux's list of this process's threads, with the time that each had a CPU and that it waited for one."""


class Iterating(Protocol):
    def iterate(self) -> object: ...


@dataclass(frozen=True)
class Pace:
    """How long something takes.

    Attributes:
        seconds: that it takes.
        waiting: part of the time of this process's threads, 0 to 1, in which they could run but other work had the
            CPUs; 0 where the system does not tell.
    """

    seconds: float
    waiting: float = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether other work makes it much longer."""
        return self.waiting > BUSY

    @property
    def idle_seconds(self) -> float:
        """Seconds that it would take alone."""
        return self.seconds * (1 - self.waiting)

    def times(self, count: int) -> Pace:
        """That of `count` such things."""
        return Pace(self.seconds * count, self.waiting)


def pace_of(trainer: Iterating, device: torch.device) -> Pace:
    """That of an iteration, measured over a few."""
    for _ in range(UNTIMED_ITERATIONS):
        trainer.iterate()
    (ran, waited), started = _scheduled(), _clock(device)
    for _ in range(TIMED_ITERATIONS):
        trainer.iterate()
    seconds = (_clock(device) - started) / TIMED_ITERATIONS
    now_ran, now_waited = _scheduled()
    ran, waited = now_ran - ran, now_waited - waited
    return Pace(seconds, waited / (ran + waited) if ran + waited else 0.0)


def _scheduled() -> tuple[int, int]:
    """Nanoseconds that this process's threads had a CPU, and that they waited for one."""
    ran = waited = 0
    for task in TASKS.iterdir() if TASKS.is_dir() else ():
        with suppress(OSError, ValueError):  # the thread has ended, or this kernel does not count
            numbers = (task / "schedstat").read_text(encoding="ascii").split()
            ran, waited = ran + int(numbers[0]), waited + int(numbers[1])
    return ran, waited


def _clock(device: torch.device) -> float:
    """Seconds, once the device has finished all work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
