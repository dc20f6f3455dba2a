"""Fits of several segments in parallel processes.

A segment's result does not depend on the number of jobs: each fit has its threads in its own settings. Workers are
fresh processes (spawn), so a parent with threads or a GPU is safe; they leave Ctrl-C, SIGTERM and SIGHUP, which may go
to all processes of a terminal or a service, to the parent, and stop when it says so or is gone.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess, parent_process
from typing import Any, Generic, TypeVar

from nqcodec.errors import NqError
from nqcodec.native.cpu import available_cores
from nqcodec.training.interrupt import SIGNALS

POLL_SECONDS = 0.2
"""How often parent and workers look whether the other is still there."""

STOP_SECONDS = 20.0
"""How long workers get to write their checkpoints before they are ended."""


@dataclass(frozen=True)
class JobContext:
    """What a job may use while it runs: `progress` takes any plain data for the parent, `stop` says whether to end.

    Both fit `nqcodec.training.train.fit`'s arguments of the same names.
    """

    progress: Callable[[Any], None]
    stop: Callable[[], bool]


Task = TypeVar("Task")
Result = TypeVar("Result")
Job = Callable[[Task, JobContext], Result]
"""A function at the top of a module, of a task and a context; tasks and results are plain data, tensors go to files."""


@dataclass(frozen=True)
class Plan:
    """How many fits run at once, and how many threads each has."""

    jobs: int
    threads: int


def plan(segments: int, jobs: int | None = None, threads: int | None = None, *, most_threads: int = 1) -> Plan:
    """Jobs (by default as many as fill the cores) and threads for a number of segments.

    By default a fit has the cores that there are for each segment, but at most `most_threads`, whatever the number of
    jobs: it is part of what makes a result. Fits whose threads work within each operation should have one: two on two
    idle cores took 0.6 times as long, but 25 times where other work wanted the same cores. Jobs use cores best.
    """
    cores = available_cores()
    threads = threads or max(1, min(most_threads, cores // max(segments, 1)))
    return Plan(min(jobs or max(1, cores // threads), segments), threads)


def run_jobs(
    job: Job[Task, Result],
    tasks: Sequence[Task],
    *,
    jobs: int,
    progress: Callable[[int, Any], None] | None = None,
    done: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Results of `job` for each task, in order, `jobs` at a time; one at a time runs in this process.

    `progress` gets the task's number and what the job reported, `done` its number and its result, as soon as it is
    there.

    Raises:
        NqError: the first that a job raises, or if a worker is killed; the other workers are stopped first.
        RuntimeError: with the worker's traceback, if a job fails otherwise.
        KeyboardInterrupt: on Ctrl-C, once all workers have ended.
    """
    report, finished = progress or _ignore, done or _ignore
    if jobs == 1 or len(tasks) == 1:
        results = []
        for number, task in enumerate(tasks):
            results.append(job(task, _local_context(number, report)))
            finished(number, results[-1])
        return results
    pool = _Pool(job, tasks, min(jobs, len(tasks)))
    try:
        pool.start()
        return pool.results(report, finished)
    finally:
        pool.close()


class _Pool(Generic[Task, Result]):
    """Worker processes, the queue of tasks that they draw from, and the queue that they answer in."""

    def __init__(self, job: Job[Task, Result], tasks: Sequence[Task], workers: int):
        context = multiprocessing.get_context("spawn")
        self._todo, self._messages, self._stopping = context.Queue(), context.Queue(), context.Event()
        self._count = len(tasks)
        for number, task in enumerate(tasks):
            self._todo.put((number, task))
        self._workers: list[BaseProcess] = []
        for _ in range(workers):
            self._todo.put(None)
            arguments = (job, self._todo, self._messages, self._stopping)
            self._workers.append(context.Process(target=_work, args=arguments, daemon=True))

    def start(self) -> None:
        """Start all workers."""
        for worker in self._workers:
            worker.start()

    def results(self, report: Callable[[int, Any], None], finished: Callable[[int, Result], None]) -> list[Result]:
        """Wait for every task's answer."""
        answers: dict[int, Result] = {}
        while len(answers) < self._count:
            try:
                number, kind, value = self._messages.get(timeout=POLL_SECONDS)
            except queue.Empty:
                self._check_alive()
                continue
            if kind == "progress":
                report(number, value)
            elif kind == "done":
                answers[number] = value
                finished(number, value)
            elif kind == "error":
                raise value
            else:
                raise RuntimeError(f"a fit failed in its process:\n{value}")
        return [answers[number] for number in range(self._count)]

    def close(self) -> None:
        """Ask workers to stop, wait for their checkpoints, end whatever is left; no process survives."""
        self._stopping.set()
        deadline = time.monotonic() + STOP_SECONDS
        try:
            while any(worker.is_alive() for worker in self._workers) and time.monotonic() < deadline:
                self._drain()
                time.sleep(0.01)
        finally:
            for worker in self._workers:
                if worker.is_alive():
                    worker.kill()
                if worker.pid is not None:
                    worker.join()

    def _drain(self) -> None:
        """Empty the answers: a worker cannot end while what it wrote is unread."""
        try:
            while True:
                self._messages.get_nowait()
        except queue.Empty:
            return

    def _check_alive(self) -> None:
        for worker in self._workers:
            if worker.exitcode:
                raise NqError(
                    f"a fit's process ended with code {worker.exitcode}, perhaps for want of memory: use fewer jobs"
                )


def _work(job: Job[Any, Any], todo: Any, messages: Any, stopping: Any) -> None:
    """A worker: take tasks until there are none or the parent stops."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    parent = parent_process()

    def stop() -> bool:
        return bool(stopping.is_set()) or (parent is not None and not parent.is_alive())

    while not stop():
        try:
            item = todo.get(timeout=POLL_SECONDS)
        except queue.Empty:
            continue
        if item is None:
            return
        number, task = item
        messages.put((number, *_answer(job, task, JobContext(_sender(number, messages), stop))))


def _answer(job: Job[Any, Any], task: Any, context: JobContext) -> tuple[str, Any]:
    try:
        return "done", job(task, context)
    except NqError as error:
        return "error", error
    except Exception:
        return "crash", traceback.format_exc()


def _sender(number: int, messages: Any) -> Callable[[Any], None]:
    return lambda state: messages.put((number, "progress", state))


def _local_context(number: int, report: Callable[[int, Any], None]) -> JobContext:
    return JobContext(lambda state: report(number, state), lambda: False)


def _ignore(number: int, state: Any) -> None:
    """Progress or a result that nobody waits for."""
