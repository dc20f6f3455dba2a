"""Steering a rate-aware fit: the price of a bit follows the size that the file would have now."""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST_PRICE = 0.8
"""Price at the start, in nats of ln(MSE), for the bits of the whole file: the slope of rate-distortion curves near 0.05
to 0.2 bits a pixel, where twice the bits are worth about that."""

GROWTH = 0.22
"""Part of the size that comes late: at an unchanged price a fit finds finer and finer details worth their bits."""

ROUNDED_GROWTH = 0.03
"""Part of the size that comes once values are rounded. What overshot was mended by coarser steps all at once, a few
steps before the end: it cost 0.2 decibels."""

LEARNING, URGENCY = 0.15, 2.0
"""Exponents of size / target in what the price learns at an update, and in the price beyond that."""

STEP, REACH = 1.2, 3.0
"""Largest factors, up or down, of what one update learns, and of the urgent part."""


@dataclass
class PriceControl:
    """Finds lambda in J = D + lambda R, in nats a bit, at which the file ends with its target size.

    Attributes:
        target: size steered to, in bits.
        learned: lambda as learned so far.
        price: lambda as it stands.
    """

    target: float
    learned: float
    price: float = 0.0

    @staticmethod
    def start(target: float) -> PriceControl:
        """For a file of `target` bits: D is a mean over the clip, so a bit's price falls with the file's size."""
        first = FIRST_PRICE / target
        return PriceControl(target, first, first)

    def expected(self, done: float, rest: float = 0.0) -> float:
        """Bits of a file on its way to the target, a part `done` of the steps taken and a part `rest` of those with
        rounding still to come."""
        late = GROWTH * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))
        return self.target * (1 - late) * (1 - ROUNDED_GROWTH * rest)

    def update(self, size: float, done: float, settled: bool, rest: float = 0.0) -> None:
        """Set the price for a file of `size` bits; `done` and `rest` are those of `expected`.

        `settled` says that steps are whole by now: then they meet the size (`RateAwareTrainer.settle`), and the price
        stays what it came to. Values hardly answer to it by then, and small networks would swing against it.
        """
        ratio = size / self.expected(done, rest)
        if not settled:
            self.learned *= _within(ratio**LEARNING, STEP)
        self.price = self.learned * _within(ratio**URGENCY, REACH)


def _within(factor: float, reach: float) -> float:
    return min(max(factor, 1 / reach), reach)
