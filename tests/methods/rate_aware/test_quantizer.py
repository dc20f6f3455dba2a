"""Quantizers of a rate-aware fit: noise, rounding, ranges, whole step indices, and their form in the file."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.backbones import pyramid
from nqcodec.media.video import Video
from nqcodec.methods.rate_aware.likelihood import LEAST_SCALE, NEIGHBOURS, ContextWeights
from nqcodec.methods.rate_aware.noise import Noise
from nqcodec.methods.rate_aware.quantizer import QuantizedSample, Quantizers, whole
from nqcodec.network.integer_network import (
    CONTEXT_BASE_RANGE,
    CONTEXT_MEAN_RANGE,
    CONTEXT_SCALE_RANGE,
    STEP_INDEX_RANGE,
    IntegerNetwork,
    Layer,
    check_context,
    validate,
)
from nqcodec.training.network import FloatNetwork

VIDEO = Video(64, 36, 8)
COUNT = len(NEIGHBOURS)


def fresh(seed: int = 0) -> Quantizers:
    program = pyramid.for_bytes(VIDEO, VIDEO.frames, 1000)
    return Quantizers.start(FloatNetwork(program, VIDEO.frames, torch.Generator().manual_seed(seed)))


def sample(quantizers: Quantizers, seed: int | None) -> QuantizedSample:
    noise = None if seed is None else Noise(torch.Generator().manual_seed(seed), temperature=0.5, peak=1.5)
    return quantizers.sample(noise)


def exact(quantizers: Quantizers, key: str) -> torch.Tensor:
    """Values in units of their step sizes."""
    return quantizers.network.tensors[key].detach() / 2 ** (quantizers.step_indices[key] / 8)


def test_noise_of_weights_is_uniform_over_one_step() -> None:
    quantizers = fresh()
    keys = sorted(quantizers.step_indices.keys() - quantizers.contexts.keys())
    draws = [sample(quantizers, seed).symbols for seed in (7, 8)]
    noise = torch.cat([(symbols[key] - exact(quantizers, key)).flatten() for symbols in draws for key in keys])
    assert noise.numel() > 2000
    assert float(noise.abs().max()) <= 0.5 + 1e-4
    # Six deviations of the mean of so many.
    assert abs(float(noise.mean())) < 6 * math.sqrt(1 / 12 / noise.numel())
    assert float(noise.var()) == pytest.approx(1 / 12, rel=0.1)


@pytest.mark.parametrize("seed", [None, 3])
def test_what_is_used_is_symbols_times_steps(seed: int | None) -> None:
    quantizers = fresh()
    found = sample(quantizers, seed)
    assert list(found.used) == [tensor.key for tensor in quantizers.names]
    for key, used in found.used.items():
        assert float(found.sizes[key]) == pytest.approx(2 ** (float(quantizers.step_indices[key]) / 8), rel=1e-6)
        torch.testing.assert_close(used, found.symbols[key] * found.sizes[key])
        assert not used.requires_grad


def test_the_seed_decides_the_noise() -> None:
    quantizers = fresh()
    first, same, other = (sample(quantizers, seed).used for seed in (5, 5, 6))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not any(torch.equal(first[key], other[key]) for key in first)


def test_rounding_is_to_the_nearest() -> None:
    quantizers = fresh()
    for key, symbols in sample(quantizers, None).symbols.items():
        assert torch.equal(symbols, symbols.round())
        assert float((symbols - exact(quantizers, key)).abs().max()) <= 0.5


@pytest.mark.parametrize("seed", [None, 3])
def test_no_symbol_is_beyond_what_a_file_holds(seed: int | None) -> None:
    quantizers = fresh()
    for index in quantizers.step_indices.values():
        index.sub_(150)
    found = sample(quantizers, seed)
    reached = 0
    for tensor in quantizers.names:
        low, high = quantizers.symbol_range[tensor.key]
        assert (low, high) == {"weight": (-128, 127), "bias": (-32768, 32767), "latent": (-2048, 2047)}[tensor.name]
        symbols = found.symbols[tensor.key]
        assert low <= float(symbols.min()) <= float(symbols.max()) <= high
        reached += float(symbols.max()) == high
    assert reached, "some tensor must have been clamped, or nothing was tested"


def test_keep_reach_makes_just_those_steps_coarser_that_clamp() -> None:
    quantizers = fresh()
    keys = [tensor.key for tensor in quantizers.names if tensor.name != "bias"]
    fine, kept = keys[::2], keys[1::2]
    for key in fine:
        quantizers.step_indices[key].sub_(200)
    before = {key: float(quantizers.step_indices[key]) for key in keys}
    quantizers.keep_symbol_ranges()
    for key in fine:
        assert float(exact(quantizers, key).abs().max()) <= quantizers.symbol_range[key][1]
        # One index finer would clamp.
        assert float(exact(quantizers, key).abs().max()) * 2 ** (1 / 8) > quantizers.symbol_range[key][1]
        assert float(quantizers.step_indices[key]).is_integer()
    assert {key: float(quantizers.step_indices[key]) for key in kept} == {key: before[key] for key in kept}


@given(data=st.data(), shift=st.floats(-8, 8))
def test_whole_indices_are_whole_and_keep_the_rate(data: st.DataObject, shift: float) -> None:
    """A step index has the weight of its tensor's number of values; the weighted sum does not change."""
    quantizers = SHARED
    for index in quantizers.step_indices.values():
        index.fill_(data.draw(st.floats(-60, 20, width=32)))
    frozen = quantizers.whole_indices(shift)
    counts = {key: quantizers.network.tensors[key].numel() for key in frozen}
    added = sum((frozen[key] - float(quantizers.step_indices[key]) - shift) * counts[key] for key in frozen)
    assert all(index.is_integer() and abs(index) <= STEP_INDEX_RANGE[1] for index in frozen.values())
    # No index is further off than its own rounding and what it makes up for.
    assert all(abs(frozen[key] - float(quantizers.step_indices[key]) - shift) <= 1.001 for key in frozen)
    assert abs(added) <= 0.5 * max(counts.values()) + 1e-3


