"""A call in a fresh process of its own, for libraries that leave more behind than what they return.

The process is started anew (spawn), so nothing of the caller's threads or of its scheduling is shared with it, and it
is gone when the call returns: no thread, priority or allocation of the library outlives it.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar, cast

from nqcodec.errors import NqError

Result = TypeVar("Result")


def in_fresh_process(function: Callable[..., Result], *arguments: object, name: str) -> Result:
    """What a function returns that runs in a process of its own.

    Args:
        function: at the top of a module; it, its arguments and its result go through pickle.
        name: what the process does, for errors.

    Raises:
        NqError: as the function does, or where its process ends before it has answered.
        RuntimeError: with the function's traceback, if it fails otherwise.
        KeyboardInterrupt: on Ctrl-C, once the process has ended.
    """
    context = multiprocessing.get_context("spawn")
    answers, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        kind, value = answers.recv()
    except EOFError as error:
        process.join()
        raise NqError(f"{name}: its process ended with code {process.exitcode}, perhaps for want of memory") from error
    finally:
        answers.close()
        process.terminate()
        process.join()
    if kind == "error":
        raise value
    if kind == "crash":
        raise RuntimeError(f"{name} failed in its process:\n{value}")
    return cast(Result, value)


def _answer(answers: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """Run the function and send what came of it; Ctrl-C is left to the caller, which then ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        answer: tuple[str, object] = "done", function(*arguments)
    except NqError as error:
        answer = "error", error
    except Exception:
        answer = "crash", traceback.format_exc()
    answers.send(answer)
