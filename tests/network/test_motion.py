"""Which grids hold vectors, and how far a value of them displaces."""

from __future__ import annotations

import pytest

from nqcodec.media.video import Chroma, Video
from nqcodec.network.motion import vector_grids, vector_maps
from nqcodec.network.operations import Add, Conv, Grid, Operation, Planes, Upsample, Warp
from nqcodec.network.program import Program

VIDEO = Video(64, 32, 4, chroma=Chroma.C400)


def warped(*vectors: Operation, bits: int = 2) -> Program:
    """A map of one channel at 16x32 cells of 2x2 samples, displaced by what the last of `vectors` gives."""
    first = Grid((), 1, 4, 16, 32)
    last = len(vectors)
    return Program.of([first, *vectors, Warp((0, last), bits), Planes((last + 1,), 2)], VIDEO)


@pytest.mark.parametrize("bits", [0, 2, 5])
def test_a_value_displaces_by_the_cells_of_the_map(bits: int) -> None:
    program = warped(Grid((), 4, 2, 16, 32), bits=bits)
    assert vector_grids(program) == {1: 2 / 2**bits}


def test_vectors_may_be_enlarged() -> None:
    program = warped(Grid((), 4, 2, 4, 8), Upsample((1,), 2, 8, 16), Upsample((2,), 2, 16, 32))
    assert vector_grids(program) == {1: 0.5}


def test_vectors_that_are_computed_are_none() -> None:
    program = warped(Grid((), 4, 3, 16, 32), Conv((1,), 2, 3))
    assert vector_grids(program) == {}
    program = warped(Grid((), 4, 2, 16, 32), Add((1, 1)))
    assert vector_grids(program) == {}


def test_what_is_displaced_is_no_vector() -> None:
    program = warped(Grid((), 4, 2, 16, 32))
    assert 0 not in vector_grids(program)


def test_maps_of_vectors_are_those_from_the_warp_back_to_the_source() -> None:
    program = warped(Grid((), 4, 2, 4, 8), Upsample((1,), 2, 8, 16), Upsample((2,), 2, 16, 32))
    assert vector_maps(program) == {1, 2, 3}
    program = warped(Grid((), 4, 3, 16, 32), Conv((1,), 2, 3))
    assert vector_maps(program) == {2}