SHARED = fresh()


def test_whole_indices_make_up_for_indices_that_all_round_the_same_way() -> None:
    quantizers = fresh()
    for index in quantizers.step_indices.values():
        index.fill_(-20.4)
    frozen = quantizers.whole_indices(0.0)
    counts = {key: quantizers.network.tensors[key].numel() for key in frozen}
    mean = sum(frozen[key] * counts[key] for key in frozen) / sum(counts.values())
    assert set(frozen.values()) == {-20.0, -21.0}
    assert mean == pytest.approx(-20.4, abs=0.05)


def test_whole_indices_stay_within_what_a_file_holds() -> None:
    quantizers = fresh()
    for low, index in enumerate(quantizers.step_indices.values()):
        index.fill_(STEP_INDEX_RANGE[low % 2])
    assert set(quantizers.whole_indices(8.0).values()) == {STEP_INDEX_RANGE[0] + 8.0, float(STEP_INDEX_RANGE[1])}
    assert set(quantizers.whole_indices(-8.0).values()) == {float(STEP_INDEX_RANGE[0]), STEP_INDEX_RANGE[1] - 8.0}


def test_set_steps_takes_over() -> None:
    quantizers = fresh()
    indices = quantizers.whole_indices(1.0)
    quantizers.set_step_indices(indices)
    assert {key: float(index) for key, index in quantizers.step_indices.items()} == indices


def test_integers_are_the_rounded_symbols_and_legal() -> None:
    quantizers = fresh()
    quantizers.set_step_indices(quantizers.whole_indices(0.0))
    integers, symbols = quantizers.integers(), sample(quantizers, None).symbols
    layers = [Layer(12, 8) for _ in quantizers.network.program.operations]
    for tensor in quantizers.names:
        coded = integers[tensor.key]
        layers[tensor.index].tensors[tensor.name] = coded
        assert np.array_equal(coded.values, symbols[tensor.key].numpy())
        assert coded.step_indices.tolist() == [float(quantizers.step_indices[tensor.key])]
        assert (coded.context is not None) == (tensor.name == "latent")
    validate(IntegerNetwork(quantizers.network.program, layers))


@given(
    base=st.floats(-200, 200, width=32),
    mean=st.lists(st.floats(-1e4, 1e4, width=32), min_size=COUNT, max_size=COUNT),
    scale=st.lists(st.floats(-200, 1e4, width=32), min_size=COUNT, max_size=COUNT),
)
def test_whole_contexts_are_what_a_file_holds(base: float, mean: list[float], scale: list[float]) -> None:
    context = whole(ContextWeights(torch.tensor([base]), torch.tensor(mean), torch.tensor(scale)))
    check_context(context)
    for value, (low, high) in (
        *((weight, CONTEXT_MEAN_RANGE) for weight in context.mean),
        *((weight, CONTEXT_SCALE_RANGE) for weight in context.scale),
        (context.base, CONTEXT_BASE_RANGE),
    ):
        assert low <= value <= high


def test_whole_contexts_are_near_the_real_ones() -> None:
    """The file counts the base in 1/512, and weights in 1/64 (formats/nq.md, 3.6)."""
    source = torch.Generator().manual_seed(0)
    weights = ContextWeights(*(torch.randn(count, generator=source) for count in (1, COUNT, COUNT)))
    context = whole(weights)
    base = LEAST_SCALE + math.log1p(math.exp(float(weights.base)))
    assert context.base / 512 == pytest.approx(base, abs=0.5 / 512 + 1e-6)
    scale = torch.nn.functional.softplus(weights.scale)
    np.testing.assert_allclose(np.array(context.mean) / 64, weights.mean.numpy(), atol=0.5 / 64 + 1e-6)
    np.testing.assert_allclose(np.array(context.scale) / 64, scale.numpy(), atol=0.5 / 64 + 1e-6)


