"""From a fresh or a fitted network to the integer network of a file of a given size, with rounding in the loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nqcodec.errors import NqError
from nqcodec.methods.rate_aware.control import PriceControl
from nqcodec.methods.rate_aware.quantizer import Quantizers
from nqcodec.methods.rate_aware.settings import RateAwareSettings
from nqcodec.methods.rate_aware.trainer import CONTROL_STEPS, RateAwareTrainer
from nqcodec.network.integer_network import STEP_RANGE, IntegerNetwork, IntTensor, Layer
from nqcodec.network.program import Program
from nqcodec.quantization.course import Store, fingerprint
from nqcodec.quantization.export import integer_network
from nqcodec.quantization.map_formats import choose_formats, spread_frames
from nqcodec.quantization.quantizers import OCTAVE
from nqcodec.quantization.settings import SizeOf
from nqcodec.quantization.size_search import SizeError
from nqcodec.training.checkpoint import program_to_dict, video_to_dict
from nqcodec.training.clip import PackedClip
from nqcodec.training.compute import compute_settings
from nqcodec.training.interrupt import interrupt_flag
from nqcodec.training.network import FloatNetwork
from nqcodec.training.presets import TIMED_STEPS, WARMUP_STEPS, clock
from nqcodec.training.train import FitSettings

EXTRA = 0.1
"""Most steps beyond the schedule, as a part of it, until the size is within its window."""

LEAST_EXTRA = 100
"""Such steps at least, for short fits."""

NUDGE, LAST_SHIFT = 2.0, 64.0
"""Most indices that steps move by at once then, since training makes up for a little at a time; and after it."""

FURTHER = 0.125
"""Steps of a further rate against those of the first."""

CALMER = 0.3
"""Rates of a further fit against those of the first, which it would otherwise forget. Measured with `SHIFTED`."""

SHIFTED = 0.65
"""Part of the way to a new size, as a ratio, that coarser or finer steps go; the price of bits does the rest. The whole
way down to a half of the bytes lost 4 dB that a further fit did not find again."""

SHIFTS = 6
"""Corrections of all steps alike that bring a fitted network to that size."""


@dataclass(frozen=True)
class Progress:
    """Where a rate-aware fit stands: `psnr` in dB is the mean PSNR-YUV of recent training frames and `loss` theirs,
    `size` the file's bytes as estimated, `price` lambda in nats a bit, `indices` the step index of each tensor by key;
    times are seconds."""

    step: int
    steps: int
    loss: float
    psnr: float
    size: int
    price: float
    indices: dict[str, float]
    seconds: float
    eta: float


@dataclass
class Fitted:
    """A network with its quantizers, fitted for some rate; further rates start from it."""

    network: FloatNetwork
    quantizers: Quantizers

    @staticmethod
    def fresh(network: FloatNetwork) -> Fitted:
        """For a network that has not been fitted yet."""
        return Fitted(network, Quantizers.start(network))

    @staticmethod
    def from_extra(network: FloatNetwork, extra: dict[str, Tensor]) -> Fitted:
        """What `extra` was taken of; raises KeyError or ValueError as `Quantizers.load` does."""
        fitted = Fitted.fresh(network)
        fitted.quantizers.load(extra)
        return fitted

    def extra(self) -> dict[str, Tensor]:
        """The quantizers' tensors by name, for a saved fit."""
        return self.quantizers.tensors()

    def size(self, size_of: SizeOf) -> int:
        """Bytes that `size_of` gives for its integers as they stand."""
        return size_of(_formless(self.network, self.quantizers.integers()))

    def copy(self) -> Fitted:
        """Another one to fit for another rate."""
        result = Fitted.fresh(copy.deepcopy(self.network))
        result.quantizers.load(self.quantizers.tensors())
        return result


def fresh_network(program: Program, frames: int, settings: RateAwareSettings) -> FloatNetwork:
    """A network with the random start that `settings.seed` gives, on `settings.device`."""
    generator = torch.Generator().manual_seed(settings.seed)
    return FloatNetwork(program, frames, generator).to(settings.device)


def expected_seconds(fitted: Fitted, clip: PackedClip, settings: RateAwareSettings) -> float:
    """Seconds that `fit_for_size` would take, from a few steps of a copy: for messages, nothing depends on it."""
    trial = fitted.copy()
    with compute_settings(trial.network, _compute(settings)):
        trainer = RateAwareTrainer(
            trial.network, clip, settings, PriceControl.start(1e6), lambda tensors: 0, trial.quantizers
        )
        try:
            for _ in range(WARMUP_STEPS):
                trainer.step()
            started = clock(clip.device)
            for _ in range(TIMED_STEPS):
                trainer.step()
            return (clock(clip.device) - started) / TIMED_STEPS * settings.steps
        finally:
            trainer.close()


