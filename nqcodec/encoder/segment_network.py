"""The network that a segment is fitted with: chosen for its bytes before anything is fitted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nqcodec.backbones import backbone, picture, pyramid
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.errors import UsageError
from nqcodec.media.video import Video
from nqcodec.network.camera_path import Path, position_at
from nqcodec.network.motion import camera_path, vector_grids
from nqcodec.network.program import Program
from nqcodec.training import motion

CODED_BITS = 4.0
"""Bits a parameter, coded, that a network is sized for: measured best at equal file bytes (docs/experiments.md)."""

MOST_CODED_BITS = 6.5
"""Bits a parameter that even the highest of several rates should not exceed: beyond, bits gain next to nothing."""

LEAST_SEEN = 0.9
"""Part of a frame that the middle frame must show too, on average, for vectors alone to be tried."""


@dataclass(frozen=True)
class Structure:
    """A network that a segment may be fitted with, and what it is called in messages."""

    name: str
    program: Program


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
        return chosen.for_bytes(video, video.frames, _middle_size(sizes), path, moves)
    wanted, least = sized_for(task.budgets), chosen.smallest(video, video.frames)
    return chosen.build(video, video.frames, max(wanted, least))


def structures_for(task: SegmentTask, program: Program) -> list[Structure]:
    """The networks that a segment may be fitted with: what a rule chooses, and what a trial may prefer.

    `program` is what `choose_program` gave. There are two at most, because trials of less than 5 % of a fit are often
    wrong. Which is better is not seen beforehand (docs/experiments.md):

    - Beside the camera's path, where it is followed, vectors gained up to 0.7 dB over vectors alone on some clips, and
      lost up to 0.6 on others; with key grids they lost in all short fits, so vectors and key grids are what a fit too
      short for a trial has. If the scene is larger than a picture, path and vectors gained 0.5 to 1.0 dB over vectors,
      though a short fit does not always tell, and key grids lost 0.3 dB on a pan, so nothing else is tried.
    - Key grids gained up to 1.0 dB, and lost 0.4 on another clip.
    - Denser grids, where the bytes are too few for key grids, gained 0.4 dB, and lost 0.6 on another clip.
    - In a single frame, the residual at half resolution gained 0.5 to 0.8 dB, and lost up to as much on another.
    """
    video, path = task.video, camera_path(program)
    if task.settings.arch == "auto" and program == picture.assemble(video, video.frames):
        plain = picture.assemble(video, video.frames, refined=False)
        return [Structure("with a residual at half resolution", program), Structure("without", plain)]
    if task.settings.arch != "auto" or not vector_grids(program):
        return [Structure("the network chosen", program)]
    size = _middle_size([budget for budget in task.budgets if budget is not None])
    keys = pyramid.key_grids(video, size)

    def moving(name: str, path: Path | None, keys: int = 0, denser: int = 0) -> Structure:
        base = pyramid.Settings(keys=keys, denser=denser)
        return Structure(name, pyramid.for_bytes(video, video.frames, size, path, True, base=base))

    both, all_three = "the camera's path and vectors", "the camera's path, vectors and key grids"
    vectors, keyed, denser = "vectors", "vectors and key grids", "vectors and denser grids"
    if path is None:
        other = moving(keyed, None, keys) if keys > 1 else moving(denser, None, denser=1)
        found = [Structure(vectors, program), other]
    elif _seen(path, video) < LEAST_SEEN:
        found = [Structure(both, program)]
    elif keys > 1:
        found = [moving(keyed, None, keys), moving(all_three, path, keys)]
    else:
        found = [Structure(both, program), moving(vectors, None)]
    # Where decoders would not accept what differs, both are the same network.
    return found if found[0].program != found[-1].program else found[:1]


def _seen(path: Path, video: Video) -> float:
    """Part of a frame that the middle frame shows too, if the camera moves along `path`, on average."""
    middle, parts = position_at(path.knots, video.frames // 2), list[float]()
    for t in range(video.frames):
        moved = [abs(a - b) / 2**path.bits for a, b in zip(position_at(path.knots, t), middle, strict=True)]
        parts.append(max(0.0, 1 - moved[0] / video.height) * max(0.0, 1 - moved[1] / video.width))
    return sum(parts) / len(parts)


def _middle_size(sizes: Sequence[int]) -> int:
    """The geometric middle of several budgets in bytes."""
    return int(math.sqrt(min(sizes) * max(sizes)))


def motion_of(task: SegmentTask) -> tuple[Path | None, bool]:
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
