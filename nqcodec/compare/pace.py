"""How many steps a fit may take so that it ends, quantisation included, within a given time."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from nqcodec.encoder.segment_task import SegmentTask

if TYPE_CHECKING:
    from nqcodec.network.program import Program
    from nqcodec.training.clip import PackedClip

LEAST_STEPS = 50
"""Of a fit, however short the time: fewer make no picture."""

TRIALS = 9
"""Measurements of a fit's speed, of which the median counts."""

FITTED_STEPS, TUNED_STEPS = 200, 60
"""Steps of the fit whose calibration is timed, and of that calibration."""


@dataclass(frozen=True)
class Pace:
    """Seconds that the parts of an encode take.

    Attributes:
        fit: an optimizer step of the fit.
        tune: a step of the calibration that follows; 0 where fit and quantisation are one.
        rest: what quantisation takes beside such steps.
    """

    fit: float
    tune: float = 0.0
    rest: float = 0.0

    @staticmethod
    def of(task: SegmentTask) -> Pace:
        """Measure exactly the task's network on its clip, with a few steps.

        Raises:
            RateError: too few bytes for the smallest network, or for this one.
        """
        from nqcodec.encoder.segment_methods import RATE_AWARE, method_of
        from nqcodec.encoder.segment_network import choose_program
        from nqcodec.training.clip import pack

        program = choose_program(task)
        frames = task.clip.frames(task.first, task.video.frames)
        packed = pack(frames, task.video, program, device=task.settings.device)
        measure = _rate_aware_pace if method_of(task.settings) == RATE_AWARE else _plain_pace
        return measure(task, program, packed)

    def seconds(self, steps: int, task: SegmentTask) -> float:
        """Of fit and quantisation, if the fit takes `steps`."""
        from nqcodec.encoder.segment_plain import quant_settings

        fitted = replace(task, settings=replace(task.settings, steps=steps))
        return steps * self.fit + quant_settings(fitted).finetune_steps * self.tune + self.rest

    def steps_within(self, seconds: float, task: SegmentTask) -> int:
        """Most steps of the fit with which fit and quantisation take no more than `seconds`, but at least
        `LEAST_STEPS`."""
        most = range(1, int(seconds / self.fit) + 1)
        # As many steps as fit are as many of the numbers from 1 on.
        return max(LEAST_STEPS, bisect_right(most, seconds, key=lambda steps: self.seconds(steps, task)))


def _rate_aware_pace(task: SegmentTask, program: Program, clip: PackedClip) -> Pace:
    from nqcodec.encoder.segment_rate_aware import fit_settings
    from nqcodec.methods.rate_aware.fit import Fitted, expected_seconds
    from nqcodec.training.start import new_network

    how = fit_settings(task)
    fitted = Fitted.fresh(new_network(program, task.video.frames, how))
    return Pace(median(expected_seconds(fitted, clip, how) for _ in range(TRIALS)) / how.steps)


def _plain_pace(task: SegmentTask, program: Program, clip: PackedClip) -> Pace:
    from nqcodec.bitstream.segment import pack_segment
    from nqcodec.encoder.segment_plain import fit_settings, quant_settings
    from nqcodec.methods.post_training.pipeline import quantize
    from nqcodec.training.progress import Progress
    from nqcodec.training.start import new_network
    from nqcodec.training.train import expected_seconds, fit

    how, (budget,) = fit_settings(task), task.budgets
    assert budget is not None
    network = new_network(program, task.video.frames, how)
    # What was never fitted may have ranges that no integers hold.
    fit(network, clip, replace(how, steps=FITTED_STEPS))
    step = median(expected_seconds(network, clip, how) for _ in range(TRIALS)) / how.steps
    told: list[Progress] = []
    begin = time.perf_counter()
    quantize(
        network,
        clip,
        max_bytes=budget,
        size_of=lambda coded: len(pack_segment(coded).payload),
        settings=replace(quant_settings(task), finetune_steps=TUNED_STEPS),
        progress=told.append,
    )
    tuning = told[-1].seconds
    return Pace(step, tuning / TUNED_STEPS, time.perf_counter() - begin - tuning)