def _compute(settings: RateAwareSettings) -> FitSettings:
    """What `compute_settings` needs to know."""
    return FitSettings(settings.steps, dtype=settings.dtype, device=settings.device, threads=1)


def further(settings: RateAwareSettings) -> RateAwareSettings:
    """Settings of a further rate from a fit made with `settings`."""
    return replace(
        settings,
        steps=max(round(FURTHER * settings.steps), 4 * CONTROL_STEPS),
        noise=0.85,
        settled=0.93,
        # As nearly rounded as the fit that it starts from came to be.
        first_temperature=settings.last_temperature,
        peak=1.0,
        lr=CALMER * settings.lr,
        rest_lr=CALMER * settings.rest_lr,
        latent_lr=CALMER * settings.latent_lr,
    )


def fit_for_size(
    fitted: Fitted,
    clip: PackedClip,
    settings: RateAwareSettings,
    *,
    max_bytes: int,
    size_of: SizeOf,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    stop: Callable[[], bool] | None = None,
) -> IntegerNetwork:
    """Fit `fitted`, which is changed in place, for a file of at most `max_bytes`: about that, if more bits help.

    Args:
        size_of: bytes of the whole file with a given network.
        progress: called every few steps, and at the end with the mean over all frames as they are then rounded.
        checkpoint: where to save the state, now and then, when `stop` ends the fit, and at its end.
        resume: go on from `checkpoint` if that file exists.
        stop: asked every few steps.

    Raises:
        InputError: if the checkpoint is of another clip, program, size or settings.
        OutputError: if the checkpoint cannot be written.
        SizeError: if no file of that size can be made; it says the nearest size in bytes.
        LimitError: if the network cannot be computed in 32-bit integers.
        NqError: if `stop` ended the fit.
        KeyboardInterrupt: on Ctrl-C, after the checkpoint is written.
    """

    def real_size(tensors: dict[str, IntTensor]) -> int:
        return size_of(_formless(fitted.network, tensors))

    window = math.ceil(settings.min_ratio * max_bytes), max_bytes
    _check_possible(fitted, size_of, max_bytes)
    with compute_settings(fitted.network, _compute(settings)), interrupt_flag() as interrupted:
        control = PriceControl.start(8 * settings.aim * max_bytes)
        trainer = RateAwareTrainer(fitted.network, clip, settings, control, real_size, fitted.quantizers)
        store = _store(checkpoint, trainer, max_bytes) if checkpoint else None
        saved = store.load() if store and resume else None
        if saved:
            trainer.restore(saved)
        try:
            run = _Run(trainer, store, progress, stop, interrupted)
            run.to(settings.steps)
            run.into(window, settings.steps + max(round(EXTRA * settings.steps), LEAST_EXTRA))
            run.keep()
        finally:
            trainer.close()
    run.end()
    result = _integers(trainer)
    if size_of(result) > max_bytes:
        raise SizeError.too_small(max_bytes, size_of(result))
    return result


def shift_steps(fitted: Fitted, target: int, size_of: SizeOf) -> None:
    """Make all steps coarser or finer alike until the file is `SHIFTED` of the way to `target` bytes."""
    values = sum(value.numel() for value in fitted.network.tensors.values())
    size = fitted.size(size_of)
    target = round(size * (target / size) ** SHIFTED)
    for _ in range(SHIFTS):
        # A bit a value is an octave where values are much larger than their steps, and more where they are not.
        excess = OCTAVE * 8 * (size - target) / values
        for step in fitted.quantizers.steps.values():
            step.add_(excess).clamp_(*STEP_RANGE)
        size = fitted.size(size_of)


def _check_possible(fitted: Fitted, size_of: SizeOf, max_bytes: int) -> None:
    """Raise SizeError if not even zeros make a file of `max_bytes`: then there is no point in fitting anything."""
    network, tensors = fitted.network, fitted.quantizers.integers()
    zeros = {key: replace(tensor, values=np.zeros_like(tensor.values), bits=2) for key, tensor in tensors.items()}
    least = size_of(_formless(network, zeros))
    if least > max_bytes:
        raise SizeError.too_small(max_bytes, least)


