"""A segment fitted for its rate: the fit includes quantisation, and further rates start from its network."""

from __future__ import annotations

import math
from dataclasses import replace

from nqcodec.bitstream.segment import payload_size
from nqcodec.encoder.expected_size import MOST_SHORT_FITS, relative_budgets, short_iterations
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.progress import Event
from nqcodec.encoder.segment_fit import announce, fit_path, rate_errors, search_motion
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.errors import InputError
from nqcodec.methods.rate_aware.fit import (
    Fitted,
    expected_time,
    fit_for,
    further,
    shift_step_indices,
)
from nqcodec.methods.rate_aware.goals import Goal, PsnrGoal, SizeGoal, SlopeGoal, size_at, slope_of
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

SHORTFALL = 0.03
"""Decibels below the PSNR asked for from which on a fit goes on for more."""

MOST_TIME = 1.5
"""Most iterations of a fit for a PSNR, with those of short fits before it and of going on after it, as a part of its
own."""

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
        segment._ends[rate] = segment._fit(fitted, how, rate, "fit")
        fitted = segment._fitted = segment._ends[rate][0]
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
        size, rates = fitted.size(payload_size), task.rates_by_budget()
        if task.has_quality:
            # What the fit would be in these terms is not known, so it counts as one for the middle rate.
            task = replace(task, budgets=relative_budgets(task, size))
        segment = RateAwareSegment(task, context, clip, fitted)
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
        neighbour = self._neighbour(rate)
        if neighbour is None:
            fitted = self._fitted.copy()
        else:
            self.integers(neighbour, again=False)
            fitted = self._ends[neighbour][0].copy()
        size = self._most(rate)
        if self._task.has_quality:
            # Budgets are estimates, of which only the ratio is of use once there is a fit.
            beside = rate if neighbour is None else neighbour
            size = round(fitted.size(payload_size) * size / self._most(beside))
        if how.latent_step_index is None:
            shift_step_indices(fitted, size, payload_size)
        return self._fit(fitted, how, rate, stage, size)

    def _neighbour(self, rate: int) -> int | None:
        """The neighbour of `rate` on the middle one's side, whose fit is the nearest; None for the middle one itself,
        whose nearest is the first fit."""
        rates = self._task.rates_by_budget()
        place, middle = rates.index(rate), rates.index(self._middle)
        return None if place == middle else rates[place + (1 if place < middle else -1)]

    def _goal(self, rate: int, size: int) -> Goal:
        """What a fit for `rate` is made for, where the file has or is estimated to have `size` bytes."""
        asked = self._task.quality_rate(rate)
        if asked and asked.quality is not None:
            return SlopeGoal(slope_of(asked.quality), size)
        return PsnrGoal(asked.psnr, size) if asked and asked.psnr is not None else SizeGoal(size)

    def _fit(
        self, fitted: Fitted, how: RateAwareSettings, rate: int, stage: str, size: int | None = None
    ) -> tuple[Fitted, IntegerNetwork]:
        """Take `fitted` to `rate`, whose file has or is estimated to have `size` bytes.

        A fit for a PSNR that ends short of it goes on once, if there is time; the better fit is returned.
        """
        goal = self._goal(rate, self._most(rate) if size is None else size)
        network = self._fit_once(goal, fitted, how, rate, stage)
        psnr = self._psnr[rate]
        if not isinstance(goal, PsnrGoal) or psnr >= goal.psnr - SHORTFALL or not self._may_go_on():
            return fitted, network
        text = f"{psnr:.2f} dB of the {goal.psnr:g} dB asked for: the fit goes on"
        self._context.progress(Event(self._task.name, stage, text=text, rate=rate))
        goal = replace(goal, size=round(size_at(goal.psnr, fitted.size(payload_size), psnr)))
        more = fitted.copy()
        if how.latent_step_index is None:
            shift_step_indices(more, goal.size, payload_size)
        result = self._fit_once(goal, more, further(self._settings(), "more quality"), rate, f"{stage} on")
        if self._psnr[rate] > psnr:
            return more, result
        self._psnr[rate] = psnr
        return fitted, network

    def _may_go_on(self) -> bool:
        """Whether there is time for a fit for a PSNR to go on."""
        settings = self._settings()
        most, more = MOST_TIME * settings.iterations, further(settings, "more quality").iterations
        return settings.iterations + MOST_SHORT_FITS * short_iterations(settings.iterations) + more <= most

    def _fit_once(self, goal: Goal, fitted: Fitted, how: RateAwareSettings, rate: int, stage: str) -> IntegerNetwork:
        """Take `fitted`, which is changed in place, to `goal`."""
        task, context = self._task, self._context

        def report(p: Progress) -> None:
            if p.psnr is not None:
                self._psnr[rate] = p.psnr
            context.progress(Event.of(p, task.name, stage, rate))

        with rate_errors(task, rate):
            return fit_for(
                goal,
                fitted,
                self._clip,
                how,
                size_of=payload_size,
                progress=report,
                checkpoint=task.work / f"segment{task.number:05d}.{rate}.{stage.replace(' ', '-')}.safetensors",
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
