"""Published networks as programs: one module for each, found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nqcodec.backbones import hinerv, hnerv, nerv, nervpp, picture, pyramid
from nqcodec.errors import UsageError
from nqcodec.media.video import Video
from nqcodec.network.camera_path import Path
from nqcodec.network.program import Program


class SizedBuild(Protocol):
    """The program for a segment's frames and a file of so many bytes, the path of a camera, and whether things move."""

    def __call__(
        self, video: Video, frames: int, size: int, path: Path | None = None, moves: bool = False, /
    ) -> Program: ...


@dataclass(frozen=True)
class Backbone:
    """The interface of a backbone.

    Attributes:
        build: (video, frames, parameters) to the largest program within the budget; raises RateError below `smallest`.
        build_preset: (name, video, frames) to a published network.
        smallest: (video, frames) to the fewest parameters that `build` can make.
        presets: names that `build_preset` knows.
        encoder: True if the latents of a preset come from `nqcodec.training.paper.encoder` while fitting, as published.
        rate_aware: True if fitting it for its rate measured better than quantising it after the fit.
        for_bytes: (video, frames, bytes, camera's path, whether anything moves) to the program that suits a file of
            that size; None if its size follows from a number of parameters.
    """

    build: Callable[[Video, int, int], Program]
    build_preset: Callable[[str, Video, int], Program]
    smallest: Callable[[Video, int], int]
    presets: tuple[str, ...]
    encoder: bool = False
    rate_aware: bool = False
    for_bytes: SizedBuild | None = None


BACKBONES: dict[str, Backbone] = {
    "pyramid": Backbone(
        pyramid.build, pyramid.build_preset, pyramid.smallest, (), rate_aware=True, for_bytes=pyramid.for_bytes
    ),
    "pyramid-light": Backbone(
        pyramid.build_light,
        pyramid.build_preset,
        pyramid.smallest_light,
        (),
        rate_aware=True,
        for_bytes=pyramid.light_for_bytes,
    ),
    "picture": Backbone(
        picture.build, picture.build_preset, picture.smallest, (), rate_aware=True, for_bytes=picture.for_bytes
    ),
    "hnerv": Backbone(hnerv.build, hnerv.build_preset, hnerv.smallest, tuple(hnerv.PAPER_WIDTHS), encoder=True),
    "nerv": Backbone(nerv.build, nerv.build_preset, nerv.smallest, nerv.PRESETS),
    "nervpp": Backbone(nervpp.build, nervpp.build_preset, nervpp.smallest, nervpp.PRESETS),
    "hinerv": Backbone(hinerv.build, hinerv.build_preset, hinerv.smallest, tuple(hinerv.PAPER_NETWORKS)),
}


DEFAULT, STILL_DEFAULT = "pyramid", "picture"
"""The backbones that `auto` means for a clip and for a single frame: the best of those measured
(docs/component-benchmarks.md), but for pictures as tiny as 96x64, where the pyramid is better (docs/experiments.md)."""


LEAST_STILL_BYTES = 600
"""Least bytes of a segment for `STILL_DEFAULT`: in a smaller one, program and context models of its grids are most."""


def backbone(name: str, frames: int = 0, size: int | None = None) -> Backbone:
    """The backbone of that name, or the default for "auto".

    Args:
        frames: of the segment.
        size: bytes of the segment; None if a number of parameters is given instead, which says little of a picture.

    Raises:
        UsageError: there is none of that name; the error lists those that exist.
    """
    if name == "auto":
        name = STILL_DEFAULT if frames == 1 and (size or 0) >= LEAST_STILL_BYTES else DEFAULT
    if name not in BACKBONES:
        raise UsageError(f"there is no backbone {name}: choose one of {', '.join(BACKBONES)}")
    return BACKBONES[name]
