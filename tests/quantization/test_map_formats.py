"""Map formats: ranges hold, clamping is chosen only where it pays, and rounding keeps gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Activation, Conv, Grid, Planes, Shuffle
from nqcodec.network.program import Program
from nqcodec.quantization.map_formats import MapFormat, choose_formats, head_index, round_map, spread_frames
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.network import FloatNetwork, Identity, tensor_key

VIDEO = Video(16, 8, 3, chroma=Chroma.C400)


def clip_of(program: Program) -> PackedClip:
    frames = [(np.full((8, 16), 40 * t, np.uint8),) for t in range(3)]
    return pack(frames, VIDEO, program)


def chain(activation: Activation) -> FloatNetwork:
    """Latents, one convolution that copies them, a shuffle, planes."""
    operations = [
        Grid((), 3, 4, 4, 8),
        Conv((0,), 4, 1, activation=activation),
        Shuffle((1,), 2),
        Conv((2,), 1, 1),
        Planes((3,), 1),
    ]
    network = FloatNetwork(Program.of(operations, VIDEO), 3)
    with torch.no_grad():
        network.tensors[tensor_key(1, "weight")].copy_(torch.eye(4).view(4, 4, 1, 1))
        network.tensors[tensor_key(3, "weight")].fill_(1.0)
    return network


def formats(network: FloatNetwork, latents: Tensor) -> dict[int, MapFormat]:
    with torch.no_grad():
        network.tensors[tensor_key(0, "latent")].copy_(latents)
    return choose_formats(network, clip_of(network.program), Identity(), torch.arange(3), 12, 14)


@pytest.mark.parametrize("largest", [0.1, 0.9, 3.0, 100.0, 5000.0])
def test_formats_hold_the_largest_value_with_no_idle_bit(largest: float) -> None:
    latents = torch.linspace(-1, 1, 3 * 4 * 4 * 8).view(3, 4, 4, 8) * largest
    form = formats(chain(Activation.NONE), latents)[0]
    assert form.width == 12
    assert form.frac == 0 or 2.0 ** (11 - form.frac) >= largest * 0.999
    assert form.frac == 14 or 2.0 ** (10 - form.frac) < largest


def test_one_outlier_is_clamped_where_that_costs_less() -> None:
    latents = torch.randn(3, 4, 4, 8, generator=torch.Generator().manual_seed(0)) * 100
    latents = latents.clamp(-250, 250)
    plain = formats(chain(Activation.NONE), latents)[0]
    latents[0, 0, 0, 0] = 256.4
    assert formats(chain(Activation.NONE), latents)[0] == plain
    latents[0, 0, 0, 0] = 500.0
    assert formats(chain(Activation.NONE), latents)[0].frac == plain.frac - 1


def test_what_a_gate_sends_to_zero_may_be_clamped() -> None:
    latents = torch.rand(3, 4, 4, 8, generator=torch.Generator().manual_seed(0)) * 1.9
    latents[:, 0] -= 40
    chosen = formats(chain(Activation.GELU), latents)
    assert chosen[1].frac > chosen[0].frac


def test_the_head_holds_the_samples_only() -> None:
    network = chain(Activation.NONE)
    assert head_index(network.program) == 3
    with torch.no_grad():
        network.tensors[tensor_key(3, "weight")].fill_(0.26)
    chosen = formats(network, torch.linspace(-2, 2, 3 * 4 * 4 * 8).view(3, 4, 4, 8))
    # 0.52 needs 13 fractional bits in 14; what is beyond 0.5 is clipped by the picture anyway.
    assert chosen[3] == MapFormat(14, 14)


def test_the_head_is_found_behind_a_shuffle() -> None:
    program = Program.of([Grid((), 1, 4, 4, 8), Shuffle((0,), 2), Planes((1,), 1)], VIDEO)
    assert head_index(program) == 0


def test_rounding_is_to_the_format_and_its_gradient_stops_at_the_clamp() -> None:
    x = torch.tensor([0.3, -0.26, 1.99, 2.5, -9.0], requires_grad=True)
    rounded = round_map(x, MapFormat(4, 2))
    assert rounded.tolist() == [0.25, -0.25, 1.75, 1.75, -2.0]
    rounded.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("frames", "count"), [(1, 4), (3, 4), (32, 4), (7, 3)])
def test_frames_are_spread_evenly(frames: int, count: int) -> None:
    chosen = spread_frames(frames, count).tolist()
    assert len(chosen) == min(frames, count) == len(set(chosen))
    assert min(chosen) + 1 == pytest.approx(frames - max(chosen), abs=1)
    assert min(chosen) >= 0
    assert max(chosen) < frames
