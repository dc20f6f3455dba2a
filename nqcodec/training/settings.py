"""The settings of a plain fit."""

from __future__ import annotations

from dataclasses import dataclass

from nqcodec.errors import UsageError
from nqcodec.training.objectives import OBJECTIVES, STRUCTURES
from nqcodec.training.optim import OPTIMIZERS
from nqcodec.training.paper.prune import Pruning
from nqcodec.training.paper.quant_noise import QuantNoise
from nqcodec.training.schedule import SCHEDULES


@dataclass(frozen=True)
class FitSettings:
    """How to fit. Equal settings, clip and machine give an equal network.

    Attributes:
        iterations: iterations of the optimizer, fine-tunes included.
        batch: frames an iteration, or as many patches as cover them.
        patch: (width, height) in luma samples of the patches to train on instead of whole frames, or None.
        optimizer: a name of `optim.OPTIMIZERS`. Rates here suit "muon"; `presets.with_optimizer` sets others.
        lr: peak rate of convolution weights (Muon), or of everything but latents (Adam).
        rest_lr: peak rate of biases and the encoder with Muon.
        latent_lr: peak rate of latents.
        decay: weight decay of convolution weights, times the learning rate; it keeps the rate of Muon's weights low.
            None with "adam".
        betas: Adam's.
        gradient_norm: most norm of all gradients together, which are scaled down to it; 0 for no limit.
        schedule: a name of `schedule.SCHEDULES`.
        warmup, warmup_from: part of the iterations of a linear warm-up, and of the peak rate that it begins at.
        floor: part of the peak rate that the schedule does not go below.
        loss: a name of `objectives.OBJECTIVES`.
        plane_weights: of the planes in the loss, of any sum; None for the clip's, (1, 0, 0) for luma alone.
        coarse: part of the iterations before any fine-tune, from the start, whose loss is taken at half the resolution.
        ema: decay an iteration of the weights' exponential moving average, which is then the result; 0 for none.
        pruning: prune weights and fine-tune, or None.
        noise: train the last iterations with Quant-Noise, or None.
        dtype: "float32", "bfloat16", or "auto" for `compute.auto_dtype`.
        threads: CPU threads; sums may depend on it, so it is part of what makes a result.
    """

    iterations: int
    batch: int = 2
    patch: tuple[int, int] | None = None
    lr: float = 4e-2
    rest_lr: float = 2e-2
    latent_lr: float = 6e-2
    decay: float = 0.25
    betas: tuple[float, float] = (0.9, 0.999)
    gradient_norm: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.05
    warmup_from: float = 0.0
    floor: float = 0.0
    optimizer: str = "muon"
    loss: str = "log-mse"
    plane_weights: tuple[float, ...] | None = None
    coarse: float = 0.0
    ema: float = 0.0
    pruning: Pruning | None = None
    noise: QuantNoise | None = None
    dtype: str = "auto"
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        """Raises UsageError for names that do not exist and parts that do not add up."""
        for what, name, known in (
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, tuple(SCHEDULES)),
            ("loss", self.loss, OBJECTIVES),
        ):
            if name not in known:
                raise UsageError(f"there is no {what} {name}: choose one of {', '.join(known)}")
        if not 0 <= self.ema < 1:
            raise UsageError(f"an average's decay cannot be {self.ema:g}: choose one from 0 (none) to below 1")
        if self.coarse and self.loss in STRUCTURES:
            raise UsageError(f"loss {self.loss} needs full sizes from the start: leave progressive sizes out")
        if self.pruning and self.noise and self.pruning.share + self.noise.share >= 1:
            raise UsageError("pruning and Quant-Noise leave no iterations for the fit: make their shares smaller")
