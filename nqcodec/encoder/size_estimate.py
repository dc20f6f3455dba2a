"""The bytes that a segment will take for a quality or a PSNR, estimated by a short fit.

A network is chosen for a number of bytes, and its fit is steered to about that from the start. An estimate that is a
quarter off does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nqcodec.bitstream.segment import payload_size
from nqcodec.encoder.expected_size import (
    MOST_SHORT_FITS,
    ShortFit,
    expected_bytes,
    middle_of,
    relative_budgets,
    short_iterations,
)
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.segment_network import choose_program
from nqcodec.encoder.segment_rate_aware import fit_settings
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.atomic import AtomicFile
from nqcodec.methods.rate_aware.fit import Fitted, fit_for_size
from nqcodec.quantization.size_search import SizeError
from nqcodec.training.clip import pack
from nqcodec.training.flow import start_vectors
from nqcodec.training.progress import Progress
from nqcodec.training.start import new_network

SHORT_FIT = "estimate"
"""The stage of short fits in reports of progress."""

MOST_FACTOR = 1.6
"""How far off the bytes of a short fit may be before it is repeated with better ones."""


def with_estimates(task: SegmentTask, context: JobContext) -> SegmentTask:
    """The task of qualities or PSNRs with the bytes that each is estimated to take as its budgets.

    An encode that resumes goes by the estimate that it was interrupted after.

    Raises:
        NqError: if it was stopped.
    """
    rates = [rate for rate in task.rates if rate]
    sizes = _load(task)
    if sizes is None:
        sizes = _estimated(task, context, rates)
        _save(task, sizes)
    shown = ", ".join(f"{size} bytes for {rate.name} {rate.value:g}" for rate, size in zip(rates, sizes, strict=True))
    context.progress(Event(task.name, "fit", text=f"expecting about {shown}"))
    return replace(task, budgets=tuple(sizes))


def _estimated(task: SegmentTask, context: JobContext, rates: Sequence[Rate]) -> list[int]:
    middle = middle_of(rates)
    size = middle.guessed_bytes(task.video)
    for _ in range(MOST_SHORT_FITS):
        found, iterations = _short_fit(task, context, size)
        size = expected_bytes(middle, found, iterations, task.video.pixels)
        if max(size, found.size) <= MOST_FACTOR * min(size, found.size):
            break
    return list(relative_budgets(task, size))


def _short_fit(task: SegmentTask, context: JobContext, size: int) -> tuple[ShortFit, int]:
    """A short fit for `size` bytes, or more if the network needs them, and the iterations of the fit itself."""
    task = replace(task, budgets=(size,), rates=())
    program, video = choose_program(task), task.video
    clip = pack(task.clip.frames(task.first, video.frames), video, program, device=task.settings.device)
    full = fit_settings(task, program)
    iterations = short_iterations(full.iterations)
    # Its size need not be met, so no iterations are spent on that.
    how, psnrs = replace(full, iterations=iterations, min_ratio=0.0), list[float]()

    def keep(progress: Progress) -> None:
        if progress.psnr is not None:
            psnrs.append(progress.psnr)
        context.progress(Event.of(progress, task.name, SHORT_FIT))

    while True:
        fitted = Fitted.fresh(new_network(program, video.frames, how), how.latent_step_index)
        start_vectors(fitted.network, clip)
        try:
            network = fit_for_size(
                fitted, clip, how, max_bytes=size, size_of=payload_size, progress=keep, stop=context.stop
            )
            return ShortFit(iterations, payload_size(network), psnrs[-1]), full.iterations
        except SizeError as error:
            size = 2 * max(size, error.possible)


def _path(task: SegmentTask) -> Path:
    return task.work / f"segment{task.number:05d}.estimate.json"


def _save(task: SegmentTask, sizes: Sequence[int]) -> None:
    with AtomicFile(_path(task)) as file:
        file.write(json.dumps(list(sizes)).encode())


def _load(task: SegmentTask) -> list[int] | None:
    """The estimate of the encode that is resumed, if it got so far."""
    path = _path(task)
    return json.loads(path.read_text("utf-8")) if task.settings.resume and path.exists() else None
