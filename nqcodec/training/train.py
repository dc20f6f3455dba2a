"""The training loop: a float network is overfitted to a packed clip.

What happens at a step depends on the settings and the step's number alone, never on the clock or on a generator's
state, so the same seed gives the same network on the same machine, and so does a run that was stopped and resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.network.program import Program
from nqcodec.training.checkpoint import Checkpoint
from nqcodec.training.clip import PackedClip
from nqcodec.training.compute import compute_settings
from nqcodec.training.ema import Average
from nqcodec.training.encoder import Encoder
from nqcodec.training.interrupt import interrupt_flag
from nqcodec.training.losses import plane_errors, psnr
from nqcodec.training.network import FloatNetwork, Transform, tensor_key
from nqcodec.training.objectives import OBJECTIVES, STRUCTURES, Objective
from nqcodec.training.optim import OPTIMIZERS, MuonAdam
from nqcodec.training.patches import Patches
from nqcodec.training.prune import Pruning, masks
from nqcodec.training.quant_noise import NoiseTransform, QuantNoise
from nqcodec.training.schedule import SCHEDULES, learning_rate, stage_at

REPORT_STEPS = 32
"""Steps between two looks at the loss: each makes a GPU wait for the host."""

CHECKPOINT_SECONDS = 45.0
"""Least time between two checkpoints."""


@dataclass(frozen=True)
class FitSettings:
    """How to fit. Equal settings, clip and machine give an equal network.

    Attributes:
        steps: optimizer steps, fine-tunes included.
        batch: frames a step, or their worth of patches.
        patch: (width, height) in luma samples of the patches to train on instead of whole frames, or None.
        optimizer: a name of `optim.OPTIMIZERS`. Rates here suit "muon"; `presets.with_optimizer` sets others.
        lr: peak rate of convolution weights (Muon), or of everything but latents (Adam).
        rest_lr: peak rate of biases and the encoder with Muon.
        latent_lr: peak rate of latents.
        decay: weight decay of convolution weights, times the rate; keeps Muon's weights cheap to code. Not of "adam".
        betas: Adam's.
        gradient_norm: most norm of all gradients together, which are scaled down to it; 0 for no limit.
        schedule: a name of `schedule.SCHEDULES`.
        warmup, warmup_from: part of the steps of a linear warm-up, and of the peak rate that it begins at.
        floor: part of the peak rate that the schedule does not go below.
        loss: a name of `objectives.OBJECTIVES`.
        plane_weights: of the planes in the loss, of any sum; None for the clip's, (1, 0, 0) for luma alone.
        coarse: part of the steps before any fine-tune, from the start, whose loss sees half the resolution alone.
        ema: decay a step of the weights' exponential moving average, which is then what the fit ends with; 0 for none.
        pruning: prune weights and fine-tune, or None.
        noise: train the last steps with Quant-Noise, or None.
        dtype: "float32", "bfloat16", or "auto" for `compute.auto_dtype`.
        threads: CPU threads; sums may depend on it, so it is part of what makes a result.
    """

    steps: int
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
            raise UsageError("pruning and Quant-Noise leave no steps for the fit: make their shares smaller")


@dataclass(frozen=True)
class Progress:
    """Where a fit stands; `psnr` is the mean over recent training frames of PSNR-YUV in dB, times are seconds."""

    step: int
    steps: int
    loss: float
    psnr: float
    seconds: float
    eta: float


@dataclass(frozen=True)
class Quality:
    """Mean over frames of float PSNR in dB: of each plane, and weighted (6:1:1 for Y, U, V)."""

    planes: tuple[float, ...]
    yuv: float


@dataclass(frozen=True)
class FitResult:
    """The outcome of `fit`; `finished` is False when `stop` ended it early, and its checkpoint can be resumed."""

    steps: int
    finished: bool
    quality: Quality
    seconds: float


@dataclass
class Trainer:
    """The state of one fit.

    Attributes:
        done: steps taken.
        masks: of the weights by tensor key, once they are pruned.
        average: the parameters' moving average, if the settings ask for one.
    """

    network: FloatNetwork
    clip: PackedClip
    settings: FitSettings
    encoder: Encoder | None = None
    done: int = 0
    masks: dict[str, Tensor] = field(default_factory=dict)
    optimizer: MuonAdam = field(init=False)
    average: Average | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        settings = self.settings
        self.optimizer = make_optimizer(self.network, settings, self.encoder)
        program = self.network.program
        self._patches = Patches(self.clip, program, settings.patch) if settings.patch else None
        self._shown = self._patches.clip if self._patches else self.clip
        self._objective = Objective(settings.loss, self._shown, program, settings.plane_weights)
        self._peaks = [group["lr"] for group in self.optimizer.param_groups]
        self._parameters = [value for group in self.optimizer.param_groups for value in group["params"]]
        if settings.ema:
            self.average = Average(self._parameters, settings.ema)

    def step(self) -> tuple[Tensor, Tensor]:
        """One optimizer step: (loss, PSNR-YUV in dB), scalars on the device, not yet computed where it is a GPU."""
        settings, clip = self.settings, self.clip
        stage = stage_at(self.done, settings)
        if self.done == stage.first:
            self._begin(stage.name)
        self.optimizer.zero_grad(set_to_none=True)
        output, target = self._show(self._noise() if stage.name == "noise" else None)
        errors = plane_errors(output, target, self._shown)
        coarse = stage.name == "fit" and self.done < settings.coarse * stage.steps
        loss = self._objective(output, target, errors, coarse)
        loss.backward()
        self._update()
        if self.average:
            self.average.update(self.done - stage.first)
        self.done += 1
        with torch.no_grad():
            return loss.detach(), (psnr(errors, clip.video.depth) @ clip.weights).mean()

    def _show(self, transform: Transform | None) -> tuple[Tensor, Tensor]:
        """(output, target) of this step's frames or patches, packed maps [B, C, h, w]."""
        settings, clip = self.settings, self.clip
        if self._patches:
            count = len(self._patches)
            samples = batch_frames(clip.frames * count, settings.batch * count, self.done, settings.seed)
            return self._patches.see(self.network, samples, transform, self.encoder)
        times = batch_frames(clip.frames, settings.batch, self.done, settings.seed).to(clip.device, non_blocking=True)
        target = clip.batch(times)
        latents = None if self.encoder is None else {0: self.encoder(target)}
        return self.network(times, transform, latents), target

    def finish(self) -> None:
        """Make the network, and the encoder, what the fit ends with; there are no steps after it."""
        if self.average:
            self.average.put()

    def _begin(self, stage: str) -> None:
        """What precedes a stage's first step: pruning, and a new average, as the old one is of other weights."""
        if stage == "prune":
            assert self.settings.pruning is not None
            self.masks = masks(self.network, self.settings.pruning)
            self._hold([self.network.tensors[key].data for key in self.masks])
        if self.average:
            self.average.restart()

    def _update(self) -> None:
        """Change the parameters by their gradients; pruned weights stay zero."""
        rate = learning_rate(self.done, self.settings)
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * rate
        weights = [self.network.tensors[key] for key in self.masks]
        self._hold([weight.grad for weight in weights if weight.grad is not None])
        if self.settings.gradient_norm:
            torch.nn.utils.clip_grad_norm_(self._parameters, self.settings.gradient_norm)
        self.optimizer.step()
        self._hold([weight.data for weight in weights])

    def _hold(self, values: list[Tensor]) -> None:
        """Zero what is pruned in `values`, one tensor for each mask."""
        if values:
            torch._foreach_mul_(values, list(self.masks.values()))

    def _noise(self) -> NoiseTransform:
        """This step's Quant-Noise: seed and step alone decide what is quantised."""
        noise = self.settings.noise
        assert noise is not None
        seed = (self.settings.seed * 0x9E3779B1 + self.done) & 0xFFFFFFFF
        return NoiseTransform(noise, torch.Generator(self.clip.device).manual_seed(seed))


