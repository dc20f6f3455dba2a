"""Quantisation: a fitted float network becomes an integer network whose file has the size asked for."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from nqcodec.fit.clip import PackedClip
from nqcodec.fit.network import FloatNetwork
from nqcodec.network import BITS_RANGE, STEP_RANGE, IntegerNetwork
from nqcodec.quantize.allocate import Plan, allocate
from nqcodec.quantize.candidates import MOST_OFFSET, Source, base_steps, make_candidates, make_sources
from nqcodec.quantize.control import RateControl
from nqcodec.quantize.export import export, settle_formats
from nqcodec.quantize.finetune import FineTune
from nqcodec.quantize.landing import Landing, SizeError
from nqcodec.quantize.maps import spread_frames
from nqcodec.quantize.rate import total_bits
from nqcodec.quantize.sensitivity import Meter, curvature
from nqcodec.quantize.settings import Progress, QuantProgress, QuantSettings, SizeOf
from nqcodec.quantize.transform import QuantTransform

CURVATURE_FRAMES = 4
"""Frames of the curvature for each frame of the sensitivities: a pass costs little, and more of them less noise."""

RECOVERED = 0.15
"""Price of a bit after fine-tuning against before: tuning takes back most of what rounding to nearest loses."""

RECOVERIES = 3
"""Most times that a landing is followed by more tuning."""


def quantize(
    network: FloatNetwork,
    clip: PackedClip,
    *,
    max_bytes: int,
    size_of: SizeOf,
    settings: QuantSettings | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> IntegerNetwork:
    """Quantise `network`, which stays as it is, into at most `max_bytes` and at least `min_ratio` of that.

    Args:
        clip: the frames that the network was fitted to.
        size_of: bytes of the whole file with a given network.
        progress: called every few steps.
        stop: asked every few steps; True ends the fine-tune early, and the network still lands in the window.

    Raises:
        SizeError: (a RateError) if no file of that size can be made; it says the nearest size in bytes.
        LimitError: if the network cannot be computed in 32-bit integers.
    """
    settings = settings or QuantSettings()
    least = math.ceil(settings.min_ratio * max_bytes)
    with _threads(settings.threads):
        tuned = _float_copy(network)
        frames = spread_frames(clip.frames, settings.frames)
        probes = spread_frames(clip.frames, settings.frames * CURVATURE_FRAMES)
        curvatures = curvature(tuned, clip, probes, settings.loss, settings.seed)
        sources = make_sources(tuned, curvatures)
        transform = QuantTransform({}, {})
        offset = check_feasible(tuned, clip, transform, sources, size_of, (least, max_bytes), settings)
        meter = Meter.of(tuned, clip, frames, settings.loss)
        report = _reporter(progress, max_bytes)
        target = 8 * settings.aim * max_bytes
        plan = allocate(make_candidates(sources, meter, settings.evaluations, report), target - offset)
        adopt(transform, plan, clip)
        settle_formats(tuned, clip, transform, settings)
        bounds = step_bounds(sources)
        control = RateControl(target, RECOVERED * plan.slope)
        tuning = FineTune(tuned, clip, transform, bounds, control, offset, size_of, settings)
        tuning.run(progress, stop)
        return land(tuning, curvatures, least, max_bytes)


def land(tuning: FineTune, curvatures: dict[str, Tensor], least: int, most: int) -> IntegerNetwork:
    """The tuned network with a file of `least` to `most` bytes; raises SizeError if there is none.

    Values that have to be moved for it cost quality until the others have followed, so moves and tuning alternate.
    """
    network, transform = tuning.network, tuning.transform
    for left in reversed(range(RECOVERIES + 1)):
        landing = Landing(
            network.program,
            {key: value.detach().cpu().double().numpy() for key, value in network.tensors.items()},
            {key: value.cpu().double().numpy() for key, value in curvatures.items()},
            tuning.bounds,
            transform.integers(network),
            transform.formats,
            tuning.size_of,
            tuned=tuning.settings.finetune_steps > 0,
        )
        result = landing.run(least, most)
        if not landing.moved or not left or not tuning.settings.finetune_steps:
            break
        tuning.recover(landing.tensors)
    return result


def check_feasible(
    network: FloatNetwork,
    clip: PackedClip,
    transform: QuantTransform,
    sources: list[Source],
    size_of: SizeOf,
    window: tuple[int, int],
    settings: QuantSettings,
) -> float:
    """Bits that a file has beyond its tensors, from the two extreme files of this network.

    Raises:
        SizeError: if the coarsest file is over `window` (least, most bytes) or the finest one is under it.
    """
    finest, coarsest = 0, 1
    offset = 0.0
    for which in (finest, coarsest):
        for source in sources:
            key, name = source.tensor.key, source.tensor.name
            transform.set_tensor(key, source.steps(base_steps(source)[which]), BITS_RANGE[name][1], clip.device)
        settle_formats(network, clip, transform, settings)
        exported = export(network, transform)
        size = size_of(exported)
        if which == finest and size < window[0]:
            raise SizeError.too_large(window[1], size)
        if which == coarsest and size > window[1]:
            raise SizeError.too_small(window[1], size)
        tensors = [exported.layers[s.tensor.index].tensors[s.tensor.name] for s in sources]
        names = [source.tensor.name for source in sources]
        offset = 8.0 * size - total_bits(zip(names, tensors, strict=True))
    return offset


def adopt(transform: QuantTransform, plan: Plan, clip: PackedClip) -> None:
    """Give `transform` the steps and widths of a plan."""
    for key, candidate in plan.choice.items():
        transform.set_tensor(key, candidate.steps, candidate.bits, clip.device)


def step_bounds(sources: list[Source]) -> dict[str, tuple[int, int]]:
    """(finest, coarsest) step index of any channel, by tensor key."""
    bounds = {}
    for source in sources:
        finest, coarsest = base_steps(source)
        reach = MOST_OFFSET if source.offsets.size > 1 else 0
        bounds[source.tensor.key] = (max(finest - reach, STEP_RANGE[0]), min(coarsest + reach, STEP_RANGE[1]))
    return bounds


def _float_copy(network: FloatNetwork) -> FloatNetwork:
    """A copy to tune, with maps in float32: fewer significant bits would not hold what rounding leaves."""
    tuned = copy.deepcopy(network)
    tuned.dtype = torch.float32
    return tuned


def _reporter(progress: Progress | None, size: int) -> Callable[[int, int], None]:
    begin = time.monotonic()

    def report(done: int, total: int) -> None:
        if progress:
            elapsed = time.monotonic() - begin
            progress(QuantProgress("sensitivity", done, total, None, size, elapsed, elapsed / done * (total - done)))

    return report


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
