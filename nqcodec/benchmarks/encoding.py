"""What encodes of common sizes take: minutes and memory for users to plan with (`nqtool bench encoding`)."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from nqcodec.backbones import pyramid
from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.media.video import Video
from nqcodec.methods.rate_aware.fit import Fitted, expected_time
from nqcodec.methods.rate_aware.settings import preset_settings, with_program
from nqcodec.training.clip import pack
from nqcodec.training.start import new_network

BPP = 0.1
SIZES = ((320, 180), (640, 360), (1280, 720), (1920, 1080))
LENGTHS = (32, 300)
PRESETS = ("ultrafast", "fast", "medium")

COLUMNS = (
    Column("size", "picture"),
    Column("frames", "frames"),
    Column("batch", "frames an iteration"),
    Column("iteration", "iteration", "ms", 0),
    *(Column(preset, preset, "min", 1) for preset in PRESETS),
    Column("memory", "memory", "MB", 0),
)


@dataclass(frozen=True)
class _Encode:
    """What one process is to look at."""

    width: int
    height: int
    frames: int
    threads: int


def run(sizes: Sequence[tuple[int, int]], lengths: Sequence[int], threads: int) -> Measurement:
    """A row for each size and length of clip: time of an iteration, minutes of a fit with each preset, and memory."""
    note = (
        f"Default networks with vectors at {BPP:g} bits a pixel. A fit's time is that of a few iterations times their "
        "number; the search for motion, trials of structures and the file itself take a tenth more. Memory is the "
        "largest resident size of the process, clip included."
    )
    encodes = [_Encode(*size, frames, threads) for frames in lengths for size in sizes]
    return Measurement("encoding", "Time and memory of an encode", COLUMNS, _rows(encodes), note)


def _rows(encodes: Sequence[_Encode]) -> Iterator[Cells]:
    # A process of its own each, because memory that was used once stays resident.
    for encode in encodes:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            yield pool.submit(_measured, encode).result()


def _measured(encode: _Encode) -> Cells:
    video = Video(encode.width, encode.height, encode.frames)
    program = pyramid.for_bytes(video, video.frames, round(BPP * video.pixels / 8), None, True)
    # No time depends on the samples.
    planes = tuple(np.full(shape, 128, video.dtype) for shape in video.plane_shapes)
    clip = pack(repeat(planes, video.frames), video, program)
    found: dict[str, float] = {}
    for preset in PRESETS:
        how = with_program(preset_settings(preset, video.frames, threads=encode.threads), program)
        fitted = Fitted.fresh(new_network(program, video.frames, how), how.latent_step_index)
        seconds = expected_time(fitted, clip, how).seconds
        found |= {preset: seconds / 60, "iteration": 1000 * seconds / how.iterations, "batch": how.batch}
    memory = _peak_memory() / 1024
    return {"size": f"{encode.width}x{encode.height}", "frames": encode.frames, "memory": memory, **found}


def _peak_memory() -> int:
    """The largest resident size of this process in KB. What the system counts for a process's user begins with that of
    the one that started it, so Linux is asked for that of its memory alone."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
