"""Quant-Noise (Fan et al., ICLR 2021) as HiNeRV trains with it: most values are quantised, the others are not, and
only these get a gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.network.integer_network import channel_axis
from nqcodec.training.hooks import Hook
from nqcodec.training.network import Transform

QUANTIZED_TENSORS = ("weight", "latent")
"""Tensors that take part. Biases do not: they are few, and the papers leave vectors alone."""

LEAST_STEP_SIZE = 1e-6
"""Added to a step size, so that it is positive for a channel of zeros, as published."""


@dataclass(frozen=True)
class QuantNoise:
    """How to train with Quant-Noise; the defaults are HiNeRV's.

    Attributes:
        bits: of the quantised values.
        part: part of the values that are quantised in each iteration.
        share: part of a fit's iterations, at its end.
        rate: peak learning rate in these iterations, as a part of the fit's.
    """

    bits: int = 6
    part: float = 0.9
    share: float = 30 / 390
    rate: float = 0.1

    def __post_init__(self) -> None:
        """Raises UsageError for values that make no sense."""
        if not 2 <= self.bits <= 8:
            raise UsageError(f"Quant-Noise cannot have {self.bits} bits: choose 2 to 8")
        if not 0 < self.part <= 1 or not 0 < self.share < 1:
            raise UsageError(
                f"Quant-Noise cannot take a part of {self.part:g} of the values in {self.share:g} of the iterations: "
                "choose parts between 0 and 1"
            )


class NoiseTransform:
    """The `Transform` of one iteration; its generator decides which values are quantised."""

    def __init__(self, noise: QuantNoise, generator: torch.Generator):
        self._noise, self._generator = noise, generator

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        """`value` with a random part of it quantised; no gradient passes there."""
        if name not in QUANTIZED_TENSORS:
            return value
        drawn = torch.rand(value.shape, generator=self._generator, device=value.device)
        return torch.where(drawn < self._noise.part, round_to_bits(value.detach(), name, self._noise.bits), value)

    def map(self, index: int, value: Tensor) -> Tensor:
        return value


class NoiseHook(Hook):
    """Quant-Noise in the last stage; seed and iteration alone decide what is quantised."""

    def __init__(self, noise: QuantNoise, seed: int, device: torch.device):
        self._noise, self._seed, self._device = noise, seed, device

    def transform(self, stage: str, iteration: int) -> Transform | None:
        if stage != "noise":
            return None
        seed = (self._seed * 0x9E3779B1 + iteration) & 0xFFFFFFFF
        return NoiseTransform(self._noise, torch.Generator(self._device).manual_seed(seed))


def round_to_bits(value: Tensor, name: str, bits: int) -> Tensor:
    """`value` rounded to `bits` bits about zero, with a step size for each channel that covers it.

    The step size is 2 max|x| / (2^bits - 1), as published; channels are those for which a file can have step sizes
    (formats/nq.md, 4).
    """
    others = [axis for axis in range(value.dim()) if axis != channel_axis(name)]
    size: Tensor = value.abs().amax(dim=others, keepdim=True) * (2 / (2**bits - 1)) + LEAST_STEP_SIZE
    integers = (value / size).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return integers * size
