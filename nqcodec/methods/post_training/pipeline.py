"""Quantisation: a fitted float network becomes an integer network whose file has the size asked for."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.methods.post_training.allocation import Plan
from nqcodec.methods.post_training.calibrate import Calibration
from nqcodec.methods.post_training.finetune import CONTROL_ITERATIONS, GAINS, FineTune
from nqcodec.methods.post_training.hadamard_search import add_hadamard_sources, to_hadamard
from nqcodec.methods.post_training.plans import Quantizable, make_plan
from nqcodec.methods.post_training.sensitivity import measure_curvature
from nqcodec.methods.post_training.sources import Source, base_step_indices, make_sources, one_step_index
from nqcodec.network.integer_network import BITS_RANGE, IntegerNetwork
from nqcodec.quantization.export import export, fix_formats
from nqcodec.quantization.rate import total_bits
from nqcodec.quantization.settings import CALIBRATIONS, QuantSettings, SizeOf
from nqcodec.quantization.size_search import SizeError, SizeSearch
from nqcodec.quantization.transform import QuantTransform
from nqcodec.training.checkpoint import open_checkpoint
from nqcodec.training.clip import PackedClip
from nqcodec.training.evaluation import evaluate
from nqcodec.training.network import FloatNetwork
from nqcodec.training.progress import Listener, Progress
from nqcodec.training.rate_control import LambdaController
from nqcodec.training.session import TrainingSession, interruptible

RECOVERED = 0.15
"""Slope of the distortion after fine-tuning against before: it recovers most of the loss by rounding to nearest."""

MOST_GAIN = 2 * math.log(2)
"""Largest useful lambda, in nats of squared error a bit: one more bit for every value halves the step size and gains no
more than this. The slope at a fit of 60 dB is far larger, and with a lambda from it nothing of the picture is left."""

RECOVERIES = 3
"""Most times that fine-tuning goes on after the size has been met."""


def quantize(
    network: FloatNetwork,
    clip: PackedClip,
    *,
    max_bytes: int,
    size_of: SizeOf,
    settings: QuantSettings | None = None,
    progress: Listener | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> IntegerNetwork:
    """Quantise `network`, which stays as it is, into at most `max_bytes`, and nearly that if the network can use them.

    Args:
        clip: the frames that the network was fitted to.
        size_of: bytes of the whole file with a given network.
        progress: called every few iterations.
        stop: asked every few iterations; True ends the calibration early, and the size is still met.
        checkpoint: where to save the calibration's state: now and then, when `stop` ends it, and at its end.
        resume: go on from `checkpoint` if that file exists.

    Raises:
        InputError: if the checkpoint is of another network, clip, size or settings.
        OutputError: if the checkpoint cannot be written.
        SizeError: (a RateError) if no file of that size can be made; it holds the nearest size in bytes.
        LimitError: if the network cannot be computed in 32-bit integers.
        UsageError: for a setting with an unknown name.
        KeyboardInterrupt: on Ctrl-C, in the calibration after its checkpoint is written.
    """
    settings = settings or QuantSettings()
    least = math.ceil(settings.min_ratio * max_bytes)
    with _threads(settings.threads):
        tuning, curvatures = calibrated(
            network,
            clip,
            max_bytes,
            size_of,
            settings,
            progress=progress,
            stop=stop,
            checkpoint=checkpoint,
            resume=resume,
        )
        return fit_to_size(tuning, curvatures, least, max_bytes)


def calibrated(
    network: FloatNetwork,
    clip: PackedClip,
    max_bytes: int,
    size_of: SizeOf,
    settings: QuantSettings,
    *,
    progress: Listener | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> tuple[FineTune, dict[str, Tensor]]:
    """`quantize` without meeting the exact size: the calibrated network, whose file is near the size asked for, and the
    curvatures."""
    if settings.calibration not in CALIBRATIONS:
        raise UsageError(f"there is no calibration {settings.calibration}: choose one of {', '.join(CALIBRATIONS)}")
    tuned = _float_copy(network)
    curvatures = measure_curvature(tuned, clip, frames=settings.frames, loss=settings.loss, seed=settings.seed)
    sources = make_sources(tuned)
    transform = QuantTransform({}, {})
    offset, most = check_feasible(tuned, clip, transform, sources, size_of, max_bytes, settings)
    target = 8 * settings.aim * most
    fitted = Quantizable(tuned, clip, add_hadamard_sources(sources, tuned.program, settings), curvatures)
    plan = make_plan(fitted, target - offset, settings, _reporter(progress, max_bytes))
    curvatures = adopt(fitted, plan, transform, settings)
    fix_formats(tuned, clip, transform, settings)
    values = sum(value.numel() for value in tuned.tensors.values())
    first = min(RECOVERED * plan.slope, MOST_GAIN / values)
    control = LambdaController(target, GAINS, unit=first if settings.rate_term else 0.0)
    bounds = step_bounds(chosen_sources(fitted.sources, plan))
    tuning = FineTune(tuned, clip, transform, bounds, control, offset, size_of, settings)
    calibration = Calibration(tuning, max_bytes)
    claims = {"settings": asdict(settings), "bytes": max_bytes}
    store, saved = open_checkpoint(checkpoint, network, clip, claims, resume=resume)
    session = TrainingSession(
        "finetune", calibration.iterations, CONTROL_ITERATIONS, progress, stop, store, reports_last=False
    )
    with interruptible(session):
        calibration.run(session, saved)
    if progress and not session.stopped:
        quality = evaluate(tuned, clip, transform, as_samples=True)
        session.end(tuning.done, quality.yuv, tuning.report(size_of(export(tuned, transform))))
    return tuning, curvatures


def fit_to_size(tuning: FineTune, curvatures: dict[str, Tensor], least: int, most: int) -> IntegerNetwork:
    """The tuned network with a file of `least` to `most` bytes; raises SizeError if there is none.

    Values that the size search changes cost quality until the others have adapted, so search and tuning alternate.
    """
    network, transform = tuning.network, tuning.transform
    tuned = tuning.settings.finetune_iterations > 0 and tuning.settings.calibration == "tune"
    for left in reversed(range(RECOVERIES + 1)):
        recovers = tuned and left > 0
        search = SizeSearch(
            network.program,
            {key: value.detach().cpu().double().numpy() for key, value in network.tensors.items()},
            {key: value.cpu().double().numpy() for key, value in curvatures.items()},
            tuning.bounds,
            transform.integers(network),
            transform.formats,
            tuning.size_of,
            tuned=tuning.settings.finetune_iterations > 0,
            refines=recovers or not tuning.settings.finetune_iterations,
        )
        result = search.run(least, most)
        # After learned rounding values sit on their levels, and a few small updates would not move them to others.
        if not (search.moved and recovers):
            break
        tuning.recover(search.tensors)
    return result


def check_feasible(
    network: FloatNetwork,
    clip: PackedClip,
    transform: QuantTransform,
    sources: list[Source],
    size_of: SizeOf,
    max_bytes: int,
    settings: QuantSettings,
) -> tuple[float, int]:
    """From the finest and the coarsest file of this network: the bits of a file beyond its tensors, and the most bytes
    that a file can use, `max_bytes` or fewer.

    Raises:
        SizeError: if the coarsest file is over `max_bytes`.
    """
    finest, coarsest = 0, 1
    offset, most = 0.0, max_bytes
    for which in (finest, coarsest):
        for source in sources:
            key, name = source.tensor.key, source.tensor.name
            transform.set_tensor(
                key, one_step_index(base_step_indices(source)[which]), BITS_RANGE[name][1], clip.device
            )
        fix_formats(network, clip, transform, settings)
        exported = export(network, transform)
        size = size_of(exported)
        if which == finest:
            most = min(most, size)
        elif size > max_bytes:
            raise SizeError.too_small(max_bytes, size)
        tensors = [exported.layers[s.tensor.index].tensors[s.tensor.name] for s in sources]
        names = [source.tensor.name for source in sources]
        offset = 8.0 * size - total_bits(zip(names, tensors, strict=True))
    return offset, most


def adopt(fitted: Quantizable, plan: Plan, transform: QuantTransform, settings: QuantSettings) -> dict[str, Tensor]:
    """Set the step indices and widths of a plan in `transform`, and transform the weights that it has in the Hadamard
    domain.

    Returns the curvatures of the network's tensors after that.
    """
    network, curvatures = fitted.network, dict(fitted.curvatures)
    coefficients = [key for key, candidate in plan.choice.items() if candidate.hadamard]
    if coefficients:
        frames, loss, seed = settings.frames, settings.loss, settings.seed
        curvatures = measure_curvature(
            network, fitted.clip, frames=frames, loss=loss, seed=seed, coefficients=coefficients
        )
    for key, candidate in plan.choice.items():
        transform.set_tensor(key, candidate.step_indices, candidate.bits, fitted.clip.device)
    to_hadamard(network, transform, coefficients)
    return curvatures


def chosen_sources(sources: list[Source], plan: Plan) -> list[Source]:
    """Each tensor's source, of the weight or of its Hadamard coefficients, as a plan chose."""
    return [source for source in sources if source.hadamard == plan.choice[source.tensor.key].hadamard]


def step_bounds(sources: list[Source]) -> dict[str, tuple[int, int]]:
    """(finest, coarsest) step index, by tensor key."""
    return {source.tensor.key: base_step_indices(source) for source in sources}


def _float_copy(network: FloatNetwork) -> FloatNetwork:
    """A copy to tune, with maps in float32: types with fewer significant bits would not hold rounded values."""
    tuned = copy.deepcopy(network)
    tuned.dtype = torch.float32
    tuned.rounds_vectors = True
    return tuned


def _reporter(progress: Listener | None, size: int) -> Callable[[int, int], None]:
    begin = time.monotonic()

    def report(done: int, total: int) -> None:
        if progress:
            elapsed = time.monotonic() - begin
            progress(Progress("sensitivity", done, total, elapsed, elapsed / done * (total - done), size=size))

    return report


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
