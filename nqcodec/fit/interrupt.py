"""Ctrl-C as a flag that a loop looks at between steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interrupt_flag() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag, so that it ends the loop between steps; a second one acts at once.

    Where Ctrl-C is ignored (a worker, whose parent answers it) or is not ours to catch (a thread), nothing changes.
    """
    flag = threading.Event()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield flag.is_set
        return

    def catch(number: int, frame: FrameType | None) -> None:
        flag.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, catch)
    try:
        yield flag.is_set
    finally:
        signal.signal(signal.SIGINT, before)
