"""A segment fitted in floats and quantised afterwards, as the papers do it: one fit, a calibration for each rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from nqcodec.backbones import backbone
from nqcodec.bitstream.segment import payload_size
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.options import PlainFitOptions
from nqcodec.encoder.progress import Event
from nqcodec.encoder.segment_fit import announce, fit_path, rate_errors, search_motion
from nqcodec.encoder.segment_network import CODED_BITS
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.errors import NqError
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Program
from nqcodec.quantization.settings import QuantSettings
from nqcodec.training.checkpoint import SavedFit, save_fit
from nqcodec.training.clip import PackedClip
from nqcodec.training.flow import Motion
from nqcodec.training.network import FloatNetwork
from nqcodec.training.paper.encoder import Encoder
from nqcodec.training.paper.prune import Pruning
from nqcodec.training.paper.quant_noise import QuantNoise
from nqcodec.training.presets import PHASES, preset_settings, with_optimizer
from nqcodec.training.progress import Progress
from nqcodec.training.recipes import paper_recipe
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import expected_time, fit

T = TypeVar("T")


class PlainSegment:
    """A segment's float network, fitted or read from a saved fit; `integers` quantises it."""

    def __init__(self, task: SegmentTask, context: JobContext, clip: PackedClip, network: FloatNetwork):
        self._task, self._context, self._clip, self._network = task, context, clip, network
        self._psnr = dict[int, float]()
        self.motion: Motion | None = None

    @staticmethod
    def fit(task: SegmentTask, context: JobContext, program: Program, clip: PackedClip) -> PlainSegment:
        """Fit a fresh network.

        Raises:
            NqError: if it was stopped.
        """
        settings, how = task.settings, fit_settings(task)
        network = new_network(program, task.video.frames, how)
        motion = search_motion(task, context, network, clip)
        announce(task, context, program, how.iterations, expected_time(network, clip, how), how.patch)
        published = settings.arch_preset and backbone(settings.arch).encoder

        def report(p: Progress) -> None:
            context.progress(Event.of(p, task.name))

        result = fit(
            network,
            clip,
            how,
            encoder=Encoder(program, settings.seed) if published else None,
            progress=report,
            checkpoint=task.work / f"segment{task.number:05d}.safetensors",
            resume=settings.resume,
            stop=context.stop,
        )
        if not result.finished:
            raise NqError(f"{task.name}: stopped at iteration {result.iterations} of {how.iterations}")
        if settings.save_fit:
            save_fit(fit_path(settings.save_fit, task), task.video, network)
        segment = PlainSegment(task, context, clip, network)
        segment.motion = motion
        return segment

    @staticmethod
    def saved(task: SegmentTask, context: JobContext, fit: SavedFit, clip: PackedClip) -> PlainSegment:
        """From a saved fit."""
        return PlainSegment(task, context, clip, fit.network)

    @staticmethod
    def useful_threads(task: SegmentTask) -> int:
        """One: threads that synchronise in each operation lose far more than they gain where others want the cores."""
        return 1

    def order(self) -> list[int]:
        """Lowest first."""
        return self._task.rates_by_budget()

    def integers(self, rate: int, again: bool) -> IntegerNetwork:
        """The network of budget `rate`: the lowest rate, which loses most by quantisation, is calibrated in full, the
        others briefly, and in full if asked `again`."""
        task = self._task
        brief = not (rate == self.order()[0] or again)
        name = f"segment{task.number:05d}.{rate}.{'brief' if brief else 'full'}.safetensors"
        most = task.budgets[rate] or int(self._network.program.parameters * CODED_BITS / 8)
        return self._quantized(rate, most, brief, task.work / name)

    def psnr(self, rate: int) -> float:
        """PSNR-YUV in dB over all frames that the calibration for that rate ended with."""
        return self._psnr[rate]

    def _quantized(self, rate: int, most: int, brief: bool, checkpoint: Path) -> IntegerNetwork:
        task, context = self._task, self._context

        def report(p: Progress) -> None:
            if p.psnr is not None:
                self._psnr[rate] = p.psnr
            context.progress(Event.of(p, task.name, rate=rate))

        with rate_errors(task, rate):
            result = quantize(
                self._network,
                self._clip,
                max_bytes=most,
                size_of=payload_size,
                settings=quant_settings(task, brief),
                progress=report,
                stop=context.stop,
                checkpoint=checkpoint,
                resume=task.settings.resume,
            )
        if context.stop():
            raise NqError(f"{task.name}: stopped while quantising")
        return result


def fit_settings(task: SegmentTask) -> FitSettings:
    """The preset's settings with the user's."""
    settings = task.settings
    assert settings.threads is not None
    video = task.video
    if settings.recipe:
        how = paper_recipe(settings.recipe, video.frames, video=video)
    else:
        how = preset_settings(settings.preset, video.frames)
    if settings.optimizer:
        how = with_optimizer(how, settings.optimizer)
    how = replace(how, seed=settings.seed, device=settings.device, threads=settings.threads)
    return replace(departed(how, settings), iterations=settings.iterations or how.iterations)


def departed(how: FitSettings, options: PlainFitOptions) -> FitSettings:
    """The settings with what the user's options change of them, recipe and optimizer excepted."""
    patch = options.patch and (options.patch[0], options.patch[1])  # a list, where it was read from JSON
    return replace(
        how,
        loss=_given(options.loss, how.loss),
        schedule=_given(options.schedule, how.schedule),
        ema=_given(options.ema, how.ema),
        coarse=_given(options.coarse, how.coarse),
        pruning=how.pruning if options.prune is None else Pruning(options.prune),
        noise=how.noise if options.quant_noise is None else QuantNoise(options.quant_noise),
        patch=_given(patch, how.patch),
    )


def _given(option: T | None, preset: T) -> T:
    return preset if option is None else option


def quant_settings(task: SegmentTask, brief: bool = False) -> QuantSettings:
    """The preset's share of calibration, with the user's seed and threads."""
    fitted = fit_settings(task)
    iterations = PHASES["brief calibration" if brief else "calibration"].iterations(fitted.iterations)
    return QuantSettings(finetune_iterations=iterations, batch=fitted.batch, seed=fitted.seed, threads=fitted.threads)
