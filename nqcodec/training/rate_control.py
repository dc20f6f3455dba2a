"""Rate control: lambda in J = D + lambda R rises while the file is too large, and falls while it is small."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Gains:
    """How lambda depends on r = size / expected size: lambda = learned * r^P, with learned *= r^I at every update.

    Every limit is the largest factor, up or down, and infinite by default.

    Attributes:
        proportional, integral: the exponents P and I.
        ratio_limit: of r.
        proportional_limit: of r^P.
        integral_limit: of r^I, the change of `learned` by one update.
        learned_limit: of `learned`, the product of all changes.
    """

    proportional: float
    integral: float
    ratio_limit: float = math.inf
    proportional_limit: float = math.inf
    integral_limit: float = math.inf
    learned_limit: float = math.inf


@dataclass
class LambdaController:
    """Finds lambda, in units of the loss a bit, at which a file meets its target size: a proportional-integral
    controller of logarithms.

    Attributes:
        target: size steered to, in bits.
        unit: unit of `learned`, in those of lambda.
        learned: the integral part of lambda.
        lmbda: the present lambda.
    """

    target: float
    gains: Gains
    unit: float = 1.0
    learned: float = 1.0
    lmbda: float = field(init=False)

    def __post_init__(self) -> None:
        self.lmbda = self.unit * self.learned

    def update(self, size: float, *, expected: float | None = None, learn: bool = True) -> None:
        """Set lambda for a file of `size` bits.

        Args:
            expected: bits of a file on its way to the target, by default those of the target.
            learn: whether `learned` is to change by this size.
        """
        gains = self.gains
        ratio = _clamp(size / (self.target if expected is None else expected), gains.ratio_limit)
        if learn:
            change = _clamp(ratio**gains.integral, gains.integral_limit)
            self.learned = _clamp(self.learned * change, gains.learned_limit)
        self.lmbda = self.unit * self.learned * _clamp(ratio**gains.proportional, gains.proportional_limit)

    def facts(self) -> dict[str, float]:
        """The state for a checkpoint."""
        return {"learned": self.learned, "lmbda": self.lmbda}

    def restore(self, facts: dict[str, float]) -> None:
        """The inverse of `facts`."""
        self.learned, self.lmbda = facts["learned"], facts["lmbda"]


def _clamp(factor: float, limit: float) -> float:
    return min(max(factor, 1 / limit), limit)
