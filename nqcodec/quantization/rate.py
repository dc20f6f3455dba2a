"""The rate of tensors: a differentiable estimate for training, and the bits by the file's entropy models."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from nqcodec.entropy.lists import list_bits
from nqcodec.entropy.tensors import estimate_bits
from nqcodec.network.integer_network import Int32, IntTensor, channel_axis
from nqcodec.quantization.quantizers import OCTAVE, along_channels

ROUNDING_VARIANCE = 1 / 12
"""Variance that rounding adds, in squared step sizes."""

HADAMARD_RECORD_BITS = 16
"""Bits by which the record of a weight in the Hadamard domain is longer than others (formats/nq.md, 4)."""

LIST_RECORD_BITS = 8
"""Bits of a list of step indices beyond its codes: its scale index."""


def step_index_list_bits(step_indices: Int32) -> float:
    """Bits of a list of step indices beyond the one that every record has; 0 for a single one."""
    if step_indices.size == 1 or bool((step_indices == step_indices[0]).all()):
        return 0.0
    return list_bits(step_indices - int(np.median(step_indices))) + LIST_RECORD_BITS


def tensor_bits(tensor: IntTensor, name: str) -> float:
    """Estimated bits of one tensor in the file: values, models, records and step indices."""
    record = HADAMARD_RECORD_BITS if tensor.hadamard is not None else 0
    values = estimate_bits(tensor.values, tensor.bits, channel_axis(name), tensor.context)
    return values + step_index_list_bits(tensor.step_indices) + record


def total_bits(tensors: Iterable[tuple[str, IntTensor]]) -> float:
    """Bits of (name, tensor) pairs; the file's size has those of the program and the headers too."""
    return sum(tensor_bits(tensor, name) for name, tensor in tensors)


def gaussian_rate(x: Tensor, step_indices: Tensor, name: str) -> Tensor:
    """Bits of `x` at step indices `step_indices` [1] or [channels] under the file's Gaussian model, a smooth scalar.

    The entropy of a normal distribution of each channel's own variance (a bias: of the whole tensor's), rounding
    included. It is differentiable in values and step indices, so that training can lower the rate by both.
    """
    scaled = x / torch.exp2(along_channels(step_indices, name, x.dim()) / OCTAVE)
    centred = scaled - scaled.mean()
    axes = [d for d in range(x.dim()) if d != channel_axis(name)] if x.dim() > 1 else [0]
    variance = centred.square().mean(axes) + ROUNDING_VARIANCE
    each = 0.5 * torch.log2(2 * math.pi * math.e * variance)
    return each.sum() * (x.numel() / each.numel())
