"""Published networks as programs: one module for each, found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nqcodec.backbones import hnerv
from nqcodec.errors import UsageError
from nqcodec.program import Program
from nqcodec.video import Video


@dataclass(frozen=True)
class Backbone:
    """What every backbone offers.

    Attributes:
        build: (video, frames, parameters) to the largest program within the budget; raises RateError below `smallest`.
        build_preset: (name, video, frames) to a published network.
        smallest: (video, frames) to the fewest parameters that `build` can make.
        presets: names that `build_preset` knows.
    """

    build: Callable[[Video, int, int], Program]
    build_preset: Callable[[str, Video, int], Program]
    smallest: Callable[[Video, int], int]
    presets: tuple[str, ...]


BACKBONES: dict[str, Backbone] = {
    "hnerv": Backbone(hnerv.build, hnerv.build_preset, hnerv.smallest, tuple(hnerv.PAPER_WIDTHS)),
}


def backbone(name: str) -> Backbone:
    """The backbone of that name; raises UsageError, naming those that exist."""
    if name not in BACKBONES:
        raise UsageError(f"there is no backbone {name}: choose one of {', '.join(BACKBONES)}")
    return BACKBONES[name]
