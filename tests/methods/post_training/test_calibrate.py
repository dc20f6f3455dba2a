"""Learned rounding: its pieces, its units, and what each calibration is worth on a small fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from dequantized import dequantized
from fitted_networks import fitted_network
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.errors import UsageError
from nqcodec.media.video import Video
from nqcodec.methods.post_training.calibrate import calibration_units
from nqcodec.methods.post_training.neuroquant import (
    AffineTensor,
    NeuroQuantResult,
    NeuroQuantSettings,
    layer_bits,
    neuroquant,
    padded,
)
from nqcodec.methods.post_training.pipeline import calibrated, quantize
from nqcodec.methods.post_training.rounding import (
    Annealing,
    LearnedRounding,
    Levels,
    inverse_rectified_sigmoid,
    rectified_sigmoid,
    regulariser,
)
from nqcodec.network.integer_network import IntegerNetwork, validate
from nqcodec.network.operations import Conv, Grid, Planes, Shuffle
from nqcodec.network.program import Program
from nqcodec.quantization.export import export
from nqcodec.quantization.settings import CALIBRATIONS, QuantSettings
from nqcodec.training.clip import PackedClip
from nqcodec.training.evaluation import evaluate
from nqcodec.training.network import FloatNetwork
from nqcodec.training.progress import Progress

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = QuantSettings(finetune_iterations=96)


@pytest.fixture(scope="module")
def fitted() -> tuple[FloatNetwork, PackedClip]:
    video, frames = small_clip(46, 34, 6)
    program = hnerv.build(video, video.frames, 4000)
    return fitted_network(program, video, frames, 240)


def payload(network: IntegerNetwork) -> int:
    return pack_segment(network).size


def levels() -> Levels:
    return Levels(torch.tensor(0.25), torch.tensor(-4.0), torch.tensor(3.0))


def test_the_rectified_sigmoid_reaches_its_ends_and_is_undone_by_its_inverse() -> None:
    assert rectified_sigmoid(torch.tensor([-3.0, 0.0, 3.0])).tolist() == [0.0, 0.5, 1.0]
    h = torch.linspace(0, 1, 33)
    assert torch.allclose(rectified_sigmoid(inverse_rectified_sigmoid(h)), h, atol=1e-6)


def test_the_regulariser_vanishes_at_the_ends_alone_and_its_reach_widens() -> None:
    assert float(regulariser(torch.tensor([0.0, 1.0, 1.0]), 20.0)) == 0
    h = torch.tensor([0.3], requires_grad=True)
    pulls = []
    for power in (20.0, 8.0, 2.0):
        (gradient,) = torch.autograd.grad(regulariser(h, power), h)
        pulls.append(float(gradient))
    assert 0 < pulls[0] < 0.01 < pulls[1] < pulls[2]


def test_annealing_starts_after_its_warmup() -> None:
    annealing = Annealing()
    powers = [annealing.power(iteration, 101) for iteration in range(101)]
    assert powers[:20] == [None] * 20
    falling = [power for power in powers if power is not None]
    assert len(falling) == 81
    assert falling[0] == 20.0
    assert falling[-1] == pytest.approx(2.0)
    assert falling == sorted(falling, reverse=True)


def test_learned_rounding_starts_where_the_values_are_and_ends_beside_them() -> None:
    x = torch.tensor([0.1, -0.3, 0.49, 0.74, 5.0, -5.0])
    learned = LearnedRounding.of(x, levels())
    assert torch.allclose(learned.soft(), x.clamp(-1.0, 0.75), atol=1e-6)
    assert learned.hard().tolist() == [0.0, -0.25, 0.5, 0.75, 0.75, -1.0]
    with torch.no_grad():
        learned.alpha.fill_(9.0)
    assert learned.hard().tolist() == learned.soft().tolist() == [0.25, -0.25, 0.5, 0.75, 0.75, -1.0]


def test_learned_rounding_beats_the_nearest_where_errors_add_up() -> None:
    """Sixteen values of 0.4 step sizes whose sum matters: nearest rounding loses all of it."""
    x = torch.full((16,), 0.1)
    learned = LearnedRounding.of(x + torch.linspace(-0.01, 0.01, 16), levels())
    optimizer = torch.optim.Adam([learned.alpha], lr=0.1)
    for iteration in range(300):
        optimizer.zero_grad()
        loss = (learned.soft().sum() - x.sum()).square()
        power = Annealing().power(iteration, 300)
        if power is not None:
            loss = loss + 0.1 * regulariser(learned.h, power)
        loss.backward()
        optimizer.step()
    assert abs(float(learned.hard().sum() - x.sum())) <= 0.25
    assert float((x / 0.25).round().sum()) == 0


def test_units_cover_the_program_in_order() -> None:
    operations = [
        Grid((), 3, 4, 5, 6),
        Conv((0,), 5, 1),
        Conv((1,), 16, 3),
        Shuffle((2,), 2),
        Conv((3,), 6, 3),
        Planes((4,), 2),
    ]
    program = Program.of(operations, Video(24, 20, 3))
    assert calibration_units(program, "adaround") == [range(6)]
    assert calibration_units(program, "layer") == [range(1), range(1, 2), range(2, 3), range(3, 6)]
    assert calibration_units(program, "block") == [range(3), range(3, 6)]


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_every_calibration_beats_rounding_to_nearest(fitted: tuple[FloatNetwork, PackedClip], calibration: str) -> None:
    network, clip = fitted
    size = int(3.5 * network.program.parameters / 8)
    before = {key: value.clone() for key, value in network.state_dict().items()}

    def quality(settings: QuantSettings) -> float:
        tuning, _ = calibrated(network, clip, size, payload, replace(settings, rate_term=False))
        coded = export(tuning.network, tuning.transform)
        assert abs(payload(coded) / size - 1) < 0.1
        return evaluate(dequantized(coded, clip.frames), clip).yuv

    # Reconstructing layers need not help the picture by much.
    gain = 0.0 if calibration in ("layer", "block") else 0.5
    assert (
        quality(replace(QUICK, calibration=calibration, finetune_iterations=480 if gain == 0 else 96))
        > quality(replace(QUICK, finetune_iterations=0)) + gain
    )
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("changes", [{}, {"calibration": "adaround", "norm": 2.4}])
def test_files_meet_the_size_window_and_repeat(
    fitted: tuple[FloatNetwork, PackedClip], changes: dict[str, object]
) -> None:
    network, clip = fitted
    settings = replace(QUICK, **changes)  # type: ignore[arg-type]
    size = int(4.2 * network.program.parameters / 8)
    files = []
    for _ in range(2):
        coded = quantize(network, clip, max_bytes=size, size_of=payload, settings=settings)
        validate(coded)
        assert 0.98 * size <= payload(coded) <= size
        files.append(pack_segment(coded).coded)
        torch.rand(3)
    assert files[0] == files[1]


def test_an_unknown_calibration_is_named(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    with pytest.raises(UsageError, match="no calibration magic"):
        quantize(network, clip, max_bytes=2000, size_of=payload, settings=replace(QUICK, calibration="magic"))


def test_mixed_inputs_and_the_norm_change_a_reconstruction(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    size = int(3.5 * network.program.parameters / 8)
    results = []
    for changes in ({}, {"input_mix": 0.5}, {"norm": 2.4}):
        settings = replace(QUICK, finetune_iterations=48, calibration="block", **changes)  # type: ignore[arg-type]
        tuning, _ = calibrated(network, clip, size, payload, settings)
        results.append(pack_segment(export(tuning.network, tuning.transform)).coded)
    assert len(set(results)) == 3


def test_progress_counts_on_and_stop_leaves_whole_integers(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    size = int(4.2 * network.program.parameters / 8)
    seen: list[Progress] = []

    def stop() -> bool:
        return bool(seen) and seen[-1].iteration >= 72

    coded = quantize(network, clip, max_bytes=size, size_of=payload, settings=QUICK, progress=seen.append, stop=stop)
    tuning = [event for event in seen if event.stage == "finetune"]
    iterations = [event.iteration for event in tuning]
    assert iterations == sorted(set(iterations))
    assert iterations[-1] == 72
    assert QUICK.straight_iterations < 72
    assert {event.iterations for event in tuning} == {96}
    assert 0.98 * size <= payload(coded) <= size


def test_affine_codes_span_the_range_and_padding_is_undone() -> None:
    x = torch.randn(7, 5, 3, 3, generator=torch.Generator().manual_seed(1)) + 0.3
    plain = AffineTensor.of(x, 8, transformed=False)
    assert plain.step_size.shape == (7, 1, 1, 1)
    assert float((plain.value(x) - x).abs().max()) <= float(plain.step_size.max()) * 0.51
    transformed = AffineTensor.of(x, 8, transformed=True)
    assert transformed.coefficients(x).shape == (7, 8, 3, 3)
    assert transformed.value(x).shape == x.shape
    error = (transformed.value(x) - x).square().mean() / x.square().mean()
    assert float(error) < 1e-3
    bias = AffineTensor.of(torch.tensor([0.2, -0.1, 0.7]), 4, transformed=False)
    assert bias.step_size.numel() == 1
    assert float(bias.zero) == 2


@pytest.mark.parametrize(("channels", "wanted"), [(1, 1), (2, 2), (13, 16), (16, 16), (17, 32)])
def test_padding_is_to_the_next_power_of_two(channels: int, wanted: int) -> None:
    assert padded(channels) == wanted


def test_neuroquant_calibrates_and_counts_everything(fitted: tuple[FloatNetwork, PackedClip]) -> None:
    network, clip = fitted
    results: list[NeuroQuantResult] = []
    for transformed in (False, True):
        result = neuroquant(network, clip, NeuroQuantSettings(extra=-1, hadamard=transformed, iterations=192))
        assert result.calibrated > result.rounded + 0.5
        assert result.rounded < result.hardened < evaluate(network, clip).yuv
        assert result.hardened != result.calibrated < evaluate(network, clip).yuv
        results.append(result)
    plain, turned_result = results
    bits = layer_bits(network.program, -1)
    assert plain.bits == tuple(bits.values()) == turned_result.bits
    values = records = latents = 0
    for index, op in enumerate(network.program.operations):
        shapes = network.program.tensors(index)
        if isinstance(op, Conv):
            values += bits[index] * sum(int(np.prod(shape)) for shape in shapes.values())
            records += shapes["weight"][0] + 1
        elif isinstance(op, Grid):
            latents, records = int(np.prod(shapes["latent"])), records + 1
    assert plain.size == -(-(values + 32 * records + 6 * latents) // 8)
    assert turned_result.size > plain.size
    assert turned_result.nominal == plain.nominal
