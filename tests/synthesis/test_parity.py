"""Every fast backend gives the reference's samples: random and extreme networks, each CPU level, 1 to 3 threads.

Output planes lie inside larger arrays of guard values, so that a write outside a plane shows. CUDA's kernels run on a
device where there is one, and on the CPU everywhere (emulated_cuda.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from backend_checks import assert_same, check_cuda, check_emulated, check_native
from operation_cases import CASES, OperationCase, case_id
from operation_instances import program_around
from random_networks import random_network, random_values, random_video

from nqcodec.media.video import Chroma, Video
from nqcodec.native.cpu import synthesis_levels
from nqcodec.network.integer_network import Int32, IntegerNetwork, IntTensor, Layer, derive
from nqcodec.network.operations import Activation, Conv, Grid, Operation, Planes
from nqcodec.network.program import Program
from nqcodec.synthesis.cuda import why_no_device
from nqcodec.synthesis.native import NativeSynthesizer
from nqcodec.synthesis.reference import ReferenceSynthesizer

NEEDS_DEVICE = (pytest.mark.gpu, pytest.mark.skipif(bool(why_no_device()), reason=why_no_device()))
Check = Callable[[IntegerNetwork, Video], None]


@pytest.fixture(params=["native", "emulated", pytest.param("cuda", marks=NEEDS_DEVICE)])
def check(request: pytest.FixtureRequest) -> Check:
    """Compares a backend with the reference."""
    if request.param == "native" and not synthesis_levels():
        pytest.skip("libnq is not built")
    checks: dict[str, Check] = {"native": check_native, "emulated": check_emulated, "cuda": check_cuda}
    return checks[request.param]


def observed(convolution: Conv, channels: int, height: int, width: int, video: Video, ratio: int) -> Program:
    """A static grid, the convolution, and planes that show its whole map."""
    operations: list[Operation] = [Grid((), 1, channels, height, width), convolution, Planes((1,), ratio)]
    return Program.of(operations, video)


@pytest.mark.parametrize("seed", range(30))
def test_random_networks(seed: int, check: Check) -> None:
    rng = np.random.default_rng([seed, 2])
    for _ in range(6):
        video = random_video(rng)
        check(random_network(rng, video), video)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_networks_around_each_operation(case: OperationCase, check: Check) -> None:
    for seed in range(4):
        rng = np.random.default_rng([seed, case.kind.code])
        program, video, _ = program_around(case.make(rng))
        check(random_network(rng, video, program), video)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("width", [1, 7, 8, 9, 16, 17, 31, 32, 33, 65])
def test_every_width_of_a_row(kernel: int, width: int, check: Check) -> None:
    """Full, single and cut vectors of every instruction set; dense and depthwise."""
    rng = np.random.default_rng([kernel, width])
    for ratio, depthwise in ((1, False), (2, False), (3, True)):
        channels = ratio**2 if depthwise else int(rng.integers(1, 8))
        video = Video(width * ratio, 2 * ratio, 1, chroma=Chroma.C400, depth=12)
        convolution = Conv((0,), ratio**2, kernel, depthwise, Activation(int(rng.integers(5))))
        check(random_network(rng, video, observed(convolution, channels, 2, width, video, ratio)), video)


@pytest.mark.parametrize("out_channels", range(1, 18))
def test_every_number_of_output_channels(out_channels: int, check: Check) -> None:
    """Whole and cut blocks of output channels, seen through a convolution that copies one of them."""
    rng = np.random.default_rng(out_channels)
    video = Video(19, 3, 1, chroma=Chroma.C400, depth=12)
    shown = int(rng.integers(out_channels))
    operations: list[Operation] = [
        Grid((), 1, 5, 3, 19),
        Conv((0,), out_channels, 3),
        Conv((1,), 1, 1),
        Planes((2,), 1),
    ]
    network = random_network(rng, video, Program.of(operations, video))
    one_hot = np.zeros((1, out_channels, 1, 1), np.int32)
    one_hot[0, shown] = 1
    network.layers[1].width = network.layers[1].frac = network.layers[2].width = network.layers[2].frac = 12
    _set_conv(network.layers[1], random_values(rng, (out_channels, 5, 3, 3), 8), -48, 0, network.layers[0].frac)
    _set_conv(network.layers[2], one_hot, 0, 0, 12)
    check(network, video)


def _set_conv(layer: Layer, weight: Int32, step_index: int, bias: int, frac_in: int) -> None:
    """Weights of 8 bits at `step_index`, and a bias of 16 bits that counts accumulator units."""
    layer.tensors["weight"] = IntTensor(weight, 8, np.array([step_index], np.int32))
    bias_values = np.full(weight.shape[0], bias, np.int32)
    layer.tensors["bias"] = IntTensor(bias_values, 16, np.array([step_index - 8 * frac_in], np.int32))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("activation", [Activation.NONE, Activation.GELU, Activation.HALF_TANH])
def test_the_largest_legal_accumulators(sign: int, activation: Activation, check: Check) -> None:
    """A map of -8192 throughout, and weights and bias that reach 2^31 - 1 exactly, or the same below zero."""
    video = Video(33, 2, 1, chroma=Chroma.C400, depth=12)
    channels = 2048 if sign > 0 else 2065
    program = observed(Conv((0,), 1, 1, activation=activation), channels, 2, 33, video, 1)
    latent = IntTensor(np.full((1, channels, 2, 33), -2048, np.int32), 12, np.array([16 * 8], np.int32))
    head = Layer(14, 12)
    network = IntegerNetwork(program, [Layer(14, 0, {"latent": latent}), head, Layer()])
    magnitude = 128 if sign > 0 else 127
    weight = np.full((1, channels, 1, 1), -sign * magnitude, np.int32)
    weight[0, -1] -= -sign * (magnitude * channels - (2**18 - 1))
    # A rescale by 2^((-240 + 96) / 8) brings 2^31 to 2^13: the last bit of the accumulator decides a rounding.
    _set_conv(head, weight, -240, sign * 8191, 0)
    factors = derive(network, 1)
    assert int(np.abs(weight).sum()) * 8192 + abs(int(factors.bias[0])) == 2**31 - 1
    check(network, video)


@pytest.mark.parametrize("value", [-(2**11), 2**11 - 1])
@pytest.mark.parametrize("exponent_side", [-1, 1])
def test_rescales_at_both_ends(value: int, exponent_side: int, check: Check) -> None:
    """Shifts of 1 and 46, where products leave 32 bits on the way to the clamp."""
    video = Video(5, 2, 1, chroma=Chroma.C400, depth=12)
    program = observed(Conv((0,), 1, 3), 2, 2, 5, video, 1)
    frac = 20 if exponent_side > 0 else 0
    exponent = 14 * 8 + 7 if exponent_side > 0 else -31 * 8
    latent = IntTensor(np.full((1, 2, 2, 5), value, np.int32), 12, np.array([exponent - 8 * (frac - 16)], np.int32))
    network = IntegerNetwork(program, [Layer(14, frac, {"latent": latent}), Layer(14, frac), Layer()])
    _set_conv(network.layers[1], np.full((1, 2, 3, 3), -128, np.int32), exponent, 0, frac)
    check(network, video)


@pytest.mark.parametrize("chroma", list(Chroma))
@pytest.mark.parametrize("depth", [8, 9, 10, 12])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (33, 17)])
def test_heads_and_crops(chroma: Chroma, depth: int, size: tuple[int, int], check: Check) -> None:
    rng = np.random.default_rng([int(chroma), depth, *size])
    for _ in range(3):
        video = Video(*size, 2, chroma=chroma, depth=depth)
        check(random_network(rng, video), video)


def test_one_synthesizer_serves_frames_in_any_order() -> None:
    if not synthesis_levels():
        pytest.skip("libnq is not built")
    video = Video(17, 9, 7)
    network = random_network(np.random.default_rng(8), video)
    reference = ReferenceSynthesizer(network, video, 7)
    with NativeSynthesizer(network, video, 7, 2) as synthesizer:
        for t in (6, 0, 3, 3, 6, 1):
            assert_same(synthesizer.frame(t), reference.frame(t), f"frame {t}")
