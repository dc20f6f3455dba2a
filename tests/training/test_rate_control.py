"""Lambda answers to the size as it should, with the gains of every method, and stays within bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.methods.post_training import finetune
from nqcodec.methods.rate_aware import control
from nqcodec.training.rate_control import Gains, LambdaController

TARGET, FIRST = 40_000.0, 2e-5

every_method = pytest.mark.parametrize("gains", [finetune.GAINS, control.GAINS], ids=["post-training", "rate-aware"])


def controller(gains: Gains) -> LambdaController:
    return LambdaController(TARGET, gains, unit=FIRST)


@every_method
def test_it_rises_above_the_target_and_falls_below(gains: Gains) -> None:
    found = controller(gains)
    found.update(TARGET)
    assert found.lmbda == pytest.approx(FIRST)
    lambdas = [found.lmbda]
    for _ in range(2):
        found.update(1.02 * TARGET)
        lambdas.append(found.lmbda)
    assert lambdas == sorted(set(lambdas)), "the same excess again makes bits dearer still"
    found = controller(gains)
    found.update(0.98 * TARGET)
    assert found.lmbda < FIRST


@every_method
def test_nothing_is_learned_where_the_size_tells_nothing_lasting(gains: Gains) -> None:
    found = controller(gains)
    found.update(2 * TARGET, learn=False)
    assert found.learned == 1
    assert found.lmbda > FIRST
    found.update(TARGET / 2, learn=False)
    assert found.learned == 1
    assert found.lmbda < FIRST


@every_method
def test_a_size_is_compared_with_what_is_expected_by_now(gains: Gains) -> None:
    early, late = controller(gains), controller(gains)
    early.update(TARGET, expected=0.8 * TARGET)
    late.update(TARGET)
    assert early.lmbda > late.lmbda == pytest.approx(FIRST)


@every_method
@given(sizes=st.tuples(st.floats(1.0, 1e9), st.floats(1.0, 1e9)), learn=st.booleans())
def test_a_larger_file_never_makes_bits_cheaper(gains: Gains, sizes: tuple[float, float], learn: bool) -> None:
    small, large = controller(gains), controller(gains)
    small.update(min(sizes), learn=learn)
    large.update(max(sizes), learn=learn)
    assert small.lmbda <= large.lmbda
    assert small.learned <= large.learned


@every_method
@given(sizes=st.lists(st.floats(1.0, 1e12), min_size=1, max_size=8), learn=st.booleans())
def test_factors_are_bounded(gains: Gains, sizes: list[float], learn: bool) -> None:
    found = controller(gains)
    for size in sizes:
        before = found.learned
        found.update(size, learn=learn)
        assert abs(math.log(found.learned / before)) <= math.log(gains.integral_limit) + 1e-9
        assert abs(math.log(found.learned)) <= math.log(gains.learned_limit) + 1e-9
        assert abs(math.log(found.lmbda / FIRST / found.learned)) <= math.log(gains.proportional_limit) + 1e-9


@every_method
def test_a_checkpoint_brings_it_back(gains: Gains) -> None:
    found, again = controller(gains), controller(gains)
    found.update(1.1 * TARGET)
    again.restore(found.facts())
    assert again == found
