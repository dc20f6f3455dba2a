"""What tensors cost: smooth for gradients, and as the file's entropy models charge it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from nqcodec.entropy.lists import code_list
from nqcodec.entropy.tensors import estimate_bits
from nqcodec.network.integer_network import Int32, IntTensor, channel_axis
from nqcodec.quantization.quantizers import OCTAVE, along_channels

ROUNDING_VARIANCE = 1 / 12
"""Variance that rounding adds, in squared steps."""

HADAMARD_RECORD_BITS = 16
"""What the record of a weight in the Hadamard domain has beyond others (formats/nq.md, 4)."""

LIST_RECORD_BITS = 24
"""The list's scale index, its length field and the rounding of its last byte."""


def step_index_list_bits(steps: Int32) -> float:
    """Bits of a list of step indices beyond the one that every record has; 0 for a single step."""
    if steps.size == 1 or bool((steps == steps[0]).all()):
        return 0.0
    return 8.0 * len(code_list(steps - int(np.median(steps)))[1]) + LIST_RECORD_BITS


def tensor_bits(tensor: IntTensor, name: str) -> float:
    """Bits of one tensor in the file, nearly: values, models, records and steps."""
    record = HADAMARD_RECORD_BITS if tensor.hadamard is not None else 0
    values = estimate_bits(tensor.values, tensor.bits, channel_axis(name), tensor.context)
    return values + step_index_list_bits(tensor.step_indices) + record


def total_bits(tensors: Iterable[tuple[str, IntTensor]]) -> float:
    """Bits of (name, tensor) pairs; the file's size differs by what the program and headers take."""
    return sum(tensor_bits(tensor, name) for name, tensor in tensors)


def gaussian_rate(x: Tensor, steps: Tensor, name: str) -> Tensor:
    """Bits of `x` at step indices `steps` [1] or [channels] under the file's Gaussian model, a smooth scalar.

    The entropy of a normal distribution of each channel's own variance (a bias: of the whole tensor's), rounding
    included. Differentiable in values and steps: it makes both cheaper.
    """
    scaled = x / torch.exp2(along_channels(steps, name, x.dim()) / OCTAVE)
    centred = scaled - scaled.mean()
    axes = [d for d in range(x.dim()) if d != channel_axis(name)] if x.dim() > 1 else [0]
    variance = centred.square().mean(axes) + ROUNDING_VARIANCE
    each = 0.5 * torch.log2(2 * math.pi * math.e * variance)
    return each.sum() * (x.numel() / each.numel())
