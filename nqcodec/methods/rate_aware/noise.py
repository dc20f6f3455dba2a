"""Noise that replaces rounding, and becomes more and more like it in the course of a fit.

With uniform noise alone, networks learn latents that rounding then changes, because no value is ever a whole number
during training. Latents are softly rounded before and after the noise, as in universally
quantized neural compression (Agustsson and Theis, NeurIPS 2020), and the noise is of Kumaraswamy's distribution, first
peaked and uniform in the end (both from C3, Kim et al., CVPR 2024), or Gaussian and narrower (Cool-Chic 5). How much
of either is measured: docs/experiments.md, for the values in `nqcodec.methods.rate_aware.settings`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Noise:
    """The noise of one iteration.

    Attributes:
        generator: for all values of the iteration, in the order of the tensors.
        temperature: of soft rounding; nothing is rounded at infinity, everything at 0.
        peak: Kumaraswamy's first parameter, from 1 on, where noise is uniform; its mode is 0.
        deviation: of Gaussian noise, in step sizes, which replaces Kumaraswamy's; None without it.
    """

    generator: torch.Generator
    temperature: float
    peak: float = 1.0
    deviation: float | None = None

    def uniform(self, exact: Tensor) -> Tensor:
        """x + n, values x in units of their step sizes with uniform noise n of width 1."""
        return exact + (self.random(exact) - 0.5)

    def soft(self, exact: Tensor) -> tuple[Tensor, Tensor]:
        """s_T(s_T(x) + n), nearly whole values for x in units of step sizes with noise n; and slopes d/dx."""
        noise = kumaraswamy_noise(self.numbers(exact), self.numbers_peak)
        before, outer = soft_round(exact, self.temperature)
        after, inner = soft_round(before.add_(noise).sub_(0.5), self.temperature)
        return after, outer.mul_(inner)

    @property
    def numbers_peak(self) -> float:
        """The `peak` of the noise that `numbers` become: 1 where they are that noise."""
        return self.peak if self.deviation is None else 1.0

    def numbers(self, exact: Tensor) -> Tensor:
        """What the noise of `soft` is made from, shaped as `exact`: uniform in [0, 1), or Gaussian around 1/2."""
        if self.deviation is None:
            return self.random(exact)
        normal = torch.randn(exact.shape, generator=self.generator, device=exact.device)
        return normal.mul_(self.deviation).add_(0.5)

    def random(self, exact: Tensor) -> Tensor:
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
    """Soft rounding of values, which keeps whole numbers and halves as they are, and its slopes.

    s_T(x) = floor(x) + 1/2 + tanh(r / T) / (2 tanh(1 / (2 T))) with r = x - floor(x) - 1/2 and T the temperature.
    """
    # tanh(x) = 2 sigmoid(2 x) - 1, in place, takes a third of the time; this runs in every iteration.
    middle = exact.floor().add_(0.5)
    height = math.tanh(0.5 / temperature)
    bent = (exact - middle).mul_(2 / temperature).sigmoid_()
    slopes = (1 - bent).mul_(bent).mul_(2 / (temperature * height))
    return middle.add_(bent.sub_(0.5), alpha=1 / height), slopes
