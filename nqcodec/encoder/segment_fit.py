"""A segment's torch side: choose a network for its bytes and a way to fit it. Imported only where one is fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from nqcodec.backbones import backbone
from nqcodec.bitstream.file import overhead_bytes
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.rate import bytes_as_rate
from nqcodec.encoder.segment_job import Event, FitOptions, SegmentTask
from nqcodec.errors import RateError, UsageError
from nqcodec.media.text import counted
from nqcodec.network import camera_path
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Program
from nqcodec.quantization.size_search import SizeError
from nqcodec.training import motion
from nqcodec.training.checkpoint import load_fit
from nqcodec.training.clip import pack

CODED_BITS = 4.0
"""Bits a parameter, coded, that a network is sized for: measured best at equal file bytes (BENCHMARKS.md)."""

MOST_CODED_BITS = 6.5
"""Bits a parameter that even the highest of several rates should not exceed: beyond, bits buy next to nothing."""


LEAST_THREADED_SAMPLES = 100_000
"""Luma samples of a step from which on several threads, each with some of its frames, gain time: two take 0.7 of it
with two frames of 320x180, 0.6 with eight of 176x144, and gain none with two of those."""


class SegmentFit(Protocol):
    """A fitted segment, whatever the method."""

    def order(self) -> list[int]:
        """The task's rates in the order in which they are best made."""

    def integers(self, rate: int, again: bool) -> IntegerNetwork:
        """The integer network whose payload meets budget `rate` of the task.

        `again` says that the first answer was worse than a lower rate's, and that more steps are worth their time.

        Raises:
            SizeError: the budget is out of reach.
        """

    def psnr(self, rate: int) -> float:
        """PSNR-YUV in dB over all frames that the last fit for that rate ended with, before its file was made."""


def fit_segment(task: SegmentTask, context: JobContext) -> SegmentFit:
    """Fit a segment by the method that its settings name, or take up a saved fit."""
    # Both modules build on this one.
    from nqcodec.encoder.segment_plain import PlainSegment
    from nqcodec.encoder.segment_rate_aware import RateAwareSegment

    settings, video = task.settings, task.video
    saved = load_fit(fit_path(settings.fit_file, task)) if settings.fit_file else None
    if saved and replace(saved.video, fps=video.fps) != video:
        raise UsageError(f"{settings.fit_file}: is a fit of another clip (size, format or number of frames differ)")
    program = saved.network.program if saved else choose_program(task)
    clip = pack(task.clip.frames(task.first, video.frames), video, program, device=settings.device)
    if saved:
        saved.network.to(settings.device)
        if saved.extra:
            return RateAwareSegment.saved(task, context, saved, clip)
        return PlainSegment(task, context, clip, saved.network)
    return (RateAwareSegment if is_rate_aware(task) else PlainSegment).fit(task, context, program, clip)


def integers_at(fitted: SegmentFit, task: SegmentTask, rate: int, again: bool) -> IntegerNetwork:
    """`fitted.integers`; raises RateError for a budget out of reach, and says what is possible."""
    try:
        return fitted.integers(rate, again)
    except SizeError as error:
        raise rate_error(task, rate, error) from error


def rate_error(task: SegmentTask, rate: int, error: SizeError) -> RateError:
    """What a user is told of a budget out of reach."""
    most, beside = task.budgets[rate] or 0, overhead_bytes(1) + sum(task.metadata_bytes[rate : rate + 1])
    asked, possible = (bytes_as_rate(size + beside, task.video) for size in (most, error.possible))
    return RateError(f"{task.name}: {asked} cannot be met with this network; nearest: {possible}")


def is_rate_aware(task: SegmentTask) -> bool:
    """Whether fit and quantisation are one: as asked, or where it measured better for the backbone."""
    settings = task.settings
    if settings.method == "auto":
        plain = settings.arch_preset or settings.fit_options != FitOptions()
        return backbone(settings.arch).rate_aware and not plain
    if settings.method == "rate-aware" and settings.fit_options != FitOptions():
        raise UsageError("--recipe, --loss, --optimizer and the like are options of --method plain")
    return settings.method == "rate-aware"


def useful_threads(task: SegmentTask) -> int:
    """Threads that a fit gains from without harm where other work wants the same cores: at most one for each frame of
    a step of a rate-aware fit on the CPU, where they meet once a step, and else one."""
    from nqcodec.methods.rate_aware.settings import preset_settings

    settings = task.settings
    if settings.device != "cpu" or settings.fit_file or not is_rate_aware(task):
        return 1
    frames = preset_settings(settings.preset, task.video.frames).batch
    return frames if frames * task.video.width * task.video.height >= LEAST_THREADED_SAMPLES else 1


def choose_program(task: SegmentTask) -> Program:
    """The network for a segment: a published one by name, or the backbone's best for the budgets at hand.

    Raises:
        RateError: too few bytes for the smallest network; says how many that needs.
    """
    settings, video = task.settings, task.video
    chosen = backbone(settings.arch)
    if settings.arch_preset:
        if task.parameters is not None:
            raise UsageError("--arch-preset names a network of its own size: leave --params out")
        return chosen.build_preset(settings.arch_preset, video, video.frames)
    if task.parameters is not None:
        return chosen.build(video, video.frames, task.parameters)
    if chosen.for_bytes is not None:
        sizes = [budget for budget in task.budgets if budget is not None]
        path, moves = motion_of(task) if settings.motion == "auto" else (None, False)
        return chosen.for_bytes(video, video.frames, int(math.sqrt(min(sizes) * max(sizes))), path, moves)
    wanted, least = sized_for(task.budgets), chosen.smallest(video, video.frames)
    return chosen.build(video, video.frames, max(wanted, least))


def motion_of(task: SegmentTask) -> tuple[camera_path.Path | None, bool]:
    """The way of a segment's camera over its scene, if there is one worth following, and whether anything moves."""
    detector = motion.MotionDetector()
    with task.clip.open(task.first, task.video.frames) as source:
        for frame in source:
            detector.add(frame[0], source.video.depth)
    return detector.path(), detector.moves()


def sized_for(budgets: Sequence[int | None]) -> int:
    """Parameters of the one network that serves all budgets in bytes.

    One rate gets `CODED_BITS`. Several get it at their geometric middle, as long as the highest can still be used.
    """
    sizes = [budget for budget in budgets if budget is not None]
    middle = math.sqrt(min(sizes) * max(sizes))
    return int(8 * max(middle / CODED_BITS, max(sizes) / MOST_CODED_BITS))


def announce(
    task: SegmentTask,
    context: JobContext,
    program: Program,
    steps: int,
    seconds: float,
    patch: tuple[int, int] | None = None,
) -> None:
    """Tell what is about to be fitted, whether on patches (width, height), and how long it will take."""
    settings, kilo = task.settings, program.macs / (task.video.width * task.video.height) / 1000
    recipe = settings.fit_options.recipe
    chosen = "" if settings.steps else f" with recipe {recipe}" if recipe else f" with preset {settings.preset}"
    size = f"{program.parameters} parameters, {kilo:.3f} kMAC/pixel"
    seen = f" on patches of {patch[0]}x{patch[1]}" if patch else ""
    text = f"{size}; {counted(steps, 'step')}{seen}, about {seconds / 60:.1f} min to fit{chosen}"
    context.progress(Event(task.name, "fit", text=text))


def fit_path(path: Path, task: SegmentTask) -> Path:
    """A saved fit's file: as named for a clip of one segment, with the segment's number before the suffix for more."""
    if task.whole.frames == task.video.frames:
        return path
    return path.with_name(f"{path.stem}.{task.number:05d}{path.suffix}")
