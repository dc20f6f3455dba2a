"""What exact decoding is compared to: an integer network in floats."""

from __future__ import annotations

import torch

from nqcodec.network.integer_network import IntegerNetwork, used_step_indices, used_weight
from nqcodec.quantization.quantizers import along_channels, dequantize
from nqcodec.quantization.transform import tensor_names
from nqcodec.synthesis.hadamard import fastest
from nqcodec.training.network import FloatNetwork


def dequantized(network: IntegerNetwork, frames: int, dtype: torch.dtype = torch.float32) -> FloatNetwork:
    """The float network with the integers' values, for a segment of `frames` frames; exact decoding is compared to it.

    Tensors are of `dtype`; maps too, and they are neither rounded nor clamped.
    """
    result = FloatNetwork(network.program, frames)
    result.dtype = dtype
    for tensor in tensor_names(network.program):
        integers = network.layers[tensor.index].tensors[tensor.name]
        step_indices = along_channels(torch.tensor(used_step_indices(integers)), tensor.name, integers.values.ndim)
        value = dequantize(torch.tensor(used_weight(integers, fastest())).to(dtype), step_indices)
        result.tensors[tensor.key] = torch.nn.Parameter(value)
    return result
