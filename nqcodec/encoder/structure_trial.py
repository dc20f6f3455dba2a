"""Structures that a rule cannot choose between, tried for a few iterations each: the best is fitted in full."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nqcodec.bitstream.segment import payload_size
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.progress import Event
from nqcodec.encoder.segment_network import Structure
from nqcodec.encoder.segment_rate_aware import fit_settings, middle_rate
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.methods.rate_aware.fit import Fitted, fit_for_size
from nqcodec.network.program import Program
from nqcodec.quantization.size_search import SizeError
from nqcodec.training.clip import PackedClip
from nqcodec.training.flow import start_vectors
from nqcodec.training.progress import Progress
from nqcodec.training.start import new_network

TRIAL_SHARE, MOST_ITERATIONS = 0.05, 400
"""Iterations of a trial, as a part of the fit's and at most."""

LEAST_ITERATIONS = 60
"""Least iterations of a trial that says anything; with fewer the rule decides."""


def best_structure(
    task: SegmentTask, context: JobContext, structures: Sequence[Structure], clip: PackedClip
) -> Program:
    """The program whose short fit has the highest PSNR-YUV within the bytes of the middle rate; the first of
    `structures`, which is the rule's choice, if fits are too short for a trial.

    Raises:
        NqError: if it was stopped.
    """
    first = structures[0].program
    iterations = min(round(TRIAL_SHARE * fit_settings(task, first).iterations), MOST_ITERATIONS)
    if len(structures) == 1 or iterations < LEAST_ITERATIONS:
        return first
    found = [_psnr(task, context, one.program, clip, iterations) for one in structures]
    best = max(range(len(structures)), key=lambda number: (found[number], -number))
    figures = ", ".join(f"{one.name} {psnr:.2f} dB" for one, psnr in zip(structures, found, strict=True))
    text = f"structure: {figures} after {iterations} iterations; going on with {structures[best].name}"
    context.progress(Event(task.name, "fit", text=text))
    return structures[best].program


def _psnr(task: SegmentTask, context: JobContext, program: Program, clip: PackedClip, iterations: int) -> float:
    """PSNR-YUV in dB that a fit of `program` ends with; minus infinity if it cannot have so few bytes."""
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
        return -math.inf
    return found[-1]
