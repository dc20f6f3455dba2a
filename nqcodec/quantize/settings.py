"""What can be chosen about quantisation, and what is reported while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nqcodec.network import IntegerNetwork

SizeOf = Callable[[IntegerNetwork], int]
"""Bytes of the whole file that holds a network."""


@dataclass(frozen=True)
class QuantSettings:
    """How to quantise. Equal settings, fit, clip and machine give an equal network.

    Attributes:
        finetune_steps: optimizer steps with rounding in the loop; 0 rounds to nearest.
        batch: frames a step.
        lr: peak rate of weights, biases and latents, in quantisation steps of each tensor.
        step_lr: peak rate of step indices, in eighths of an octave.
        freeze: part of the fine-tune after which steps and map formats stay as they are, and maps are rounded too.
            Rounding them earlier costs time and measured no gain.
        loss: a name of `nqcodec.fit.losses.LOSSES`.
        seed: of the order of frames and of the curvature's probes.
        map_width, head_width: signed bits of inner maps and of the one that `planes` reads (formats/nq.md, 6.1).
        min_ratio: smallest legal size as a part of the largest.
        aim: the size steered to, as a part of the largest.
        frames: frames on which sensitivities and map ranges are measured, spread evenly over the clip.
        evaluations: most forward passes over those frames that sensitivity may take.
        threads: CPU threads; sums may depend on it, so it is part of what makes a result.
    """

    finetune_steps: int = 800
    batch: int = 2
    lr: float = 0.06
    step_lr: float = 0.1
    freeze: float = 0.8
    loss: str = "log-mse"
    seed: int = 0
    map_width: int = 12
    head_width: int = 14
    min_ratio: float = 0.98
    aim: float = 0.995
    frames: int = 4
    evaluations: int = 400
    threads: int = 1


@dataclass(frozen=True)
class QuantProgress:
    """Where quantisation stands.

    `stage` is "sensitivity" or "finetune"; `psnr` in dB is the mean of PSNR-YUV over recent training frames,
    None where nothing was trained; `size` is the estimated size of the file in bytes; times are seconds.
    """

    stage: str
    step: int
    steps: int
    psnr: float | None
    size: int
    seconds: float
    eta: float


Progress = Callable[[QuantProgress], None]
