"""The plain fit: a float network is overfitted to a packed clip, without quantisation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from nqcodec.training.checkpoint import (
    State,
    network_tensors,
    open_checkpoint,
    optimizer_tensors,
    restore_network,
    restore_optimizer,
)
from nqcodec.training.clip import PackedClip
from nqcodec.training.compute import compute_settings
from nqcodec.training.evaluation import Quality, evaluate
from nqcodec.training.hooks import Hook
from nqcodec.training.losses import plane_errors, psnr
from nqcodec.training.network import FloatNetwork, Transform, tensor_key
from nqcodec.training.objectives import Objective
from nqcodec.training.optim import MuonAdam
from nqcodec.training.pace import Pace, pace_of
from nqcodec.training.paper.ema import Average
from nqcodec.training.paper.encoder import Encoder
from nqcodec.training.paper.patches import Patches
from nqcodec.training.paper.prune import PruningHook
from nqcodec.training.paper.quant_noise import NoiseHook
from nqcodec.training.progress import Listener
from nqcodec.training.session import Measured, Report, TrainingSession, interruptible
from nqcodec.training.settings import FitSettings
from nqcodec.training.stages import learning_rate, stage_at
from nqcodec.training.start import batch_frames

REPORT_ITERATIONS = 32
"""Iterations between two looks at the loss."""


@dataclass(frozen=True)
class FitResult:
    """The outcome of `fit`; `finished` is False when `stop` ended it early, and its checkpoint can be resumed."""

    iterations: int
    finished: bool
    quality: Quality
    seconds: float


class View(Protocol):
    """The samples that an iteration takes of a clip: whole frames or patches.

    Attributes:
        clip: replaces the clip in the computation of errors.
    """

    @property
    def clip(self) -> PackedClip: ...

    def __len__(self) -> int:
        """Samples of a frame."""

    def output_and_target(
        self, network: FloatNetwork, samples: Tensor, transform: Transform | None, latents: Encoder | None
    ) -> tuple[Tensor, Tensor]:
        """(output, target), packed [B, C, h, w], of `samples` [B]: each frame's numbers follow the frame's before.

        `latents` makes the first grid's output from whole packed frames.
        """


@dataclass(frozen=True)
class WholeFrames:
    """The `View` of a fit on whole frames."""

    clip: PackedClip

    def __len__(self) -> int:
        return 1

    def output_and_target(
        self, network: FloatNetwork, samples: Tensor, transform: Transform | None, latents: Encoder | None
    ) -> tuple[Tensor, Tensor]:
        times = samples.to(self.clip.device, non_blocking=True)
        target = self.clip.batch(times)
        return network(times, transform, None if latents is None else {0: latents(target)}), target


@dataclass
class PlainTrainer:
    """The state of one fit.

    Attributes:
        encoder: makes the latents from the frames, if there is one.
        done: iterations taken.
        hooks: the settings' options.
    """

    network: FloatNetwork
    clip: PackedClip
    settings: FitSettings
    encoder: Encoder | None = None
    done: int = 0
    optimizer: MuonAdam = field(init=False)
    hooks: list[Hook] = field(init=False)

    def __post_init__(self) -> None:
        settings, program = self.settings, self.network.program
        self.optimizer = make_optimizer(self.network, settings, self.encoder)
        self._peaks = [group["lr"] for group in self.optimizer.param_groups]
        self._parameters = [value for group in self.optimizer.param_groups for value in group["params"]]
        self._view: View = Patches(self.clip, program, settings.patch) if settings.patch else WholeFrames(self.clip)
        self._objective = Objective(settings.loss, self._view.clip, program, settings.plane_weights)
        self.hooks = self._make_hooks()

    def _make_hooks(self) -> list[Hook]:
        """The hooks of the options that the settings name. Averages come last, because the others change the
        parameters."""
        settings, hooks = self.settings, list[Hook]()
        if settings.pruning:
            hooks.append(PruningHook(self.network, settings.pruning))
        if settings.noise:
            hooks.append(NoiseHook(settings.noise, settings.seed, self.clip.device))
        if settings.ema:
            hooks.append(Average(self._parameters, settings.ema))
        return hooks

    def iterate(self) -> Measured:
        """One iteration; its loss and PSNR stay on the device."""
        settings, clip, view = self.settings, self.clip, self._view
        stage = stage_at(self.done, settings)
        if self.done == stage.first:
            for hook in self.hooks:
                hook.begin(stage.name)
        transforms = [hook.transform(stage.name, self.done) for hook in self.hooks]
        transform = next((found for found in transforms if found is not None), None)
        samples = batch_frames(clip.frames * len(view), settings.batch * len(view), self.done, settings.seed)

        self.optimizer.zero_grad(set_to_none=True)
        output, target = view.output_and_target(self.network, samples, transform, self.encoder)
        errors = plane_errors(output, target, view.clip)
        coarse = stage.name == "fit" and self.done < settings.coarse * stage.iterations
        loss = self._objective(output, target, errors, coarse)
        loss.backward()
        self._update()
        for hook in self.hooks:
            hook.after_update(self.done - stage.first)
        self.done += 1
        with torch.no_grad():
            return Measured(loss.detach(), (psnr(errors, clip.video.depth) @ clip.weights).mean())

    def _update(self) -> None:
        """Change the parameters by their gradients."""
        rate = learning_rate(self.done, self.settings)
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * rate
        for hook in self.hooks:
            hook.before_update()
        if self.settings.gradient_norm:
            torch.nn.utils.clip_grad_norm_(self._parameters, self.settings.gradient_norm)
        self.optimizer.step()

    def look(self) -> Report:
        """An empty report: a plain fit has no figures but loss and PSNR."""
        return Report()

    def finish(self) -> None:
        """Let the hooks set the final parameters of the network and the encoder; no iteration may follow."""
        for hook in self.hooks:
            hook.finish()

    def state(self) -> State:
        """All that iterations have changed."""
        tensors = network_tensors(self.network) | optimizer_tensors(self.optimizer)
        if self.encoder is not None:
            tensors |= {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        for hook in self.hooks:
            tensors |= hook.tensors()
        return State(tensors, {"done": self.done})

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Go on from a saved state."""
        restore_network(self.network, state)
        restore_optimizer(self.optimizer, state.tensors)
        if self.encoder is not None:
            self.encoder.load_state_dict(state.within("encoder"))
        for hook in self.hooks:
            hook.restore(state)
        self.done = state.facts["done"]


