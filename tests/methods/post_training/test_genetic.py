"""The genetic search over a full matrix of pairs: near brute force, never worse than the diagonal, reproducible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, product

import numpy as np
import pytest

from nqcodec.methods.post_training.allocation import Candidate, Plan, allocate
from nqcodec.methods.post_training.genetic import genetic_plan
from nqcodec.quantization.quantizers import Float64

NOTHING = np.zeros(1, np.int32)


def plan_distortion(candidates: Mapping[str, Sequence[Candidate]], pairs: Float64, plan: Plan) -> float:
    """The sum of `pairs`, [n, n] over all candidates in order, over all pairs of the plan's candidates."""
    flat = [candidate for options in candidates.values() for candidate in options]
    places = [flat.index(candidate) for candidate in plan.choice.values()]
    return float(pairs[np.ix_(places, places)].sum())


def problem(seed: int, tensors: int, options: int) -> tuple[dict[str, list[Candidate]], Float64]:
    """Errors that halve with every bit a value and point in random, partly common directions of few dimensions."""
    generator = np.random.default_rng(seed)
    vectors, result = [], {}
    for i in range(tensors):
        count, direction = generator.integers(50, 500), generator.normal(size=6)
        result[f"tensor{i}"] = []
        for bits in generator.permutation(options) + 1:
            vectors.append((direction + generator.normal(size=6)) * 2.0**-bits * np.sqrt(count))
            square = float(vectors[-1] @ vectors[-1])
            result[f"tensor{i}"].append(Candidate(NOTHING, int(bits), float(count * bits), square))
    stacked = np.stack(vectors)
    return result, stacked @ stacked.T


def budget_of(candidates: dict[str, list[Candidate]], share: float) -> float:
    least = sum(min(c.rate for c in options) for options in candidates.values())
    most = sum(max(c.rate for c in options) for options in candidates.values())
    return least + share * (most - least)


@pytest.mark.parametrize("seed", range(6))
def test_small_problems_are_solved_nearly_exactly(seed: int) -> None:
    candidates, pairs = problem(seed, tensors=5, options=6)
    budget = budget_of(candidates, 0.4)
    starts = [0, *accumulate(len(options) for options in candidates.values())]
    best = np.inf
    for genes in product(*(range(len(options)) for options in candidates.values())):
        chosen = [options[gene] for options, gene in zip(candidates.values(), genes, strict=True)]
        if sum(c.rate for c in chosen) <= budget:
            places = [start + gene for start, gene in zip(starts, genes, strict=False)]
            best = min(best, pairs[np.ix_(places, places)].sum())
    plan = genetic_plan(candidates, pairs, budget, 0)
    assert list(plan.choice) == list(candidates)
    assert plan.rate <= budget
    assert best * (1 - 1e-9) <= plan_distortion(candidates, pairs, plan) <= 1.01 * best


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_terms_between_tensors_are_used(share: float) -> None:
    candidates, pairs = problem(11, tensors=14, options=8)
    budget = budget_of(candidates, share)
    alone, found = allocate(candidates, budget), genetic_plan(candidates, pairs, budget, 0)
    assert found.rate <= budget
    assert plan_distortion(candidates, pairs, found) < 0.95 * plan_distortion(candidates, pairs, alone)
    assert found.slope == alone.slope


def test_without_terms_between_tensors_the_plan_is_the_exact_one() -> None:
    candidates, pairs = problem(3, tensors=8, options=7)
    budget = budget_of(candidates, 0.4)
    exact = allocate(candidates, budget)
    found = genetic_plan(candidates, np.diag(pairs.diagonal()), budget, 5)
    assert found.distortion == pytest.approx(exact.distortion)


def test_equal_seeds_give_equal_plans() -> None:
    candidates, pairs = problem(4, tensors=20, options=9)
    budget = budget_of(candidates, 0.3)
    plans = [genetic_plan(candidates, pairs, budget, seed) for seed in (1, 1)]
    assert all(plans[0].choice[key] is plans[1].choice[key] for key in candidates)


def test_budgets_below_the_cheapest_give_the_cheapest() -> None:
    candidates, pairs = problem(5, tensors=4, options=4)
    plan = genetic_plan(candidates, pairs, 10.0, 0)
    assert plan.rate == sum(min(c.rate for c in options) for options in candidates.values())
