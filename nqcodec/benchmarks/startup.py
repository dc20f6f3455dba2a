"""What the two nqdec take from their start to the first frame of a file, and to the last: native beside Python's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.decoder.meter import time_percentiles
from nqcodec.errors import UnsupportedError
from nqcodec.native.program import NQDEC

COLUMNS = (
    Column("call", "call"),
    Column("least", "least", "ms", 1),
    Column("median", "median", "ms", 1),
    Column("p90", "90th percentile", "ms", 1),
    Column("memory", "memory", "MB", 1),
)
NOTE = (
    "A call is a process of its own, from its start to its end, and its output goes to /dev/null; all calls in turns. "
    "Memory is the most that a process held. `true` does nothing: what any process takes."
)


@dataclass(frozen=True)
class Call:
    """A command that is timed, and what it is called."""

    title: str
    words: list[str]


def calls(path: Path) -> list[Call]:
    """The calls that are compared; raises UnsupportedError where the native program was not built."""
    if not NQDEC.exists():
        raise UnsupportedError("the native nqdec was not built when nqcodec was installed")
    programs = {"native": [str(NQDEC)], "Python": [sys.executable, "-m", "nqcodec.cli.nqdec"]}
    parts = {"first frame": ["--frames", "0"], "all frames": []}
    found = [
        Call(f"nqdec, {name}: {part}", [*program, str(path), *words, "-o", "-", "-q"])
        for part, words in parts.items()
        for name, program in programs.items()
    ]
    return [*found, Call("true", ["true"])]


def timed(words: list[str]) -> tuple[float, float]:
    """(seconds, MB at most) of a process; raises CalledProcessError where it fails."""
    begin = time.perf_counter()
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    seconds = time.perf_counter() - begin
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, words)
    return seconds, usage.ru_maxrss / 1000


def run(path: Path, rounds: int) -> Measurement:
    """Each call `rounds` times after one that warms up; raises UnsupportedError as `calls`."""
    compared = calls(path)
    return Measurement("startup", "Start of the decoder", COLUMNS, _rows(compared, rounds), NOTE)


def _rows(compared: list[Call], rounds: int) -> Iterator[Cells]:
    taken: dict[str, list[tuple[float, float]]] = {call.title: [] for call in compared}
    for number in range(rounds + 1):
        for call in compared:
            figures = timed(call.words)
            if number:
                taken[call.title].append(figures)
    for title, figures in taken.items():
        times = time_percentiles([seconds for seconds, _ in figures])
        shown = {key: times[key] for key in ("least", "median", "p90")}
        yield {"call": title, **shown, "memory": max(memory for _, memory in figures)}
