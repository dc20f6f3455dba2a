"""Ctrl-C, SIGTERM and SIGHUP as a flag that a loop checks between iterations."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Systems and schedulers end a process with SIGTERM; a closed terminal sends SIGHUP."""
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


@contextmanager
def interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C, SIGTERM or SIGHUP into a flag, so that the loop ends between iterations; a second one acts
    at once.

    If the block ends after a signal, the signal is raised again and has the effect that it has without the flag:
    Ctrl-C raises KeyboardInterrupt, SIGTERM and SIGHUP end a process that does not handle them.

    Where a signal is ignored (by a worker, whose parent answers it, or under nohup) or is not ours to catch (in a
    thread), nothing changes.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    found = {number: signal.getsignal(number) for number in SIGNALS}
    # None is a handler that was not set from Python, which could not be put back.
    before = {number: handler for number, handler in found.items() if handler not in (signal.SIG_IGN, None)}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def catch(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        put_back()

    for number in before:
        signal.signal(number, catch)
    try:
        yield lambda: bool(caught)
    finally:
        put_back()
        if caught:
            signal.raise_signal(caught[0])
