"""A program as a float network: one torch expression for each operation, on the same shapes as the integer decoder.

The output is the map that `planes` reads: packed samples in [-0.5, 0.5], sample = (value + 0.5) * 2^depth
(formats/nq.md, 6.6). Quantizers do not live here: whoever trains through rounding passes a `Transform`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nqcodec.network.motion import vector_maps
from nqcodec.network.operations import Activation, Conv, Grid, Warp
from nqcodec.network.program import Program
from nqcodec.training.initial import start_scales
from nqcodec.training.operations import activate, apply, read_grid, round_vectors


class Transform(Protocol):
    """What happens to tensors before use and to maps after each operation that has a format."""

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        """The tensor `name` of operation `index` as the forward pass shall use it."""

    def map(self, index: int, value: Tensor) -> Tensor:
        """The output map [B, C, H, W] of operation `index`, before its activation's gate and after it alike."""


class Identity:
    """The plain float network."""

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        return value

    def map(self, index: int, value: Tensor) -> Tensor:
        return value


def tensor_key(index: int, name: str) -> str:
    """Name of a tensor in `FloatNetwork.tensors` and in saved fits."""
    return f"op{index}_{name}"


class FloatNetwork(nn.Module):
    """The float twin of an integer network.

    Attributes:
        program: the operations.
        frames: T of formats/nq.md 6.2, the frames of the segment.
        tensors: float32 parameters by `tensor_key`, shaped as in the file.
        dtype: what maps are computed in. bfloat16 has 8 significant bits, too few for a `Transform` that rounds maps,
            and for vectors, whose grids and enlarged maps are float32 at least.
        rounds_vectors: whether a warp's vectors are rounded as the decoder rounds them, straight-through.
    """

    def __init__(self, program: Program, frames: int, generator: torch.Generator | None = None):
        super().__init__()
        self.program, self.frames = program, frames
        self.dtype = torch.float32
        self.rounds_vectors = False
        self._vector_maps = vector_maps(program)
        self.tensors = nn.ParameterDict()
        scales = start_scales(program)
        for index in range(len(program.operations)):
            for name, shape in program.tensors(index).items():
                value = _initial(name, shape, generator)
                if name != "bias" and index in scales:
                    value *= scales[index]
                self.tensors[tensor_key(index, name)] = nn.Parameter(value)

    def forward(
        self, times: Tensor, transform: Transform | None = None, latents: dict[int, Tensor] | None = None
    ) -> Tensor:
        """Maps for frames `times` [B] (int64): [B, C, H, W] as packed samples.

        `latents` replaces the output of grids by operation index, [B, C, h, w] (an encoder's output at fit time).
        """
        return self.maps(times, transform, latents)[-1]

    def maps(
        self,
        times: Tensor,
        transform: Transform | None = None,
        latents: dict[int, Tensor] | None = None,
        *,
        given: Sequence[Tensor] = (),
        stop: int | None = None,
    ) -> list[Tensor]:
        """The maps of operations 0 .. `stop` - 1 (by default all): those `given` for the first ones, the rest computed.

        The map of `planes` is the one that it reads.
        """
        how = transform or Identity()
        maps = list(given)
        for index, op in list(enumerate(self.program.operations))[len(maps) : stop]:
            if isinstance(op, Grid):
                maps.append(how.map(index, self._grid(index, times, how, latents or {})))
            elif isinstance(op, Conv):
                maps.append(self.convolve(index, op, maps[op.inputs[0]], how, op.kernel // 2))
            else:
                inputs = [maps[i] for i in op.inputs]
                if self.rounds_vectors and isinstance(op, Warp):
                    inputs[1] = round_vectors(inputs[1], op)
                value = apply(op, inputs, times).to(self._dtype_of(index))
                maps.append(how.map(index, value) if op.has_format else value)
        return maps

    def _grid(self, index: int, times: Tensor, how: Transform, latents: dict[int, Tensor]) -> Tensor:
        if index in latents:
            value = latents[index]
        else:
            latent = how.tensor(index, "latent", self.tensors[tensor_key(index, "latent")])
            value = read_grid(latent, times, self.frames)
        # Channels last from the first map on: convolutions keep it, and run about twice as fast for it. Vectors are
        # only enlarged, which takes two to five times as long so.
        order = torch.contiguous_format if index in self._vector_maps else torch.channels_last
        return value.to(self._dtype_of(index), memory_format=order)

    def _dtype_of(self, index: int) -> torch.dtype:
        return torch.promote_types(self.dtype, torch.float32) if index in self._vector_maps else self.dtype

    def convolve(self, index: int, op: Conv, x: Tensor, how: Transform, padding: int) -> Tensor:
        """The map of the convolution `op`, operation `index`, of maps x with `padding` zeros around them."""
        weight = how.tensor(index, "weight", self.tensors[tensor_key(index, "weight")])
        bias = how.tensor(index, "bias", self.tensors[tensor_key(index, "bias")])
        groups = x.shape[1] if op.depthwise else 1
        weight = weight.to(x.dtype, memory_format=torch.channels_last)
        y = F.conv2d(x, weight, bias.to(x.dtype), padding=padding, groups=groups)
        if op.activation is Activation.NONE:
            return how.map(index, y)
        if op.activation is Activation.HALF_TANH:
            return how.map(index, activate(y, op.activation))
        return how.map(index, activate(how.map(index, y), op.activation))


def _initial(name: str, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """Uniform weights that keep the variance of maps through GELU (He et al., 2015), zero biases, N(0, 0.1) latents.

    At equal iterations this start is about 1 dB better than torch's default bound, which is 2.4 times narrower.
    """
    if name == "weight":
        bound = (6.0 / (shape[1] * shape[2] * shape[3])) ** 0.5
        return torch.empty(shape).uniform_(-bound, bound, generator=generator)
    if name == "bias":
        return torch.zeros(shape)
    return torch.empty(shape).normal_(0.0, 0.1, generator=generator)
