"""How long iterations take, beside other work and without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nqcodec.training.pace import TIMED_ITERATIONS, UNTIMED_ITERATIONS, Pace, pace_of

HAS_COUNTS = Path("/proc/self/schedstat").exists()

SHARED_CPU = """
import os, subprocess, sys, time
import torch
from nqcodec.training.pace import pace_of

class Trainer:
    def iterate(self):
        end = time.process_time() + 0.03
        while time.process_time() < end:
            pass

cpu = min(os.sched_getaffinity(0))
os.sched_setaffinity(0, {cpu})
beside = subprocess.Popen([sys.executable, "-c", "while True: pass"])
try:
    print(pace_of(Trainer(), torch.device("cpu")).waiting)
finally:
    beside.kill()
    beside.wait()
"""


class Counting:
    """A trainer that counts its iterations."""

    def __init__(self) -> None:
        self.done = 0

    def iterate(self) -> None:
        self.done += 1


def test_a_few_iterations_are_timed() -> None:
    trainer = Counting()
    pace = pace_of(trainer, torch.device("cpu"))
    assert trainer.done == UNTIMED_ITERATIONS + TIMED_ITERATIONS
    assert pace.seconds > 0
    assert 0 <= pace.waiting <= 1
    assert pace.times(10).seconds == pytest.approx(10 * pace.seconds)


def test_what_is_left_without_other_work() -> None:
    busy, idle = Pace(100.0, 0.4), Pace(100.0, 0.01)
    assert busy.is_busy
    assert not idle.is_busy
    assert busy.idle_seconds == pytest.approx(60.0)
    assert busy.times(3) == Pace(300.0, 0.4)


@pytest.mark.skipif(not HAS_COUNTS, reason="this system does not count how long threads wait for a CPU")
def test_work_beside_is_noticed() -> None:
    """Two processes that compute on one CPU have about half of it each."""
    done = subprocess.run([sys.executable, "-c", SHARED_CPU], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 0.3
