"""Steering a fine-tune to a size: the price of a bit rises while the file is too large, and falls while it is small."""

from __future__ import annotations

from dataclasses import dataclass

PROPORTIONAL, INTEGRAL = 30.0, 6.0
"""Exponents of size / target in the price: 2 % above the target multiplies it by 1.8 at once, and by 1.13 for good
at every update."""

PROPORTIONAL_REACH, INTEGRAL_REACH = 6.0, 32.0
"""Largest factor of either part, up or down."""


@dataclass
class RateControl:
    """Finds the price of a bit, lambda in J = D + lambda R, at which the size meets its target.

    Attributes:
        target: size steered to, in bits.
        start: price to begin with.
        integral: what the price has learned so far, a factor.
        price: lambda as it stands.
    """

    target: float
    start: float
    integral: float = 1.0
    price: float = 0.0

    def __post_init__(self) -> None:
        self.price = self.start

    def update(self, size: float, learn: bool = True) -> None:
        """Set the price for a size in bits; `learn` False leaves the integral part alone."""
        ratio = min(max(size / self.target, 0.5), 2.0)
        if learn:
            self.integral = _within(self.integral * ratio**INTEGRAL, INTEGRAL_REACH)
        self.price = self.start * self.integral * _within(ratio**PROPORTIONAL, PROPORTIONAL_REACH)


def _within(factor: float, reach: float) -> float:
    return min(max(factor, 1 / reach), reach)
