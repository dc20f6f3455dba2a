"""The network that a segment is fitted with: chosen for its bytes before anything is fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nqcodec.backbones import backbone
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.errors import UsageError
from nqcodec.network import camera_path
from nqcodec.network.program import Program
from nqcodec.training import motion

CODED_BITS = 4.0
"""Bits a parameter, coded, that a network is sized for: measured best at equal file bytes (docs/experiments.md)."""

MOST_CODED_BITS = 6.5
"""Bits a parameter that even the highest of several rates should not exceed: beyond, bits gain next to nothing."""


def choose_program(task: SegmentTask) -> Program:
    """The network for a segment: a published one by name, or the backbone's best for the budgets at hand.

    Raises:
        RateError: too few bytes for the smallest network; says how many that needs.
    """
    settings, video = task.settings, task.video
    sizes = [budget for budget in task.budgets if budget is not None]
    chosen = backbone(settings.arch, video.frames, min(sizes, default=None))
    if settings.arch_preset:
        if task.parameters is not None:
            raise UsageError("--arch-preset names a network of its own size: leave --params out")
        return chosen.build_preset(settings.arch_preset, video, video.frames)
    if task.parameters is not None:
        return chosen.build(video, video.frames, task.parameters)
    if chosen.for_bytes is not None:
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
