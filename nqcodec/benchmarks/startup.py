"""What the two nqdec take from their start to the first frame of a file, and to the last: native beside Python's."""

from __future__ import annotations

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
)
NOTE = (
    "A call is a process of its own, from its start to its end, and its output goes to /dev/null; all calls in turns. "
    "`true` does nothing: what any process takes."
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


def timed(words: list[str]) -> float:
    """Seconds of a process; raises CalledProcessError where it fails."""
    begin = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def run(path: Path, rounds: int) -> Measurement:
    """Each call `rounds` times after one that warms up; raises UnsupportedError as `calls`."""
    compared = calls(path)
    return Measurement("startup", "Start of the decoder", COLUMNS, _rows(compared, rounds), NOTE)


def _rows(compared: list[Call], rounds: int) -> Iterator[Cells]:
    taken: dict[str, list[float]] = {call.title: [] for call in compared}
    for number in range(rounds + 1):
        for call in compared:
            seconds = timed(call.words)
            if number:
                taken[call.title].append(seconds)
    for title, times in taken.items():
        figures = time_percentiles(times)
        yield {"call": title, **{key: figures[key] for key in ("least", "median", "p90")}}
