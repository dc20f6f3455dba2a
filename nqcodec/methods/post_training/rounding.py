"""Learned rounding: each value is rounded up or down, and gradients decide which.

AdaRound (Nagel et al., ICML 2020) as NeuroQuant uses it: integer = floor(x / step size) + h, where h is a rectified
sigmoid of one variable a value, free between 0 and 1 at first and pressed to its ends by an annealed regulariser.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

STRETCH = 0.1
"""How far the sigmoid is stretched beyond 0 and 1 before it is clamped, so that h can become exactly 0 or 1."""

TRAVEL, MOST_RATE = 120.0, 0.2
"""Learning rate of the rounding variables times the number of iterations, and the largest rate. NeuroQuant's 3e-3 and
20,000 iterations give half that. With few iterations more travel was better, and higher rates undo what was learned."""


def rounding_lr(iterations: int, travel: float = TRAVEL) -> float:
    """Adam's learning rate for the rounding variables in a calibration of `iterations` iterations."""
    return min(travel / max(iterations, 1), MOST_RATE)


@dataclass(frozen=True)
class Annealing:
    """The regulariser's exponent over a calibration: high (only values near an end feel it), then low (all do).

    Attributes:
        warmup: part of the iterations without regulariser.
        first, last: exponents after it and at the end, linear between.
    """

    warmup: float = 0.2
    first: float = 20.0
    last: float = 2.0

    def power(self, iteration: int, iterations: int) -> float | None:
        """The exponent at an iteration of `iterations`; None during the warm-up."""
        place = (iteration / max(iterations - 1, 1) - self.warmup) / (1 - self.warmup)
        return None if place < 0 else self.first + (self.last - self.first) * place


def rectified_sigmoid(alpha: Tensor) -> Tensor:
    """h of each variable: (1 + 2 `STRETCH`) sigmoid(alpha) - `STRETCH`, cut to [0, 1]."""
    return (alpha.sigmoid() * (1 + 2 * STRETCH) - STRETCH).clamp(0, 1)


def inverse_rectified_sigmoid(h: Tensor) -> Tensor:
    """The variable that gives each `h` in [0, 1]."""
    return torch.logit((h + STRETCH) / (1 + 2 * STRETCH))


def regulariser(h: Tensor, power: float) -> Tensor:
    """Sum of 1 - |2h - 1|^power, a scalar: 0 where every h is 0 or 1."""
    return (1 - (2 * h - 1).abs() ** power).sum()


@dataclass(frozen=True)
class Levels:
    """The values of a quantised tensor: integers `low` to `high` times `step_size`; scalars, or broadcasting with
    it."""

    step_size: Tensor
    low: Tensor
    high: Tensor


@dataclass(frozen=True)
class LearnedRounding:
    """One tensor under learned rounding.

    Attributes:
        levels: the values that it can have; they are fixed from now on.
        floor: the lower neighbour of each value, in step sizes.
        alpha: the variable of each value, a leaf that wants gradients.
    """

    levels: Levels
    floor: Tensor
    alpha: Tensor

    @staticmethod
    def of(x: Tensor, levels: Levels) -> LearnedRounding:
        """Start at `x` itself: h is the fraction of x / step size."""
        scaled = (x / levels.step_size).detach()
        floor = scaled.floor()
        return LearnedRounding(levels, floor, inverse_rectified_sigmoid(scaled - floor).requires_grad_(True))

    @property
    def h(self) -> Tensor:
        """Where each value stands between its neighbours, 0 to 1."""
        return rectified_sigmoid(self.alpha)

    def soft(self) -> Tensor:
        """The tensor with values between levels, differentiable in `alpha`."""
        return self._value(self.h)

    def hard(self) -> Tensor:
        """The tensor with every value on the nearer of its two levels, by its h."""
        return self._value((self.alpha.detach() >= 0).to(self.floor))

    def _value(self, h: Tensor) -> Tensor:
        return (self.floor + h).clamp(self.levels.low, self.levels.high) * self.levels.step_size
