"""The price of a bit: it finds the size asked for on simulated fits, whatever the slope, and stays within bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.methods.rate_aware.control import REACH, STEP, PriceControl

TARGET = 40_000.0


def simulated(control: PriceControl, wanted: float, slope: float, inertia: float, updates: int = 400) -> float:
    """The size that a fit ends with whose size follows (price / wanted)^-slope, slowly, and grows late.

    At price `wanted` it would have the target size at its end.
    """
    size = 3 * control.target
    for number in range(updates):
        done = number / updates
        reached = control.target * (control.price / wanted) ** -slope * (0.8 + 0.2 * done)
        size *= (reached / size) ** (1 - inertia)
        control.update(size, done, settled=False)
    return size


@pytest.mark.parametrize("off", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("slope", [0.4, 1.0])
@pytest.mark.parametrize("inertia", [0.5, 0.9])
def test_size_converges_to_the_target(off: float, slope: float, inertia: float) -> None:
    """From a first price ten times too low or too high."""
    control = PriceControl.start(TARGET)
    size = simulated(control, off * control.price, slope, inertia)
    assert size == pytest.approx(TARGET, rel=0.03)


def test_the_first_price_of_a_bit_falls_with_the_files_size() -> None:
    first, larger = PriceControl.start(1e4), PriceControl.start(1e5)
    assert first.price == first.learned > 0
    assert first.price == pytest.approx(10 * larger.price)


@given(
    sizes=st.tuples(st.floats(1.0, 1e9), st.floats(1.0, 1e9)),
    done=st.floats(0, 1.2),
    settled=st.booleans(),
)
def test_a_larger_file_never_makes_bits_cheaper(sizes: tuple[float, float], done: float, settled: bool) -> None:
    small, large = PriceControl.start(TARGET), PriceControl.start(TARGET)
    small.update(min(sizes), done, settled)
    large.update(max(sizes), done, settled)
    assert small.price <= large.price
    assert small.learned <= large.learned


@given(size=st.floats(1.0, 1e12), done=st.floats(0, 1.2), settled=st.booleans())
def test_one_update_moves_the_price_by_bounded_factors(size: float, done: float, settled: bool) -> None:
    control = PriceControl.start(TARGET)
    before = control.learned
    control.update(size, done, settled)
    assert abs(math.log(control.learned / before)) <= math.log(STEP) + 1e-9
    assert abs(math.log(control.price / control.learned)) <= math.log(REACH) + 1e-9


def test_nothing_is_learned_once_steps_are_whole() -> None:
    control = PriceControl.start(TARGET)
    before = control.learned
    control.update(2 * TARGET, 1.0, settled=True)
    assert control.learned == before < control.price
    control.update(TARGET / 2, 1.0, settled=True)
    assert control.learned == before > control.price


@given(done=st.floats(0, 1.2), rest=st.floats(0, 1))
def test_a_file_is_expected_to_grow_to_its_target(done: float, rest: float) -> None:
    control = PriceControl.start(TARGET)
    assert control.expected(1.0) == TARGET
    assert (
        control.expected(done, rest)
        <= control.expected(done, rest / 2)
        <= control.expected(min(done + 0.1, 1))
        <= TARGET
    )
    update = PriceControl.start(TARGET)
    update.update(control.expected(done, rest), done, False, rest)
    assert update.price == pytest.approx(control.price)


def test_at_the_end_the_target_itself_is_steered_to() -> None:
    control = PriceControl.start(TARGET)
    control.update(TARGET, 1.0, settled=False)
    assert control.price == pytest.approx(control.learned) == pytest.approx(PriceControl.start(TARGET).learned)


def test_an_earlier_size_is_compared_with_less() -> None:
    """What a fit has half-way grows until its end."""
    early, late = PriceControl.start(TARGET), PriceControl.start(TARGET)
    early.update(TARGET, 0.2, settled=False)
    late.update(TARGET, 1.0, settled=False)
    assert early.price > late.price
