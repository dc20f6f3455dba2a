"""The allocation of a step size and a bit width to each tensor: least distortion within a number of coded bits.

The bits are those by the file's entropy models, never nominal widths, because a coarser step size with a wide alphabet
usually has less distortion than clamping to fewer bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nqcodec.network.integer_network import Int32

UNITS = 1 << 15
"""Most parts that a budget is divided into; rates are rounded up to whole parts, so a plan never exceeds the budget."""

SLOPE_SPAN = 0.04
"""Part of the budget over which the slope at its end is taken."""

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One way to quantise a tensor.

    Attributes:
        step_indices: int32 step indices, [1] or [channels].
        bits: width that its integers are clamped to.
        rate: coded bits.
        distortion: change of the loss.
        hadamard: whether its integers are those of a weight in the Hadamard domain (formats/nq.md, 6.3.1).
    """

    step_indices: Int32
    bits: int
    rate: float
    distortion: float
    hadamard: bool = False


@dataclass(frozen=True)
class Plan:
    """A choice for every tensor, by key.

    `slope` is the distortion that one more bit would save at this budget.
    """

    choice: dict[str, Candidate]
    slope: float

    @property
    def rate(self) -> float:
        """Coded bits of all tensors."""
        return sum(candidate.rate for candidate in self.choice.values())

    @property
    def distortion(self) -> float:
        """Sum of the tensors' distortions."""
        return sum(candidate.distortion for candidate in self.choice.values())


def allocate(candidates: Mapping[str, Sequence[Candidate]], budget: float) -> Plan:
    """The plan of least total distortion with at most `budget` bits, by dynamic programming over tensors.

    It is exact for rates that are whole multiples of budget / `UNITS` (or of one bit, for small budgets); other rates
    are rounded up. Ties go to the earlier candidate. If even the candidates of least rate exceed the budget, they are
    the plan.
    """
    lowest_rate = {key: min(options, key=lambda c: c.rate) for key, options in candidates.items()}
    unit = max(1.0, budget / UNITS)
    units = int(budget / unit) if budget > 0 else 0
    best = np.zeros(units + 1)
    choices: list[npt.NDArray[np.int16]] = []
    for options in candidates.values():
        best, chosen = _add(best, options, unit)
        choices.append(chosen)
    if not np.isfinite(best[-1]):
        return Plan(lowest_rate, 0.0)
    choice: dict[str, Candidate] = {}
    left = units
    for key, chosen in zip(reversed(list(candidates)), reversed(choices), strict=True):
        choice[key] = candidates[key][chosen[left]]
        left -= _cost(choice[key], unit)
    return Plan({key: choice[key] for key in candidates}, _slope(best, unit))


def _cost(candidate: Candidate, unit: float) -> int:
    return int(np.ceil(candidate.rate / unit))


def _add(best: Float64, options: Sequence[Candidate], unit: float) -> tuple[Float64, npt.NDArray[np.int16]]:
    """Add a tensor: the least distortion within 0, 1, ... units, and the option that gives it."""
    table = np.full((len(options), best.size), np.inf)
    for row, option in enumerate(options):
        cost = _cost(option, unit)
        if cost < best.size:
            table[row, cost:] = best[: best.size - cost] + option.distortion
    chosen = table.argmin(axis=0)
    return np.take_along_axis(table, chosen[None], axis=0)[0], chosen.astype(np.int16)


def _slope(best: Float64, unit: float) -> float:
    """Distortion saved by a bit at the end of the budget; 0 if no plan fits into less."""
    span = max(1, int(best.size * SLOPE_SPAN))
    before = best[max(best.size - 1 - span, 0)]
    return float(max(before - best[-1], 0.0) / (span * unit)) if np.isfinite(before) else 0.0
