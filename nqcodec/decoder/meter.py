"""Times frames of a synthesizer, beside the machine's ceiling: 16-bit dot products on registers alone.

Both are measured in turns, so that other work of the machine slows both alike.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.media.video import Frame
from nqcodec.network.operations import Conv
from nqcodec.network.program import Program
from nqcodec.synthesis.backends import Synthesizer
from nqcodec.synthesis.cuda import CudaSynthesizer
from nqcodec.synthesis.native import NativeSynthesizer

DEVICE_BATCHES = 8
"""Batches that a CUDA device's rate is taken over."""

BURST_ROUNDS = 500_000
"""A burst takes about a millisecond by vectors: short enough that some are not interrupted."""


def time_percentiles(seconds: list[float], unit: float = 1000.0) -> dict[str, float]:
    """Median, 10th and 90th percentile and least of times, each multiplied by `unit`, and their number."""
    low, median, high = (unit * float(np.percentile(seconds, q)) for q in (10, 50, 90))
    return {"median": median, "p10": low, "p90": high, "least": unit * min(seconds), "runs": len(seconds)}


def dense_macs(program: Program) -> dict[int, int]:
    """Multiply-accumulates a frame of each dense convolution, by operation."""
    return {
        index: op.macs(program.input_shapes(index))
        for index, op in enumerate(program.operations)
        if isinstance(op, Conv) and not op.depthwise
    }


def device_rate(synthesizer: CudaSynthesizer, batches: int = DEVICE_BATCHES) -> dict[str, Any]:
    """Frames a second that a CUDA device makes by the batch in its own memory, once warm."""
    synthesizer.repeat(2)
    frames = batches * synthesizer.batch
    return {
        "batch": synthesizer.batch,
        "device_fps": frames / synthesizer.repeat(batches),
        "planned_bytes": synthesizer.planned_bytes,
    }


class Meter:
    """Frames of a warmed-up synthesizer, timed one by one; with the native backend, a burst of its ceiling after each.

    Attributes:
        times: seconds of each frame.
    """

    def __init__(self, synthesizer: Synthesizer, program: Program, threads: int) -> None:
        self._synthesizer, self._program, self._threads = synthesizer, program, threads
        self.times: list[float] = []
        self._native = synthesizer if isinstance(synthesizer, NativeSynthesizer) else None
        self._bursts: list[float] = []
        self._spent: list[npt.NDArray[np.float64]] = []
        if self._native:
            self._spent.append(self._native.seconds())
            self._burst(self._native)

    def timed_frame(self, t: int) -> float:
        """Make frame t, and return the seconds that it took."""
        self.frame(t)
        return self.times[-1]

    def frame(self, t: int) -> Frame:
        """Make and time frame t."""
        begin = time.perf_counter()
        frame = self._synthesizer.frame(t)
        self.times.append(time.perf_counter() - begin)
        if self._native:
            self._spent.append(self._native.seconds())
            self._burst(self._native)
        return frame

    def _burst(self, native: NativeSynthesizer) -> None:
        begin = time.perf_counter()
        macs = native.peak(BURST_ROUNDS)
        self._bursts.append(macs / (time.perf_counter() - begin) / 1e9)

    def figures(self) -> dict[str, Any]:
        """Times and rates of the frames so far, and the share of the best burst's rate that the best frame reaches.

        Rates of dense convolutions count only the time that each thread works on them. If threads share a CPU core,
        a thread's time does not include its waiting for the core, and the rates are too high.
        """
        macs, times = self._program.macs, np.array(self.times)
        median = float(np.median(times))
        result: dict[str, Any] = {
            "frame_ms": time_percentiles(self.times),
            "synthesis_fps": 1 / median,
            "gmac_per_s": macs / median / 1e9,
        }
        if isinstance(self._synthesizer, CudaSynthesizer):
            result |= device_rate(self._synthesizer)
        if self._native:
            dense = dense_macs(self._program)
            busy = np.diff(np.stack(self._spent), axis=0)[:, list(dense)].sum(axis=1)
            rates = sum(dense.values()) * self._threads / np.maximum(busy, 1e-12) / 1e9
            ceiling = max(self._bursts)
            result |= {
                "peak_gmac_per_s": ceiling,
                "share_of_peak": macs / float(times.min()) / 1e9 / ceiling,
                "dense_gmac_per_s": float(np.median(rates)),
                "dense_share_of_peak": float(rates.max()) / ceiling,
                "planned_bytes": self._native.planned_bytes,
            }
        return result
