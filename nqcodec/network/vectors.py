"""Which grids of a program hold vectors: what displaces maps in a `warp`, coded as latents of its own."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

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


def key_windows(program: Program) -> frozenset[int]:
    """Windows that show one of several key grids to a `warp`: those of no camera."""
    read = {op.inputs[0] for op in program.operations if isinstance(op, Warp)}
    return frozenset(index for index in read if isinstance(program.operations[index], Window))


def displaced_parts(program: Program, grid: int, frames: int) -> list[range]:
    """The parts of a segment of `frames` frames whose pictures the vectors of operation `grid` displace from one place:
    the frames that see one key grid each, or all."""
    warps = [op for op in program.operations if isinstance(op, Warp) and grid in _sources(program, op.inputs[1])]
    window = program.operations[warps[-1].inputs[0]]
    if not isinstance(window, Window):
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