def fit(
    network: FloatNetwork,
    clip: PackedClip,
    settings: FitSettings,
    *,
    encoder: Encoder | None = None,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    stop: Callable[[], bool] | None = None,
) -> FitResult:
    """Fit `network` to `clip` in place.

    Args:
        encoder: makes the latents from the frames while fitting; they are written into the network at the end.
        progress: called every few steps.
        checkpoint: where to save the state: every `CHECKPOINT_SECONDS`, when the fit is interrupted, and at its end.
        resume: go on from `checkpoint` if that file exists.
        stop: asked every few steps; True ends the fit with `finished` False.

    Raises:
        InputError: if the checkpoint is of another clip, program or settings.
        OutputError: if the checkpoint cannot be written.
        KeyboardInterrupt: on Ctrl-C, after the checkpoint is written.
    """
    with compute_settings(network, settings), interrupt_flag() as interrupted:
        trainer = Trainer(network, clip, settings, encoder)
        store = Checkpoint.open(checkpoint, trainer, resume=resume) if checkpoint else None
        meter, saved = _Meter(trainer), time.monotonic()
        halted = False
        while trainer.done < settings.steps and not halted:
            meter.add(*trainer.step())
            halted = interrupted()
            if trainer.done % REPORT_STEPS and trainer.done < settings.steps and not halted:
                continue
            state = meter.read()
            if progress:
                progress(state)
            halted = halted or (stop is not None and stop())
            finished = trainer.done >= settings.steps
            if store and (halted or finished or time.monotonic() - saved > CHECKPOINT_SECONDS):
                store.save(trainer)
                saved = time.monotonic()
        if interrupted():
            raise KeyboardInterrupt
        trainer.finish()
        if encoder is not None:
            write_latents(network, clip, encoder)
    return FitResult(trainer.done, trainer.done >= settings.steps, evaluate(network, clip), meter.seconds)


