"""Warps of as many rows and columns as one may have, and of one more (formats/nq.md, 5 and 6.14)."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

from conformance_vectors.build import File, Part, Vector, part
from conformance_vectors.calm import Calm, calm_network
from conformance_vectors.faults import FORMAT, refused
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    MOST_WARP_SIDE,
    Grid,
    Operation,
    Planes,
    Tile,
    Upsample,
    Warp,
    Window,
)

SHOWN = 48
"""Rows or columns of the picture: the last of the warp's."""


def vectors() -> Iterator[Vector]:
    """All of this module."""
    for axis, name in ((0, "rows"), (1, "columns")):
        for taps in (LINEAR_TAPS, CUBIC_TAPS):
            made = File(picture(axis), [long_warp(axis, MOST_WARP_SIDE, taps)]).data()
            purpose = f"A warp of 65,536 {name}, of which the picture shows the last, by {taps} taps."
            yield Vector(f"op-warp-65536-{name}-{taps}-taps", purpose, made)
        with patch("nqcodec.network.operations.spatial.MOST_WARP_SIDE", 2 * MOST_WARP_SIDE):
            over = File(picture(axis), [long_warp(axis, MOST_WARP_SIDE + 1, LINEAR_TAPS)]).data()
        purpose = f"A warp of 65,537 {name}."
        yield refused(f"program-warp-65537-{name}", purpose, over, FORMAT, "operation:warp", "refused:warp")


def picture(axis: int) -> Video:
    """A strip along that axis."""
    height, width = strip(axis, SHOWN)
    return Video(width, height, 1, chroma=Chroma.C400)


def strip(axis: int, length: int) -> tuple[int, int]:
    """(height, width) of a map of one row or one column."""
    return (length, 1) if axis == 0 else (1, length)


def long_warp(axis: int, side: int, taps: int) -> Part:
    """A segment that shows the end of a warp of `side` rows or columns."""
    row, column = strip(axis, side - SHOWN + 1)
    coarse, middle = strip(axis, 260), strip(axis, 4160)
    operations: list[Operation] = [
        Grid((), 1, 1, *coarse),
        Upsample((0,), 16, *middle),
        Upsample((1,), 16, *strip(axis, side)),
        Grid((), 1, 2, 1, 1),
        Tile((3,), *strip(axis, side)),
        Warp((2, 4), 3, taps),
        Window((5,), *strip(axis, SHOWN), 1, 0, ((0, row - 1, column - 1),)),
        Planes((6,), 1),
    ]
    video = picture(axis)
    return part(video, calm_network(video, operations, Calm(1490 + taps, latent_bits=8, frac=10, head_frac=10)))
