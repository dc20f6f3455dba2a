"""Quantisation as a whole on a tiny clip: the window of sizes, legality, exactness, and what fine-tuning is worth."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from dequantized import dequantized
from fitted_networks import fitted_network

from nqcodec.backbones import hnerv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.errors import RateError
from nqcodec.media.video import Chroma, Frame, Video
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.network.integer_network import IntegerNetwork, IntTensor, validate
from nqcodec.network.operations import Activation, Conv, Grid, Planes, Shuffle
from nqcodec.network.program import Program
from nqcodec.quantization.export import export, integer_network
from nqcodec.quantization.map_formats import MapFormat
from nqcodec.quantization.rate import gaussian_rate, step_index_list_bits, total_bits
from nqcodec.quantization.settings import QuantSettings
from nqcodec.quantization.size_search import SizeError
from nqcodec.quantization.transform import QuantTransform, tensor_names
from nqcodec.synthesis.backends import open_synthesizer
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.evaluation import evaluate
from nqcodec.training.losses import plane_errors, psnr
from nqcodec.training.network import FloatNetwork
from nqcodec.training.progress import Progress
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit

pytestmark = pytest.mark.usefixtures("one_thread")

VIDEO = Video(46, 34, 6)
ROUND = QuantSettings(finetune_iterations=0)
TUNE = QuantSettings(finetune_iterations=96)


def moving_pattern() -> list[Frame]:
    """A slanted wave that moves, on a gradient: something that a small network can learn."""
    frames = []
    for t in range(VIDEO.frames):
        planes = []
        for place, (height, width) in enumerate(VIDEO.plane_shapes):
            y, x = np.mgrid[:height, :width] * (34 / height)
            wave = 128 + 60 * np.sin(0.35 * x + 0.2 * y - 0.9 * t + place) + 1.2 * (x - y)
            planes.append(np.clip(wave, 0, 255).astype(np.uint8))
        frames.append(tuple(planes))
    return frames


@pytest.fixture(scope="module")
def fitted() -> tuple[FloatNetwork, PackedClip]:
    program = hnerv.build(VIDEO, VIDEO.frames, 5000)
    return fitted_network(program, VIDEO, moving_pattern(), 240)


def size_of(network: IntegerNetwork) -> int:
    """Bytes of the real file."""
    return len(pack_file(VIDEO, [(VIDEO.frames, pack_segment(network))]))


def quality(network: FloatNetwork, clip: PackedClip) -> float:
    return evaluate(network, clip).yuv


def decoded_psnr(network: IntegerNetwork, clip: PackedClip) -> float:
    """PSNR-YUV of what the real decoder shows."""
    with open_synthesizer(network, VIDEO, VIDEO.frames) as synthesizer:
        shown = pack([synthesizer.frame(t) for t in range(VIDEO.frames)], VIDEO, network.program)
    times = torch.arange(VIDEO.frames)
    psnrs = psnr(plane_errors(shown.batch(times), clip.batch(times), clip), 8)
    return float((psnrs @ clip.weights).mean())


def test_every_activation_and_static_latents_survive() -> None:
    """A 10-bit 4:4:4 clip through ReLU, SiLU, a depthwise convolution and a half_tanh head, latents between frames."""
    video = Video(14, 10, 5, chroma=Chroma.C444, depth=10)
    operations = [
        Grid((), 2, 6, 5, 7),
        Conv((0,), 12, 3, activation=Activation.RELU),
        Conv((1,), 12, 3, depthwise=True, activation=Activation.SILU),
        Shuffle((2,), 2),
        Conv((3,), 3, 3, activation=Activation.HALF_TANH),
        Planes((4,), 1),
    ]
    program = Program.of(operations, video)
    generator = np.random.default_rng(0)
    frames = [tuple(generator.integers(100, 900, (10, 14), np.uint16) for _ in range(3)) for _ in range(5)]
    clip = pack(frames, video, program)
    settings = FitSettings(60, dtype="float32")
    network = new_network(program, 5, settings)
    fit(network, clip, settings)

    def size(coded: IntegerNetwork) -> int:
        return len(pack_file(video, [(5, pack_segment(coded))]))

    result = quantize(network, clip, max_bytes=1200, size_of=size, settings=QuantSettings(finetune_iterations=40))
    validate(result)
    assert 1176 <= size(result) <= 1200
    with open_synthesizer(result, video, 5) as synthesizer:
        shown = pack([synthesizer.frame(t) for t in range(5)], video, program).batch(torch.arange(5))
    with torch.no_grad():
        floats = dequantized(result, 5)(torch.arange(5))
    assert float((shown - floats).abs().mean()) < 1.5 / 1024


@pytest.mark.parametrize("bits", [2.4, 3.1, 4.0, 5.2, 6.6])
def test_the_file_lands_in_its_window_by_rounding_alone(fitted: tuple[FloatNetwork, PackedClip], bits: float) -> None:
    network, clip = fitted
    most = int(bits * network.program.parameters / 8)
    result = quantize(network, clip, max_bytes=most, size_of=size_of, settings=ROUND)
    validate(result)
    assert 0.98 * most <= size_of(result) <= most


def test_more_bytes_give_a_better_picture(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    sizes = [int(bits * network.program.parameters / 8) for bits in (2.5, 3.5, 4.5, 5.5)]
    results = [quantize(network, clip, max_bytes=most, size_of=size_of, settings=ROUND) for most in sizes]
    psnrs = [decoded_psnr(result, clip) for result in results]
    assert psnrs == sorted(psnrs)
    assert psnrs[-1] > psnrs[0] + 3


@pytest.mark.parametrize("bits", [3.2, 4.3])
def test_finetuning_lands_and_is_worth_it(fitted: tuple[FloatNetwork, PackedClip], bits: float) -> None:
    network, clip = fitted
    before = copy.deepcopy(network.state_dict())
    most = int(bits * network.program.parameters / 8)
    rounded = quantize(network, clip, max_bytes=most, size_of=size_of, settings=ROUND)
    tuned = quantize(network, clip, max_bytes=most, size_of=size_of, settings=TUNE)
    validate(tuned)
    assert 0.98 * most <= size_of(tuned) <= most
    assert decoded_psnr(tuned, clip) > decoded_psnr(rounded, clip) + 0.5
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_integer_decoding_loses_next_to_nothing(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    result = quantize(network, clip, max_bytes=3020, size_of=size_of, settings=TUNE)
    times = torch.arange(VIDEO.frames)
    with torch.no_grad():
        output = dequantized(result, VIDEO.frames)(times)
    samples = ((output + 0.5) * 256).round().clamp(0, 255) / 256 - 0.5
    psnrs = psnr(plane_errors(samples, clip.batch(times), clip), 8)
    wanted = float((psnrs @ clip.weights).mean())
    # More is possible: the tuning knows how maps are rounded, and floats are not what it was tuned for.
    assert wanted - 0.02 < decoded_psnr(result, clip) < wanted + 0.5


def test_the_same_settings_give_the_same_network(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted

    def tensors(seed: int) -> bytes:
        settings = QuantSettings(finetune_iterations=24, seed=seed)
        return pack_segment(quantize(network, clip, max_bytes=2600, size_of=size_of, settings=settings)).coded

    first = tensors(0)
    torch.rand(7)
    assert tensors(0) == first
    assert tensors(1) != first


def test_sizes_out_of_reach_say_what_is_possible(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    with pytest.raises(SizeError, match="bytes are") as error:
        quantize(network, clip, max_bytes=300, size_of=size_of, settings=ROUND)
    assert isinstance(error.value, RateError)
    assert str(error.value.possible) in str(error.value)
    window = error.value.possible
    result = quantize(network, clip, max_bytes=window, size_of=size_of, settings=ROUND)
    assert 0.98 * window <= size_of(result) <= window


def test_bytes_that_have_no_use_are_left(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    """More than the finest step sizes take: a smaller file, as good as the floats."""
    network, clip = fitted
    seen: list[Progress] = []
    sizes = [
        size_of(quantize(network, clip, max_bytes=asked, size_of=size_of, settings=ROUND, progress=seen.append))
        for asked in (20_000, 40_000)
    ]
    assert sizes[0] == sizes[1] < 20_000
    assert seen[-1].psnr == pytest.approx(evaluate(network, clip, as_samples=True).yuv, abs=0.5)


def test_progress_and_stop(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    seen: list[Progress] = []
    stop = iter([False, True])
    result = quantize(
        network, clip, max_bytes=2600, size_of=size_of, settings=TUNE, progress=seen.append, stop=lambda: next(stop)
    )
    tuning = [event for event in seen if event.stage == "finetune"]
    assert [event.iteration for event in tuning] == [8, 16]
    assert all(event.iterations == 96 and event.psnr is not None and 1000 < event.size < 5000 for event in tuning)
    assert {event.stage for event in seen} == {"sensitivity", "finetune"}
    assert 0.98 * 2600 <= size_of(result) <= 2600


def test_rounding_while_training_is_what_is_exported() -> None:
    """In float64 the fake-quantised network equals the integers times their step sizes exactly."""
    operations = [
        Grid((), 3, 4, 5, 6),
        Conv((0,), 5, 3),
        Conv((1,), 5, 3, depthwise=True),
        Conv((2,), 6, 1),
        Planes((3,), 2),
    ]
    program = Program.of(operations, Video(12, 10, 6))
    network = FloatNetwork(program, 6, torch.Generator().manual_seed(2)).double()
    network.dtype = torch.float64
    transform = QuantTransform({}, {}, {i: MapFormat(12, 8) for i in range(4)})
    generator = np.random.default_rng(3)
    for tensor in tensor_names(program):
        shape = network.tensors[tensor.key].shape
        channels = {"weight": shape[0], "bias": 1, "latent": shape[1] if len(shape) > 1 else 1}[tensor.name]
        step_indices = generator.integers(-45, -20, channels).astype(np.int32)
        transform.set_tensor(tensor.key, step_indices, 8, torch.device("cpu"))
    times = torch.arange(6)
    with torch.no_grad():
        trained = network(times, transform)
        exported = dequantized(export(network, transform), 6, torch.float64)(times)
    assert torch.equal(trained, exported)
    assert not torch.equal(trained, network(times))


def test_overflowing_accumulators_are_avoided_by_narrower_maps() -> None:
    program = Program.of([Grid((), 1, 1000, 3, 4), Conv((0,), 6, 3), Planes((1,), 2)], Video(8, 6, 1))
    zero = np.array([0], np.int32)
    tensors = {
        "op0_latent": IntTensor(np.ones((1, 1000, 3, 4), np.int32), 2, zero - 24),
        "op1_weight": IntTensor(np.full((6, 1000, 3, 3), 127, np.int32), 8, zero - 60),
        "op1_bias": IntTensor(np.full(6, 30_000, np.int32), 16, zero - 80),
    }
    network = integer_network(program, tensors, {0: MapFormat(14, 10), 1: MapFormat(14, 13)})
    assert (network.layers[0].width, network.layers[0].frac) == (11, 7)
    assert network.layers[1].width == 14


def test_the_smooth_rate_is_what_the_file_pays() -> None:
    generator = np.random.default_rng(0)
    weight = generator.normal(0, 0.1, (24, 16, 3, 3)) * np.exp2(generator.normal(0, 0.7, (24, 1, 1, 1)))
    for index in (-44, -36, -28):
        integers = np.rint(weight / 2.0 ** (index / 8)).astype(np.int32)
        paid = total_bits([("weight", IntTensor(integers, 8, np.array([index], np.int32)))])
        smooth = gaussian_rate(torch.from_numpy(weight), torch.tensor([float(index)]), "weight")
        assert float(smooth) == pytest.approx(paid, rel=0.04)


def test_only_differing_step_sizes_cost_a_list() -> None:
    assert step_index_list_bits(np.array([-30, -30, -30], np.int32)) == 0
    assert step_index_list_bits(np.array([-30], np.int32)) == 0
    assert 8 < step_index_list_bits(np.array([-30, -33, -28], np.int32)) < 64


def test_snapping_step_sizes_hardly_changes_the_rate() -> None:
    generator = np.random.default_rng(5)
    sizes = {"a": 12_000, "b": 9000, "c": 4000, "d": 300}
    for _ in range(20):
        learned = {key: generator.normal(-30, 3, 6 if key == "b" else 1) for key in sizes}
        transform = QuantTransform({key: torch.tensor(value) for key, value in learned.items()}, {})
        transform.snap(sizes)
        change = 0.0
        for key, step_indices in transform.step_indices.items():
            assert torch.equal(step_indices, step_indices.round())
            assert float(np.abs(step_indices.numpy() - learned[key]).max()) <= 1.01
            change += float((step_indices.numpy() - learned[key]).mean()) * sizes[key] / 8
        assert abs(change) < 0.005 * 4 * sum(sizes.values())
