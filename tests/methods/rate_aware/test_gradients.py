"""Gradients of J = D + lambda R: against autograd of the whole of it, and the rate against real coded bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from fitting import small_clip
from rateaware_cases import QUICK, Case, size_of, static_bits
from torch import Tensor

from nqcodec.backbones import pyramid
from nqcodec.bitstream.segment import pack_segment
from nqcodec.methods.rate_aware.fit import _formless, fit_for_size
from nqcodec.methods.rate_aware.gradients import Rate, combine, distortion, mean_distortion, rate
from nqcodec.methods.rate_aware.likelihood import ContextWeights, context_bits
from nqcodec.methods.rate_aware.noise import Noise
from nqcodec.methods.rate_aware.quantizer import FixedTensors, QuantizedSample, Quantizers
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.losses import LOSSES, plane_errors
from nqcodec.training.network import FloatNetwork

PRICE = 3e-4
"""Makes rate and distortion weigh about the same in the gradients."""


def noise() -> Noise:
    """The same at each call."""
    return Noise(torch.Generator().manual_seed(1), temperature=0.5, peak=1.5)


@pytest.fixture(scope="module")
def clip() -> PackedClip:
    video, frames = small_clip()
    return pack(frames, video, pyramid.for_bytes(video, video.frames, 500))


@pytest.fixture
def quantizers(clip: PackedClip) -> Quantizers:
    """Of a fresh network, with context models that have something to say."""
    program = pyramid.for_bytes(clip.video, clip.frames, 500)
    source = torch.Generator().manual_seed(3)
    result = Quantizers.start(FloatNetwork(program, clip.frames, source))
    for value in result.network.tensors.values():
        value.data.add_(0.02 * torch.randn(value.shape, generator=source))
    for weights in result.contexts.values():
        weights.mean.add_(0.1 * torch.randn(weights.mean.shape, generator=source))
        weights.scale.add_(0.3 * torch.randn(weights.scale.shape, generator=source))
    return result


def joint(
    values: Mapping[str, Tensor],
    step_indices: Mapping[str, Tensor],
    contexts: Mapping[str, ContextWeights],
    sample: QuantizedSample,
    network: FloatNetwork,
    clip: PackedClip,
    loss: str,
) -> Tensor:
    """J as one expression; symbols go from those drawn along their slopes, which `test_rateaware_noise` looks at."""
    sizes = {key: torch.exp2(index / 8) for key, index in step_indices.items()}
    exact = {key: values[key] / sizes[key] for key in values}
    moves = {key: exact[key] - exact[key].detach() for key in values}
    symbols = {key: sample.symbols[key] + sample.slopes.get(key, 1.0) * moves[key] for key in values}
    used = {key: symbols[key] * sizes[key] for key in values}
    times = torch.arange(clip.frames)
    errors = plane_errors(network(times, FixedTensors(used)), clip.batch(times), clip)
    bits = sum(
        context_bits(symbols[key], contexts[key]) if key in contexts else static_bits(symbols[key]) for key in symbols
    )
    return LOSSES[loss](errors, clip.weights) + PRICE * bits


@pytest.mark.parametrize("loss", ["log-mse", "mse"])
@pytest.mark.parametrize("rounds", [False, True])
def test_gradients_are_those_of_the_whole_loss(
    clip: PackedClip, quantizers: Quantizers, rounds: bool, loss: str
) -> None:
    """Noise of one draw is a constant in weights' symbols, and so is what rounding adds to all, straight-through."""
    network = quantizers.network
    sample = quantizers.sample(None if rounds else noise())
    charged = rate(sample, quantizers.contexts)
    found = distortion(network, clip, torch.arange(clip.frames), sample=sample, loss=loss)
    values = dict(network.tensors.items())
    by_value, by_step_index = combine(values, sample, found.gradients, charged, PRICE)

    leaves = {key: value.detach().clone().requires_grad_(True) for key, value in values.items()}
    step_indices = {key: index.clone().requires_grad_(True) for key, index in quantizers.step_indices.items()}
    contexts = {
        key: ContextWeights(*(tensor.clone().requires_grad_(True) for tensor in weights.parameters()))
        for key, weights in quantizers.contexts.items()
    }
    assert sample.slopes.keys() == (set() if rounds else quantizers.contexts.keys())
    total = joint(leaves, step_indices, contexts, sample, network, clip, loss)
    assert float(found.loss + PRICE * charged.bits) == pytest.approx(total.item(), rel=1e-5)
    total.backward()
    for key, leaf in leaves.items():
        assert_close(by_value[key], leaf.grad, key)
        assert_close(by_step_index[key], step_indices[key].grad, key)
    for key, weights in contexts.items():
        for mine, theirs in zip(charged.contexts[key], weights.parameters(), strict=True):
            assert_close(PRICE * mine, theirs.grad, key)


