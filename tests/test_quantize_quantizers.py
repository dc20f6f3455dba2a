"""Uniform quantizers on step indices: numpy against torch, gradients, and the error search against trying all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.quantize.quantizers import (
    along_channels,
    bits_needed,
    covering_step,
    fake_quantise,
    limits,
    quantise,
    quantise_array,
    search_step,
    step_size,
)


def gaussian(seed: int, size: int = 400) -> npt.NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, 0.1, size)


@pytest.mark.parametrize(
    ("values", "bits"),
    [([0], 2), ([1, -1], 2), ([-2], 2), ([2], 3), ([-3], 3), ([127, -128], 8), ([128], 9), ([-129], 9)],
)
def test_bits_needed_is_the_narrowest_signed_range(values: list[int], bits: int) -> None:
    assert bits_needed(np.array(values)) == bits


@given(st.integers(0, 1000), st.integers(-60, 0), st.integers(2, 8))
@settings(deadline=None, max_examples=50)
def test_numpy_and_torch_give_the_same_integers_within_the_width(seed: int, index: int, bits: int) -> None:
    x = gaussian(seed)
    there = quantise_array(x, index, bits)
    here = quantise(torch.from_numpy(x), torch.tensor([float(index)]), bits)
    assert np.array_equal(there, here.numpy())
    assert limits(bits)[0] <= there.min()
    assert there.max() <= limits(bits)[1]


def test_steps_follow_channels() -> None:
    x = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    steps = torch.tensor([-32.0, -24.0, -16.0])
    weight = fake_quantise(x, along_channels(steps, "weight", 4), 8)
    for channel in range(3):
        assert torch.equal(weight[channel], fake_quantise(x[channel], steps[channel], 8))
    latent = fake_quantise(x, along_channels(steps[:2], "latent", 4), 8)
    assert torch.equal(latent[:, 1], fake_quantise(x[:, 1], steps[1], 8))


def test_gradients_pass_rounding_and_stop_at_the_clamp() -> None:
    x = torch.tensor([0.3, -0.8, 5.0], dtype=torch.float64, requires_grad=True)
    steps = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    fake_quantise(x, steps, 3).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0, 0.0]
    # LSQ: q - x / step for values that are rounded, the bound for those that are clamped; d step / d index = ln 2 / 8.
    expected = ((0 - 0.3) + (-1 + 0.8) + 3) * np.log(2) / 8
    assert steps.grad is not None
    assert float(steps.grad) == pytest.approx(expected)


@given(st.integers(0, 1000), st.integers(2, 10))
@settings(deadline=None, max_examples=30)
def test_covering_step_is_the_finest_that_clamps_nothing(seed: int, bits: int) -> None:
    x = np.abs(gaussian(seed, 50))
    index = covering_step(x, bits)
    assert np.array_equal(quantise_array(x, index, bits), quantise_array(x, index, 16))
    assert not np.array_equal(quantise_array(x, index - 1, bits), quantise_array(x, index - 1, 16))


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_error_search_finds_the_best_step_of_all(bits: int, power: float) -> None:
    x = gaussian(7)

    def error(index: int) -> float:
        return float((np.abs(quantise_array(x, index, bits) * step_size(index) - x) ** power).sum())

    assert error(search_step(x, bits, power)) == min(error(index) for index in range(-120, 20))


def test_a_tensor_of_zeros_has_a_legal_step() -> None:
    assert covering_step(np.zeros(4), 8) == search_step(np.zeros(4), 8) == 0