class _Meter:
    """Mean loss and PSNR since the last reading, and the time; only a reading waits for the device."""

    def __init__(self, trainer: Trainer):
        self._trainer, self._first, self._started = trainer, trainer.done, time.monotonic()
        self._seen: list[tuple[Tensor, Tensor]] = []

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def add(self, loss: Tensor, level: Tensor) -> None:
        """Take in one step's loss and PSNR."""
        self._seen.append((loss, level))

    def read(self) -> Progress:
        """The state now; starts new means."""
        loss, level = (float(torch.stack(values).mean()) for values in zip(*self._seen, strict=True))
        self._seen = []
        done, steps, seconds = self._trainer.done, self._trainer.settings.steps, self.seconds
        return Progress(done, steps, loss, level, seconds, seconds / (done - self._first) * (steps - done))


def new_network(program: Program, frames: int, settings: FitSettings) -> FloatNetwork:
    """A network with the random start that `settings.seed` gives, on `settings.device`."""
    generator = torch.Generator().manual_seed(settings.seed)
    return FloatNetwork(program, frames, generator).to(settings.device)


def batch_frames(frames: int, batch: int, step: int, seed: int) -> Tensor:
    """Frame numbers [B] (int64) of a step: epochs in a seeded random order, the last batch of each may be smaller.

    The numbers may as well be those of the patches of all frames.
    """
    per_epoch = -(-frames // batch)
    epoch, place = divmod(step, per_epoch)
    # Torch's generator heeds 32 bits of a seed only; an odd multiplier keeps seeds apart in them.
    generator = torch.Generator().manual_seed((seed * 0x9E3779B1 + epoch) & 0xFFFFFFFF)
    return torch.randperm(frames, generator=generator)[place * batch : (place + 1) * batch]


def make_optimizer(network: FloatNetwork, settings: FitSettings, encoder: Encoder | None = None) -> MuonAdam:
    """The optimizer of a network: convolution weights, latents and the rest each with their own rate."""
    muon = settings.optimizer == "muon"
    weights, latents, rest = [], [], []
    for name, parameter in network.tensors.items():
        if name.endswith("_weight"):
            weights.append(parameter)
        elif name.endswith("_latent"):
            latents.append(parameter)
        else:
            rest.append(parameter)
    if encoder is not None:
        latents = []
        rest.extend(encoder.parameters())
    rest_lr = settings.rest_lr if muon else settings.lr
    decay = 0.0 if settings.optimizer == "adam" else settings.decay
    groups = [
        {"params": weights, "lr": settings.lr, "decay": decay, "muon": muon},
        {"params": rest, "lr": rest_lr},
        {"params": latents, "lr": settings.latent_lr},
    ]
    return MuonAdam([group for group in groups if group["params"]], betas=settings.betas)


@torch.no_grad()
def evaluate(
    network: FloatNetwork,
    clip: PackedClip,
    transform: Transform | None = None,
    batch: int = 4,
    as_samples: bool = False,
) -> Quality:
    """Mean per-frame PSNR of the network's output as float values; `as_samples` rounds and clips them as `planes` does
    (formats/nq.md, 6.6), which costs 0.5 dB at 50 dB and 8 bits."""

    def output(part: Tensor) -> Tensor:
        values: Tensor = network(part, transform)
        scale = 2.0**clip.video.depth
        return ((values.float() + 0.5) * scale).round().clamp(0, scale - 1) / scale - 0.5 if as_samples else values

    times = torch.arange(clip.frames, device=clip.device)
    errors = [plane_errors(output(part), clip.batch(part), clip) for part in times.split(batch)]
    levels = psnr(torch.cat(errors), clip.video.depth).mean(dim=0)
    return Quality(tuple(levels.tolist()), float(levels @ clip.weights))


@torch.no_grad()
def write_latents(network: FloatNetwork, clip: PackedClip, encoder: Encoder, batch: int = 4) -> None:
    """Put the encoder's output for every frame into the network's first grid, which has one latent a frame."""
    times = torch.arange(clip.frames, device=clip.device)
    values = torch.cat([encoder(clip.batch(part)).float() for part in times.split(batch)])
    network.tensors[tensor_key(0, "latent")].copy_(values)
