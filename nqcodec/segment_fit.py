"""A segment's torch side: choose a network for its bytes, fit it, quantise it. Imported only where one is fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nqcodec.backbones import backbone
from nqcodec.bitstream.file import overhead_bytes
from nqcodec.bitstream.segment import pack_segment
from nqcodec.errors import NqError, RateError, UsageError
from nqcodec.fit.checkpoint import load_fit, save_fit
from nqcodec.fit.clip import PackedClip, pack
from nqcodec.fit.encoder import Encoder
from nqcodec.fit.jobs import JobContext
from nqcodec.fit.network import FloatNetwork
from nqcodec.fit.presets import expected_seconds, preset_settings
from nqcodec.fit.train import FitSettings, fit, new_network
from nqcodec.network import IntegerNetwork
from nqcodec.program import Program
from nqcodec.quantize.landing import SizeError
from nqcodec.quantize.pipeline import quantize
from nqcodec.quantize.settings import QuantProgress, QuantSettings
from nqcodec.rate import bytes_as_rate
from nqcodec.segment_job import Event, SegmentTask

CODED_BITS = 4.0
"""Bits a parameter, coded, that a network is sized for: measured best at equal file bytes (BENCHMARKS.md)."""

FINETUNE_SHARE, LEAST_FINETUNE = 0.25, 300
"""Steps of a calibration with rounding in the loop, as a part of the fit's, and the fewest."""

BRIEF_SHARE, LEAST_BRIEF = 1 / 16, 100
"""The same for a brief calibration. It takes a tenth of the fit's time; against the whole one it loses 0.3 dB at 3
coded bits a parameter, 0.2 at 4 and less above (BENCHMARKS.md)."""

MOST_CODED_BITS = 6.5
"""Bits a parameter that even the highest of several rates should not exceed: beyond, bits buy next to nothing."""


def choose_program(task: SegmentTask) -> Program:
    """The network for a segment: a published one by name, or the backbone's widest for the parameters at hand.

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
    wanted, least = sized_for(task.budgets), chosen.smallest(video, video.frames)
    return chosen.build(video, video.frames, max(wanted, least))


def sized_for(budgets: Sequence[int | None]) -> int:
    """Parameters of the one network that serves all budgets in bytes.

    One rate gets `CODED_BITS`. Several get it at their geometric middle, as long as the highest can still be used.
    """
    sizes = [budget for budget in budgets if budget is not None]
    middle = math.sqrt(min(sizes) * max(sizes))
    return int(8 * max(middle / CODED_BITS, max(sizes) / MOST_CODED_BITS))


def fit_segment(task: SegmentTask, context: JobContext) -> tuple[FloatNetwork, PackedClip]:
    """The fitted float network and the packed clip it was fitted to."""
    settings, video = task.settings, task.video
    saved = load_fit(fit_path(settings.fit_file, task)) if settings.fit_file else None
    if saved and replace(saved.video, fps=video.fps) != video:
        raise UsageError(f"{settings.fit_file}: is a fit of another clip (size, format or number of frames differ)")
    program = saved.network.program if saved else choose_program(task)
    clip = pack(task.clip.frames(task.first, video.frames), video, program, device=settings.device)
    if saved:
        return saved.network.to(settings.device), clip
    how = fit_settings(task)
    network = new_network(program, video.frames, how)
    pixels = video.width * video.height
    text = f"{program.parameters} parameters, {program.macs / pixels / 1000:.3f} kMAC/pixel; {how.steps} steps, "
    minutes = expected_seconds(network, clip, how) / 60
    context.progress(
        Event(task.name, "fit", text=f"{text}about {minutes:.1f} min to fit with preset {settings.preset}")
    )
    encoder = Encoder(program, settings.seed) if settings.arch_preset else None
    checkpoint = task.work / f"segment{task.number:05d}.safetensors"
    result = fit(
        network,
        clip,
        how,
        encoder=encoder,
        progress=lambda p: context.progress(Event(task.name, "fit", p.step, p.steps, psnr=p.psnr, eta=p.eta)),
        checkpoint=checkpoint,
        resume=settings.resume,
        stop=context.stop,
    )
    if not result.finished:
        raise NqError(f"{task.name}: stopped at step {result.steps} of {how.steps}")
    if settings.save_fit:
        save_fit(fit_path(settings.save_fit, task), video, network)
    return network, clip


def fit_path(path: Path, task: SegmentTask) -> Path:
    """A saved fit's file: as named for a clip of one segment, with the segment's number before the suffix for more."""
    if task.whole.frames == task.video.frames:
        return path
    return path.with_name(f"{path.stem}.{task.number:05d}{path.suffix}")


def fit_settings(task: SegmentTask) -> FitSettings:
    """The preset's settings with the user's."""
    settings = task.settings
    assert settings.threads is not None
    return preset_settings(
        settings.preset, task.video.frames, seed=settings.seed, device=settings.device, threads=settings.threads
    )


def quantize_segment(
    task: SegmentTask, rate: int, network: FloatNetwork, clip: PackedClip, context: JobContext, brief: bool = False
) -> IntegerNetwork:
    """The integer network whose payload meets budget `rate` of the task; None takes `CODED_BITS` a parameter.

    `brief` takes a quarter of the steps.

    Raises:
        RateError: the budget is out of reach; says what is possible, as bpp.
    """
    most = task.budgets[rate] or int(network.program.parameters * CODED_BITS / 8)

    def tell(p: QuantProgress) -> None:
        context.progress(Event(task.name, p.stage, p.step, p.steps, psnr=p.psnr, size=p.size, eta=p.eta))

    try:
        integers = quantize(
            network,
            clip,
            max_bytes=most,
            size_of=lambda network: len(pack_segment(network).payload),
            settings=quant_settings(task, brief),
            progress=tell,
            stop=context.stop,
            checkpoint=task.work / f"segment{task.number:05d}.{rate}.{'brief' if brief else 'full'}.safetensors",
            resume=task.settings.resume,
        )
    except SizeError as error:
        asked, possible = (bytes_as_rate(size + overhead_bytes(1), task.video) for size in (most, error.possible))
        raise RateError(f"{task.name}: {asked} cannot be met with this network; nearest: {possible}") from error
    if context.stop():
        raise NqError(f"{task.name}: stopped while quantising")
    return integers


def quant_settings(task: SegmentTask, brief: bool = False) -> QuantSettings:
    """The preset's share of calibration, with the user's seed and threads."""
    fitted = fit_settings(task)
    share, least = (BRIEF_SHARE, LEAST_BRIEF) if brief else (FINETUNE_SHARE, LEAST_FINETUNE)
    steps = max(least, round(share * fitted.steps))
    return QuantSettings(finetune_steps=steps, batch=fitted.batch, seed=fitted.seed, threads=fitted.threads)
