"""Parallel fits: the same results whatever the number of jobs, errors that reach the parent, and no orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from fitting import fail, small_clip

from nqcodec.backbones import hnerv
from nqcodec.encoder.jobs import JobContext, plan, run_jobs
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.segment_methods import useful_threads
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.errors import InputError, NqError
from nqcodec.media.clip import ClipInput
from nqcodec.media.video import Video
from nqcodec.native.cpu import available_cores
from nqcodec.training.clip import pack
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit


def fit_segment(seed: int, context: JobContext) -> list[float]:
    """A tiny fit; its weights as plain numbers."""
    video, frames = small_clip(16, 12, 3)
    program = hnerv.build(video, 3, 2_000)
    settings = FitSettings(iterations=20, seed=seed)
    network = new_network(program, 3, settings)
    fit(network, pack(frames, video, program), settings, progress=context.progress, stop=context.stop)
    weights: list[float] = torch.cat([value.flatten() for value in network.tensors.values()]).tolist()
    return weights


def test_jobs_change_nothing() -> None:
    seen: list[tuple[int, int]] = []
    tasks = [1, 2, 3]
    alone = run_jobs(fit_segment, tasks, jobs=1)
    together = run_jobs(
        fit_segment, tasks, jobs=2, progress=lambda number, state: seen.append((number, state.iteration))
    )
    assert alone == together
    assert len({tuple(weights) for weights in alone}) == 3
    assert sorted(seen) == [(0, 20), (1, 20), (2, 20)]


def note(task: int, context: JobContext) -> int:
    context.progress(f"begin {task}")
    return 10 * task


def test_a_result_is_reported_before_the_next_task_begins() -> None:
    log: list[tuple[int, Any]] = []
    results = run_jobs(
        note, [1, 2], jobs=1, progress=lambda *event: log.append(event), done=lambda *event: log.append(event)
    )
    assert log == [(0, "begin 1"), (0, 10), (1, "begin 2"), (1, 20)]
    assert results == [10, 20]


def test_results_of_workers_are_reported_as_they_come() -> None:
    found: list[tuple[int, int]] = []
    assert run_jobs(note, [1, 2, 3], jobs=2, done=lambda *event: found.append(event)) == [10, 20, 30]
    assert sorted(found) == [(0, 10), (1, 20), (2, 30)]


@pytest.mark.parametrize(
    ("task", "error", "text"),
    [("input", InputError, "cut"), ("bug", RuntimeError, "ZeroDivisionError"), ("killed", NqError, "ended with code")],
)
def test_errors_stop_all_jobs(task: str, error: type[Exception], text: str) -> None:
    before = time.monotonic()
    with pytest.raises(error, match=text):
        run_jobs(fail, ["wait", task], jobs=2)
    assert time.monotonic() - before < 60
    assert children(os.getpid()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(number: int) -> None:
    """On Ctrl-C the parent ends its workers; where it is killed they notice and end by themselves."""
    code = (
        "from fitting import fail; from nqcodec.encoder.jobs import run_jobs; run_jobs(fail, ['wait', 'wait'], jobs=2)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1] / "support", stderr=subprocess.DEVNULL
    )
    workers = wait_for(lambda: children(parent.pid), 2)
    parent.send_signal(number)
    assert parent.wait(timeout=60) != 0
    wait_for(lambda: [None] if not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers) else [], 1)


def test_plan() -> None:
    cores = available_cores()
    assert plan(100 * cores) == plan(100 * cores, cores)
    assert plan(100 * cores, threads=cores).jobs == 1
    for segments in (1, 2, 5, 100):
        assert {plan(segments, jobs).threads for jobs in (None, 1, 2, 3)} == {1}
        shared = {plan(segments, jobs, most_threads=2).threads for jobs in (None, 1, 2, 3)}
        assert shared == {2 if cores // segments >= 2 else 1}
        assert 1 <= plan(segments).jobs <= segments
        assert plan(segments, 1_000).jobs == segments


@pytest.mark.parametrize(
    ("width", "height", "frames", "how", "threads"),
    [
        (320, 180, 32, {}, 2),
        (176, 144, 120, {}, 8),
        (176, 144, 32, {}, 1),
        (176, 144, 120, {"arch": "hnerv"}, 1),
        (176, 144, 120, {"device": "cuda"}, 1),
        (176, 144, 120, {"fit": Path("saved.safetensors")}, 1),
    ],
)
def test_threads_that_a_fit_gains_from(width: int, height: int, frames: int, how: dict[str, Any], threads: int) -> None:
    """A thread for each frame of an iteration, where an iteration has enough to do."""
    video = Video(width, height, frames)
    clip, settings = ClipInput(Path("clip.y4m")), EncodeSettings(preset="fast", **how)
    assert useful_threads(SegmentTask("clip", clip, 0, 0, video, video, (10_000,), None, settings, Path())) == threads


def children(pid: int) -> list[int]:
    """Live child processes that were spawned as workers."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            command = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z" and b"spawn_main" in command:
            found.append(int(stat.parent.name))
    return found


def wait_for(look: Any, count: int, seconds: float = 60) -> list[Any]:
    """What `look` gives, once it gives at least `count`."""
    deadline = time.monotonic() + seconds
    while len(found := look()) < count:
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found  # type: ignore[no-any-return]
