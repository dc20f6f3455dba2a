"""The scheduling policy of this process's threads, which encoders such as SVT-AV1 change where they may.

Run as root, SVT-AV1 makes its process real-time: everything beside it then starves, and children inherit it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TASKS = Path("/proc/self/task")
"""Linux's list of this process's threads."""


@contextmanager
def same_policy() -> Iterator[None]:
    """All threads of this process, those started inside among them, have the calling thread's scheduling policy again
    afterwards. Does nothing where the system has no such policies, or does not list threads."""
    if not hasattr(os, "sched_getscheduler") or not TASKS.is_dir():
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    yield
    for task in TASKS.iterdir():
        with suppress(OSError):  # the thread has ended
            if os.sched_getscheduler(int(task.name)) != policy:
                os.sched_setscheduler(int(task.name), policy, priority)
