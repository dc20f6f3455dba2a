"""Rate control of a rate-aware fit: lambda follows the size of the file now against the one expected by now."""

from __future__ import annotations

import math
from dataclasses import replace

from nqcodec.training.rate_control import Gains, LambdaController

FIRST_LAMBDA = 0.8
"""Lambda at the start, in nats of ln(MSE), for all bits of the file together: about the slope of rate-distortion
curves at 0.05 to 0.2 bits a pixel."""

GROWTH = 0.22
"""Part of the size that is added late in the fit of a trunk."""

ROUNDED_GROWTH = 0.03
"""Part of the size that is added once values are rounded. Without this reserve files were too large, and coarser step
sizes just before the end, which corrected that, cost 0.2 decibels."""

GAINS = Gains(proportional=2.0, proportional_limit=3.0, integral=0.15, integral_limit=1.2)
"""Gains of the `LambdaController`. Nothing is learned once step indices are whole, because they then meet the size
(`RateAwareTrainer.freeze_steps`), values hardly react to lambda, and the size of small networks would oscillate."""


LATENT_GAINS = replace(GAINS, proportional=4.0, integral=0.3)
"""Gains where latents keep their values once they are rounded, so that lambda alone meets the size, before that."""


def controller(target: float, gains: Gains = GAINS) -> LambdaController:
    """For a file of `target` bits: D is a mean over the clip, so lambda is smaller for a larger file."""
    return LambdaController(target, gains, learned=FIRST_LAMBDA / target)


def expected_bits(target: float, done: float, remaining_fraction: float = 0.0, growth: float = GROWTH) -> float:
    """Bits of a file on its way to `target`, after a part `done` of the iterations, with `remaining_fraction` of those
    with rounding still to come.

    At the same lambda, `growth` of the size is added late in a fit of a trunk, for which finer and finer details become
    worth their bits. Latents that are nearly all of a file begin with more bits than they end with: it is negative, and
    most of the excess is gone early.
    """
    part = min(done, 1.0)
    late = growth * ((1 - part) ** 2 if growth < 0 else 0.5 + 0.5 * math.cos(math.pi * part))
    return target * (1 - late) * (1 - ROUNDED_GROWTH * remaining_fraction)
