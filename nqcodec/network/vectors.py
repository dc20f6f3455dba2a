"""Which grids of a program hold vectors: what displaces maps in a `warp`, coded as latents of its own."""

from __future__ import annotations

from functools import lru_cache

from nqcodec.network.operations import Grid, Planes, Upsample, Warp
from nqcodec.network.program import Program


@lru_cache(maxsize=64)
def vector_grids(program: Program) -> dict[int, float]:
    """Grids that a `warp` reads its vectors from, enlarged or not: by operation index, the luma samples that a value of
    1 displaces by, as the last such warp has it, whose map is the finest."""
    found: dict[int, float] = {}
    for op in program.operations:
        if isinstance(op, Warp):
            source = _source(program, op.inputs[1])
            if source is not None:
                rows = program.shapes[op.inputs[0]][1]
                found[source] = _samples_of_a_cell(program, rows) * 2.0**-op.bits
    return found


def _source(program: Program, index: int) -> int | None:
    """The grid whose enlarged map is that of operation `index`; None for another source."""
    while isinstance(op := program.operations[index], Upsample):
        index = op.inputs[0]
    return index if isinstance(op, Grid) else None


def _samples_of_a_cell(program: Program, rows: int) -> int:
    """Luma rows of a cell in a map of `rows` rows, which a whole number of cells covers."""
    head = program.operations[-1]
    assert isinstance(head, Planes)
    covered = program.shapes[head.inputs[0]][1] * head.ratio
    # Maps have whole cells, so the quotient is up to a part less than the ratio between both.
    return -(-covered // rows)
