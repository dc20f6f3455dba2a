"""How many iterations a fit may take so that it ends, quantization included, within a given time."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass, replace
from statistics import median

from nqcodec.bitstream.segment import payload_size
from nqcodec.encoder.segment_methods import RATE_AWARE, method_of
from nqcodec.encoder.segment_network import choose_program
from nqcodec.encoder.segment_plain import fit_settings, quant_settings
from nqcodec.encoder.segment_rate_aware import fit_settings as rate_aware_settings
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.methods.rate_aware.fit import Fitted
from nqcodec.methods.rate_aware.fit import expected_time as rate_aware_time
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.progress import Progress
from nqcodec.training.start import new_network
from nqcodec.training.train import expected_time, fit

LEAST_ITERATIONS = 50
"""Of a fit, however short the time: fewer make no picture."""

TRIALS = 9
"""Measurements of a fit's speed, of which the median counts."""

FITTED_ITERATIONS, TUNED_ITERATIONS = 200, 60
"""Iterations of the fit whose calibration is timed, and of that calibration."""


@dataclass(frozen=True)
class TimeBudget:
    """Seconds that the parts of an encode take.

    Attributes:
        fit: an iteration of the fit.
        tune: an iteration of the calibration that follows; 0 where fit and quantization are one.
        rest: what quantization takes beside such iterations.
    """

    fit: float
    tune: float = 0.0
    rest: float = 0.0

    @staticmethod
    def of(task: SegmentTask) -> TimeBudget:
        """Measure exactly the task's network on its clip, with a few iterations.

        Raises:
            RateError: too few bytes for the smallest network, or for this one.
        """
        program = choose_program(task)
        frames = task.clip.frames(task.first, task.video.frames)
        packed = pack(frames, task.video, program, device=task.settings.device)
        measure = _rate_aware_budget if method_of(task.settings) == RATE_AWARE else _plain_budget
        return measure(task, program, packed)

    def seconds(self, iterations: int, task: SegmentTask) -> float:
        """Of fit and quantization, if the fit takes so many iterations."""
        fitted = replace(task, settings=replace(task.settings, iterations=iterations))
        return iterations * self.fit + quant_settings(fitted).finetune_iterations * self.tune + self.rest

    def iterations_within(self, seconds: float, task: SegmentTask) -> int:
        """Most iterations of the fit with which fit and quantization take no more than `seconds`, but at least
        `LEAST_ITERATIONS`."""
        most = range(1, int(seconds / self.fit) + 1)
        # As many iterations as fit are as many of the numbers from 1 on.
        return max(LEAST_ITERATIONS, bisect_right(most, seconds, key=lambda count: self.seconds(count, task)))


def _rate_aware_budget(task: SegmentTask, program: Program, clip: PackedClip) -> TimeBudget:
    how = rate_aware_settings(task, program)
    fitted = Fitted.fresh(new_network(program, task.video.frames, how), how.latent_step_index)
    return TimeBudget(median(rate_aware_time(fitted, clip, how).seconds for _ in range(TRIALS)) / how.iterations)


def _plain_budget(task: SegmentTask, program: Program, clip: PackedClip) -> TimeBudget:
    how, (budget,) = fit_settings(task), task.budgets
    assert budget is not None
    network = new_network(program, task.video.frames, how)
    # What was never fitted may have ranges that no integers hold.
    fit(network, clip, replace(how, iterations=FITTED_ITERATIONS))
    seconds = median(expected_time(network, clip, how).seconds for _ in range(TRIALS)) / how.iterations
    reports: list[Progress] = []
    begin = time.perf_counter()
    quantize(
        network,
        clip,
        max_bytes=budget,
        size_of=payload_size,
        settings=replace(quant_settings(task), finetune_iterations=TUNED_ITERATIONS),
        progress=reports.append,
    )
    tuning = reports[-1].seconds
    return TimeBudget(seconds, tuning / TUNED_ITERATIONS, time.perf_counter() - begin - tuning)
