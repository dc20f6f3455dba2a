"""Bits of real values: definitions against sums and loops, libnq's context rate against its definition in float64."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
import torch
from rateaware_cases import static_bits
from torch import Tensor

from nqcodec.methods.rate_aware import likelihood, native
from nqcodec.methods.rate_aware.likelihood import LEAST_SCALE, NEIGHBOURS, ContextWeights
from nqcodec.methods.rate_aware.native import ContextGradients, context_gradients
from nqcodec.native.cpu import cpu_levels
from nqcodec.native.loading import load_libnq, why_absent

NEEDS_LIBRARY = pytest.mark.skipif(load_libnq() is None, reason=why_absent("libnq"))
GUARD = 300
COUNT = len(NEIGHBOURS)
SHAPES = (
    (1, 1, 1, 1),
    (1, 1, 1, 9),
    (1, 1, 7, 1),
    (5, 1, 1, 1),
    (1, 6, 1, 1),
    (2, 2, 2, 2),
    (3, 2, 5, 7),
    (1, 2, 9, 16),
    (4, 1, 12, 20),
    (2, 3, 1, 33),
    (1, 1, 60, 61),
)


def random_case(shape: tuple[int, ...], scale: float = 2.0, seed: int = 0) -> tuple[Tensor, ContextWeights]:
    source = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=source) * scale
    base = torch.randn(1, generator=source)
    mean = torch.randn(COUNT, generator=source) * 0.2
    return values, ContextWeights(base, mean, torch.randn(COUNT, generator=source) - 2)


def exact(values: Tensor, weights: ContextWeights) -> ContextGradients:
    """The definition in float64, by autograd."""
    leaves = [tensor.double().requires_grad_(True) for tensor in (values, *weights.parameters())]
    bits = likelihood.context_bits(leaves[0], ContextWeights(*leaves[1:]))
    gradients = torch.autograd.grad(bits, leaves, materialize_grads=True)
    return ContextGradients(bits.item(), *gradients)


def assert_close(got: ContextGradients, expected: ContextGradients, relative: float = 1e-4) -> None:
    """Bits and every gradient to `relative` of themselves, or to a part in 10^6 of their tensor's largest."""
    assert math.isclose(got.bits, expected.bits, rel_tol=relative)
    for name in ("values", "base", "mean", "scale"):
        mine, theirs = getattr(got, name), getattr(expected, name)
        assert mine.shape == theirs.shape
        slack = 1e-6 * float(theirs.abs().max())
        assert torch.allclose(mine.double(), theirs, rtol=relative, atol=slack), name


def bits_of(result: ContextGradients) -> tuple[float, list[bytes]]:
    return result.bits, [tensor.numpy().tobytes() for tensor in result[1:]]


@pytest.mark.parametrize("bits", [likelihood.logistic_bits, likelihood.gaussian_bits])
@pytest.mark.parametrize("spread", [0.3, 1.0, 17.0])
@pytest.mark.parametrize("mean", [0.0, 0.37])
def test_probabilities_of_the_integers_sum_to_one(
    bits: Callable[[Tensor, Tensor], Tensor], spread: float, mean: float
) -> None:
    reach = math.ceil(spread * 20)
    distance = torch.arange(-reach, reach + 1, dtype=torch.float64) - mean
    total = torch.exp2(-bits(distance, torch.tensor(spread, dtype=torch.float64))).sum()
    # Tails whose float64 integral is nothing go on as a density, which is a little more.
    assert float(total) == pytest.approx(1, abs=1e-4)


def test_static_bits_are_the_entropy_of_a_gaussian() -> None:
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 9
    entropy = math.log2(9 * math.sqrt(2 * math.pi * math.e))
    assert float(static_bits(values)) / 20_000 == pytest.approx(entropy, rel=0.01)
    assert float(static_bits(torch.zeros(100))) < 1e-3


def bits_by_loops(values: np.ndarray, weights: ContextWeights) -> float:
    """The context model value by value; the probability as a difference of two logistic integrals."""
    mean, spread = (weights.mean.numpy(), np.log1p(np.exp(weights.scale.numpy())))

    def neighbour(of: np.ndarray, at: tuple[int, ...], j: int) -> float:
        place = tuple(a + step for a, step in zip(at, NEIGHBOURS[j], strict=True))
        return float(of[place]) if all(0 <= p < n for p, n in zip(place, of.shape, strict=True)) else 0.0

    places = list(product(*map(range, values.shape)))
    residuals, total = np.zeros_like(values), 0.0
    for at in places:
        residuals[at] = values[at] - sum(mean[j] * neighbour(values, at, j) for j in range(COUNT))
    for at in places:
        part = sum(spread[j] * abs(neighbour(residuals, at, j)) for j in range(COUNT))
        scale = (LEAST_SCALE + math.log1p(math.exp(float(weights.base))) + part) * math.sqrt(3) / math.pi
        high, low = ((residuals[at] + half) / scale for half in (0.5, -0.5))
        total -= math.log2(1 / (1 + math.exp(-high)) - 1 / (1 + math.exp(-low)))
    return total


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 4, 5), (3, 1, 2, 3)])
def test_definition_is_the_context_model(shape: tuple[int, ...]) -> None:
    values, weights = random_case(shape)
    weights = ContextWeights(*(tensor.double() for tensor in weights.parameters()))
    expected = bits_by_loops(values.double().numpy(), weights)
    assert float(likelihood.context_bits(values.double(), weights)) == pytest.approx(expected, rel=1e-9)


