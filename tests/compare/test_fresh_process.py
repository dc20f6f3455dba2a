"""Calls in a process of their own: results, errors, ends without an answer, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest

from nqcodec.compare.fresh_process import in_fresh_process
from nqcodec.errors import FormatError, NqError
from nqcodec.media.scheduling import same_policy


def refuse() -> None:
    raise FormatError("is cut", path="a.nq", chunk="HEAD", offset=3)


def crash() -> None:
    raise ZeroDivisionError("a defect")


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave_a_thread() -> int:
    """Return while a thread goes on that no interpreter would wait for to end."""
    threading.Thread(target=threading.Event().wait, daemon=False).start()
    return os.getpid()


def wait_for_ever(started: str) -> None:
    Path(started).touch()
    threading.Event().wait()


def test_the_result_comes_from_another_process_which_is_gone() -> None:
    process = in_fresh_process(leave_a_thread, name="a thread")
    assert process != os.getpid()
    assert not Path(f"/proc/{process}").exists()
    assert not multiprocessing.active_children()


def test_errors_are_those_of_the_function() -> None:
    with pytest.raises(FormatError, match=r"^a\.nq, chunk HEAD, byte 3: is cut$"):
        in_fresh_process(refuse, name="a refusal")
    with pytest.raises(RuntimeError, match=r"(?s)a crash failed in its process:.*ZeroDivisionError: a defect"):
        in_fresh_process(crash, name="a crash")


def test_a_process_that_is_killed_is_an_error() -> None:
    with pytest.raises(NqError, match="a job: its process ended with code -9"):
        in_fresh_process(be_killed, name="a job")


def test_ctrl_c_ends_the_process(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def interrupt() -> None:
        while not started.exists():
            threading.Event().wait(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        in_fresh_process(wait_for_ever, str(started), name="a wait")
    assert not multiprocessing.active_children()


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="needs Linux")
def test_threads_get_their_policy_back() -> None:
    before, ready, end = os.sched_getscheduler(0), threading.Event(), threading.Event()
    seen: list[int] = []

    def another_policy() -> None:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        ready.set()
        end.wait()
        seen.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=another_policy)
    with same_policy():
        thread.start()
        ready.wait()
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    end.set()
    thread.join()
    assert (os.sched_getscheduler(0), seen) == (before, [before])
