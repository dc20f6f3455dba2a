"""From a fresh or a fitted network to the integer network of a file of a given size, with rounding in the loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from nqcodec.errors import NqError
from nqcodec.methods.rate_aware.control import SizeControl, controller
from nqcodec.methods.rate_aware.goals import Goal, PsnrGoal, SizeGoal
from nqcodec.methods.rate_aware.quantizer import Quantizers
from nqcodec.methods.rate_aware.settings import RateAwareSettings
from nqcodec.methods.rate_aware.trainer import CONTROL_ITERATIONS, RateAwareTrainer, SizeOfTensors
from nqcodec.network.integer_network import STEP_INDEX_RANGE, IntegerNetwork, IntTensor, Layer
from nqcodec.quantization.export import integer_network
from nqcodec.quantization.map_formats import choose_formats, spread_frames
from nqcodec.quantization.quantizers import OCTAVE
from nqcodec.quantization.settings import SizeOf
from nqcodec.quantization.size_search import SizeError
from nqcodec.training.checkpoint import open_checkpoint
from nqcodec.training.clip import PackedClip
from nqcodec.training.compute import compute_settings
from nqcodec.training.network import FloatNetwork
from nqcodec.training.pace import Pace, pace_of
from nqcodec.training.presets import PHASES
from nqcodec.training.progress import Listener
from nqcodec.training.session import TrainingSession, interruptible

EXTRA = 0.1
"""Most iterations beyond the schedule, as a part of it, until the size is within its window."""

LEAST_EXTRA = 100
"""Least number of them, for short fits."""

NUDGE, LAST_SHIFT = 2.0, 64.0
"""Most that step indices are shifted at once in those iterations, so that training can follow; and after the last."""

RATE_SHIFT = 0.65
"""Part of the way to a new size, on a logarithmic scale, that a shift of step indices covers; lambda covers the rest.
The whole way down to half of the bytes lost 4 dB that a further fit did not recover."""

DECODED_LOSS = 0.01
"""Decibels that a file decodes below its float network, at most in most files: maps are rounded too."""

SHIFTS = 6
"""Number of shifts of all step indices alike by which a fitted network reaches that size."""


@dataclass
class Fitted:
    """A network with its quantizers, fitted for some rate; further rates start from it."""

    network: FloatNetwork
    quantizers: Quantizers

    @staticmethod
    def fresh(network: FloatNetwork, latent_step_index: int | None = None) -> Fitted:
        """For a network that has not been fitted yet; all latents start with that step index, if one is given."""
        return Fitted(network, Quantizers.start(network, latent_step_index))

    @staticmethod
    def from_extra(network: FloatNetwork, extra: dict[str, Tensor]) -> Fitted:
        """The inverse of `extra`; raises KeyError or ValueError as `Quantizers.load` does."""
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
        """A copy, to be fitted for another rate."""
        result = Fitted.fresh(copy.deepcopy(self.network))
        result.quantizers.load(self.quantizers.tensors())
        return result


def expected_time(fitted: Fitted, clip: PackedClip, settings: RateAwareSettings) -> Pace:
    """The time that `fit_for_size` would take, from a few iterations of a copy: for messages alone."""
    trial = fitted.copy()
    with _trainer(trial, clip, settings, controller(1e6), lambda tensors: 0) as trainer:
        return pace_of(trainer, clip.device).times(settings.iterations)


@contextmanager
def _trainer(
    fitted: Fitted,
    clip: PackedClip,
    settings: RateAwareSettings,
    control: SizeControl,
    size_of: SizeOfTensors,
) -> Iterator[RateAwareTrainer]:
    """A trainer of `fitted`, with the machine set for it."""
    # One thread within an operation, because the others compute other frames.
    with compute_settings(fitted.network, replace(settings, threads=1)):
        trainer = RateAwareTrainer(fitted.network, clip, settings, control, size_of, fitted.quantizers)
        try:
            yield trainer
        finally:
            trainer.close()


def further(settings: RateAwareSettings, name: str = "further rate") -> RateAwareSettings:
    """Settings of a further rate, or another phase of `PHASES` by name, from a fit made with `settings`."""
    phase = PHASES[name]
    return replace(
        settings,
        iterations=phase.iterations(settings.iterations),
        noise=0.85,
        # The fit that this one starts from ended at this temperature.
        first_temperature=settings.last_temperature,
        peak=1.0,
        deviations=settings.deviations and (settings.deviations[1],) * 2,
        lr=phase.lr_scale * settings.lr,
        rest_lr=phase.lr_scale * settings.rest_lr,
        # Latents that keep their step size can only reach another size by moving.
        latent_lr=(phase.lr_scale if settings.latent_step_index is None else 1.0) * settings.latent_lr,
    )


def fit_for_size(
    fitted: Fitted,
    clip: PackedClip,
    settings: RateAwareSettings,
    *,
    max_bytes: int,
    size_of: SizeOf,
    progress: Listener | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    stop: Callable[[], bool] | None = None,
) -> IntegerNetwork:
    """Fit for a file of at most `max_bytes`, and nearly that if more bits help; arguments and errors as `fit_for`."""
    return fit_for(
        SizeGoal(max_bytes),
        fitted,
        clip,
        settings,
        size_of=size_of,
        progress=progress,
        checkpoint=checkpoint,
        resume=resume,
        stop=stop,
    )


def fit_for(
    goal: Goal,
    fitted: Fitted,
    clip: PackedClip,
    settings: RateAwareSettings,
    *,
    size_of: SizeOf,
    progress: Listener | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    stop: Callable[[], bool] | None = None,
) -> IntegerNetwork:
    """Fit `fitted`, which is changed in place, for a file as `goal` has it.

    Args:
        size_of: bytes of the whole file with a given network.
        progress: called every few iterations, and at the end with the mean over all frames of the rounded network.
        checkpoint: where to save the state, now and then, when `stop` ends the fit, and at its end.
        resume: go on from `checkpoint` if that file exists.
        stop: asked every few iterations.

    Raises:
        InputError: if the checkpoint is of another clip, program, goal or settings.
        OutputError: if the checkpoint cannot be written.
        SizeError: if no file of that size can be made; it holds the nearest size in bytes.
        LimitError: if the network cannot be computed in 32-bit integers.
        NqError: if `stop` ended the fit.
        KeyboardInterrupt: on Ctrl-C, after the checkpoint is written.
    """

    def real_size(tensors: dict[str, IntTensor]) -> int:
        return size_of(_formless(fitted.network, tensors))

    if isinstance(goal, SizeGoal):
        _check_possible(fitted, size_of, goal.max_bytes)
    claims = {"settings": asdict(settings), "goal": repr(goal)}
    store, saved = open_checkpoint(checkpoint, fitted.network, clip, claims, resume=resume)
    session = TrainingSession("fit", settings.iterations, CONTROL_ITERATIONS, progress, stop, store)
    control = goal.control(settings, clip.video.pixels)
    with _trainer(fitted, clip, settings, control, real_size) as trainer, interruptible(session):
        if store and saved:
            store.restore(trainer.restore, saved)
        while trainer.done < trainer.iterations and not session.stopped and not trainer.is_full:
            session.iterations = trainer.iterations
            session.iterate(trainer)
        _end(goal, session, trainer)
        if not session.stopped:
            session.save(trainer.state())
    if session.stopped:
        raise NqError(f"stopped at iteration {trainer.done} of {session.iterations}")
    if progress:
        # Both figures are slow to compute, so they are computed only if somebody asked for progress.
        session.end(trainer.done, trainer.psnr(), trainer.report(trainer.final_size()))
    result = _integers(trainer)
    if isinstance(goal, SizeGoal) and size_of(result) > goal.max_bytes:
        raise SizeError.too_small(goal.max_bytes, size_of(result))
    return result


def _end(goal: Goal, session: TrainingSession, trainer: RateAwareTrainer) -> None:
    """End with the best state that there is. If there is none, or its file is much smaller than one asked for, go on
    for at most `EXTRA` of the iterations, of which some make step sizes coarser or finer to meet the size. In the end
    the size is at most that of the goal; it may be less if no iterations are left."""
    least = math.ceil(trainer.settings.min_ratio * goal.max_bytes) if isinstance(goal, SizeGoal) else 0
    iterations = trainer.iterations
    most = iterations + max(round(EXTRA * iterations), LEAST_EXTRA)
    while trainer.done < most and not session.stopped and not (trainer.best and trainer.best.size >= least):
        # The size is met at fixed iterations, so that an interrupted and resumed run gives the same result.
        is_due = trainer.done % CONTROL_ITERATIONS == 0 or trainer.done == iterations
        if is_due and isinstance(goal, SizeGoal):
            trainer.meet(trainer.settings.aim * goal.max_bytes, NUDGE)
        session.iterations = most
        session.iterate(trainer)
    if session.stopped:
        return
    if trainer.best:
        trainer.best.take(trainer.network, trainer.quantizers)
    elif isinstance(goal, SizeGoal):
        trainer.meet(goal.max_bytes, LAST_SHIFT)
    if isinstance(goal, PsnrGoal):
        trainer.trim(goal.psnr + DECODED_LOSS)


def shift_step_indices(fitted: Fitted, target: int, size_of: SizeOf) -> None:
    """Make all step sizes but those of vectors coarser or finer alike until the file is `RATE_SHIFT` of the way to
    `target` bytes."""
    indices = {key: one for key, one in fitted.quantizers.step_indices.items() if key not in fitted.quantizers.vectors}
    values = sum(fitted.network.tensors[key].numel() for key in indices)
    size = fitted.size(size_of)
    target = round(size * (target / size) ** RATE_SHIFT)
    for _ in range(SHIFTS):
        # An octave saves a bit a value if values are much larger than their step sizes, and less otherwise.
        excess = OCTAVE * 8 * (size - target) / values
        for index in indices.values():
            index.add_(excess).clamp_(*STEP_INDEX_RANGE)
        size = fitted.size(size_of)


def _check_possible(fitted: Fitted, size_of: SizeOf, max_bytes: int) -> None:
    """Raise SizeError if even a network of zeros takes more than `max_bytes`, before any time is spent on a fit."""
    network, tensors = fitted.network, fitted.quantizers.integers()
    zeros = {key: replace(tensor, values=np.zeros_like(tensor.values), bits=2) for key, tensor in tensors.items()}
    least = size_of(_formless(network, zeros))
    if least > max_bytes:
        raise SizeError.too_small(max_bytes, least)


def _formless(network: FloatNetwork, tensors: dict[str, IntTensor]) -> IntegerNetwork:
    """A network whose maps have no formats yet; its file has the final size, because every format takes the same
    bits."""
    layers = [Layer() for _ in network.program.operations]
    for key, tensor in tensors.items():
        index, name = key.removeprefix("op").split("_", 1)
        layers[int(index)].tensors[name] = tensor
    return IntegerNetwork(network.program, layers)


def _integers(trainer: RateAwareTrainer) -> IntegerNetwork:
    """The integer network with its map formats."""
    network, clip, settings = trainer.network, trainer.clip, trainer.settings
    tensors = trainer.quantizers.integers(final=True)
    frames = spread_frames(clip.frames, settings.frames)
    formats = choose_formats(network, clip, trainer.rounded(), frames, settings.map_width, settings.head_width)
    return integer_network(network.program, tensors, formats)
