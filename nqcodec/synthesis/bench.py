"""Synthesis speed of every backend present, on two HNeRV-like networks of random integers (`nqtool bench decode`).

Wall clock of a frame from integers in memory to planes in memory, after one warm-up frame; medians. The samples mean
nothing, and the speed does not depend on them: no kernel branches on values.
"""

from __future__ import annotations

import time
from math import log2
from typing import Any

import numpy as np

from nqcodec.network import IntegerNetwork, IntTensor, Layer
from nqcodec.operations import Activation, Conv, Grid, Operation, Planes, Shuffle
from nqcodec.program import Program, head_channels
from nqcodec.synthesis.backends import Synthesizer, available, default_threads, open_synthesizer
from nqcodec.synthesis.native import NativeSynthesizer, cpu_levels
from nqcodec.video import Video

FRAMES = 16
WIDTH, FRAC, WEIGHT_BITS = 12, 9, 6
HEAD_FRAC = 12


def hnerv_like(video: Video, cells: tuple[int, int], strides: tuple[int, ...], width: int) -> Program:
    """HNeRV's shape: 16 latents a cell (rows, columns), a pointwise stem, upsampling stages, a 3 x 3 head."""
    operations: list[Operation] = [Grid((), FRAMES, 16, *cells), Conv((0,), width, 1, activation=Activation.GELU)]
    for stage, stride in enumerate(strides):
        width = max(round(width / 1.2), 12)
        kernel = min(1 + 2 * stage, 5)
        operations.append(Conv((len(operations) - 1,), width * stride**2, kernel, activation=Activation.GELU))
        operations.append(Shuffle((len(operations) - 1,), stride))
    operations.append(Conv((len(operations) - 1,), head_channels(video.chroma, 2), 3))
    operations.append(Planes((len(operations) - 1,), 2))
    return Program.of(operations, video)


def random_integers(program: Program, seed: int = 0) -> IntegerNetwork:
    """A legal network for `program` whose maps neither vanish nor saturate."""
    rng = np.random.default_rng(seed)
    layers = [Layer() for _ in program.operations]
    for index, op in enumerate(program.operations):
        shapes, layer = program.tensors(index), layers[index]
        if isinstance(op, Grid):
            layer.width, layer.frac = WIDTH, FRAC
            layer.tensors = {"latent": _uniform(rng, shapes["latent"], -8 * (WEIGHT_BITS - 2))}
        elif isinstance(op, Conv):
            layer.width, layer.frac = WIDTH, HEAD_FRAC if op.activation is Activation.NONE else FRAC
            fan_in = np.prod(shapes["weight"][1:])
            layer.tensors = {
                # Keeps a map's magnitude: fan_in products add up as a square root.
                "weight": _uniform(rng, shapes["weight"], -round(8 * (WEIGHT_BITS - 2 + log2(fan_in) / 2))),
                "bias": _uniform(rng, shapes["bias"], -8 * WEIGHT_BITS),
            }
    return IntegerNetwork(program, layers)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], step: int) -> IntTensor:
    low, high = -(1 << (WEIGHT_BITS - 1)), 1 << (WEIGHT_BITS - 1)
    return IntTensor(rng.integers(low, high, shape).astype(np.int32), WEIGHT_BITS, np.array([step], np.int32))


def cases() -> dict[str, tuple[IntegerNetwork, Video]]:
    """The networks by name: a small picture and the papers' size."""
    small, large = Video(320, 180, FRAMES), Video(1280, 640, FRAMES)
    return {
        "HNeRV-like 320x180": (random_integers(hnerv_like(small, (9, 16), (5, 2), 64)), small),
        "HNeRV-like 1280x640": (random_integers(hnerv_like(large, (2, 4), (5, 4, 4, 2), 68)), large),
    }


def time_frames(synthesizer: Synthesizer, frames: int, seconds: float) -> float:
    """Median seconds a frame, over at least three frames and about `seconds`."""
    synthesizer.frame(0)
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        begin = time.perf_counter()
        synthesizer.frame(len(times) % frames)
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def measure(network: IntegerNetwork, video: Video, threads: int, seconds: float = 1.0) -> dict[str, dict[str, float]]:
    """Frames and multiply-accumulates a second of one network: by backend, and natively by instruction set."""
    result: dict[str, dict[str, float]] = {}
    for backend in (name for name, reason in available().items() if not reason):
        for level in cpu_levels() if backend == "native" else ("",):
            synthesizer: Synthesizer = (
                NativeSynthesizer(network, video, FRAMES, threads, cpu=level)
                if level
                else open_synthesizer(network, video, FRAMES, backend, threads)
            )
            with synthesizer:
                frame = time_frames(synthesizer, FRAMES, seconds)
            name = f"{backend} {level}".rstrip()
            result[name] = {"fps": 1 / frame, "gmac_per_s": network.program.macs / frame / 1e9}
    return result


def run(threads: int | None = None, seconds: float = 1.0) -> dict[str, Any]:
    """`measure` for every case: {case: {threads, kmac_per_pixel, backend: {fps, gmac_per_s}}}."""
    count = threads or default_threads()
    result: dict[str, Any] = {}
    for name, (network, video) in cases().items():
        kmac = network.program.macs / (video.width * video.height) / 1000
        result[name] = {"threads": count, "kmac_per_pixel": kmac, **measure(network, video, count, seconds)}
    return result
