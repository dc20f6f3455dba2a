"""The assembled networks against the papers' layers written out in torch: same weights, same picture."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nqcodec.backbones import hinerv, nerv, nervpp
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Conv, Grid, Operation
from nqcodec.network.program import Program
from nqcodec.training.network import FloatNetwork, tensor_key
from nqcodec.training.operations import NORM_EPSILON


class Weights:
    """A float network's tensors of one kind of operation, taken one after the other, with biases that are not zero."""

    def __init__(self, program: Program, frames: int):
        self.network = FloatNetwork(program, frames, torch.Generator().manual_seed(3))
        with torch.no_grad():
            for name, value in self.network.tensors.items():
                if name.endswith("_bias"):
                    value.uniform_(-0.2, 0.2, generator=torch.Generator().manual_seed(value.numel()))
                elif name.endswith("_weight"):
                    # Smaller than at the start of a fit: heads are not saturated, and small errors stay small.
                    value.mul_(0.6)
        self._next = {kind: iter(self._indices(kind)) for kind in (Conv, Grid)}

    def _indices(self, kind: type[Operation]) -> list[int]:
        return [index for index, op in enumerate(self.network.program.operations) if isinstance(op, kind)]

    def _tensor(self, index: int, name: str) -> Tensor:
        return self.network.tensors[tensor_key(index, name)].detach()

    def conv(self, x: Tensor) -> Tensor:
        """The next convolution of a map; depthwise where its weight has one input and the map has more."""
        index = next(self._next[Conv])
        weight = self._tensor(index, "weight")
        groups = x.shape[1] if weight.shape[1] == 1 else 1
        return F.conv2d(x, weight, self._tensor(index, "bias"), padding=weight.shape[2] // 2, groups=groups)

    def linear(self, x: Tensor) -> Tensor:
        """The next convolution as a linear layer on the last axis."""
        index = next(self._next[Conv])
        return F.linear(x, self._tensor(index, "weight")[:, :, 0, 0], self._tensor(index, "bias"))

    def grid(self) -> Tensor:
        """The next grid [times, channels, rows, columns]."""
        return self._tensor(next(self._next[Grid]), "latent")

    def finished(self) -> bool:
        """True if every tensor has been used."""
        return all(next(rest, None) is None for rest in self._next.values())


def encoded_time(t: int, frames: int) -> Tensor:
    """NeRV's positional encoding of frame t: [80]."""
    angles = [math.pi * 1.25**level * t / frames for level in range(40)]
    return torch.tensor([value for angle in angles for value in (math.sin(angle), math.cos(angle))])


def assert_same(network: FloatNetwork, t: int, expected: Tensor) -> None:
    """The network's samples of frame t, as the papers' heads give them in 0 .. 1."""
    with torch.no_grad():
        shown = network(torch.tensor([t])) + 0.5
    assert shown.shape == expected.shape
    assert float(shown.std()) > 0.02
    # The sine table is rounded to 1/4096 of a turn; all else is float32 arithmetic.
    assert float((shown - expected).abs().max()) < 4e-3


VIDEO = Video(48, 32, 9, chroma=Chroma.C444)


@pytest.mark.parametrize("t", [0, 4])
def test_nerv(t: int) -> None:
    weights = Weights(nerv.assemble(nerv.Settings((2, 3), 7, (4, 2, 2), hidden=24, lower=6), VIDEO), 9)
    x = F.silu(weights.linear(F.silu(weights.linear(encoded_time(t, 9)))))
    x = x.view(1, 7, 2, 3)
    for stride in (4, 2, 2):
        x = F.silu(F.pixel_shuffle(weights.conv(x), stride))
    expected = (torch.tanh(weights.conv(x)) + 1) / 2
    assert weights.finished()
    assert_same(weights.network, t, expected)


@pytest.mark.parametrize("gated", [False, True])
def test_nervpp(gated: bool) -> None:
    settings = nervpp.Settings((2, 3), 7, (4, 2, 2), gated=gated, hidden=24, lower=6)
    weights = Weights(nervpp.assemble(settings, VIDEO), 9)

    def separable(x: Tensor) -> Tensor:
        return x + weights.conv(F.gelu(weights.conv(weights.conv(x))))

    def gate(x: Tensor) -> Tensor:
        opening, plain = F.gelu(weights.conv(x)), weights.conv(x)
        assert opening.shape[1] == 8 * x.shape[1] // 3
        values = torch.cat([plain, weights.conv(weights.conv(x))], dim=1)
        return x + weights.conv(opening * values)

    time = encoded_time(5, 9)
    value, opening = weights.linear(time), weights.linear(time)
    x = weights.linear(value * F.gelu(opening, approximate="tanh")).view(1, 7, 2, 3)
    for stride in (4, 2, 2):
        projected = weights.conv(x)
        x = gate(projected) if gated else separable(projected)
        x = separable(F.silu(F.pixel_shuffle(weights.conv(x), stride)))
        x = x + F.interpolate(projected, scale_factor=stride, mode="bilinear", align_corners=False)
    expected = (torch.tanh(weights.conv(x)) + 1) / 2
    assert weights.finished()
    assert_same(weights.network, 5, expected)


def in_time(grid: Tensor, t: int, frames: int) -> Tensor:
    """A grid's values [channels, rows, columns] at frame t, linear in time, half-frame centres."""
    whole = F.interpolate(grid.permute(1, 2, 3, 0).flatten(0, 2)[None], size=frames, mode="linear", align_corners=False)
    return whole[0, :, t].view(grid.shape[1:])


def normalised(x: Tensor) -> Tensor:
    return F.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), eps=NORM_EPSILON).permute(0, 3, 1, 2)


@pytest.mark.parametrize("t", [0, 5, 8])
def test_hinerv(t: int) -> None:
    """The public order: a position's slot is read and goes through the linear layer; the head is a sigmoid."""
    video = Video(46, 31, 9, chroma=Chroma.C444)
    settings = hinerv.Settings((4, 2), (9, 4), (2, 3), 12, (4, 2, 2), (2, 2, 1))
    weights = Weights(hinerv.assemble(settings, video), 9)
    x = weights.conv(torch.cat([in_time(weights.grid(), t, 9) for _ in range(2)])[None])
    sizes = ((8, 12), (16, 23), (31, 46))
    for stage, (stride, depth, (height, width)) in enumerate(zip((4, 2, 2), (2, 2, 1), sizes, strict=True)):
        x = F.interpolate(normalised(x), scale_factor=stride, mode="bilinear", align_corners=False)
        x = x[:, :, :height, :width]
        slots = torch.cat([in_time(weights.grid(), t, 9) for _ in range(3)])
        rows, columns = torch.arange(height) % stride, torch.arange(width) % stride
        x = x + weights.linear(slots[:, rows][:, :, columns].permute(1, 2, 0)).permute(2, 0, 1)
        for _ in range(depth):
            inner = normalised(weights.conv(x))
            inner = F.gelu(weights.conv(inner))
            assert inner.shape[1] == (1 if stage == 2 else 4) * 12 // 2**stage
            inner = weights.conv(inner)
            x = x + inner if inner.shape == x.shape else inner
    # tanh(y) / 2 + 0.5 = sigmoid(2 y): the published head has twice the weights.
    expected = torch.sigmoid(2 * weights.conv(x))
    assert weights.finished()
    assert_same(weights.network, t, expected)
