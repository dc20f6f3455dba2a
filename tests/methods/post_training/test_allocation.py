"""The allocation's dynamic programme: exact against brute force, never over budget, better with every bit."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.methods.post_training.allocation import UNITS, Candidate, allocate

NOTHING = np.zeros(1, np.int32)

rates = st.integers(1, 40).map(float)
distortions = st.floats(0, 10, allow_nan=False)
option = st.builds(lambda rate, distortion: Candidate(NOTHING, 8, rate, distortion), rates, distortions)
problem = st.lists(st.lists(option, min_size=1, max_size=5), min_size=1, max_size=4)


def as_dict(tensors: list[list[Candidate]]) -> dict[str, list[Candidate]]:
    return {f"tensor{i}": options for i, options in enumerate(tensors)}


@given(problem, st.integers(1, 160))
@settings(deadline=None, max_examples=200)
def test_the_plan_is_the_best_of_all_combinations(tensors: list[list[Candidate]], budget: int) -> None:
    within = [c for c in product(*tensors) if sum(option.rate for option in c) <= budget]
    plan = allocate(as_dict(tensors), budget)
    assert list(plan.choice) == [f"tensor{i}" for i in range(len(tensors))]
    if not within:
        assert plan.rate == sum(min(option.rate for option in options) for options in tensors)
        return
    assert plan.rate <= budget
    assert plan.distortion == pytest.approx(min(sum(option.distortion for option in c) for c in within))


def quadratic(seed: int, tensors: int = 12) -> dict[str, list[Candidate]]:
    """Tensors whose distortion falls by 4 with every bit a value, as at high rate."""
    generator = np.random.default_rng(seed)
    result = {}
    for i in range(tensors):
        count, weight = generator.integers(50, 5000), generator.uniform(0.01, 10)
        result[f"tensor{i}"] = [
            Candidate(NOTHING, 8, float(count * bits), float(weight * 4.0**-bits)) for bits in np.arange(1, 8, 0.25)
        ]
    return result


def test_more_bits_never_hurt_and_are_used() -> None:
    candidates = quadratic(1)
    least = sum(min(c.rate for c in options) for options in candidates.values())
    plans = [allocate(candidates, budget) for budget in np.linspace(least * 1.1, least * 6, 25)]
    distortions = [plan.distortion for plan in plans]
    assert distortions == sorted(distortions, reverse=True)
    for plan, budget in zip(plans, np.linspace(least * 1.1, least * 6, 25), strict=True):
        assert 0.97 * budget < plan.rate <= budget


def test_large_budgets_stay_within_their_discretisation() -> None:
    candidates = quadratic(2)
    for options in candidates.values():
        options[:] = [Candidate(c.step_indices, c.bits, c.rate * 1000.5, c.distortion) for c in options]
    budget = 3000.0 * sum(min(c.rate for c in options) for options in candidates.values()) / 1000
    assert budget > UNITS
    assert 0.97 * budget < allocate(candidates, budget).rate <= budget


def test_the_slope_is_what_a_bit_saves() -> None:
    candidates = quadratic(3)
    budget = 4.0 * sum(min(c.rate for c in options) for options in candidates.values())
    plan = allocate(candidates, budget)
    less = allocate(candidates, 0.98 * budget)
    assert plan.slope == pytest.approx((less.distortion - plan.distortion) / (0.02 * budget), rel=0.3)
