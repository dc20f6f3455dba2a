"""Rate control of a rate-aware fit: lambda follows the size of the file now against the one expected by now."""

from __future__ import annotations

import math

from nqcodec.training.rate_control import Gains, LambdaController

FIRST_LAMBDA = 0.8
"""Lambda at the start, in nats of ln(MSE), for all bits of the file together: about the slope of rate-distortion
curves at 0.05 to 0.2 bits a pixel."""

GROWTH = 0.22
"""Part of the size that is added late in a fit: at the same lambda finer and finer details become worth their bits."""

ROUNDED_GROWTH = 0.03
"""Part of the size that is added once values are rounded. Without this reserve files were too large, and coarser step
sizes just before the end, which corrected that, cost 0.2 decibels."""

GAINS = Gains(proportional=2.0, proportional_limit=3.0, integral=0.15, integral_limit=1.2)
"""Gains of the `LambdaController`. Nothing is learned once step indices are whole, because they then meet the size
(`RateAwareTrainer.freeze_steps`), values hardly react to lambda, and the size of small networks would oscillate."""


def controller(target: float) -> LambdaController:
    """For a file of `target` bits: D is a mean over the clip, so lambda is smaller for a larger file."""
    return LambdaController(target, GAINS, learned=FIRST_LAMBDA / target)


def expected_bits(target: float, done: float, remaining_fraction: float = 0.0) -> float:
    """Bits of a file on its way to `target`, after a part `done` of the iterations, with `remaining_fraction` of those
    with rounding still to come."""
    late = GROWTH * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))
    return target * (1 - late) * (1 - ROUNDED_GROWTH * remaining_fraction)
