"""The quantizer of a whole float network: a `Transform` with step indices, bit widths and map formats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nqcodec.network.integer_network import BITS_RANGE, Hadamard, Int32, IntTensor
from nqcodec.network.program import Program
from nqcodec.quantization.hadamard import INPUT_CHANNELS, use
from nqcodec.quantization.map_formats import MapFormat, round_map
from nqcodec.quantization.quantizers import along_channels, bits_needed, dequantize, quantize
from nqcodec.training.hadamard import hadamard
from nqcodec.training.network import FloatNetwork, tensor_key


@dataclass(frozen=True)
class TensorName:
    """A tensor of a program: operation index, name in the file, key in `FloatNetwork.tensors`."""

    index: int
    name: str
    key: str


def tensor_names(program: Program) -> Iterator[TensorName]:
    """All tensors of a program in file order."""
    for index in range(len(program.operations)):
        for name in program.tensors(index):
            yield TensorName(index, name, tensor_key(index, name))


@dataclass(frozen=True)
class Unrounded:
    """A `Transform` without rounding, for a network that holds coefficients of the Hadamard domain as `transform`
    says."""

    transform: QuantTransform

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        return self.transform.spatial(tensor_key(index, name), value)

    def map(self, index: int, value: Tensor) -> Tensor:
        return value


@dataclass
class QuantTransform:
    """Rounds tensors, and maps once they have formats, as the decoder does; gradients pass straight through.

    Attributes:
        step_indices: by tensor key, float32 [1] or [channels]. They are whole numbers except while a fine-tune learns
            them.
        bits: bit width that each tensor's integers are clamped to, by tensor key.
        formats: output format by operation index.
        round_maps: round maps to their formats, and weights coded in the Hadamard domain a second time, to the integers
            that a decoder uses; otherwise both stay floats.
        only: if not None, the key of the only tensor that is quantised, to measure its sensitivity.
        hadamard: width and gain of the weights that are coded in the Hadamard domain, by tensor key. The network
            holds the coefficients of such a weight, not the weight.
    """

    step_indices: dict[str, Tensor]
    bits: dict[str, int]
    formats: dict[int, MapFormat] = field(default_factory=dict)
    round_maps: bool = False
    only: str | None = None
    hadamard: dict[str, Hadamard] = field(default_factory=dict)

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        key = tensor_key(index, name)
        if self.only is not None and key != self.only:
            return value
        step_indices = along_channels(self.step_indices[key], name, value.dim())
        integers = quantize(value, step_indices, self.bits[key])
        if self.round_maps and key in self.hadamard:
            return use(integers, step_indices, self.hadamard[key])
        return self.spatial(key, dequantize(integers, step_indices))

    def spatial(self, key: str, coded: Tensor) -> Tensor:
        """The weights or values of a coded tensor: the inverse transform if it is in the Hadamard domain, not rounded
        again."""
        return hadamard(coded, INPUT_CHANNELS) if key in self.hadamard else coded

    def map(self, index: int, value: Tensor) -> Tensor:
        return round_map(value, self.formats[index]) if self.round_maps else value

    def set_tensor(self, key: str, step_indices: Int32, bits: int, device: torch.device) -> None:
        """Give a tensor new step indices and a new bit width."""
        self.step_indices[key] = torch.tensor(np.atleast_1d(step_indices), dtype=torch.float32, device=device)
        self.bits[key] = bits

    @torch.no_grad()
    def snap(self, sizes: dict[str, int]) -> None:
        """Round learned step indices to the whole ones that a file can hold, with hardly any change of the rate.

        One index more saves an eighth of a bit a value. The change of the rate by rounding one index is carried to the
        next, from the largest tensor to the smallest (error diffusion), so that the sum nearly vanishes.

        Args:
            sizes: values by tensor key.
        """
        carried = 0.0
        for key in sorted(self.step_indices, key=lambda k: (-sizes[k], k)):
            step_indices = self.step_indices[key]
            count = sizes[key] / step_indices.numel()
            snapped = []
            for learned in step_indices.tolist():
                index = round(learned + min(max(carried / count, -0.5), 0.5))
                carried += (learned - index) * count
                snapped.append(float(index))
            step_indices.copy_(torch.tensor(snapped))

    @torch.no_grad()
    def integers(self, network: FloatNetwork) -> dict[str, IntTensor]:
        """The integer tensors by key, with bit widths as small as the values allow.

        They are final once step indices have been snapped; before, they have nearly the final rate.
        """
        result = {}
        for tensor in tensor_names(network.program):
            value, step_indices = network.tensors[tensor.key], self.step_indices[tensor.key].detach()
            shaped = along_channels(step_indices, tensor.name, value.dim())
            values = quantize(value, shaped, self.bits[tensor.key]).cpu().numpy().astype(np.int32)
            indices = step_indices.cpu().numpy().round().astype(np.int32)
            if bool((indices == indices[0]).all()):
                indices = indices[:1]
            bits = min(bits_needed(values), BITS_RANGE[tensor.name][1])
            result[tensor.key] = IntTensor(values, bits, indices, self.hadamard.get(tensor.key))
        return result
