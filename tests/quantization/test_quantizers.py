"""Uniform quantizers on step indices: numpy against torch, gradients, zero points, and searches against trying all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.network.integer_network import channel_axis
from nqcodec.quantization.quantizers import (
    SEARCHES,
    QuantizerKind,
    UniformQuantizer,
    along_channels,
    bits_needed,
    covering_step_index,
    dequantize,
    initial_step_index,
    limits,
    quantize,
    quantize_array,
    search_step_index,
    step_size,
)


def there_and_back(x: torch.Tensor, step_indices: torch.Tensor, bits: int) -> torch.Tensor:
    """What a decoder makes of `x`."""
    return dequantize(quantize(x, step_indices, bits), step_indices)


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
    there = quantize_array(x, index, bits)
    here = quantize(torch.from_numpy(x), torch.tensor([float(index)]), bits)
    assert np.array_equal(there, here.numpy())
    assert limits(bits)[0] <= there.min()
    assert there.max() <= limits(bits)[1]


def test_step_sizes_follow_channels() -> None:
    x = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step_indices = torch.tensor([-32.0, -24.0, -16.0])
    weight = there_and_back(x, along_channels(step_indices, "weight", 4), 8)
    for channel in range(3):
        assert torch.equal(weight[channel], there_and_back(x[channel], step_indices[channel], 8))
    latent = there_and_back(x, along_channels(step_indices[:2], "latent", 4), 8)
    assert torch.equal(latent[:, 1], there_and_back(x[:, 1], step_indices[1], 8))


def test_gradients_pass_rounding_and_stop_at_the_clamp() -> None:
    x = torch.tensor([0.3, -0.8, 5.0], dtype=torch.float64, requires_grad=True)
    step_indices = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    there_and_back(x, step_indices, 3).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0, 0.0]
    # LSQ: q - x / size for values that are rounded, the bound for those that are clamped; d size / d index = ln 2 / 8.
    expected = ((0 - 0.3) + (-1 + 0.8) + 3) * np.log(2) / 8
    assert step_indices.grad is not None
    assert float(step_indices.grad) == pytest.approx(expected)


@given(st.integers(0, 1000), st.integers(2, 10))
@settings(deadline=None, max_examples=30)
def test_covering_step_is_the_finest_that_clamps_nothing(seed: int, bits: int) -> None:
    x = np.abs(gaussian(seed, 50))
    index = covering_step_index(x, bits)
    assert np.array_equal(quantize_array(x, index, bits), quantize_array(x, index, 16))
    assert not np.array_equal(quantize_array(x, index - 1, bits), quantize_array(x, index - 1, 16))


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_error_search_finds_the_best_step_of_all(bits: int, power: float) -> None:
    x = gaussian(7)

    def error(index: int) -> float:
        return float((np.abs(quantize_array(x, index, bits) * step_size(index) - x) ** power).sum())

    assert error(search_step_index(x, bits, power)) == min(error(index) for index in range(-120, 20))


def test_a_tensor_of_zeros_has_a_legal_step() -> None:
    assert covering_step_index(np.zeros(4), 8) == search_step_index(np.zeros(4), 8) == 0


def test_searches_by_name_are_covering_or_error_searches() -> None:
    x = gaussian(3)
    assert initial_step_index(x, 4, "max") == covering_step_index(x, 4)
    assert [initial_step_index(x, 4, name) for name in ("l1", "mse", "lp")] == [
        search_step_index(x, 4, p) for p in (1, 2, 3.5)
    ]
    assert (
        initial_step_index(x, 4, "l1")
        < initial_step_index(x, 4, "mse")
        < initial_step_index(x, 4, "lp")
        < initial_step_index(x, 4, "max")
    )


def one_sided(seed: int) -> npt.NDArray[np.float64]:
    """A weight [5, 4, 3, 3] whose channels differ in size and centre."""
    generator = np.random.default_rng(seed)
    size, centre = generator.uniform(0.02, 0.5, (5, 1, 1, 1)), generator.uniform(-0.4, 0.4, (5, 1, 1, 1))
    return generator.normal(0, 1, (5, 4, 3, 3)) * size + centre


def test_symmetric_quantizers_are_the_encoders_own() -> None:
    x = one_sided(0)
    for search in SEARCHES:
        quantizer = UniformQuantizer.of(x, "weight", 5, QuantizerKind(search=search))
        assert quantizer.step_indices.tolist() == [initial_step_index(x, 5, search)]
        assert np.array_equal(quantizer.integers(x), quantize_array(x, quantizer.step_indices[0], 5))


@pytest.mark.parametrize("name", ["weight", "latent"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_step_a_channel_is_each_channels_own(name: str, symmetric: bool) -> None:
    x, axis = one_sided(1), channel_axis(name)
    quantizer = UniformQuantizer.of(x, name, 4, QuantizerKind(symmetric, per_channel=True))
    assert quantizer.step_indices.size == quantizer.zeros.size == x.shape[axis]
    for channel in range(x.shape[axis]):
        part = x.take([channel], axis)
        alone = UniformQuantizer.of(part, name, 4, QuantizerKind(symmetric))
        assert alone.step_indices[0] == quantizer.step_indices[channel]
        assert np.array_equal(alone.integers(part), quantizer.integers(x).take([channel], axis))


def test_a_bias_has_one_step() -> None:
    x = gaussian(2, 9)
    assert UniformQuantizer.of(x, "bias", 6, QuantizerKind(per_channel=True)).step_indices.size == 1


@given(st.integers(0, 1000), st.integers(2, 8), st.sampled_from(sorted(SEARCHES)), st.booleans())
@settings(deadline=None, max_examples=60)
def test_asymmetric_codes_are_within_their_width_and_one_bit_more_holds_them(
    seed: int, bits: int, search: str, per_channel: bool
) -> None:
    x = one_sided(seed)
    quantizer = UniformQuantizer.of(x, "weight", bits, QuantizerKind(False, per_channel, search))
    integers = quantizer.integers(x)
    codes = integers + quantizer.zeros[:, None, None, None]
    assert codes.min() >= 0
    assert codes.max() < 1 << bits
    assert bits_needed(integers) <= bits + 1
    assert np.array_equal(quantizer.values(x), integers * step_size(quantizer.step_indices)[:, None, None, None])
    if search == "max":
        error = np.abs(quantizer.values(x) - x) / step_size(quantizer.step_indices)[:, None, None, None]
        assert error.max() <= 1 + 1e-9


@given(st.integers(0, 1000), st.integers(2, 6))
@settings(deadline=None, max_examples=40)
def test_asymmetric_searches_find_the_best_step_of_their_zero_points(seed: int, bits: int) -> None:
    x = one_sided(seed)[0]
    quantizer = UniformQuantizer.of(x, "weight", bits, QuantizerKind(False, False, "lp"))

    def error(index: int) -> float:
        other = UniformQuantizer(quantizer.axis, np.array([index], np.int32), quantizer.zeros, bits)
        return float((np.abs(other.values(x) - x) ** 3.5).sum())

    first = int(UniformQuantizer.of(x, "weight", bits, QuantizerKind(False, False, "max")).step_indices[0])
    assert error(int(quantizer.step_indices[0])) == min(error(index) for index in range(first - 40, first + 1))


def test_one_sided_values_lose_less_without_symmetry() -> None:
    x = np.abs(gaussian(5)) + 0.2
    lost = [
        float(((UniformQuantizer.of(x, "bias", 4, QuantizerKind(symmetric)).values(x) - x) ** 2).sum())
        for symmetric in (True, False)
    ]
    assert lost[1] < 0.5 * lost[0]


def test_zeros_have_quantizers_of_both_kinds() -> None:
    for symmetric in (True, False):
        quantizer = UniformQuantizer.of(np.zeros((2, 3)), "weight", 4, QuantizerKind(symmetric, per_channel=True))
        assert not quantizer.integers(np.zeros((2, 3))).any()
