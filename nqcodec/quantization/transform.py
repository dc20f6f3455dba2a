"""The quantizer of a whole network that is still in floats: a `Transform` with steps, bit widths and map formats."""

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
    """The float network of tensors that are held in the domains of `transform`."""

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
        round_maps: round maps to their formats, and weights coded in the Hadamard domain a second time, to what they
            are used as; otherwise both stay floats.
        only: if not None, the one tensor key that is quantised, for sensitivity.
        hadamard: how weights are used that are coded in the Hadamard domain, by tensor key. Of such a weight the
            network must hold the coefficients, not the weight.
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
        steps = along_channels(self.step_indices[key], name, value.dim())
        integers = quantize(value, steps, self.bits[key])
        if self.round_maps and key in self.hadamard:
            return use(integers, steps, self.hadamard[key])
        return self.spatial(key, dequantize(integers, steps))

    def spatial(self, key: str, coded: Tensor) -> Tensor:
        """A tensor from the domain that it is coded in, without a second rounding."""
        return hadamard(coded, INPUT_CHANNELS) if key in self.hadamard else coded

    def map(self, index: int, value: Tensor) -> Tensor:
        return round_map(value, self.formats[index]) if self.round_maps else value

    def set_tensor(self, key: str, steps: Int32, bits: int, device: torch.device) -> None:
        """Give a tensor new step indices and a new bit width."""
        self.step_indices[key] = torch.tensor(np.atleast_1d(steps), dtype=torch.float32, device=device)
        self.bits[key] = bits

    @torch.no_grad()
    def snap(self, sizes: dict[str, int]) -> None:
        """Round learned steps to indices that a file can hold, with next to no change of the rate.

        An eighth of an octave is an eighth of a bit a value. What rounding one channel's step adds is handed on to the
        next, from the largest tensor to the smallest, so that the sum nearly vanishes.

        Args:
            sizes: values by tensor key.
        """
        carried = 0.0
        for key in sorted(self.step_indices, key=lambda k: (-sizes[k], k)):
            steps = self.step_indices[key]
            count = sizes[key] / steps.numel()
            snapped = []
            for learned in steps.tolist():
                index = round(learned + min(max(carried / count, -0.5), 0.5))
                carried += (learned - index) * count
                snapped.append(float(index))
            steps.copy_(torch.tensor(snapped))

    @torch.no_grad()
    def integers(self, network: FloatNetwork) -> dict[str, IntTensor]:
        """The integer tensors by key, with bit widths as small as the values allow.

        They are final once steps have been snapped; before, their rate is what it will be, nearly.
        """
        result = {}
        for tensor in tensor_names(network.program):
            value, steps = network.tensors[tensor.key], self.step_indices[tensor.key].detach()
            shaped = along_channels(steps, tensor.name, value.dim())
            values = quantize(value, shaped, self.bits[tensor.key]).cpu().numpy().astype(np.int32)
            indices = steps.cpu().numpy().round().astype(np.int32)
            if bool((indices == indices[0]).all()):
                indices = indices[:1]
            bits = min(bits_needed(values), BITS_RANGE[tensor.name][1])
            result[tensor.key] = IntTensor(values, bits, indices, self.hadamard.get(tensor.key))
        return result
