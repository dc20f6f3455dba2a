"""Lambda of a rate-aware fit finds the size asked for on simulated fits, whatever the slope."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.methods.rate_aware.control import controller, expected_bits
from nqcodec.training.rate_control import LambdaController

TARGET = 40_000.0


def simulated(control: LambdaController, wanted: float, slope: float, inertia: float, updates: int = 400) -> float:
    """The size that a fit ends with whose size follows (lambda / wanted)^-slope, slowly, and grows late.

    At lambda `wanted` it would have the target size at its end.
    """
    size = 3 * control.target
    for number in range(updates):
        done = number / updates
        reached = control.target * (control.lmbda / wanted) ** -slope * (0.8 + 0.2 * done)
        size *= (reached / size) ** (1 - inertia)
        control.update(size, expected=expected_bits(control.target, done))
    return size


@pytest.mark.parametrize("off", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("slope", [0.4, 1.0])
@pytest.mark.parametrize("inertia", [0.5, 0.9])
def test_size_converges_to_the_target(off: float, slope: float, inertia: float) -> None:
    """From a first lambda ten times too low or too high."""
    control = controller(TARGET)
    size = simulated(control, off * control.lmbda, slope, inertia)
    assert size == pytest.approx(TARGET, rel=0.03)


def test_the_first_lambda_falls_with_the_files_size() -> None:
    first, larger = controller(1e4), controller(1e5)
    assert first.lmbda == first.learned > 0
    assert first.lmbda == pytest.approx(10 * larger.lmbda)


@given(done=st.floats(0, 1.2), rest=st.floats(0, 1))
def test_a_file_is_expected_to_grow_to_its_target(done: float, rest: float) -> None:
    assert expected_bits(TARGET, 1.0) == TARGET
    assert (
        expected_bits(TARGET, done, rest)
        <= expected_bits(TARGET, done, rest / 2)
        <= expected_bits(TARGET, min(done + 0.1, 1))
        <= TARGET
    )


@given(done=st.floats(0, 1.2), rest=st.floats(0, 1))
def test_latents_that_are_most_of_a_file_are_expected_to_shrink_to_it(done: float, rest: float) -> None:
    assert expected_bits(TARGET, 1.0, excess=0.5) == TARGET
    assert expected_bits(TARGET, 0.0, excess=0.5) == pytest.approx(1.5 * TARGET)
    later = expected_bits(TARGET, min(done + 0.1, 1), excess=0.5)
    assert expected_bits(TARGET, done, excess=0.5) >= later >= TARGET
    assert expected_bits(TARGET, done, rest, 0.5) <= expected_bits(TARGET, done, rest / 2, 0.5)
