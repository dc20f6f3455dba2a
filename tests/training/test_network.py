"""The float network: its maps against formats/nq.md 6, the latents' interpolation in time, and memory order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Activation, Conv, Grid, Planes, Shuffle, Upsample, Warp
from nqcodec.network.program import Program
from nqcodec.training.network import FloatNetwork, tensor_key
from nqcodec.training.operations import activate, read_grid

VIDEO = Video(16, 8, 3)


def network(dtype: torch.dtype = torch.float32) -> FloatNetwork:
    program = Program.of(
        [
            Grid((), 2, 3, 2, 4),
            Conv((0,), 8, 1, activation=Activation.GELU),
            Conv((1,), 8, 3, depthwise=True, activation=Activation.SILU),
            Shuffle((2,), 2),
            Conv((3,), 6, 3, activation=Activation.HALF_TANH),
            Planes((4,), 2),
        ],
        VIDEO,
    )
    built = FloatNetwork(program, 3, torch.Generator().manual_seed(1))
    built.dtype = dtype
    return built


def plain_conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Zero-padded "same" convolution of [C, H, W] by sums over taps; depthwise where the weight has one input."""
    kernel, q = weight.shape[2], weight.shape[2] // 2
    padded = np.pad(x, ((0, 0), (q, q), (q, q)))
    out = np.zeros((weight.shape[0], *x.shape[1:])) + bias[:, None, None]
    for a in range(kernel):
        for b in range(kernel):
            part = padded[:, a : a + x.shape[1], b : b + x.shape[2]]
            if weight.shape[1] == 1 and x.shape[0] > 1:
                out += weight[:, 0, a, b][:, None, None] * part
            else:
                out += np.einsum("oi,ihw->ohw", weight[:, :, a, b], part)
    return out


def test_forward_is_the_specified_chain() -> None:
    built = network()
    values = {name: tensor.detach().double().numpy() for name, tensor in built.tensors.items()}
    latent = values[tensor_key(0, "latent")]
    # times = 2, T = 3: frame 1 lies halfway between both latents; the outer frames are clamped (nq.md, 6.2).
    for t, read in enumerate((latent[0], latent.mean(axis=0), latent[1])):
        x = plain_conv(read, values["op1_weight"], values["op1_bias"])
        x = activate(torch.from_numpy(x), Activation.GELU).numpy()
        x = plain_conv(x, values["op2_weight"], values["op2_bias"])
        x = x / (1 + np.exp(-x))
        shuffled = np.zeros((2, 4, 8))
        for c in range(2):
            for a in range(2):
                for b in range(2):
                    shuffled[c, a::2, b::2] = x[c * 4 + a * 2 + b]
        expected = np.tanh(plain_conv(shuffled, values["op4_weight"], values["op4_bias"])) / 2
        assert built(torch.tensor([t]))[0].detach().numpy() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("count", "frames"), [(1, 5), (2, 5), (3, 7), (4, 4), (5, 3), (16, 132)])
def test_time_positions_are_the_integer_rule(count: int, frames: int) -> None:
    latent = torch.arange(count, dtype=torch.float64).view(-1, 1, 1, 1)
    for t in range(frames):
        p = min(max((((2 * t + 1) * count - frames) << 16) // (2 * frames), 0), (count - 1) << 16)
        assert float(read_grid(latent, torch.tensor([t]), frames)) == pytest.approx(p / 65536, abs=1e-12)


def test_latents_can_be_replaced() -> None:
    built, times = network(), torch.tensor([0, 2])
    latents = built.tensors["op0_latent"].detach()
    assert torch.equal(built(times, latents={0: latents}), built(times))
    assert not torch.equal(built(times, latents={0: latents + 1}), built(times))


class Halving:
    """Halves every tensor and doubles every map, and notes what it was given."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        self.seen.append((index, name))
        return value / 2

    def map(self, index: int, value: Tensor) -> Tensor:
        self.seen.append(index)
        return value * 2


def test_a_transform_sees_every_tensor_and_map() -> None:
    how = Halving()
    network()(torch.tensor([0]), how)
    gated = [(1, "weight"), (1, "bias"), 1, 1, (2, "weight"), (2, "bias"), 2, 2]
    assert how.seen == [(0, "latent"), 0, *gated, (4, "weight"), (4, "bias"), 4]


def test_bfloat16_is_close_and_keeps_channels_last() -> None:
    times = torch.arange(3)
    exact, rounded = network()(times), network(torch.bfloat16)(times)
    assert rounded.dtype is torch.bfloat16
    assert exact.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(exact, rounded.float(), atol=0.02)


def test_the_start_follows_the_generator_alone() -> None:
    first = network()
    torch.manual_seed(99)
    again = network()
    assert all(torch.equal(first.tensors[name], again.tensors[name]) for name in first.tensors)


def test_a_warp_reads_at_the_decoders_places_if_asked() -> None:
    operations = [Grid((), 1, 6, 4, 8), Grid((), 1, 2, 4, 8), Warp((0, 1), 0), Planes((2,), 2)]
    built = FloatNetwork(Program.of(operations, VIDEO), 3, torch.Generator().manual_seed(3))
    vectors, time = built.tensors[tensor_key(1, "latent")], torch.tensor([0])
    with torch.no_grad():
        vectors.fill_(0.02)  # within half of 1/32 of a cell beyond 0
        plain = built(time)
        built.rounds_vectors = True
        assert not torch.equal(built(time), plain)
        rounded = built(time)
        vectors.fill_(1 / 32)
        assert torch.equal(built(time), rounded)


def test_vectors_are_float32_where_other_maps_are_bfloat16() -> None:
    """bfloat16 would round vectors of some hundred samples to whole samples."""
    video = Video(64, 32, 4, chroma=Chroma.C400)
    program = Program.of(
        [
            Grid((), 1, 4, 16, 32),
            Grid((), 4, 2, 8, 16),
            Upsample((1,), 2, 16, 32),
            Warp((0, 2), 2),
            Planes((3,), 2),
        ],
        video,
    )
    built = FloatNetwork(program, 4, torch.Generator().manual_seed(0))
    built.dtype = torch.bfloat16
    with torch.no_grad():
        built.tensors[tensor_key(1, "latent")].fill_(300.25)
    maps = built.maps(torch.tensor([0, 3]))
    assert [value.dtype for value in maps[:4]] == [torch.bfloat16, torch.float32, torch.float32, torch.bfloat16]
    assert torch.equal(maps[2], torch.full_like(maps[2], 300.25))