def _formless(network: FloatNetwork, tensors: dict[str, IntTensor]) -> IntegerNetwork:
    """A network whose maps have no formats yet: enough to be coded, for formats take one size whatever they are."""
    layers = [Layer() for _ in network.program.operations]
    for key, tensor in tensors.items():
        index, name = key.removeprefix("op").split("_", 1)
        layers[int(index)].tensors[name] = tensor
    return IntegerNetwork(network.program, layers)


class _Run:
    """Takes steps, looks at the size, tells and keeps."""

    def __init__(
        self,
        trainer: RateAwareTrainer,
        store: Store | None,
        progress: Callable[[Progress], None] | None,
        stop: Callable[[], bool] | None,
        interrupted: Callable[[], bool],
    ):
        self._trainer, self._store, self._progress = trainer, store, progress
        self._stop, self._interrupted = stop, interrupted
        self._begin, self._first = time.monotonic(), trainer.done
        self._levels, self._losses = list[Tensor](), list[Tensor]()

    def to(self, steps: int) -> None:
        """Steps up to number `steps`."""
        while self._trainer.done < steps:
            self._step(steps)

    def into(self, window: tuple[int, int], most: int) -> None:
        """Bring the real size into `window` by coarser or finer steps, each time with further training, up to training
        step `most`. In the end the size is at most the window's, and less if training has ended there."""
        trainer = self._trainer
        while trainer.done < most:
            # Only at these steps, whether or not the run was interrupted between them.
            if trainer.done % CONTROL_STEPS == 0 or trainer.done == trainer.settings.steps:
                if window[0] <= trainer.final_size() <= window[1]:
                    return
                trainer.meet(trainer.settings.aim * window[1], NUDGE)
            self._step(most)
        if trainer.final_size() > window[1]:
            trainer.meet(window[1], LAST_SHIFT)

    def keep(self) -> None:
        """Save the state."""
        if self._store:
            self._store.save(self._trainer.state())

    def _step(self, steps: int) -> None:
        bits, level = self._trainer.step()
        self._levels.append(level)
        self._losses.append(self._trainer.loss)
        if self._trainer.done % CONTROL_STEPS == 0 or self._trainer.done >= steps:
            self._look(bits, steps)
        elif self._interrupted():
            self._halt(steps)

    def _look(self, bits: Tensor, steps: int) -> None:
        """Steer by the size, tell, and keep the state if it is time to or this is the end."""
        size = self._trainer.steer(bits)
        if self._progress:
            self._tell(steps, float(torch.stack(self._levels).mean()), size)
        self._levels = []
        if self._interrupted() or (self._stop is not None and self._stop()):
            self._halt(steps)
        if self._store and self._store.due:
            self.keep()

    def end(self) -> None:
        """Tell what the fit ended with, over all frames."""
        if self._progress:
            # Both take time that is not spent where nobody listens.
            self._tell(self._trainer.done, self._trainer.psnr(), self._trainer.final_size())

    def _tell(self, steps: int, level: float, size: float) -> None:
        if not self._progress:
            return
        trainer, elapsed = self._trainer, time.monotonic() - self._begin
        eta = elapsed / max(trainer.done - self._first, 1) * (steps - trainer.done)
        loss = float(torch.stack(self._losses or [trainer.loss]).mean())
        self._losses = []
        current = trainer.quantizers.steps
        # One wait for the device, not one a tensor.
        means = torch.stack([index.mean() for index in current.values()]).tolist()
        indices = dict(zip(current, means, strict=True))
        price = trainer.control.price
        self._progress(Progress(trainer.done, steps, loss, level, round(size), price, indices, elapsed, eta))

    def _halt(self, steps: int) -> None:
        """Keep the state and end the fit."""
        self.keep()
        if self._interrupted():
            raise KeyboardInterrupt
        raise NqError(f"stopped at step {self._trainer.done} of {steps}")


def _store(path: Path, trainer: RateAwareTrainer, max_bytes: int) -> Store:
    """The checkpoint, tied to all that the result depends on."""
    claims = {
        "settings": asdict(trainer.settings),
        "bytes": max_bytes,
        "video": video_to_dict(trainer.clip.video),
        "program": program_to_dict(trainer.network.program),
    }
    return Store(path, fingerprint(claims, {**trainer.network.tensors, "clip": trainer.clip.data}))


def _integers(trainer: RateAwareTrainer) -> IntegerNetwork:
    """The integer network with its map formats."""
    network, clip, settings = trainer.network, trainer.clip, trainer.settings
    tensors = trainer.quantizers.integers(final=True)
    frames = spread_frames(clip.frames, settings.frames)
    formats = choose_formats(network, clip, trainer.rounded(), frames, settings.map_width, settings.head_width)
    return integer_network(network.program, tensors, formats)
