"""Noise in the place of rounding, which comes ever nearer to it in the course of a fit.

Uniform noise of one step's width alone has networks learn latents that rounding then changes: values near a whole
number are dear, and none ever is one. Latents are softly rounded before and after the noise, as in universally
quantized neural compression (Agustsson and Theis, NeurIPS 2020), and the noise is of Kumaraswamy's distribution, first
peaked and uniform in the end (both from C3, Kim et al., CVPR 2024). How much of either is measured: BENCHMARKS.md, for
the values in `nqcodec.methods.rate_aware.settings`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Noise:
    """What one step draws its values with.

    Attributes:
        generator: of all values of the step, in the order of the tensors.
        temperature: of soft rounding; nothing is rounded at infinity, everything at 0.
        peak: Kumaraswamy's first parameter, from 1 on, where noise is uniform; its mode is 0.
    """

    generator: torch.Generator
    temperature: float
    peak: float

    def uniform(self, exact: Tensor) -> Tensor:
        """Values in units of their steps with uniform noise of one step's width."""
        return exact + (self._random(exact) - 0.5)

    def soft(self, exact: Tensor) -> tuple[Tensor, Tensor]:
        """Values in units of their steps, nearly whole with noise, and their slopes with respect to `exact`."""
        noise = self._random(exact)
        if self.peak > 1:
            second = (2**self.peak * (self.peak - 1) + 1) / self.peak
            # The inverse of the distribution 1 - (1 - x^a)^b; what is uniform is so from the other end, too.
            noise.pow_(1 / second).neg_().add_(1).pow_(1 / self.peak)
        before, outer = soft_round(exact, self.temperature)
        after, inner = soft_round(before.add_(noise).sub_(0.5), self.temperature)
        return after, outer.mul_(inner)

    def _random(self, exact: Tensor) -> Tensor:
        """Uniform in [0, 1), shaped as `exact`."""
        return torch.rand(exact.shape, generator=self.generator, device=exact.device)


def soft_round(exact: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Values drawn towards whole numbers, which stay where they are as halves do, and their slopes.

    With r from the middle m between two whole numbers: m + tanh(r / t) / (2 tanh(1 / (2 t))).
    """
    # tanh(x) = 2 sigmoid(2 x) - 1, and in place: a third of the time, in every step of a fit.
    middle = exact.floor().add_(0.5)
    height = math.tanh(0.5 / temperature)
    bent = (exact - middle).mul_(2 / temperature).sigmoid_()
    slopes = (1 - bent).mul_(bent).mul_(2 / (temperature * height))
    return middle.add_(bent.sub_(0.5), alpha=1 / height), slopes
