"""Weights coded in the Hadamard domain of their input channels, as a decoder uses them (formats/nq.md, 6.3.1).

The decoder multiplies by integers: it takes the inverse transform of the coded ones and rounds it to `used_width`
bits. Which weights are coded so is searched in `nqcodec.methods.post_training.hadamard_search`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from nqcodec.network.hadamard import block_stages
from nqcodec.network.integer_network import (
    GAIN_RANGE,
    USED_WIDTH_RANGE,
    Hadamard,
    Int32,
    rescale_factors,
)
from nqcodec.network.program import Program
from nqcodec.quantization.quantizers import OCTAVE, dequantize
from nqcodec.synthesis.hadamard import fastest
from nqcodec.training.hadamard import hadamard

INPUT_CHANNELS = 1
"""Axis of a weight [out, in, k, k] that is transformed."""

HEADROOM = 1.25
"""Factor by which weights may still grow in the fine-tune after their width has been chosen."""

ACCUMULATOR = 1 << 31
"""Magnitude that no accumulator may reach (formats/nq.md, 6.3)."""


def input_format_index(program: Program, index: int) -> int:
    """The operation whose format the input of convolution `index` has."""
    source = program.operations[index].inputs[0]
    while not program.operations[source].has_format:
        source = program.operations[source].inputs[0]
    return source


def choose_use(values: Int32, map_width: int) -> Hadamard:
    """The width and the largest gain at which coded integers [out, in, k, k] clamp nothing and overflow no accumulator.

    Args:
        map_width: signed width of the maps that the weights are multiplied with.
    """
    stages = block_stages(values.shape[INPUT_CHANNELS])
    sums = fastest()(np.ascontiguousarray(np.moveaxis(values, INPUT_CHANNELS, -1)))
    sizes = np.abs(sums) * np.exp2(-stages / 2)
    peak = HEADROOM * float(sizes.max())
    largest_sum = HEADROOM * float(sizes.sum(axis=tuple(range(1, sizes.ndim))).max()) * 2.0 ** (map_width - 1)
    low, high = USED_WIDTH_RANGE
    gain = GAIN_RANGE[1]
    while gain > GAIN_RANGE[0] and (_width(peak * 2**gain) > high or largest_sum * 2**gain >= ACCUMULATOR):
        gain -= 1
    return Hadamard(min(max(_width(peak * 2**gain), low), high), gain)


def _width(magnitude: float) -> int:
    """Signed width in bits that holds integers up to a magnitude."""
    return int(magnitude).bit_length() + 1


@cache
def _use_factors(channels: int, gain: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """(roots of block sizes, M / 2^S of formats/nq.md 6.1) of each input channel, [channels, 1, 1]."""
    stages = block_stages(channels)
    multiplier, shift = rescale_factors(8 * gain - 4 * stages)
    factors = np.ldexp(multiplier.astype(np.float64), -shift)
    roots, scales = (torch.from_numpy(each).to(device).view(-1, 1, 1) for each in (np.exp2(stages / 2), factors))
    return roots, scales


class _Use(Function):
    """Coded integers (of a float type) to weights as used; the gradient passes both roundings and stops at clamps."""

    @staticmethod
    def forward(ctx: Any, integers: Tensor, how: Hadamard) -> Tensor:
        roots, factors = _use_factors(integers.shape[INPUT_CHANNELS], how.gain, integers.device)
        # Sums are below 2^19, which float32 holds with some bits to spare, so rounding makes them exact.
        sums = (hadamard(integers, INPUT_CHANNELS) * roots).round()
        # Products take 36 bits, which float64 holds, so the result equals that of formats/nq.md 6.1 exactly.
        used = torch.floor(sums * factors + 0.5)
        high = (1 << (how.used_width - 1)) - 1
        ctx.save_for_backward((used < -high - 1) | (used > high))
        ctx.gain = how.gain
        return used.clamp_(-high - 1, high).to(integers.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (clamped,) = ctx.saved_tensors
        return hadamard(gradient.masked_fill(clamped, 0), INPUT_CHANNELS) * 2.0**ctx.gain, None


def use(integers: Tensor, step_indices: Tensor, how: Hadamard) -> Tensor:
    """The weights [out, in, k, k] that a decoder computes with, of coded integers (of a float type); straight-through.

    `step_indices` broadcast with them. In float32 and in float64 the result is the decoder's
    integers times their step sizes, exactly.
    """
    used: Tensor = _Use.apply(integers, how)  # type: ignore[no-untyped-call]
    return dequantize(used, step_indices - OCTAVE * how.gain)
