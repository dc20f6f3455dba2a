"""Threads of this process on CPUs of their own, for measurements.

Schedulers of virtual machines may keep all threads of a process on one CPU while others idle, whatever the load; then
two threads measure as one. Pinning leaves no choice. The library never pins: where a process runs is its user's affair.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from nqcodec.media.scheduling import TASKS


@contextmanager
def pinned_threads() -> Iterator[bool]:
    """The threads that this process has now, the caller's on the first allowed CPU and the others in turn on the rest.

    Threads that the caller starts inside inherit its CPU: start them before. Yields False, and does nothing, where
    there is but one CPU or the system cannot pin. Afterwards every thread may go everywhere again.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(allowed) < 2 or not TASKS.is_dir():
        yield False
        return
    main = os.getpid()
    others = sorted(int(task.name) for task in TASKS.iterdir() if int(task.name) != main)
    places = {main: {allowed[0]}} | {task: {allowed[1 + k % (len(allowed) - 1)]} for k, task in enumerate(others)}
    _place(places)
    try:
        yield True
    finally:
        _place({task: set(allowed) for task in places})


def _place(places: dict[int, set[int]]) -> None:
    for task, cpus in places.items():
        try:
            os.sched_setaffinity(task, cpus)
        except OSError:
            continue  # the thread has ended
