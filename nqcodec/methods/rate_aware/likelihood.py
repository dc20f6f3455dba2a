"""Differentiable bits of float values: the counterparts of the file's entropy models.

Values are in units of their step sizes; they are integers only once they are rounded. Latents follow the context model
(formats/nq.md, 3.6), weights and biases a static one a tensor (formats/nq.md, 3.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nqcodec.entropy.context import NEIGHBOURS

LOGISTIC_STD = math.pi / math.sqrt(3)
"""Standard deviation of the standard logistic distribution."""

LEAST_SCALE = 1 / 16
"""Smallest standard deviation, in step sizes: that of the first row of the file's tables."""

STATIC_VARIANCE = 1e-3
"""Added to a static model's variance, so that it is positive for a tensor of zeros."""


def logistic_bits(distance: Tensor, std: Tensor) -> Tensor:
    """Bits of values at `distance` from the mean of a logistic distribution of standard deviation `std`.

    The integral over a unit interval around each value, whose difference of two sigmoids is taken as
    s(a) s(-c) (1 - exp(c - a)): exact, and smooth over the range of floats.
    """
    inverse = LOGISTIC_STD / std
    upper, lower = (0.5 - distance) * inverse, (-0.5 - distance) * inverse
    nats = F.softplus(-upper) + F.softplus(lower) - torch.log(-torch.expm1(-inverse))
    return nats / math.log(2)


def gaussian_bits(distance: Tensor, std: Tensor) -> Tensor:
    """Bits of values at `distance` from the mean of a normal distribution of standard deviation `std`."""
    low, high = (distance.abs() - 0.5) / std, (distance.abs() + 0.5) / std
    # Beyond about four deviations the difference of two integrals is 0 in floats, so the density replaces it.
    tail = 0.5 * (distance / std).square() + torch.log(std * math.sqrt(2 * math.pi))
    inside = 0.5 * (torch.erfc(low / math.sqrt(2)) - torch.erfc(high / math.sqrt(2)))
    nats = torch.where(low < 4.0, -torch.log(inside.clamp(min=1e-9)), tail)
    return nats / math.log(2)


def shifted(values: Tensor, place: tuple[int, int, int, int]) -> Tensor:
    """The neighbour at `place` of each value of [T, C, H, W], 0 outside."""
    time, channel, row, column = place
    times, channels, height, width = values.shape
    padded = F.pad(values, (2, 2, 2, 2, 1, 0, 1, 0))
    return padded[
        1 + time : 1 + time + times,
        1 + channel : 1 + channel + channels,
        2 + row : 2 + row + height,
        2 + column : 2 + column + width,
    ]


def neighbours_of(shape: tuple[int, ...]) -> list[int]:
    """Numbers of the neighbours that a latent [T, C, H, W] can have for its shape."""
    times, channels, height, width = shape
    extents = (times, channels, height, width)
    return [
        number
        for number, place in enumerate(NEIGHBOURS)
        if all(abs(offset) < extent for offset, extent in zip(place, extents, strict=True))
    ]


@dataclass(frozen=True)
class ContextWeights:
    """A context model with real weights (formats/nq.md, 3.6): float32 tensors.

    Attributes:
        base: [1]; the scale is `LEAST_SCALE` + softplus(base) + the neighbours' part.
        mean: [14] weights of the neighbours' values.
        scale: [14]; softplus of it weighs the magnitudes of the neighbours' residuals.
    """

    base: Tensor
    mean: Tensor
    scale: Tensor

    @staticmethod
    def start(device: torch.device | str = "cpu") -> ContextWeights:
        """The start of a fit: no prediction, and a scale that hardly depends on neighbours."""
        count = len(NEIGHBOURS)
        return ContextWeights(
            torch.full((1,), -0.5, device=device),
            torch.zeros(count, device=device),
            torch.full((count,), -3.0, device=device),
        )

    def parameters(self) -> list[Tensor]:
        """Its tensors, for an optimizer."""
        return [self.base, self.mean, self.scale]


def context_bits(values: Tensor, weights: ContextWeights) -> Tensor:
    """Bits of a latent [T, C, H, W] in units of its step size under the context model, a scalar."""
    numbers = neighbours_of(tuple(values.shape))
    mean = torch.zeros_like(values)
    for number in numbers:
        mean = mean + weights.mean[number] * shifted(values, NEIGHBOURS[number])
    residual = values - mean
    scale = LEAST_SCALE + F.softplus(weights.base)
    for number, factor in zip(numbers, F.softplus(weights.scale[numbers]), strict=True):
        scale = scale + factor * shifted(residual, NEIGHBOURS[number]).abs()
    return logistic_bits(residual, scale.expand_as(residual)).sum()
