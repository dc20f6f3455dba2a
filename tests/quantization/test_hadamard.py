"""Weights in the Hadamard domain at fit time: exactly what is decoded, legal, chosen where they cost less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from dequantized import dequantized
from fitted_networks import fitted_network

from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import pack_segment, parse_segment
from nqcodec.errors import UsageError
from nqcodec.media.video import Frame, Video
from nqcodec.methods.post_training.hadamard_search import add_hadamard_sources, decoded_weight, to_hadamard_domain
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.methods.post_training.sensitivity import measure_curvature
from nqcodec.methods.post_training.sources import make_sources
from nqcodec.network.hadamard import block_stages
from nqcodec.network.integer_network import (
    Hadamard,
    IntegerNetwork,
    IntTensor,
    used_step_indices,
    used_weight,
    validate,
)
from nqcodec.network.operations import Activation, Conv, Grid, Planes, Shuffle
from nqcodec.network.program import Limits, Program
from nqcodec.quantization.export import export
from nqcodec.quantization.hadamard import choose_use, use
from nqcodec.quantization.map_formats import MapFormat, round_map
from nqcodec.quantization.rate import tensor_bits
from nqcodec.quantization.settings import CALIBRATIONS, QuantSettings
from nqcodec.quantization.transform import QuantTransform, Unrounded, tensor_names
from nqcodec.synthesis.backends import open_synthesizer
from nqcodec.synthesis.reference import ReferenceSynthesizer
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.losses import plane_errors, psnr
from nqcodec.training.network import FloatNetwork

pytestmark = pytest.mark.usefixtures("one_thread")

VIDEO = Video(24, 20, 4)
ROUND = QuantSettings(finetune_iterations=0, hadamard="all")
TUNE = replace(ROUND, finetune_iterations=60, calibration="tune")
DENSE = (1, 4, 6)
"""Convolutions of `PROGRAM` that have a Hadamard domain: fan-ins 5, 11 and 7, no powers of two."""

PROGRAM = Program.of(
    [
        Grid((), 4, 5, 5, 6),
        Conv((0,), 44, 3, activation=Activation.GELU),
        Shuffle((1,), 2),
        Conv((2,), 11, 3, depthwise=True),
        Conv((3,), 7, 3, activation=Activation.GELU),
        Conv((4,), 7, 1, depthwise=True),
        Conv((5,), 6, 3),
        Planes((6,), 2),
    ],
    VIDEO,
)


def waves(video: Video) -> list[Frame]:
    frames = []
    for t in range(video.frames):
        planes = []
        for place, (height, width) in enumerate(video.plane_shapes):
            y, x = np.mgrid[:height, :width] * (20 / height)
            planes.append((128 + 80 * np.sin(0.4 * x + 0.3 * y - 0.8 * t + place)).astype(np.uint8))
        frames.append(tuple(planes))
    return frames


@pytest.fixture(scope="module")
def fitted() -> tuple[FloatNetwork, PackedClip]:
    return fitted_network(PROGRAM, VIDEO, waves(VIDEO), 300)


def size_of(network: IntegerNetwork) -> int:
    return pack_segment(network).size


def budget(bits: float) -> int:
    return int(bits * PROGRAM.parameters / 8)


def hadamard_layers(network: IntegerNetwork) -> tuple[int, ...]:
    """Operations whose weight is coded in the Hadamard domain."""
    return tuple(i for i, layer in enumerate(network.layers) if any(t.hadamard for t in layer.tensors.values()))


def shown(network: IntegerNetwork, clip: PackedClip) -> torch.Tensor:
    """What the decoder shows, packed [T, C, h, w]."""
    with open_synthesizer(network, VIDEO, VIDEO.frames) as synthesizer:
        frames = pack([synthesizer.frame(t) for t in range(VIDEO.frames)], VIDEO, network.program)
    return frames.batch(torch.arange(VIDEO.frames))


def quality(output: torch.Tensor, clip: PackedClip) -> float:
    """PSNR-YUV of packed samples in dB."""
    psnrs = psnr(plane_errors(output, clip.batch(torch.arange(VIDEO.frames)), clip), 8)
    return float((psnrs @ clip.weights).mean())


def random_weight(channels: int, bits: int = 8, seed: int = 0) -> IntTensor:
    """A third of the output channels random, a third all -2^(bits-1), a third the largest with random signs."""
    generator = np.random.default_rng(seed)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    values = generator.integers(low, high + 1, (6, channels, 1, 2)).astype(np.int32)
    values[2:4] = low
    values[4:] = np.where(values[4:] < 0, low, high)
    return IntTensor(values, bits, np.arange(-44, -38, dtype=np.int32), Hadamard(12, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [2, 3, 53, 64, 4096, 4099])
def test_fake_quantised_weights_are_the_decoders(channels: int, dtype: torch.dtype) -> None:
    for how in (Hadamard(12, 3), Hadamard(8, 0), Hadamard(10, 6)):
        coded = replace(random_weight(channels), hadamard=how)
        step_indices = torch.from_numpy(coded.step_indices).view(-1, 1, 1, 1)
        weight = use(torch.from_numpy(coded.values).to(dtype), step_indices, how)
        unit = torch.exp2(torch.from_numpy(used_step_indices(coded)).to(dtype) / 8).view(-1, 1, 1, 1)
        assert weight.dtype == dtype
        assert np.array_equal((weight / unit).round().numpy(), used_weight(coded))
        assert torch.equal(weight, torch.from_numpy(used_weight(coded)).to(dtype) * unit)
        assert np.allclose(weight.double().numpy(), decoded_weight(coded), rtol=1e-6)


def test_gradients_pass_both_roundings_and_stop_at_clamps() -> None:
    coded = random_weight(13, bits=5)
    integers = torch.from_numpy(coded.values).double().requires_grad_(True)
    step_indices = torch.from_numpy(coded.step_indices).double().view(-1, 1, 1, 1)
    direction = torch.randn(integers.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for how, clamps in ((Hadamard(12, 3), False), (Hadamard(8, 6), True)):
        weight = use(integers, step_indices, how)
        (gradient,) = torch.autograd.grad(weight, integers, direction)
        limit = 1 << (how.used_width - 1)
        used = used_weight(replace(coded, hadamard=how))
        free = np.where((used > -limit) & (used < limit - 1), direction.numpy(), 0)
        assert (used.max() == limit - 1) == clamps
        assert np.allclose(gradient.numpy(), to_hadamard_domain(free * np.exp2(step_indices.numpy() / 8)))


@pytest.mark.parametrize("map_width", [8, 12, 14])
@pytest.mark.parametrize(("channels", "bits"), [(2, 3), (13, 4), (53, 6), (300, 8), (4096, 8)])
def test_weights_are_used_as_finely_as_width_and_accumulator_allow(channels: int, bits: int, map_width: int) -> None:
    values = random_weight(channels, bits).values
    how = choose_use(values, map_width)
    assert 8 <= how.used_width <= 12
    assert 0 <= how.gain <= 6
    exact = np.abs(to_hadamard_domain(values)) * 2**how.gain
    used = np.abs(used_weight(IntTensor(values, bits, np.zeros(1, np.int32), how)).astype(np.int64))
    largest_sum, wide = (
        used.sum(axis=(1, 2, 3)).max() << (map_width - 1),
        exact.max() >= (1 << (how.used_width - 1)) - 1,
    )
    if how.gain:
        assert not wide
        assert largest_sum < 1 << 31
    if how.gain < 6:
        assert 2 * exact.max() * 1.25 >= 2047 or 2 * 1.25 * largest_sum >= 0.99 * (1 << 31)


def test_small_weights_get_all_of_the_gain() -> None:
    values = np.ones((2, 3, 1, 1), np.int32)
    assert choose_use(values, 12) == Hadamard(8, 6)


def test_rounding_while_training_is_what_is_exported() -> None:
    """In float64 the fake-quantised network equals the integers times their step sizes exactly."""
    network = FloatNetwork(PROGRAM, 4, torch.Generator().manual_seed(2)).double()
    network.dtype = torch.float64
    formats = {index: MapFormat(12, 8) for index, op in enumerate(PROGRAM.operations) if op.has_format}
    transform = QuantTransform({}, {}, formats, round_maps=True)
    generator = np.random.default_rng(3)
    for tensor in tensor_names(PROGRAM):
        shape = network.tensors[tensor.key].shape
        channels = {"weight": shape[0], "bias": 1, "latent": shape[1] if len(shape) > 1 else 1}[tensor.name]
        transform.set_tensor(tensor.key, generator.integers(-45, -30, channels), 8, torch.device("cpu"))
        if tensor.name == "weight" and tensor.index in DENSE:
            transform.hadamard[tensor.key] = Hadamard(11, 2)
    integers = export(network, transform)
    times = torch.arange(4)

    class Maps(Unrounded):
        def tensor(self, index: int, name: str, value: torch.Tensor) -> torch.Tensor:
            return value

        def map(self, index: int, value: torch.Tensor) -> torch.Tensor:
            return round_map(value, formats[index])

    with torch.no_grad():
        trained = network(times, transform)
        exported = dequantized(integers, 4, torch.float64)(times, Maps(transform))
        unrounded = network(times, Unrounded(transform))
    assert hadamard_layers(integers) == DENSE
    assert torch.equal(trained, exported)
    assert 1e-4 < float((trained - unrounded).abs().mean()) < 0.1
    for index in DENSE:
        coded = integers.layers[index].tensors["weight"]
        key = f"op{index}_weight"
        weight = transform.tensor(index, "weight", network.tensors[key].detach())
        assert np.allclose(weight.numpy(), decoded_weight(coded), rtol=1e-14, atol=0)


def test_coefficients_have_the_curvature_of_their_output_channel(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    how = {"frames": 1, "loss": "log-mse", "seed": 0}
    plain = measure_curvature(network, clip, **how)
    rotated = measure_curvature(network, clip, **how, coefficients=["op4_weight"])
    assert torch.allclose(plain["op4_weight"].sum((1, 2, 3)), rotated["op4_weight"].sum((1, 2, 3)), rtol=1e-3)
    assert not torch.allclose(plain["op4_weight"], rotated["op4_weight"], rtol=0.5)
    assert torch.equal(plain["op6_weight"], rotated["op6_weight"])


def test_domains_are_offered_as_asked(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, _ = fitted
    sources = make_sources(network)
    assert add_hadamard_sources(sources, PROGRAM, QuantSettings(hadamard="off")) == sources
    both = add_hadamard_sources(sources, PROGRAM, QuantSettings(hadamard="auto"))
    every = add_hadamard_sources(sources, PROGRAM, QuantSettings(hadamard="all"))
    for offered in (both, every):
        assert tuple(source.tensor.index for source in offered if source.hadamard) == DENSE
    assert (len(both), len(every)) == (len(sources) + len(DENSE), len(sources))
    for source in (source for source in every if source.hadamard):
        assert np.allclose(
            to_hadamard_domain(source.values), network.tensors[source.tensor.key].detach().numpy(), atol=1e-6
        )
    with pytest.raises(UsageError, match="off, auto, all"):
        add_hadamard_sources(sources, PROGRAM, QuantSettings(hadamard="some"))


def test_the_record_is_paid_for() -> None:
    coded = random_weight(12, bits=6)
    assert tensor_bits(coded, "weight") == tensor_bits(replace(coded, hadamard=None), "weight") + 16


@pytest.mark.parametrize("bits", [3.0, 4.5, 6.5])
def test_all_layers_meet_the_size_window_and_decode_exactly(
    fitted: tuple[FloatNetwork, PackedClip], bits: float
) -> None:
    network, clip = fitted
    most = budget(bits)
    result = quantize(network, clip, max_bytes=most, size_of=size_of, settings=ROUND)
    validate(result)
    assert hadamard_layers(result) == DENSE
    assert 0.98 * most <= size_of(result) <= most
    payload = pack_segment(result).payload(VIDEO)
    parsed = parse_segment(Reader(payload, path="clip", chunk="SEGM"), VIDEO, Limits()).network
    reference = ReferenceSynthesizer(parsed, VIDEO, VIDEO.frames)
    with open_synthesizer(result, VIDEO, VIDEO.frames) as synthesizer:
        for t in range(VIDEO.frames):
            frames = zip(reference.frame(t), synthesizer.frame(t), strict=True)
            assert all(np.array_equal(one, other) for one, other in frames)


def test_tuning_in_the_domain_is_worth_it_and_decodes_as_trained(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    most = budget(4)
    rounded = quantize(network, clip, max_bytes=most, size_of=size_of, settings=ROUND)
    tuned = quantize(network, clip, max_bytes=most, size_of=size_of, settings=TUNE)
    validate(tuned)
    assert hadamard_layers(tuned) == DENSE
    assert 0.98 * most <= size_of(tuned) <= most
    decoded = quality(shown(tuned, clip), clip)
    assert decoded > quality(shown(rounded, clip), clip) + 0.3
    with torch.no_grad():
        floats = dequantized(tuned, VIDEO.frames)(torch.arange(VIDEO.frames))
    assert decoded > quality(((floats + 0.5) * 256).round().clamp(0, 255) / 256 - 0.5, clip) - 0.04


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_every_calibration_knows_the_domain(fitted: tuple[FloatNetwork, PackedClip], calibration: str) -> None:
    network, clip = fitted
    settings = replace(TUNE, calibration=calibration, finetune_iterations=60)
    result, plain = (
        quantize(network, clip, max_bytes=budget(4), size_of=size_of, settings=replace(settings, hadamard=hadamard))
        for hadamard in ("all", "off")
    )
    validate(result)
    assert hadamard_layers(result) == DENSE
    assert quality(shown(result, clip), clip) > quality(shown(plain, clip), clip) - 3


def test_auto_takes_the_domain_in_which_a_weight_is_sparse(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    _, clip = fitted
    network = FloatNetwork(PROGRAM, VIDEO.frames, torch.Generator().manual_seed(5))
    generator = np.random.default_rng(6)
    with torch.no_grad():
        for tensor in tensor_names(PROGRAM):
            if tensor.name == "bias":
                network.tensors[tensor.key].normal_(0, 0.1, generator=torch.Generator().manual_seed(tensor.index))
        for index, rotate in ((4, True), (6, False)):
            value = network.tensors[f"op{index}_weight"]
            sparse = generator.laplace(0, 0.1, value.shape) * (generator.random(value.shape) < 0.25)
            value.copy_(torch.from_numpy(to_hadamard_domain(sparse) if rotate else sparse))
    auto = QuantSettings(finetune_iterations=0, hadamard="auto", allocation="fisher")
    result = quantize(network, clip, max_bytes=budget(4), size_of=size_of, settings=auto)
    validate(result)
    assert 4 in hadamard_layers(result)
    assert 6 not in hadamard_layers(result)


def test_auto_repeats_itself(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    settings = QuantSettings(finetune_iterations=16, hadamard="auto")
    first, again = (
        pack_segment(quantize(network, clip, max_bytes=budget(4), size_of=size_of, settings=settings)).coded
        for _ in range(2)
    )
    assert first == again


def test_stages_follow_the_blocks() -> None:
    """Fan-ins of the test's network are cut into blocks of several sizes."""
    shapes = [PROGRAM.tensors(index)["weight"][1] for index in DENSE]
    assert [len(set(block_stages(channels).tolist())) for channels in shapes] == [2, 3, 3]
