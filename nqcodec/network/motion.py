"""What a program says of motion: which grids hold vectors, which displace maps in a `warp`, and the camera's path."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import log2

from nqcodec.network.camera_path import Path, position_at
from nqcodec.network.operations import Grid, Planes, Upsample, Warp, Window
from nqcodec.network.program import Program


@lru_cache(maxsize=64)
def vector_grids(program: Program) -> dict[int, float]:
    """Grids that a `warp` reads its vectors from, enlarged or not: by operation index, the luma samples that a value of
    1 displaces by, as the last such warp has it, whose map is the finest."""
    found: dict[int, float] = {}
    for op in program.operations:
        if isinstance(op, Warp):
            source = _sources(program, op.inputs[1])[-1]
            if isinstance(program.operations[source], Grid):
                rows = program.shapes[op.inputs[0]][1]
                found[source] = _samples_of_a_cell(program, rows) * 2.0**-op.bits
    return found


def vector_maps(program: Program) -> frozenset[int]:
    """Operations whose maps are vectors, or become them by enlargement: what a `warp` reads, back to its source."""
    warps = [op for op in program.operations if isinstance(op, Warp)]
    return frozenset(index for op in warps for index in _sources(program, op.inputs[1]))


def camera_window(program: Program) -> Window | None:
    """The first window that follows a camera."""
    windows = (op for op in program.operations if isinstance(op, Window) and len(op.knots) > 1)
    return next((window for window in windows if not shows_key_grids(window)), None)


def camera_path(program: Program) -> Path | None:
    """The path of the camera that `program` follows, in luma samples."""
    window = camera_window(program)
    if window is None:
        return None
    ratio = _samples_of_a_cell(program, window.height * window.ratio)
    return Path(window.knots, window.bits - round(log2(ratio)))


def camera_shift(program: Program, first: int, last: int) -> tuple[float, float]:
    """By how many luma samples (down, right) the camera is farther in frame `last` than in frame `first`."""
    path = camera_path(program)
    if path is None:
        return 0.0, 0.0
    there, here = position_at(path.knots, first), position_at(path.knots, last)
    return (here[0] - there[0]) / 2**path.bits, (here[1] - there[1]) / 2**path.bits


def shows_key_grids(window: Window) -> bool:
    """Whether it only ever shows one of several maps of its own size, one below the other."""
    return window.bits == 0 and all(row % window.height == 0 and column == 0 for _, row, column in window.knots)


def displaced_parts(program: Program, grid: int, frames: int) -> list[range]:
    """The parts of a segment of `frames` frames whose pictures the vectors of operation `grid` displace from one place:
    the frames that see one key grid each, or all."""
    warps = [op for op in program.operations if isinstance(op, Warp) and grid in _sources(program, op.inputs[1])]
    window = program.operations[warps[-1].inputs[0]]
    if not isinstance(window, Window) or not shows_key_grids(window):
        return [range(frames)]
    places = [window.position(t) for t in range(frames)]
    starts = [t for t in range(frames) if t == 0 or places[t] != places[t - 1]]
    return [range(first, last) for first, last in pairwise([*starts, frames])]


def _sources(program: Program, index: int) -> list[int]:
    """Operation `index`, and those whose maps it enlarges, the last of which enlarges none."""
    found = [index]
    while isinstance(op := program.operations[found[-1]], Upsample):
        found.append(op.inputs[0])
    return found


def _samples_of_a_cell(program: Program, rows: int) -> int:
    """Luma rows of a cell in a map of `rows` rows, which a whole number of cells covers."""
    head = program.operations[-1]
    assert isinstance(head, Planes)
    covered = program.shapes[head.inputs[0]][1] * head.ratio
    # Maps have whole cells, so the quotient is up to a part less than the ratio between both.
    return -(-covered // rows)
