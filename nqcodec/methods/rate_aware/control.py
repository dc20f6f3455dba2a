"""Rate control of a rate-aware fit: lambda follows the size of the file now against the one expected by now.

`nqcodec.methods.rate_aware.quality_control` has the controls for what is no size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nqcodec.training.rate_control import Gains, LambdaController

FIRST_LAMBDA, FIRST_LATENT_LAMBDA = 0.4, 0.8
"""Lambda at the start, in nats of ln(MSE), for all bits of the file together: about the slope of rate-distortion
curves; for fits of a trunk, and for those of which nearly all bits are latents."""

ROUNDED_GROWTH = 0.01
"""Part of the size that is added once values are rounded: 0.1 to 1 % in fits of 1,440 iterations. A file that outgrows
its bytes all the same ends with an earlier state."""

GAINS = Gains(proportional=2.0, proportional_limit=3.0, integral=0.4, integral_limit=1.2)
"""Gains of the `LambdaController`. With an integral one of 0.15 lambda was late: files were 5 to 25 % too small until
step indices became whole, and finer ones then spent these bits for nothing (docs/experiments.md). Nothing is learned
from then on, because step indices meet the size (`RateAwareTrainer.freeze_steps`), values hardly react to lambda, and
the size of small networks would oscillate."""


LATENT_GAINS = replace(GAINS, proportional=4.0, integral=0.6)
"""Gains where latents keep their values once they are rounded, so that lambda alone meets the size, before that. With
an integral one of 0.3, stills of 40 dB were up to 5 % too large then, and coarser latents cost up to 2 dB."""


@dataclass(frozen=True)
class Standing:
    """Where a fit stands at a look.

    Attributes:
        size: bits of the file now.
        expected: bits that it should have by now, infinite where no size is asked for.
        psnr: PSNR-YUV in dB, the mean of the frames trained on since the look before.
        done: part of the iterations taken.
        step: part of the iterations from one look to the next.
        rounds: whether values are rounded by now.
    """

    size: float
    expected: float
    psnr: float
    done: float
    step: float
    rounds: bool


@dataclass(frozen=True)
class RoundedFile:
    """The figures of a rounded state of a fit: PSNR-YUV in dB, the mean over all frames, and bytes of its file."""

    psnr: float
    size: int


class SizeControl(LambdaController):
    """Lambda for a file of at most a given size."""

    def steer(self, standing: Standing) -> None:
        """Set lambda by where the fit stands."""
        self.update(standing.size, expected=standing.expected, learn=not standing.rounds)

    def prefers(self, one: RoundedFile, other: RoundedFile) -> bool:
        """Whether the first of two files, both of which are small enough, is better."""
        return one.psnr > other.psnr


def controller(target: float, gains: Gains = GAINS, first: float = FIRST_LAMBDA) -> SizeControl:
    """For a file of `target` bits: D is a mean over the clip, so lambda is smaller for a larger file.

    Args:
        first: lambda at the start, for all bits of the file together.
    """
    return SizeControl(target, gains, learned=first / target)


def expected_bits(target: float, done: float, remaining_fraction: float = 0.0, excess: float = 0.0) -> float:
    """Bits of a file on its way to `target`, after a part `done` of the iterations, with `remaining_fraction` of those
    with rounding still to come.

    Latents that are nearly all of a file begin with more bits than they end with: the part `excess` more, most of which
    is gone early.
    """
    more = excess * (1 - min(done, 1.0)) ** 2
    return target * (1 + more) * (1 - ROUNDED_GROWTH * remaining_fraction)
