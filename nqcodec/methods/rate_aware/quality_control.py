"""Rate control of a fit that no size is asked of: lambda for a constant slope, and lambda for a PSNR.

Both go by a forecast of the PSNR at the end of the fit, and by an estimate until there is one.
"""

from __future__ import annotations

import math
from typing import Any

from nqcodec.methods.rate_aware.control import FIRST_LAMBDA, GAINS, RoundedFile, SizeControl, Standing
from nqcodec.methods.rate_aware.forecast import PsnrForecast
from nqcodec.training.rate_control import Gains

NATS = math.log(10) / 10
"""Nats of ln(MSE) in a decibel."""

PEAK = 255.0
"""The largest sample that squared errors are counted for, whatever the bit depth."""

SLOPE = 0.65
"""Nats of ln(MSE) that a fit gains with each nat of ln(bytes): 2 dB a doubling, about the mean of measured clips."""

SIZE_TIME, SIZE_FIXED = 0.12, 0.85
"""Parts of the iterations: in which the size that a `PsnrControl` looks for makes up for an error of the forecast, and
after which it stays. Bits that come suddenly or late are wasted: a fit whose lambda followed the forecast itself took
40 % more of them than one steered to its size from the start."""

MOST_EXCESS = 0.7
"""Largest error of the forecast, in nats of ln(bytes), that a `PsnrControl` takes note of."""


class ForecastControl(SizeControl):
    """A control that goes by the PSNR at the end of the fit, and has no largest size."""

    def __init__(self, gains: Gains, first: float):
        super().__init__(math.inf, gains, learned=first)
        self._forecast = PsnrForecast()

    def facts(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return super().facts() | {"seen": self._forecast.seen}

    def restore(self, facts: dict[str, Any]) -> None:
        """The inverse of `facts`."""
        super().restore(facts)
        self._forecast.seen = [(done, psnr) for done, psnr in facts["seen"]]


class SlopeControl(ForecastControl):
    """A constant lambda in MSE + lambda * bits a pixel, as constant rate factors have it, whatever the size.

    A fit's loss is ln(MSE), whose gradient is that of the MSE over the MSE. So its own lambda is the constant one over
    the MSE that it ends with.

    Args:
        slope: lambda, in squared errors of samples at a peak of 255 for a bit a pixel.
        pixels: luma pixels of all frames.
        first: lambda in nats of ln(MSE) a bit, until there is a forecast.
    """

    def __init__(self, slope: float, pixels: int, first: float):
        super().__init__(GAINS, first)
        self._slope, self._pixels = slope, pixels

    def _at(self, psnr: float) -> float:
        """Lambda in nats of ln(MSE) a bit, of a fit that ends with `psnr` dB."""
        return self._slope / self._pixels / (PEAK**2 * math.exp(-NATS * psnr))

    def steer(self, standing: Standing) -> None:
        """Set lambda by the PSNR at the end."""
        self._forecast.add(standing.done, standing.psnr)
        end = self._forecast.end()
        if end is not None:
            self.learned = self.lmbda = self._at(end)

    def prefers(self, one: RoundedFile, other: RoundedFile) -> bool:
        """Whether J = D + lambda R of the first is less."""
        return self.lmbda * 8 * (one.size - other.size) < NATS * (one.psnr - other.psnr)


class PsnrControl(ForecastControl):
    """Lambda for a PSNR at the end of the fit: it follows the size, and the size looked for follows the forecast.

    Args:
        psnr: the PSNR-YUV wanted, in dB.
        size: bits that the file is estimated to have with it.
        gains, first: as `nqcodec.methods.rate_aware.control.controller` has them.
    """

    def __init__(self, psnr: float, size: float, gains: Gains = GAINS, first: float = FIRST_LAMBDA):
        super().__init__(gains, first / size)
        self._psnr, self._size = psnr, size

    def steer(self, standing: Standing) -> None:
        """Set lambda by the size, and the size looked for by the PSNR at the end."""
        self._forecast.add(standing.done, standing.psnr)
        end = self._forecast.end()
        if end is not None and standing.done <= SIZE_FIXED:
            excess = max(-MOST_EXCESS, min(MOST_EXCESS, NATS * (end - self._psnr) / SLOPE))
            self._size *= math.exp(-excess * standing.step / SIZE_TIME)
        self.update(standing.size, expected=self._size, learn=not standing.rounds)

    def prefers(self, one: RoundedFile, other: RoundedFile) -> bool:
        """Whether the first is the smaller of two that reach the PSNR, or the better one where not both do."""
        if min(one.psnr, other.psnr) >= self._psnr:
            return one.size < other.size
        return one.psnr > other.psnr

    def facts(self) -> dict[str, Any]:
        """The state for a checkpoint."""
        return super().facts() | {"size": self._size}

    def restore(self, facts: dict[str, Any]) -> None:
        """The inverse of `facts`."""
        super().restore(facts)
        self._size = facts["size"]