def fit(
    network: FloatNetwork,
    clip: PackedClip,
    settings: FitSettings,
    *,
    encoder: Encoder | None = None,
    progress: Listener | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    stop: Callable[[], bool] | None = None,
) -> FitResult:
    """Fit `network` to `clip` in place.

    Args:
        encoder: makes the latents from the frames while fitting; they are written into the network at the end.
        progress: called every few iterations.
        checkpoint: where to save the state now and then, when the fit is interrupted, and at its end.
        resume: go on from `checkpoint` if that file exists.
        stop: asked every few iterations; True ends the fit with `finished` False.

    Raises:
        InputError: if the checkpoint is of another clip, program or settings.
        OutputError: if the checkpoint cannot be written.
        KeyboardInterrupt: on Ctrl-C, after the checkpoint is written.
    """
    claims = {"settings": asdict(settings), "encoder": encoder is not None}
    store, saved = open_checkpoint(checkpoint, network, clip, claims, resume=resume)
    session = TrainingSession("fit", settings.iterations, REPORT_ITERATIONS, progress, stop, store)
    with compute_settings(network, settings), interruptible(session):
        trainer = PlainTrainer(network, clip, settings, encoder)
        if store and saved:
            store.restore(trainer.restore, saved)
        session.run(trainer, settings.iterations)
        if not session.stopped:
            session.save(trainer.state())
        trainer.finish()
        if encoder is not None:
            write_latents(network, clip, encoder)
    return FitResult(trainer.done, trainer.done >= settings.iterations, evaluate(network, clip), session.seconds)


def expected_time(network: FloatNetwork, clip: PackedClip, settings: FitSettings) -> Pace:
    """The time that `fit` would take, from a few iterations of a copy of `network`: for messages alone."""
    trial = copy.deepcopy(network)
    with compute_settings(trial, settings):
        return pace_of(PlainTrainer(trial, clip, settings), clip.device).times(settings.iterations)


def make_optimizer(network: FloatNetwork, settings: FitSettings, encoder: Encoder | None = None) -> MuonAdam:
    """The optimizer of a network: convolution weights, latents and all others have learning rates of their own."""
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
def write_latents(network: FloatNetwork, clip: PackedClip, encoder: Encoder, batch: int = 4) -> None:
    """Put the encoder's output for every frame into the network's first grid, which has one latent a frame."""
    times = torch.arange(clip.frames, device=clip.device)
    values = torch.cat([encoder(clip.batch(part)).float() for part in times.split(batch)])
    network.tensors[tensor_key(0, "latent")].copy_(values)
