"""SIGTERM and SIGHUP end a command as Ctrl-C does: nothing half-written is left, and the exit code says why."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = {"SIGTERM": "terminated", "SIGHUP": "hung up"}


class Terminated(KeyboardInterrupt):
    """A signal other than Ctrl-C that asks the command to end.

    Attributes:
        number: the signal's.
    """

    def __init__(self, number: int):
        super().__init__()
        self.number = number


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated on SIGTERM and SIGHUP within the block, unless they are ignored (nohup) or handled already."""
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    main = threading.current_thread() is threading.main_thread()
    ours = [number for number in numbers if main and signal.getsignal(number) is signal.SIG_DFL]

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    for number in ours:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def outliving_terminal() -> Iterator[None]:
    """Writing to stderr within the block does nothing once its terminal has hung up: the work is worth more."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        # What is buffered has to go somewhere, or flushing it when Python exits fails as well.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stderr.fileno())
        os.close(null)


def stopped(error: KeyboardInterrupt) -> tuple[str, int]:
    """What happened in a word, and the exit code that shells expect: 128 and the signal's number."""
    number = error.number if isinstance(error, Terminated) else signal.SIGINT
    return NAMES.get(signal.Signals(number).name, "interrupted"), 128 + number
