"""The methods that fit segments, found by name, and the one that a segment's settings ask for.

torch comes with this module: it is imported only where a segment is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from nqcodec.backbones import backbone
from nqcodec.encoder.jobs import JobContext
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.segment_fit import FitMethod, SegmentFit, fit_path
from nqcodec.encoder.segment_network import choose_program, structures_for
from nqcodec.encoder.segment_plain import PlainSegment
from nqcodec.encoder.segment_rate_aware import RateAwareSegment
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.encoder.size_estimate import with_estimates
from nqcodec.encoder.structure_trial import Trial, best_structure
from nqcodec.errors import UsageError
from nqcodec.training.checkpoint import load_fit
from nqcodec.training.clip import pack

RATE_AWARE, PLAIN = "rate-aware", "plain"
METHODS: Mapping[str, FitMethod] = {RATE_AWARE: RateAwareSegment, PLAIN: PlainSegment}
"""By the names that `EncodeSettings.method` takes beside "auto"."""


def method_of(settings: EncodeSettings, has_quality: bool = False) -> str:
    """The name of the method asked for, or of the one that measured better for the backbone.

    Args:
        has_quality: whether a quality or a PSNR is asked for, which a rate-aware fit is steered to.

    Raises:
        UsageError: options of a plain fit with another method.
    """
    if settings.method == "auto":
        plain = settings.arch_preset or settings.departs()
        return RATE_AWARE if (has_quality or backbone(settings.arch).rate_aware) and not plain else PLAIN
    if settings.method == RATE_AWARE and settings.departs():
        raise UsageError("--recipe, --loss, --optimizer and the like are options of --method plain")
    return settings.method


def fit_segment(task: SegmentTask, context: JobContext) -> tuple[SegmentFit, dict[str, Any]]:
    """Fit a segment by the method that its settings name, or take up a saved fit.

    Returns:
        The fit, and what was decided for it, for reports: "trial" of structures and "motion" found, each None where
        there was none.

    Raises:
        UsageError: the saved fit is of another clip.
        InputError: the saved fit is damaged.
        RateError: no network, or no file, of the size asked for can be made.
        NqError: it was stopped.
    """
    settings, video = task.settings, task.video
    saved = load_fit(fit_path(settings.fit, task)) if settings.fit else None
    if saved and replace(saved.video, fps=video.fps) != video:
        raise UsageError(f"{settings.fit}: is a fit of another clip (size, format or number of frames differ)")
    method = (RATE_AWARE if saved.extra else PLAIN) if saved else method_of(settings, task.has_quality)
    if task.has_quality and method != RATE_AWARE:
        raise UsageError(f"{settings.fit}: is a plain fit, which --bpp and --bitrate are for, not --quality and --psnr")
    if task.has_quality and not saved:
        task = with_estimates(task, context)
    program = saved.network.program if saved else choose_program(task)
    clip = pack(task.clip.frames(task.first, video.frames), video, program, device=settings.device)
    if saved:
        saved.network.to(settings.device)
        # Only a fit for a rate has quantizers beside its network.
        fit = METHODS[method].saved(task, context, saved, clip)
        return fit, _decisions(fit, None)
    trial = None
    if method == RATE_AWARE:
        program, trial = best_structure(task, context, structures_for(task, program), clip)
    fit = METHODS[method].fit(task, context, program, clip)
    return fit, _decisions(fit, trial)


def _decisions(fit: SegmentFit, trial: Trial | None) -> dict[str, Any]:
    return {"trial": trial and asdict(trial), "motion": fit.motion and fit.motion.as_dict()}


def useful_threads(task: SegmentTask) -> int:
    """Threads that a fit gains from without harm where other work wants the same cores."""
    settings = task.settings
    if settings.device != "cpu" or settings.fit:
        return 1
    return METHODS[method_of(settings, task.has_quality)].useful_threads(task)
