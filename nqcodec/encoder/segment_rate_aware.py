"""A segment fitted for its rate: the fit includes quantisation, and further rates start from its network."""

from __future__ import annotations

import math
from dataclasses import replace

from nqcodec.bitstream.segment import payload_size
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.progress import Event
from nqcodec.encoder.segment_fit import announce, fit_path, rate_errors, search_motion
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.errors import InputError
from nqcodec.methods.rate_aware.fit import (
    Fitted,
    expected_time,
    fit_for_size,
    further,
    shift_step_indices,
)
from nqcodec.methods.rate_aware.settings import RateAwareSettings, preset_settings, with_program
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Program
from nqcodec.training.checkpoint import SavedFit, save_fit
from nqcodec.training.clip import PackedClip
from nqcodec.training.flow import Motion
from nqcodec.training.progress import Progress
from nqcodec.training.start import new_network

CODED_BITS = 1.2
"""Bits a parameter, coded, of a file whose rate follows from a number of parameters: most are latents near zero."""

LEAST_THREADED_SAMPLES = 100_000
"""Luma samples of an iteration from which on several threads, each with some of its frames, gain time: two take
0.7 of it with two frames of 320x180, 0.6 with eight of 176x144, and gain none with two of those."""


class RateAwareSegment:
    """A segment's network fitted for one of its rates; `integers` takes it to the others.

    Rates are made from the fitted one outward, each from its neighbour: several small changes of rate lead to better
    networks than one large change.
    """

    def __init__(self, task: SegmentTask, context: JobContext, clip: PackedClip, fitted: Fitted):
        self._task, self._context, self._clip, self._fitted = task, context, clip, fitted
        self._ends = dict[int, tuple[Fitted, IntegerNetwork]]()
        self._middle = middle_rate(task)
        self._psnr = dict[int, float]()
        self.motion: Motion | None = None

    @staticmethod
    def fit(task: SegmentTask, context: JobContext, program: Program, clip: PackedClip) -> RateAwareSegment:
        """Fit a fresh network for the middle one of the task's rates.

        Raises:
            RateError: if no file of that size can be made; says what is possible.
            NqError: if it was stopped.
        """
        how = fit_settings(task, program)
        fitted = Fitted.fresh(new_network(program, task.video.frames, how), how.latent_step_index)
        motion = search_motion(task, context, fitted.network, clip)
        announce(task, context, program, how.iterations, expected_time(fitted, clip, how))
        segment = RateAwareSegment(task, context, clip, fitted)
        segment.motion = motion
        rate = segment._middle
        segment._ends[rate] = fitted, segment._fit(fitted, how, rate, "fit")
        if task.settings.save_fit:
            save_fit(fit_path(task.settings.save_fit, task), task.video, fitted.network, fitted.extra())
        return segment

    @staticmethod
    def saved(task: SegmentTask, context: JobContext, fit: SavedFit, clip: PackedClip) -> RateAwareSegment:
        """From a saved fit; raises InputError if its data beyond the network are damaged."""
        try:
            fitted = Fitted.from_extra(fit.network, fit.extra)
        except (KeyError, ValueError) as error:
            path = fit_path(task.settings.fit, task) if task.settings.fit else task.name
            raise InputError(f"{path}: this fit is damaged: its quantizers do not match its network") from error
        segment = RateAwareSegment(task, context, clip, fitted)
        size, rates = fitted.size(payload_size), task.rates_by_budget()
        segment._middle = min(rates, key=lambda rate: abs(math.log((task.budgets[rate] or size) / size)))
        return segment

    @staticmethod
    def useful_threads(task: SegmentTask) -> int:
        """At most one a frame of an iteration, because threads meet once in each; one where iterations are short."""
        frames = preset_settings(task.settings.preset, task.video.frames).batch
        return frames if frames * task.video.width * task.video.height >= LEAST_THREADED_SAMPLES else 1

    def order(self) -> list[int]:
        """From the rate nearest to the fit outward."""
        rates = self._task.rates_by_budget()
        middle = rates.index(self._middle)
        return [rates[place] for place in sorted(range(len(rates)), key=lambda place: abs(place - middle))]

    def integers(self, rate: int, again: bool) -> IntegerNetwork:
        """The network of budget `rate`; `again` takes as many iterations as the first fit."""
        if again:
            return self._moved(rate, self._settings(), "again")[1]
        if rate not in self._ends:
            self._ends[rate] = self._moved(rate, further(self._settings()), "further")
        return self._ends[rate][1]

    def psnr(self, rate: int) -> float:
        """PSNR-YUV in dB over all frames that the fit for that rate ended with."""
        return self._psnr[rate]

    def _settings(self) -> RateAwareSettings:
        """Those of the first fit."""
        return fit_settings(self._task, self._fitted.network.program)

    def _moved(self, rate: int, how: RateAwareSettings, stage: str) -> tuple[Fitted, IntegerNetwork]:
        """The nearest fit, taken to another rate."""
        fitted = self._nearest(rate).copy()
        if how.latent_step_index is None:
            shift_step_indices(fitted, self._most(rate), payload_size)
        return fitted, self._fit(fitted, how, rate, stage)

    def _nearest(self, rate: int) -> Fitted:
        """The fit for the neighbour of `rate` on the middle one's side; the first fit for that one itself."""
        rates = self._task.rates_by_budget()
        place, middle = rates.index(rate), rates.index(self._middle)
        if place == middle:
            return self._fitted
        neighbour = rates[place + (1 if place < middle else -1)]
        self.integers(neighbour, again=False)
        return self._ends[neighbour][0]

    def _fit(self, fitted: Fitted, how: RateAwareSettings, rate: int, stage: str) -> IntegerNetwork:
        task, context = self._task, self._context

        def report(p: Progress) -> None:
            if p.psnr is not None:
                self._psnr[rate] = p.psnr
            context.progress(Event.of(p, task.name, stage, rate))

        with rate_errors(task, rate):
            return fit_for_size(
                fitted,
                self._clip,
                how,
                max_bytes=self._most(rate),
                size_of=payload_size,
                progress=report,
                checkpoint=task.work / f"segment{task.number:05d}.{rate}.{stage}.safetensors",
                resume=task.settings.resume,
                stop=context.stop,
            )

    def _most(self, rate: int) -> int:
        return self._task.budgets[rate] or int(self._fitted.network.program.parameters * CODED_BITS / 8)


def middle_rate(task: SegmentTask) -> int:
    """The rate that is fitted first: the one nearest to the geometric middle of all."""
    sizes = [budget or 1 for budget in task.budgets]
    middle = math.sqrt(min(sizes) * max(sizes))
    return min(range(len(sizes)), key=lambda rate: (abs(math.log(sizes[rate] / middle)), rate))


def fit_settings(task: SegmentTask, program: Program) -> RateAwareSettings:
    """The preset's settings for `program`, with the user's."""
    settings = task.settings
    assert settings.threads is not None
    how = with_program(preset_settings(settings.preset, task.video.frames, seed=settings.seed), program)
    return replace(
        how, iterations=settings.iterations or how.iterations, device=settings.device, threads=settings.threads
    )
