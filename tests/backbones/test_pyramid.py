"""The latent pyramid: any picture size, its levels and grids, work a pixel, budgets in parameters and in bytes."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.backbones import BACKBONES, DEFAULT, backbone, pyramid
from nqcodec.errors import LimitError, RateError, UsageError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.camera_path import Path
from nqcodec.network.motion import camera_path, vector_grids
from nqcodec.network.operations import CUBIC_TAPS, Conv, Grid, Planes, Warp, Window
from nqcodec.network.program import Limits, Program, head_channels

NAMES = ("pyramid", "pyramid-light")
COMMON = [(176, 144), (320, 180), (352, 288), (640, 360), (854, 480), (1280, 720), (1920, 1080), (3840, 2160)]
CHROMA = st.sampled_from([Chroma.C400, Chroma.C420, Chroma.C422, Chroma.C444])
SIZES = {"width": st.integers(16, 4096), "height": st.integers(16, 2304), "frames": st.integers(1, 300)}


def grids(program: Program) -> list[tuple[Grid, tuple[int, ...]]]:
    """Grids with the shapes of their maps."""
    shapes = zip(program.operations, program.shapes, strict=True)
    return [(op, shape) for op, shape in shapes if isinstance(op, Grid)]


def kilo_macs(program: Program, video: Video) -> float:
    """Thousand multiply-accumulates a pixel of the picture."""
    return program.macs / (video.width * video.height) / 1000


def check(program: Program, video: Video) -> None:
    """What holds for every pyramid."""
    program.check_limits(video, Limits())
    width, height = program.coded_size
    head = program.operations[-1]
    assert isinstance(head, Planes)
    assert video.width <= width < video.width + head.ratio
    assert video.height <= height < video.height + head.ratio
    assert program.shapes[-1][0] == head_channels(video.chroma, head.ratio)
    by_scale: dict[tuple[int, ...], list[int]] = {}
    for grid, shape in grids(program):
        assert 1 <= grid.times <= max(1, video.frames)
        by_scale.setdefault(shape[1:], []).append(grid.times)
    # Grids of one level that have equally many latents in time would represent the same things twice.
    assert all(len(set(times)) == len(times) for times in by_scale.values())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(**SIZES, chroma=CHROMA, size=st.integers(1, 10**7))
def test_any_size_of_picture_and_file(
    name: str, width: int, height: int, frames: int, chroma: Chroma, size: int
) -> None:
    video = Video(width, height, frames, chroma=chroma)
    chosen = backbone(name).for_bytes
    assert chosen is not None
    check(chosen(video, frames, size), video)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(**SIZES, chroma=CHROMA, part=st.floats(0, 1))
def test_any_budget_of_parameters(name: str, width: int, height: int, frames: int, chroma: Chroma, part: float) -> None:
    """From the smallest upwards everything is buildable, and nothing exceeds its budget."""
    video = Video(width, height, frames, chroma=chroma)
    least = BACKBONES[name].smallest(video, frames)
    budget = round(least * (4_000_000 / least) ** part)
    program = BACKBONES[name].build(video, frames, max(budget, least))
    assert least <= program.parameters <= max(budget, least)
    check(program, video)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "height"), [(16, 16), (97, 61), (1920, 1080)])
def test_the_smallest_is_named_and_buildable(name: str, width: int, height: int) -> None:
    video = Video(width, height, 8)
    least = BACKBONES[name].smallest(video, 8)
    assert BACKBONES[name].build(video, 8, least).parameters == least
    with pytest.raises(RateError, match=str(least)):
        BACKBONES[name].build(video, 8, least - 1)


@pytest.mark.parametrize("name", NAMES)
def test_larger_budgets_are_used(name: str) -> None:
    """Steps of a trunk's width are coarse; most of any budget beyond the grids' is used."""
    video = Video(320, 180, 60)
    for budget in (60_000, 100_000, 200_000, 400_000):
        assert BACKBONES[name].build(video, 60, budget).parameters > 0.7 * budget


@pytest.mark.parametrize(("width", "height"), COMMON)
@pytest.mark.parametrize("size", [500, 14_000, 10**6])
def test_work_a_pixel(width: int, height: int, size: int) -> None:
    video = Video(width, height, 60)
    whole, light = (kilo_macs(make(video, 60, size), video) for make in (pyramid.for_bytes, pyramid.light_for_bytes))
    if 8 * size > 0.5 * video.pixels:
        # Beyond what latents alone can use, the trunk grows instead.
        used = [make(video, 60, size).parameters for make in (pyramid.for_bytes, pyramid.light_for_bytes)]
        assert min(used) * pyramid.USABLE_BITS > 0.9 * 8 * size
        return
    assert whole < 3.1
    assert whole < 1.0 or pyramid.for_bytes(video, 60, size).macs <= pyramid.MOST_MACS
    assert light < 0.72


def test_large_pictures_keep_the_scale_that_is_free_of_the_bound() -> None:
    video = Video(3840, 2160, 8)
    chosen = pyramid.for_bytes(video, 8, 200_000)
    assert chosen == pyramid.assemble(pyramid.Settings(scale=22 * pyramid.SCALE_STEP), video, 8)
    assert chosen.macs > pyramid.MOST_MACS


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_the_coarsest_map_has_about_the_rows_aimed_at(width: int, height: int, frames: int) -> None:
    """Rows of a 16:9 picture of that width or height, to the nearest power of two."""
    video = Video(width, height, frames)
    for finest in (2, 4):
        found = pyramid.ratios(video, finest)
        assert found[-1] == finest
        assert all(coarse == 2 * fine for coarse, fine in pairwise(found))
        rows = max(height, width * 9 / 16) / found[0]
        slack = math.sqrt(2) * 1.001
        assert rows <= slack * pyramid.COARSEST_ROWS
        assert rows >= pyramid.COARSEST_ROWS / slack or len(found) == 1


@pytest.mark.parametrize("name", NAMES)
def test_levels_are_dense_in_time_where_coarse_and_static_where_fine(name: str) -> None:
    video = Video(320, 180, 64)
    make = backbone(name).for_bytes
    assert make is not None
    program = make(video, 64, 20_000)
    rows = [shape[1] for _, shape in grids(program)]
    assert rows == sorted(rows)
    densest = {shape[1]: max(g.times for g, s in grids(program) if s[1] == shape[1]) for _, shape in grids(program)}
    times = [densest[height] for height in sorted(densest)]
    assert times == sorted(times, reverse=True)
    assert times[0] >= 32, "what moves has a latent map for every other frame at least"
    assert min(grid.times for grid, _ in grids(program)) == 1


@pytest.mark.parametrize("frames", [1, 2, 3, 15, 16, 17, 64])
def test_grids_of_equal_times_are_one(frames: int) -> None:
    program = pyramid.for_bytes(Video(320, 180, frames), frames, 20_000)
    check(program, Video(320, 180, frames))
    count = len(grids(program))
    assert count <= len(grids(pyramid.for_bytes(Video(320, 180, 64), 64, 20_000)))
    if frames == 1:
        assert count == len(pyramid.ratios(Video(320, 180, 1), 2)), "one for each level"


def test_width_follows_the_bytes() -> None:
    video = Video(320, 180, 60)
    sizes = (100, 5_000, 10_000, 14_000, 10**8)
    trunks = [
        sum(op.out_channels for op in pyramid.for_bytes(video, 60, size).operations if isinstance(op, Conv))
        for size in sizes
    ]
    assert trunks == sorted(trunks)
    assert len(set(trunks)) > 2
    grids_of = {tuple(op for op, _ in grids(pyramid.for_bytes(video, 60, size))) for size in sizes[:-1]}
    assert len(grids_of) == 1, "grids serve every ordinary rate"
    assert pyramid.for_bytes(video, 60, sizes[-1]).parameters > pyramid.for_bytes(video, 60, sizes[-2]).parameters


def test_budgets_too_small_for_all_grids_get_fewer() -> None:
    video = Video(640, 360, 60)
    counts = [len(grids(pyramid.build(video, 60, budget))) for budget in (90_000, 200_000, 10**6)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_absurd_pictures_are_refused() -> None:
    video = Video(16384, 16384, 2)
    for make in (pyramid.for_bytes, pyramid.light_for_bytes):
        with pytest.raises(LimitError):
            make(video, 2, 10_000)
    with pytest.raises(LimitError):
        pyramid.smallest(video, 2)
    with pytest.raises(LimitError):
        pyramid.build(video, 2, 10**6)


def test_there_are_no_presets() -> None:
    for name in NAMES:
        assert BACKBONES[name].presets == ()
        with pytest.raises(UsageError, match="no presets"):
            BACKBONES[name].build_preset("small", Video(64, 36, 8), 8)


def test_auto_is_the_pyramid() -> None:
    assert DEFAULT == "pyramid"
    assert backbone("auto") is BACKBONES["pyramid"]
    with pytest.raises(UsageError, match="pyramid-light"):
        backbone("pyramids")


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(**SIZES, rows=st.integers(0, 4000), columns=st.integers(0, 4000), size=st.integers(2000, 10**6))
def test_levels_see_the_scene_through_windows_on_one_path(
    name: str, width: int, height: int, frames: int, rows: int, columns: int, size: int
) -> None:
    video = Video(width, height, frames)
    make = backbone(name).for_bytes
    assert make is not None
    program = make(video, frames, size, Path(((0, rows, 0), (frames, 0, columns))))
    program.check_limits(video, Limits())
    windows = [op for op in program.operations if isinstance(op, Window)]
    assert len({op.knots for op in windows}) == 1
    for op in windows:
        # A pixel's fraction is a smaller one of a cell; the path is coarser where that would be too small.
        level = round(math.log2(width / op.width if width >= height else height / op.height))
        pixel = 2.0 ** (op.bits - level) * op.ratio
        extent = [max(knot[axis] for knot in op.knots) / pixel for axis in (1, 2)]
        assert extent == pytest.approx([rows / 8, columns / 8], abs=0.5 / pixel)
        scene = program.shapes[op.inputs[0]]
        extra = [-(-max(knot[axis] for knot in op.knots) >> op.bits) for axis in (1, 2)]
        assert scene[1:] == (op.height * op.ratio + extra[0], op.width * op.ratio + extra[1])
    # Only the finest level's has more places than cells.
    assert [op.ratio for op in windows if op.ratio > 1] == ([2] if windows else [])


@settings(max_examples=30, deadline=None)
@given(**SIZES, size=st.integers(2000, 10**6))
def test_what_moves_by_itself_displaces_all_levels_but_the_coarsest(
    width: int, height: int, frames: int, size: int
) -> None:
    video = Video(width, height, frames)
    program = pyramid.for_bytes(video, frames, size, None, True)
    program.check_limits(video, Limits())
    levels = len(pyramid.ratios(video, 2))
    warps = [(op, program.shapes[op.inputs[0]][1:]) for op in program.operations if isinstance(op, Warp)]
    shapes = {shape for _, shape in warps}
    between = {(-(-height // ratio), -(-width // ratio)) for ratio in pyramid.ratios(video, 2)[1:-1]}
    finest = (-(-height // 2), -(-width // 2))
    sharp = (2 * finest[0], 2 * finest[1])
    assert between <= shapes <= between | {finest, sharp}
    # What the finest level shows once is at full resolution, in channels of its own.
    assert (sharp in shapes) == (levels > 1)
    grids_of_vectors = vector_grids(program)
    assert len(grids_of_vectors) == (levels > 1)
    for index, samples in grids_of_vectors.items():
        grid = program.operations[index]
        assert isinstance(grid, Grid)
        assert (grid.times, grid.channels) == (frames, 2)
        assert samples == 0.5
    for op, (rows, columns) in warps:
        # A vector of 1 is half a luma sample at each level.
        cell = 2 ** round(math.log2(max(height / rows, width / columns)))
        assert cell / 2**op.bits == 0.5
        assert op.taps == CUBIC_TAPS


def test_grids_are_displaced_where_something_moves_beside_a_path_too() -> None:
    video, size = Video(320, 180, 60), 20_000
    still = pyramid.for_bytes(video, 60, size)
    assert not any(isinstance(op, Warp | Window) for op in still.operations)
    path = Path(((0, 0, 0), (59, 80, 0)))
    alone, both = pyramid.for_bytes(video, 60, size, path), pyramid.for_bytes(video, 60, size, path, True)
    assert not any(isinstance(op, Warp) for op in alone.operations)
    assert camera_path(alone) == camera_path(both) == path
    scenes = [op for op in alone.operations if isinstance(op, Grid)]
    vectors = [both.operations[index] for index in vector_grids(both)]
    assert [op for op in both.operations if isinstance(op, Grid) and op not in vectors] == scenes
    # All levels but the coarsest are displaced, each after its window.
    shown = [both.operations[op.inputs[0]] for op in both.operations if isinstance(op, Warp)]
    assert len(shown) == len(pyramid.ratios(video, 2)) - 1
    assert all(isinstance(op, Window) and len(op.knots) > 1 for op in shown)
    far = Path(((0, 0, 0), (59, 0, 8 * 10**7)))
    assert pyramid.for_bytes(video, 60, size, far, True) == pyramid.for_bytes(video, 60, size, None, True) != still
    assert pyramid.light_for_bytes(video, 60, size, None, True) == pyramid.light_for_bytes(video, 60, size)


def test_vectors_are_finer_where_a_file_has_the_bits() -> None:
    video, shapes = Video(320, 180, 32), []
    for size in (500, 5_000, 8_000, 20_000, 30_000, 100_000):
        program = pyramid.for_bytes(video, 32, size, None, True)
        shapes += [program.shapes[index] for index in vector_grids(program)]
    assert shapes == 2 * [(2, 3, 5)] + 2 * [(2, 6, 10)] + 2 * [(2, 12, 20)]
    given = pyramid.for_bytes(video, 32, 100_000, None, True, base=pyramid.Settings(vector_ratio=64))
    assert [given.shapes[index] for index in vector_grids(given)] == [(2, 3, 5)]


def test_a_camera_that_goes_too_far_is_not_followed() -> None:
    video, far = Video(320, 180, 60), Path(((0, 0, 0), (59, 0, 8 * 10**7)))
    assert pyramid.for_bytes(video, 60, 20_000, far) == pyramid.for_bytes(video, 60, 20_000)
    wide = Video(1 << 15, 16, 2)
    assert pyramid.for_bytes(wide, 2, 9_000, Path(((0, 0, 0), (1, 0, 99)))) == pyramid.for_bytes(wide, 2, 9_000)
