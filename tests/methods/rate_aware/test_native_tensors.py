"""What libnq does with tensors in an iteration: against the definitions in torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace

import pytest
import torch
from fitting import small_clip
from torch import Tensor

from nqcodec.backbones import pyramid
from nqcodec.methods.rate_aware import gradients, native_tensors, quantizer
from nqcodec.methods.rate_aware.gradients import Rate, combine, rate
from nqcodec.methods.rate_aware.noise import Noise
from nqcodec.methods.rate_aware.quantizer import QuantizedSample, Quantizers
from nqcodec.native.cpu import CPU_LEVELS, cpu_levels
from nqcodec.native.loading import load_libnq, why_absent
from nqcodec.network.operations import Add, Conv, Grid, Planes
from nqcodec.network.program import Program
from nqcodec.training import native_adam, optim
from nqcodec.training.network import FloatNetwork
from nqcodec.training.optim import MuonAdam

pytestmark = pytest.mark.skipif(load_libnq() is None, reason=why_absent("libnq"))

LEVELS = [cpu for cpu in CPU_LEVELS if cpu in cpu_levels()]
NOISES: dict[str, Callable[[], Noise | None]] = {
    "peaked": lambda: Noise(torch.Generator().manual_seed(1), temperature=0.4, peak=1.7),
    "uniform": lambda: Noise(torch.Generator().manual_seed(1), temperature=0.2),
    "gaussian": lambda: Noise(torch.Generator().manual_seed(1), temperature=0.08, deviation=0.2),
    "none": lambda: None,
}


@pytest.fixture
def quantizers() -> Quantizers:
    """Of a displaced pyramid, with values of many step sizes in tensors of every length modulo that of vectors."""
    video, _ = small_clip(70, 50)
    program = pyramid.assemble(pyramid.Settings(displaced=True), video, video.frames)
    source = torch.Generator().manual_seed(3)
    result = Quantizers.start(FloatNetwork(program, video.frames, source))
    for value in result.network.tensors.values():
        value.data.add_(torch.randn(value.shape, generator=source))
    return result


@pytest.fixture(params=LEVELS)
def cpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A level that libnq is to use."""
    for module in (native_tensors, native_adam):
        monkeypatch.setattr(module, "cpu_levels", lambda: cpu_levels()[: LEVELS.index(request.param) + 1])
    return str(request.param)


@pytest.fixture
def by_definition(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], object]:
    """Runs something without libnq."""

    def run(compute: Callable[[], object]) -> object:
        with monkeypatch.context() as patch:
            for module in (quantizer, gradients, optim):
                patch.setattr(module, "has_native", lambda tensors: False)
            return compute()

    return run


Definition = Callable[[Callable[[], object]], object]


def assert_same(mine: dict[str, Tensor], theirs: dict[str, Tensor], slack: float) -> None:
    assert mine.keys() == theirs.keys()
    for key, expected in theirs.items():
        assert mine[key].shape == expected.shape
        assert torch.allclose(mine[key], expected, rtol=slack, atol=slack), key


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("dead_zone", [0.0, 0.1])
@pytest.mark.usefixtures("cpu")
def test_samples(quantizers: Quantizers, by_definition: Definition, noise: str, dead_zone: float) -> None:
    quantizers.dead_zone = dead_zone
    found = quantizers.sample(NOISES[noise]())
    expected = by_definition(lambda: quantizers.sample(NOISES[noise]()))
    assert isinstance(expected, QuantizedSample)
    assert set(found.slopes) == (set() if noise == "none" else quantizers.contexts.keys() - quantizers.vectors)
    for field in fields(QuantizedSample):
        assert_same(getattr(found, field.name), getattr(expected, field.name), 5e-4)


@pytest.mark.usefixtures("cpu")
def test_halves_are_rounded_to_even_and_symbols_kept_within_their_range(quantizers: Quantizers) -> None:
    key = next(key for key in quantizers.network.tensors if key.endswith("_bias"))
    value, (low, high) = quantizers.network.tensors[key], quantizers.symbol_range[key]
    quantizers.step_indices[key].fill_(0.0)
    value.data.copy_(torch.arange(value.numel()) - 3.5)
    assert torch.equal(quantizers.sample(None).symbols[key], value.detach().round())
    value.data.view(-1)[:2] = torch.tensor([-1e9, 1e9])
    assert quantizers.sample(None).symbols[key].view(-1)[:2].tolist() == [low, high]