def test_gradients_of_the_definition() -> None:
    values, weights = random_case((2, 2, 3, 4))
    leaves = [tensor.double().requires_grad_(True) for tensor in (values, *weights.parameters())]

    def bits(values: Tensor, *models: Tensor) -> Tensor:
        return likelihood.context_bits(values, ContextWeights(*models))

    assert torch.autograd.gradcheck(bits, leaves)


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", SHAPES)
def test_libnq_is_the_definition(shape: tuple[int, ...]) -> None:
    for seed in range(3):
        values, weights = random_case(shape, seed=seed)
        assert_close(context_gradients(values, weights), exact(values, weights))


@NEEDS_LIBRARY
@pytest.mark.parametrize("base", [-40.0, -2.0, 0.0, 1.5, 6.0, 70.0, 2048.0])
def test_libnq_of_single_values_to_the_last_places_of_float32(base: float) -> None:
    """No sums in which an error would drown: exponentials and logarithms over all of their ranges."""
    _, start = random_case((1, 1, 1, 1))
    weights = ContextWeights(torch.tensor([base]), start.mean, start.scale)
    for value in [0.0, 0.49, 0.5, *torch.logspace(-3, 3, 150).tolist()]:
        latent = torch.full((1, 1, 1, 1), value)
        got, expected = context_gradients(latent, weights), exact(latent, weights)
        assert got.bits == pytest.approx(expected.bits, rel=1e-6, abs=0)
        assert got.values.item() == pytest.approx(expected.values.item(), rel=2e-6, abs=0)
        # Changes its sign where the value is about a spread from the mean.
        assert got.base.item() == pytest.approx(expected.base.item(), rel=2e-6, abs=1e-6)


@NEEDS_LIBRARY
@pytest.mark.parametrize("scale", [1e-3, 0.3, 30.0, 1e4, 1e7])
@pytest.mark.parametrize("base", [-40.0, -3.0, 40.0, 2048.0, 1e6])
@pytest.mark.parametrize("from_neighbours", [-40.0, -3.0, 4.0])
def test_libnq_at_the_extremes(scale: float, base: float, from_neighbours: float) -> None:
    """Spreads from the least to far over any table's, values from far within to far outside them."""
    values, weights = random_case((3, 2, 6, 7), scale)
    weights = ContextWeights(torch.tensor([base]), weights.mean, torch.full((COUNT,), from_neighbours))
    assert_close(context_gradients(values, weights), exact(values, weights))


@NEEDS_LIBRARY
def test_libnq_on_integers_and_zeros() -> None:
    """Residuals of 0 have no sign; weights as they start make many."""
    values, _ = random_case((2, 2, 9, 11), scale=0.6)
    for latent in (values.round(), torch.zeros(1, 2, 3, 4), torch.full((1, 1, 4, 4), 0.5)):
        weights = ContextWeights.start()
        assert_close(context_gradients(latent, weights), exact(latent, weights))


@NEEDS_LIBRARY
def test_the_same_bits_at_every_level_in_every_thread() -> None:
    for shape in SHAPES:
        values, weights = random_case(shape)
        expected = bits_of(context_gradients(values, weights, cpu="scalar"))
        for cpu in cpu_levels():
            assert bits_of(context_gradients(values, weights, cpu=cpu)) == expected, (shape, cpu)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: bits_of(context_gradients(values, weights)), range(8)))
    assert results == [expected] * 8


def guarded(values: Tensor) -> np.ndarray:
    """Values between NaN."""
    return np.pad(values.numpy().reshape(-1), GUARD, constant_values=np.nan)


def inside(whole: np.ndarray) -> int:
    """Address of the first value."""
    return int(whole.ctypes.data) + GUARD * whole.itemsize


