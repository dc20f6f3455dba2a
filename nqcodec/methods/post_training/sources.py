"""Tensors of a float network for quantisation: values, legal step indices, coded bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nqcodec.network.integer_network import BITS_RANGE, Int32, IntTensor
from nqcodec.quantization.hadamard import choose_use
from nqcodec.quantization.quantizers import Float64, bits_needed, covering_step_index, quantize_array
from nqcodec.quantization.rate import tensor_bits
from nqcodec.quantization.transform import TensorName, tensor_names
from nqcodec.training.network import FloatNetwork


@dataclass(frozen=True, eq=False)
class Source:
    """A tensor from which candidates are made.

    For a weight in the Hadamard domain `values` are its coefficients, and `map_width` is the signed width of the maps
    that it is multiplied by; otherwise that is None.
    """

    tensor: TensorName
    values: Float64
    map_width: int | None = None

    def integers(self, base: int, bits: int | None = None) -> Int32:
        """The tensor quantised at a step index, clamped to `bits` bits, by default to the most that the file allows."""
        return quantize_array(self.values, base, bits or BITS_RANGE[self.tensor.name][1])

    @property
    def hadamard(self) -> bool:
        """Whether this is a weight in the Hadamard domain."""
        return self.map_width is not None

    def coded(self, base: int, bits: int | None = None) -> IntTensor:
        """The integer tensor at a step index."""
        values = self.integers(base, bits)
        how = None if self.map_width is None else choose_use(values, self.map_width)
        return IntTensor(values, bits_needed(values), one_step_index(base), how)

    def rate(self, base: int, bits: int | None = None) -> tuple[float, int]:
        """(coded bits, bit width) at a step index."""
        coded = self.coded(base, bits)
        return tensor_bits(coded, self.tensor.name), coded.bits


def one_step_index(base: int) -> Int32:
    """The step indices [1] of a tensor that has one for all channels."""
    return np.array([base], np.int32)


def make_sources(network: FloatNetwork) -> list[Source]:
    """A source for each tensor of `network`."""
    return [
        Source(tensor, network.tensors[tensor.key].detach().cpu().double().numpy())
        for tensor in tensor_names(network.program)
    ]


def base_step_indices(source: Source) -> tuple[int, int]:
    """(finest, coarsest) step index: the finest at which the file's widest alphabet clamps nothing, and one at which
    two bits hold everything."""
    widest = BITS_RANGE[source.tensor.name][1]
    return covering_step_index(source.values, widest), covering_step_index(source.values, 2)