def assert_close(mine: Tensor, theirs: Tensor | None, what: str) -> None:
    """To one part in a thousand of itself or of the tensor's largest: float32 sums of thousands of terms."""
    assert theirs is not None
    assert mine.shape == theirs.shape
    assert float(theirs.abs().max()) > 0, what
    slack = 1e-3 * float(theirs.abs().max())
    assert torch.allclose(mine, theirs, rtol=1e-3, atol=slack), what


def test_step_gradients_are_slopes_of_the_loss(clip: PackedClip, quantizers: Quantizers) -> None:
    """Finite differences: the same noise, all step sizes a little coarser and a little finer."""
    network = quantizers.network
    values = {key: value.detach() for key, value in network.tensors.items()}

    def drawn_at(shift: float) -> QuantizedSample:
        for index in quantizers.step_indices.values():
            index.add_(shift)
        result = quantizers.sample(noise())
        for index in quantizers.step_indices.values():
            index.sub_(shift)
        return result

    def loss(sample: QuantizedSample) -> float:
        found = distortion(network, clip, torch.arange(clip.frames), sample=sample, loss="log-mse")
        return float(found.loss) + PRICE * float(rate(sample, quantizers.contexts).bits)

    sample = drawn_at(0.0)
    found = distortion(network, clip, torch.arange(clip.frames), sample=sample, loss="log-mse")
    _, by_step_index = combine(values, sample, found.gradients, rate(sample, quantizers.contexts), PRICE)
    slope = (loss(drawn_at(0.25)) - loss(drawn_at(-0.25))) / 0.5
    assert sum(float(index) for index in by_step_index.values()) == pytest.approx(slope, rel=0.01)


def test_price_weighs_the_rate_alone(clip: PackedClip, quantizers: Quantizers) -> None:
    sample = quantizers.sample(noise())
    found = distortion(quantizers.network, clip, torch.arange(2), sample=sample, loss="log-mse")
    charged = rate(sample, quantizers.contexts)
    values = dict(quantizers.network.tensors.items())
    free, _ = combine(values, sample, found.gradients, charged, 0.0)
    for key, gradient in free.items():
        assert torch.equal(gradient, found.gradients[key] * sample.slopes.get(key, 1.0))


@pytest.mark.parametrize("loss", ["log-mse", "mse"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_parts_of_a_batch_give_what_the_batch_gives(
    clip: PackedClip, quantizers: Quantizers, loss: str, size: int
) -> None:
    sample = quantizers.sample(noise())
    times = torch.tensor([4, 0, 3, 1])
    whole = distortion(quantizers.network, clip, times, sample=sample, loss=loss)
    parts = [distortion(quantizers.network, clip, part, sample=sample, loss=loss) for part in times.split(size)]
    mean = mean_distortion(parts, [len(part) for part in times.split(size)])
    assert float(mean.loss) == pytest.approx(float(whole.loss), rel=1e-5)
    assert float(mean.psnr) == pytest.approx(float(whole.psnr), rel=1e-5)
    for key, gradient in whole.gradients.items():
        assert_close(mean.gradients[key], gradient, key)
    assert mean_distortion(parts[:1], [size]) is parts[0]


def test_rate_is_the_sum_over_tensors(quantizers: Quantizers) -> None:
    """Small tensors are charged together: each by its own variance all the same."""
    sample = quantizers.sample(noise())
    parts = {
        key: float(context_bits(symbols, quantizers.contexts[key]))
        if key in quantizers.contexts
        else float(static_bits(symbols))
        for key, symbols in sample.symbols.items()
    }
    whole: Rate = rate(sample, quantizers.contexts)
    assert float(whole.bits) == pytest.approx(sum(parts.values()), rel=1e-4)
    assert whole.symbols.keys() == sample.symbols.keys()
    assert whole.contexts.keys() == quantizers.contexts.keys()
    for key, symbols in sample.symbols.items():
        alone = rate(QuantizedSample({}, {key: symbols}, {}, {}), {}) if key not in quantizers.contexts else None
        if alone is not None:
            assert float(alone.bits) == pytest.approx(parts[key], rel=1e-4)


@pytest.mark.parametrize(("bpp", "within"), [(0.4, 0.1), (1.5, 0.05)])
def test_rate_of_rounded_values_is_near_their_coded_bytes(bpp: float, within: float) -> None:
    """The rate while fitting is that of the file's tensors, without headers and step indices."""
    case = Case.at(bpp, replace(QUICK, iterations=200))
    fitted = case.fresh()
    fit_for_size(fitted, case.clip, case.settings, max_bytes=case.bytes, size_of=size_of)
    parts = pack_segment(_formless(fitted.network, fitted.quantizers.integers())).parts
    coded = sum(size for name, size in parts.items() if name not in ("header", "program", "step sizes"))
    charged = float(rate(fitted.quantizers.sample(None), fitted.quantizers.contexts).bits) / 8
    assert math.isclose(charged, coded, rel_tol=within), (charged, coded)