@pytest.mark.usefixtures("cpu")
def test_static_rates(quantizers: Quantizers, by_definition: Definition) -> None:
    sample = quantizers.sample(NOISES["uniform"]())
    for number, (key, symbols) in enumerate(sample.symbols.items()):
        symbols.mul_((0.0, 1e-3, 0.3, 1.0, 30.0)[number % 5])
        if key.endswith("_weight"):
            symbols.view(-1)[0] = 500.0  # far beyond what a Gaussian of their variance expects
    found = rate(sample, quantizers.contexts)
    expected = by_definition(lambda: rate(sample, quantizers.contexts))
    assert isinstance(expected, Rate)
    assert float(found.bits) == pytest.approx(float(expected.bits), rel=1e-5)
    for key, theirs in expected.symbols.items():
        assert float((found.symbols[key] - theirs).norm()) <= 1e-3 * float(theirs.norm()) + 1e-6, key


@pytest.mark.usefixtures("cpu")
def test_gradients_of_both_terms(quantizers: Quantizers, by_definition: Definition) -> None:
    sample, source = quantizers.sample(NOISES["peaked"]()), torch.Generator().manual_seed(5)
    values = dict(quantizers.network.tensors.items())
    pixels = {key: torch.randn(value.shape, generator=source) for key, value in values.items()}
    charged = rate(sample, quantizers.contexts)
    found = combine(values, sample, pixels, charged, 1e-2)
    expected = by_definition(lambda: combine(values, sample, pixels, charged, 1e-2))
    assert isinstance(expected, tuple)
    assert_same(found[0], expected[0], 1e-5)
    assert_same(found[1], expected[1], 2e-3)  # sums of thousands of products of either sign


@pytest.mark.parametrize("noise", NOISES)
def test_threads_change_nothing(by_definition: Definition, noise: str) -> None:
    """Of tensors that are divided among them."""
    video, _ = small_clip(70, 50)
    operations = [Grid((), 5, 3, 150, 151), Conv((0,), 6, 3), Grid((), 1, 6, 150, 151), Add((1, 2)), Planes((3,), 2)]
    program = Program.of(operations, replace(video, width=302, height=300))
    large = Quantizers.start(FloatNetwork(program, video.frames, torch.Generator().manual_seed(3)))
    values = dict(large.network.tensors.items())
    alone, among = (large.sample(NOISES[noise](), threads) for threads in (1, 3))
    for field in fields(QuantizedSample):
        assert_same(getattr(among, field.name), getattr(alone, field.name), 0.0)
    charged = rate(alone, large.contexts)
    expected = by_definition(lambda: combine(values, alone, values, charged, 1e-2))
    assert isinstance(expected, tuple)
    for threads in (1, 3):
        found = combine(values, alone, values, charged, 1e-2, threads)
        assert_same(found[0], expected[0], 1e-5)
        assert_same(found[1], expected[1], 2e-3)
    slopes = [value.detach() for value in values.values()]
    assert all(torch.equal(one, other) for one, other in zip(updated(slopes), updated(slopes, 3), strict=True))


def updated(gradients_of: Iterable[Tensor], threads: int = 1) -> list[Tensor]:
    """Parameters after three updates by Adam."""
    source = torch.Generator().manual_seed(7)
    parameters = [torch.randn(gradient.shape, generator=source).requires_grad_(True) for gradient in gradients_of]
    optimizer = MuonAdam([{"params": parameters, "lr": 0.1}], threads=threads)
    for factor in (1.0, -0.5, 1e-4):
        for parameter, gradient in zip(parameters, gradients_of, strict=True):
            parameter.grad = gradient * factor
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


@pytest.mark.usefixtures("cpu")
def test_updates_by_adam(by_definition: Definition) -> None:
    source = torch.Generator().manual_seed(6)
    slopes = [torch.randn(shape, generator=source) for shape in ((1,), (33,), (4, 3, 5), (2, 1, 30, 40))]
    expected = by_definition(lambda: updated(slopes))
    assert isinstance(expected, list)
    for mine, theirs in zip(updated(slopes), expected, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-5, atol=1e-6)
