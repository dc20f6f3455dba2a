"""Structures that a rule cannot choose between, tried for a few iterations each: the best is fitted in full."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nqcodec.bitstream.segment import payload_size
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.progress import Event
from nqcodec.encoder.segment_network import Structure
from nqcodec.encoder.segment_rate_aware import fit_settings, middle_rate
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.atomic import AtomicFile
from nqcodec.methods.rate_aware.fit import Fitted, fit_for_size
from nqcodec.network.program import Program
from nqcodec.quantization.size_search import SizeError
from nqcodec.training.clip import PackedClip
from nqcodec.training.flow import start_vectors
from nqcodec.training.initial import has_pointwise_synthesis
from nqcodec.training.progress import Progress
from nqcodec.training.start import new_network


@dataclass(frozen=True)
class TrialLength:
    """How long the short fits of a trial are.

    Attributes:
        share: their iterations, as a part of the fit's.
        least: least iterations; with fewer the rule decides.
        most: most iterations.
    """

    share: float
    least: int
    most: int

    def iterations(self, fit: int) -> int:
        """Iterations of each before a fit of `fit` iterations; 0 if the rule decides."""
        wanted = min(round(self.share * fit), self.most)
        return wanted if wanted >= self.least else 0


CLIPS = TrialLength(0.05, 200, 400)
"""Trials of 300 iterations were right in 14 cases of 15, and those of 150 preferred what has fewer latents
(docs/experiments.md)."""

PICTURES = TrialLength(0.2, 1000, 1200)
"""Those of 1,440 iterations were right on all pictures that were tried, and those of 288 on most. The fit of a single
frame takes a minute."""


@dataclass(frozen=True)
class Trial:
    """The short fits of some structures, and what they decided.

    Attributes:
        iterations: of each.
        psnr: PSNR-YUV in dB that each ended with, by its structure's name; None where the bytes were too few for it.
        chosen: name of the structure that goes on.
    """

    iterations: int
    psnr: dict[str, float | None]
    chosen: str


def best_structure(
    task: SegmentTask, context: JobContext, structures: Sequence[Structure], clip: PackedClip
) -> tuple[Program, Trial | None]:
    """The program whose short fit has the highest PSNR-YUV within the bytes of the middle rate, and the trial; the
    first of `structures`, which is the rule's choice, if fits are too short for one.

    An encode that resumes goes by the trial that it was interrupted after.

    Raises:
        NqError: if it was stopped.
    """
    first = structures[0].program
    length = PICTURES if has_pointwise_synthesis(first) else CLIPS
    iterations = length.iterations(fit_settings(task, first).iterations)
    if len(structures) == 1 or not iterations:
        return first, None
    trial = _load(task)
    if trial is None:
        psnr = {one.name: _psnr(task, context, one.program, clip, iterations) for one in structures}
        trial = Trial(iterations, psnr, max(psnr, key=lambda name: psnr[name] or 0.0))
        _save(task, trial)
    figures = ", ".join(f"{name} {'none' if psnr is None else f'{psnr:.2f} dB'}" for name, psnr in trial.psnr.items())
    text = f"structure: {figures} after {trial.iterations} iterations; going on with {trial.chosen}"
    context.progress(Event(task.name, "fit", text=text))
    return {one.name: one.program for one in structures}[trial.chosen], trial


def _path(task: SegmentTask) -> Path:
    return task.work / f"segment{task.number:05d}.trial.json"


def _save(task: SegmentTask, trial: Trial) -> None:
    with AtomicFile(_path(task)) as file:
        file.write(json.dumps(asdict(trial)).encode())


def _load(task: SegmentTask) -> Trial | None:
    """The trial of the encode that is resumed, if it got so far."""
    path = _path(task)
    return Trial(**json.loads(path.read_text("utf-8"))) if task.settings.resume and path.exists() else None


def _psnr(task: SegmentTask, context: JobContext, program: Program, clip: PackedClip, iterations: int) -> float | None:
    """PSNR-YUV in dB that a fit of `program` ends with; None if it cannot have so few bytes."""
    how = replace(fit_settings(task, program), iterations=iterations)
    fitted = Fitted.fresh(new_network(program, task.video.frames, how), how.latent_step_index)
    start_vectors(fitted.network, clip)
    size, found = task.budgets[middle_rate(task)], list[float]()
    assert size is not None

    def keep(progress: Progress) -> None:
        if progress.psnr is not None:
            found.append(progress.psnr)

    try:
        fit_for_size(fitted, clip, how, max_bytes=size, size_of=payload_size, progress=keep, stop=context.stop)
    except SizeError:
        return None
    return found[-1]
