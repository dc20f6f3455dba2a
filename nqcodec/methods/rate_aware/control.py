"""Steering a rate-aware fit: lambda follows the size that the file has now, against what it should have by now."""

from __future__ import annotations

import math

from nqcodec.training.rate_control import Gains, LambdaController

FIRST_LAMBDA = 0.8
"""Lambda at the start, in nats of ln(MSE), for the bits of the whole file: the slope of rate-distortion curves near
0.05 to 0.2 bits a pixel, where twice the bits are worth about that."""

GROWTH = 0.22
"""Part of the size that comes late: at an unchanged lambda a fit finds finer and finer details worth their bits."""

ROUNDED_GROWTH = 0.03
"""Part of the size that comes once values are rounded. What overshot was mended by coarser steps all at once, a few
iterations before the end: it cost 0.2 decibels."""

GAINS = Gains(proportional=2.0, proportional_limit=3.0, integral=0.15, integral_limit=1.2)
"""Of `nqcodec.training.rate_control.LambdaController`. Once step indices are whole nothing is learned: then they
meet the size (`RateAwareTrainer.freeze_steps`), values hardly answer to lambda, and small networks would oscillate."""


def controller(target: float) -> LambdaController:
    """For a file of `target` bits: D is a mean over the clip, so a bit's worth falls with the file's size."""
    return LambdaController(target, GAINS, learned=FIRST_LAMBDA / target)


def expected_bits(target: float, done: float, rest: float = 0.0) -> float:
    """Bits of a file on its way to `target`, a part `done` of the iterations taken and a part `rest` of those with
    rounding still to come."""
    late = GROWTH * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))
    return target * (1 - late) * (1 - ROUNDED_GROWTH * rest)