def test_tensors_and_load_are_inverse() -> None:
    first, second = fresh(), fresh(1)
    for number, value in enumerate(first.tensors().values()):
        value.add_(0.125 * number)
    second.load(first.tensors())
    assert second.tensors().keys() == first.tensors().keys()
    assert all(torch.equal(second.tensors()[name], value) for name, value in first.tensors().items())
    next(iter(first.step_indices.values())).add_(1)
    assert not torch.equal(next(iter(first.step_indices.values())), next(iter(second.step_indices.values())))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, KeyError),
        (torch.zeros(2), ValueError),
        (torch.tensor([math.nan]), ValueError),
        (torch.tensor([321.0]), ValueError),
        (torch.tensor(1.0), ValueError),
    ],
)
def test_load_refuses_what_no_fit_made(value: torch.Tensor | None, error: type[Exception]) -> None:
    quantizers = fresh()
    tensors = {name: tensor.clone() for name, tensor in quantizers.tensors().items()}
    name = next(name for name in tensors if name.startswith("steps."))
    del tensors[name]
    if value is not None:
        tensors[name] = value
    with pytest.raises(error, match=name if value is None else "shape|outside"):
        quantizers.load(tensors)


@given(width=st.floats(0.01, 0.45))
def test_a_dead_zone_moves_latents_towards_zero_and_leaves_weights(width: float) -> None:
    quantizers = fresh()
    before = sample(quantizers, None).symbols
    quantizers.dead_zone = width
    after, integers = sample(quantizers, None).symbols, quantizers.integers()
    for key, symbols in after.items():
        assert np.array_equal(symbols.numpy(), integers[key].values)
        if key not in quantizers.contexts:
            assert torch.equal(symbols, before[key])
            continue
        magnitudes = exact(quantizers, key).abs()
        expected = torch.where(magnitudes % 1 < 0.5 + width, magnitudes.floor(), magnitudes.ceil())
        # A value that lies on the border but for the rounding of floats may go either way.
        clear = ((magnitudes % 1) - 0.5 - width).abs() > 1e-4
        low, high = quantizers.symbol_range[key]
        inside = clear & (magnitudes < min(-low, high) - 1)
        assert torch.equal(symbols.abs()[inside], expected[inside])


def test_all_latents_can_start_with_one_step_index() -> None:
    network = fresh().network
    given_index, usual = Quantizers.start(network, -11), Quantizers.start(network)
    for key, index in given_index.step_indices.items():
        assert float(index) == (-11 if key in given_index.contexts else float(usual.step_indices[key]))


def displaced(seed: int = 0) -> tuple[Quantizers, str]:
    """Quantizers of a network with vectors of up to some samples, and the vectors' key."""
    video = Video(96, 96, 8)
    program = pyramid.for_bytes(video, video.frames, 3000, None, True)
    network = FloatNetwork(program, video.frames, torch.Generator().manual_seed(seed))
    quantizers = Quantizers.start(network)
    (key,) = quantizers.vectors
    with torch.no_grad():
        network.tensors[key].normal_(0, 5, generator=torch.Generator().manual_seed(seed))
    return quantizers, key


def test_vectors_are_whole_quarter_samples_with_noise_and_without() -> None:
    quantizers, key = displaced()
    for seed in (None, 1, 2):
        found = sample(quantizers, seed)
        symbols, used = found.symbols[key], found.used[key]
        assert torch.equal(symbols, symbols.round())
        # A value of 1 is half a luma sample.
        assert torch.equal(used * 0.5, symbols * 0.25)
        assert key not in found.slopes
        assert float((exact(quantizers, key) - symbols).abs().max()) <= 0.5
    noisy = sample(quantizers, 1).symbols
    assert any(not torch.equal(noisy[other], noisy[other].round()) for other in quantizers.contexts if other != key)


def test_vectors_have_no_dead_zone() -> None:
    quantizers, key = displaced()
    without = sample(quantizers, None).symbols
    quantizers.dead_zone = 0.25
    zoned = sample(quantizers, None).symbols
    assert torch.equal(without[key], zoned[key])
    assert any(not torch.equal(without[other], zoned[other]) for other in quantizers.contexts)


@given(shift=st.floats(-8, 64))
def test_vectors_keep_their_step_size_unless_a_picture_is_ruined(shift: float) -> None:
    quantizers, key = displaced()
    before = float(quantizers.step_indices[key])
    indices = quantizers.whole_indices(shift)
    others = [other for other in indices if other != key]
    if shift <= 8:
        assert indices[key] == before
    else:
        assert indices[key] == before + math.ceil(shift - 8)
    # The others are coarser by the shift on average, as if there were no vectors.
    counts = [quantizers.network.tensors[other].numel() for other in others]
    moved = [indices[other] - float(quantizers.step_indices[other]) for other in others]
    assert sum(c * m for c, m in zip(counts, moved, strict=True)) / sum(counts) == pytest.approx(shift, abs=0.25)
