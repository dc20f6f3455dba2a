"""Key grids: which frames see which of them, that vectors displace them, and that they come beside all other grids."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.backbones import pyramid
from nqcodec.backbones.pyramid_motion import KEY_VECTOR_RATIO, path_over_key_grids
from nqcodec.media.video import Video
from nqcodec.network.camera_path import Path, position_at
from nqcodec.network.motion import camera_path, displaced_parts, shows_key_grids, vector_grids
from nqcodec.network.operations import Grid, Operation, Warp, Window
from nqcodec.network.program import Limits, Program

VIDEO = Video(320, 180, 32)


def keyed(keys: int, video: Video = VIDEO, size: int = 30_000, path: Path | None = None) -> Program:
    return pyramid.for_bytes(video, video.frames, size, path, True, base=pyramid.Settings(keys=keys))


@settings(deadline=None)
@given(data=st.data())
def test_each_frame_sees_the_key_of_its_part(data: st.DataObject) -> None:
    frames, rows = data.draw(st.integers(1, 500)), data.draw(st.integers(1, 4000))
    keys = data.draw(st.integers(1, min(frames, 40)))
    path = path_over_key_grids(keys, frames, rows)
    assert len(path) <= 2 * keys
    seen = [position_at(path, t) for t in range(frames)]
    assert seen == [(t * keys // frames * rows, 0) for t in range(frames)]


def test_parts_of_a_segment_are_those_that_see_the_same_key() -> None:
    program = keyed(5)
    program.check_limits(VIDEO, Limits())
    (window,) = (op for op in program.operations if isinstance(op, Window) and len(op.knots) > 1)
    assert shows_key_grids(window)
    assert camera_path(program) is None
    scene, own = vector_grids(program)
    assert displaced_parts(program, scene, 32) == [range(32)]
    same = [list(part) for _, part in groupby(range(32), window.position)]
    assert displaced_parts(program, own, 32) == [range(part[0], part[-1] + 1) for part in same]
    assert len(same) == 5


@pytest.mark.parametrize("size", [5_000, 30_000, 200_000])
def test_key_grids_come_beside_all_others(size: int) -> None:
    """At full resolution, with vectors of their own; what else there is does not change by them."""
    plain, program = keyed(0, size=size), keyed(4, size=size)
    rows, columns = -(-180 // KEY_VECTOR_RATIO), -(-320 // KEY_VECTOR_RATIO)
    added = Grid((), 1, 1, 4 * 180, 320), Grid((), 32, 2, rows, columns)
    assert grids(program) == grids(plain) + Counter(added)
    assert [program.operations[index] for index in vector_grids(program)][1:] == [added[1]]
    assert count(program, Warp) == count(plain, Warp) + 1


def grids(program: Program) -> Counter[Operation]:
    return Counter(op for op in program.operations if isinstance(op, Grid))


def count(program: Program, kind: type[Operation]) -> int:
    return sum(isinstance(op, kind) for op in program.operations)


def test_key_grids_are_not_seen_through_the_camera_s_window() -> None:
    path = Path(((0, 0, 0), (31, 80, 0)))
    program = keyed(4, path=path)
    assert camera_path(program) == path
    assert [len(displaced_parts(program, grid, 32)) for grid in vector_grids(program)] == [1, 4]
    assert Grid((), 1, 1, 4 * 180, 320) in program.operations


def test_what_does_not_move_has_no_key_grids() -> None:
    base = pyramid.Settings(keys=4)
    assert pyramid.for_bytes(VIDEO, 32, 30_000, base=base) == pyramid.for_bytes(VIDEO, 32, 30_000)


def test_the_number_of_keys_follows_the_bytes_and_the_frames() -> None:
    sizes = (1_000, 20_000, 25_000, 40_000, 10**6)
    assert [pyramid.key_grids(VIDEO, size) for size in sizes] == [0, 2, 2, 4, 4]
    assert pyramid.key_grids(VIDEO.with_frames(7), 10**6) == 0
    assert pyramid.key_grids(VIDEO.with_frames(500), 10**7) == 8
    assert pyramid.key_grids(Video(640, 360, 32), 40_000) == 1


@pytest.mark.parametrize("size", [2_000, 12_000, 30_000])
def test_denser_grids_are_the_next_ones(size: int) -> None:
    plain, denser = (
        pyramid.for_bytes(VIDEO, 32, size, None, True, base=pyramid.Settings(denser=more)) for more in (0, 1)
    )
    assert denser.parameters > plain.parameters
    least, most = (sum(op.times * op.channels for op in grids(program)) for program in (plain, denser))
    assert most > least


def test_grids_are_not_denser_than_decoders_accept() -> None:
    """The densest of 300 frames of 1920x1080 are."""
    large = Video(1920, 1080, 300)
    program = pyramid.for_bytes(large, 300, 10**7, None, True, base=pyramid.Settings(denser=4))
    program.check_limits(large, Limits())
    assert program == pyramid.for_bytes(large, 300, 10**7, None, True)
