"""The settings of a rate-aware fit, and those of each preset."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from nqcodec.methods.rate_aware.control import FIRST_LAMBDA, FIRST_LATENT_LAMBDA, GAINS, LATENT_GAINS
from nqcodec.network.program import Program
from nqcodec.training.initial import has_pointwise_synthesis
from nqcodec.training.presets import RATE_AWARE_PRESETS, preset_iterations
from nqcodec.training.rate_control import Gains


@dataclass(frozen=True)
class RateAwareSettings:
    """How to fit for a rate. Equal settings, clip and machine give an equal network.

    Attributes:
        iterations: iterations of the optimizer.
        batch: frames an iteration.
        lr: peak rate of convolution weights (Muon).
        rest_lr: peak rate of biases.
        latent_lr: peak rate of latents.
        latent_square_decay: Adam's beta_2 of latents.
        step_index_lr: peak rate of step indices, in eighths of an octave.
        context_lr: peak rate of the context models' weights.
        decay: weight decay of convolution weights, times the rate.
        warmup, floor: parts of the iterations and of the peak rate for a linear warm-up and a cosine's end.
        noise: part of the iterations with noise instead of rounding; afterwards values are rounded, straight-through,
            and step indices are whole and fixed.
        most_rounded: most iterations with rounding, however many there are. Networks adapt to rounding within a few
            iterations, and its straight-through gradients raise the rate the longer they act.
        first_temperature, last_temperature: of the soft rounding of latents, with the first noise and with the last.
        peak: shape of the first noise of latents; the last is uniform (`nqcodec.methods.rate_aware.noise`).
        deviations: standard deviations of the first and the last noise of latents, in step sizes, if it is Gaussian.
        latent_step_index: the step index of all latents, which then keep their values once they are rounded; None if
            each learns its own.
        excess: part of the size that a fit begins with beyond that of its end, at the same lambda.
        first_lambda: lambda at the start, in nats of the loss for all bits of the file together.
        loss: a name of `nqcodec.training.losses.LOSSES`.
        dtype: of maps, "float32", "bfloat16" or "auto", the fastest. libnq keeps maps in float32, and other than for
            "float32" it rounds what its convolutions multiply to bfloat16, where the CPU does that faster.
        map_width, head_width: signed bits of inner maps and of the one that `planes` reads (formats/nq.md, 6.1).
        frames: frames on which map ranges are measured.
        gains: of lambda's controller.
        min_ratio, aim: size below which a fit goes on for some extra iterations, and the size steered to, as parts of
            the largest.
        threads: CPU threads, each with frames of its own; sums may depend on it, so it is part of what makes a result.
    """

    iterations: int
    batch: int = 2
    lr: float = 2e-2
    rest_lr: float = 1e-2
    latent_lr: float = 9e-2
    latent_square_decay: float = 0.999
    step_index_lr: float = 8e-2
    context_lr: float = 1e-2
    decay: float = 0.0
    warmup: float = 0.03
    floor: float = 0.005
    noise: float = 0.95
    most_rounded: int = 250
    first_temperature: float = 1.0
    last_temperature: float = 0.2
    peak: float = 2.0
    deviations: tuple[float, float] | None = None
    latent_step_index: int | None = None
    excess: float = 0.0
    first_lambda: float = FIRST_LAMBDA
    loss: str = "log-mse"
    dtype: str = "auto"
    map_width: int = 14
    head_width: int = 14
    frames: int = 4
    gains: Gains = GAINS
    min_ratio: float = 0.95
    aim: float = 0.993
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    @property
    def first_rounded(self) -> int:
        """Number of the first iteration with rounding."""
        return math.ceil(self.iterations - min(self.iterations * (1 - self.noise), self.most_rounded))


def with_program(settings: RateAwareSettings, program: Program) -> RateAwareSettings:
    """`settings` as they suit `program`.

    With a pointwise synthesis nearly all bits are latents. Narrow noise and little softness from the start on, latents
    of one step size, and a lower learning rate of the few weights are each worth 1 to 15 % of the bits there. The
    noise costs clips with a trunk up to as much, and so do the learning rates (docs/experiments.md).
    """
    if not has_pointwise_synthesis(program):
        return settings
    return replace(
        settings,
        warmup=0.0,
        first_temperature=0.35,
        last_temperature=0.08,
        deviations=(0.22, 0.15),
        latent_step_index=-11,
        lr=settings.lr * 0.75,
        latent_lr=settings.latent_lr * 2 / 3,
        latent_square_decay=0.99,
        excess=0.15,
        first_lambda=FIRST_LATENT_LAMBDA,
        gains=LATENT_GAINS,
        aim=0.985,
    )


MOST_BATCH, LEAST_ITERATIONS = 8, 2000
"""Most frames an iteration, and the iterations that a fit should have before its batches get larger. The rate of all
latents is computed once an iteration, however many frames are in it: 120 frames of 176x144 were fitted as well by 2,000
iterations of 8 frames as by 8,000 of 2, in half the time."""

LEAST_BATCHES = 15
"""Least batches that all frames are divided into: 32 frames lost 0.2 decibels in batches of 4 instead of 2."""


def preset_settings(
    name: str, frames: int, *, seed: int = 0, device: str = "cpu", threads: int = 1
) -> RateAwareSettings:
    """Settings of a preset for a segment of `frames` frames; raises UsageError for an unknown name."""
    iterations, batch = preset_iterations(RATE_AWARE_PRESETS, name, frames)
    while iterations >= 2 * LEAST_ITERATIONS and 2 * batch <= min(MOST_BATCH, frames // LEAST_BATCHES):
        iterations, batch = -(-iterations // 2), 2 * batch
    return RateAwareSettings(iterations=iterations, batch=batch, seed=seed, device=device, threads=threads)