@NEEDS_LIBRARY
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_outside_the_arrays_is_read_or_written(shape: tuple[int, ...]) -> None:
    values, weights = random_case(shape)
    library = load_libnq()
    assert library is not None
    for cpu, level in zip(cpu_levels(), range(3), strict=False):
        inputs = [guarded(tensor) for tensor in (values, weights.mean, weights.scale)]
        before = [whole.tobytes() for whole in inputs]
        outputs = [guarded(torch.zeros_like(tensor)) for tensor in (values, weights.mean, weights.scale)]
        y, mean, spread, *gradients = map(inside, inputs + outputs)
        places = native._PLACES.ctypes.data
        descriptor = native._Descriptor(y, places, mean, spread, *gradients)
        descriptor.base, descriptor.least_spread = float(weights.base), LEAST_SCALE
        descriptor.shape, descriptor.neighbours = (ctypes.c_int32 * 4)(*shape), COUNT
        assert library.nq_context_rate(ctypes.byref(descriptor), level) == 0
        assert [whole.tobytes() for whole in inputs] == before
        expected = context_gradients(values, weights, cpu=cpu)
        assert descriptor.bits == expected.bits
        for whole, gradient in zip(outputs, (expected.values, expected.mean, expected.scale), strict=True):
            assert np.isnan(whole[:GUARD]).all()
            assert np.isnan(whole[-GUARD:]).all()
            assert whole[GUARD:-GUARD].tobytes() == gradient.numpy().tobytes()


@NEEDS_LIBRARY
def test_a_value_or_weight_that_is_no_number_shows() -> None:
    values, weights = random_case((2, 1, 5, 6))
    spoilt = values.clone()
    spoilt[1, 0, 2, 3] = math.nan
    assert math.isnan(context_gradients(spoilt, weights).bits)
    for spoilt_weights in (
        ContextWeights(torch.tensor([math.nan]), weights.mean, weights.scale),
        ContextWeights(weights.base, weights.mean * math.nan, weights.scale),
        ContextWeights(weights.base, weights.mean, weights.scale * math.nan),
    ):
        assert math.isnan(context_gradients(values, spoilt_weights).bits)


@NEEDS_LIBRARY
def test_values_of_any_strides() -> None:
    values, weights = random_case((5, 4, 3, 2))
    turned = values.permute(3, 2, 1, 0)
    assert_close(context_gradients(turned, weights), exact(turned, weights))


def test_autograd_scales_the_gradients() -> None:
    values, weights = random_case((2, 2, 4, 5))
    expected = context_gradients(values, weights)
    leaves = [tensor.clone().requires_grad_(True) for tensor in (values, *weights.parameters())]
    bits = native.context_bits(leaves[0], ContextWeights(*leaves[1:]))
    assert (bits.shape, bits.dtype) == ((), torch.float32)
    assert bits.item() == pytest.approx(expected.bits, rel=1e-6)
    (3 * bits).backward()
    for leaf, gradient in zip(leaves, expected[1:], strict=True):
        torch.testing.assert_close(leaf.grad, 3 * gradient)


def test_autograd_where_only_some_tensors_learn() -> None:
    values, weights = random_case((1, 2, 4, 5))
    leaf = values.clone().requires_grad_(True)
    native.context_bits(leaf * 2, weights).backward()
    torch.testing.assert_close(leaf.grad, 2 * context_gradients(leaf * 2, weights).values)
    assert not native.context_bits(values, weights).requires_grad


def test_other_types_take_the_definition() -> None:
    values, weights = random_case((2, 1, 4, 5))
    wide = ContextWeights(*(tensor.double() for tensor in weights.parameters()))
    got, expected = context_gradients(values.double(), wide), exact(values, weights)
    assert got.bits == expected.bits
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(got[1:], expected[1:], strict=True))
    assert native.context_bits(values.double(), wide).item() == expected.bits


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "load_libnq", lambda: None)
    for shape in ((1, 1, 1, 1), (2, 2, 4, 5)):
        values, weights = random_case(shape)
        assert native.context_bits(values, weights).item() == likelihood.context_bits(values, weights).item()
        assert_close(context_gradients(values, weights), exact(values, weights))


@NEEDS_LIBRARY
def test_what_the_library_refuses() -> None:
    library = load_libnq()
    assert library is not None

    def status(shape: tuple[int, ...], places: list[list[int]], level: int = 0) -> int:
        steps = np.array(places, np.int32)
        descriptor = native._Descriptor(places=steps.ctypes.data, neighbours=len(places))
        descriptor.shape = (ctypes.c_int32 * 4)(*shape)
        return int(library.nq_context_rate(ctypes.byref(descriptor), level))

    for axis in range(4):
        shape = [2, 2, 2, 2]
        shape[axis] = 0
        assert status(tuple(shape), []) == 5
    for step in ([0, 0, 3, 0], [0, 0, 0, -3]):
        assert status((1, 1, 9, 9), [step]) == 5
    assert status((1, 1, 9, 9), [[0, 0, 0, -1]] * 33) == 5
    assert status((1, 1, 9, 9), [], level=3) == 3
