"""Times frames of a synthesizer, beside the machine's ceiling: 16-bit dot products on registers alone.

Both are taken in turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.operations import Conv
from nqcodec.program import Program
from nqcodec.synthesis.backends import Synthesizer
from nqcodec.synthesis.native import NativeSynthesizer
from nqcodec.video import Frame

BURST_ROUNDS, MOST_BURSTS = 500_000, 50
"""A burst takes about a millisecond by vectors: short enough that some are not interrupted."""


def spread(seconds: list[float], unit: float = 1000.0) -> dict[str, float]:
    """Median, 10th and 90th percentile and least of times, in `unit`s of a second, and their number."""
    low, median, high = (unit * float(np.percentile(seconds, q)) for q in (10, 50, 90))
    return {"median": median, "p10": low, "p90": high, "least": unit * min(seconds), "runs": len(seconds)}


def dense_macs(program: Program) -> dict[int, int]:
    """Multiply-accumulates a frame of each dense convolution, by operation."""
    return {
        index: op.macs(program.input_shapes(index))
        for index, op in enumerate(program.operations)
        if isinstance(op, Conv) and not op.depthwise
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
        self._bursts, self._ceiling = 0, 0.0
        self._spent: list[npt.NDArray[np.float64]] = [self._native.seconds()] if self._native else []

    def frame(self, t: int) -> Frame:
        """Make and time frame t."""
        begin = time.perf_counter()
        frame = self._synthesizer.frame(t)
        self.times.append(time.perf_counter() - begin)
        if self._native:
            self._spent.append(self._native.seconds())
            if self._bursts < MOST_BURSTS:
                self._burst(self._native)
        return frame

    def _burst(self, native: NativeSynthesizer) -> None:
        begin = time.perf_counter()
        macs = native.peak(BURST_ROUNDS)
        self._ceiling = max(self._ceiling, macs / (time.perf_counter() - begin) / 1e9)
        self._bursts += 1

    def figures(self) -> dict[str, Any]:
        """Times and rates of the frames so far; shares of the ceiling compare the best of each."""
        median, macs = float(np.median(self.times)), self._program.macs
        result: dict[str, Any] = {
            "frame_ms": spread(self.times),
            "synthesis_fps": 1 / median,
            "gmac_per_s": macs / median / 1e9,
        }
        if self._native:
            dense = dense_macs(self._program)
            by_frame = np.diff(np.stack(self._spent), axis=0)[:, list(dense)].sum(axis=1)
            rate = sum(dense.values()) * self._threads / max(float(by_frame.min()), 1e-12) / 1e9
            result |= {
                "peak_gmac_per_s": self._ceiling,
                "share_of_peak": macs / min(self.times) / 1e9 / self._ceiling,
                "dense_gmac_per_s": rate,
                "dense_share_of_peak": rate / self._ceiling,
                "planned_bytes": self._native.planned_bytes,
            }
        return result
