"""What a fit is made for: a size, a constant lambda, or a PSNR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from nqcodec.methods.rate_aware.control import SizeControl, controller
from nqcodec.methods.rate_aware.quality_control import NATS, SLOPE, PsnrControl, SlopeControl
from nqcodec.methods.rate_aware.settings import RateAwareSettings

MIDDLE_QUALITY, MIDDLE_SLOPE = 50.0, 60.0
"""A quality and its lambda: the slope of fits of 352x288 and 176x144 with the preset `fast` at 0.1 bits a pixel, where
they have 38.5 to 39 dB."""

SLOPED_BITS = 0.55
"""Lambda for ln(MSE) times the bits of the file at the end of fits, in nats: 0.4 to 0.7."""

HALVING = 6.0
"""Steps of quality that halve lambda, as three steps of the constant rate factors of x264 and x265 do."""

RESERVE = 0.03
"""Decibels that a fit for a PSNR is steered above it. What is too much is trimmed, which saves a third of the bits that
a fit steered lower would save."""


class Goal(Protocol):
    """What a fit is made for; dataclasses, whose fields identify it in a checkpoint."""

    def control(self, settings: RateAwareSettings, pixels: int) -> SizeControl:
        """What steers a fit of `pixels` luma pixels in all frames to it."""


@dataclass(frozen=True)
class SizeGoal:
    """The best picture in a file of at most so many bytes."""

    max_bytes: int

    def control(self, settings: RateAwareSettings, pixels: int) -> SizeControl:
        """Lambda follows the size."""
        return controller(8 * settings.aim * self.max_bytes, settings.gains, settings.first_lambda)


@dataclass(frozen=True)
class SlopeGoal:
    """The least MSE + `slope` * bits a pixel.

    Attributes:
        slope: in squared errors of samples at a peak of 255 for a bit a luma pixel.
        size: bytes of the file as they are estimated.
    """

    slope: float
    size: int

    def control(self, settings: RateAwareSettings, pixels: int) -> SizeControl:
        """Lambda follows the PSNR, so that the one for the MSE is constant."""
        return SlopeControl(self.slope, pixels, settings.first_lambda / (8 * self.size))


@dataclass(frozen=True)
class PsnrGoal:
    """The smallest file of a PSNR-YUV of at least `psnr` dB.

    Attributes:
        size: its bytes as they are estimated.
    """

    psnr: float
    size: int

    def control(self, settings: RateAwareSettings, pixels: int) -> SizeControl:
        """Lambda follows the forecast of the PSNR."""
        return PsnrControl(self.psnr + RESERVE, 8 * self.size, settings.gains, settings.first_lambda)


def slope_of(quality: float) -> float:
    """`SlopeGoal.slope` of a quality from 1 to 100."""
    return MIDDLE_SLOPE * 2 ** ((MIDDLE_QUALITY - quality) / HALVING)


def size_at(psnr: float, size: float, known_psnr: float) -> float:
    """Bytes of a file of `psnr` dB, from a file of the same clip with `size` bytes and `known_psnr` dB."""
    return size * math.exp(NATS * (psnr - known_psnr) / SLOPE)
