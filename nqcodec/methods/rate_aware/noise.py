"""Noise in the place of rounding, which comes ever nearer to it in the course of a fit.

Uniform noise of one step's width alone has networks learn latents that rounding then changes: values near a whole
number are dear, and none ever is one. Latents are softly rounded before and after the noise, as in universally
quantized neural compression (Agustsson and Theis, NeurIPS 2020), and the noise is of Kumaraswamy's distribution, first
peaked and uniform in the end (both from C3, Kim et al., CVPR 2024). How much of either is measured:
docs/experiments.md, for the values in `nqcodec.methods.rate_aware.settings`.
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
        """x + n, values x in units of their steps with uniform noise n of one step's width."""
        return exact + (self._random(exact) - 0.5)

    def soft(self, exact: Tensor) -> tuple[Tensor, Tensor]:
        """s_T(s_T(x) + n), values x in units of their steps nearly whole, with Kumaraswamy noise n; and slopes
        d/dx."""
        noise = kumaraswamy_noise(self._random(exact), self.peak)
        before, outer = soft_round(exact, self.temperature)
        after, inner = soft_round(before.add_(noise).sub_(0.5), self.temperature)
        return after, outer.mul_(inner)

    def _random(self, exact: Tensor) -> Tensor:
        """Uniform in [0, 1), shaped as `exact`."""
        return torch.rand(exact.shape, generator=self.generator, device=exact.device)


def kumaraswamy_noise(uniform: Tensor, a: float) -> Tensor:
    """Turn `uniform` noise in [0, 1), in place, into noise of Kumaraswamy's distribution with mode 1/2.

    F(x) = 1 - (1 - x^a)^b with b = (2^a (a - 1) + 1) / a, so x = (1 - u^(1/b))^(1/a): u is as uniform as 1 - u. For
    a = 1 it is uniform noise.
    """
    if a > 1:
        b = (2**a * (a - 1) + 1) / a
        uniform.pow_(1 / b).neg_().add_(1).pow_(1 / a)
    return uniform


def soft_round(exact: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Values drawn towards whole numbers, which stay where they are as halves do, and their slopes.

    s_T(x) = floor(x) + 1/2 + tanh(r / T) / (2 tanh(1 / (2 T))) with r = x - floor(x) - 1/2 and T the temperature.
    """
    # tanh(x) = 2 sigmoid(2 x) - 1, and in place: a third of the time, in every step of a fit.
    middle = exact.floor().add_(0.5)
    height = math.tanh(0.5 / temperature)
    bent = (exact - middle).mul_(2 / temperature).sigmoid_()
    slopes = (1 - bent).mul_(bent).mul_(2 / (temperature * height))
    return middle.add_(bent.sub_(0.5), alpha=1 / height), slopes
