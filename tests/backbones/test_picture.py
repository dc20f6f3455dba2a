"""The picture network: any picture size and chroma format, its grids, budgets in parameters, and when it is chosen."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.backbones import backbone, picture, pyramid
from nqcodec.errors import LimitError, RateError, UsageError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Conv, Grid, Operation, Planes
from nqcodec.network.program import Limits, Program, head_channels


def grids(program: Program) -> list[tuple[int, ...]]:
    """Shapes [times, channels, rows, columns] of the latents, in the order of the program."""
    latents = [program.tensors(index) for index, op in enumerate(program.operations) if isinstance(op, Grid)]
    return [tensors["latent"] for tensors in latents]


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 2048),
    height=st.integers(1, 1200),
    frames=st.integers(1, 3),
    chroma=st.sampled_from(list(Chroma)),
)
def test_any_size_of_picture(width: int, height: int, frames: int, chroma: Chroma) -> None:
    video = Video(width, height, frames, chroma=chroma)
    program = picture.for_bytes(video, frames, 5000)
    program.check_limits(video, Limits())
    head = program.operations[-1]
    assert isinstance(head, Planes)
    assert program.shapes[-1][0] == head_channels(chroma, head.ratio)
    coded_width, coded_height = program.coded_size
    assert width <= coded_width < width + head.ratio
    assert height <= coded_height < height + head.ratio
    shapes = grids(program)
    assert all(shape[:2] == (frames, 1) for shape in shapes)
    assert shapes[-1][2:] == (coded_height, coded_width)
    for coarse, fine in pairwise(shapes):
        assert coarse[2:] == (-(-fine[2] // 2), -(-fine[3] // 2))


def test_grids_reach_from_full_resolution_to_a_64th() -> None:
    shapes = grids(picture.for_bytes(Video(1280, 720, 1), 1, 40_000))
    assert [shape[2:] for shape in shapes] == [
        (12, 20),
        (23, 40),
        (45, 80),
        (90, 160),
        (180, 320),
        (360, 640),
        (720, 1280),
    ]


@pytest.mark.parametrize("chroma", list(Chroma))
def test_the_synthesis_is_small_and_nearly_all_of_it_pointwise(chroma: Chroma) -> None:
    video = Video(640, 360, 1, chroma=chroma)
    program = picture.for_bytes(video, 1, 20_000)
    latents = sum(shape[2] * shape[3] for shape in grids(program))
    assert program.parameters - latents < 900
    assert program.macs < 500 * video.width * video.height
    kernels = [op.kernel for op in program.operations if isinstance(op, Conv)]
    assert set(kernels) == {1, 3}
    assert kernels.count(3) == (3 if chroma in (Chroma.C420, Chroma.C422) else 2)


def test_all_maps_are_refined_at_half_resolution() -> None:
    video = Video(640, 360, 1)
    refined, without = (picture.assemble(video, 1, refined=refined) for refined in (True, False))
    (added,) = set(map(channels_and_kernel, refined.operations)) - set(map(channels_and_kernel, without.operations))
    assert added == (6, 3), "a residual of six channels"
    assert len(refined.operations) == len(without.operations) + 2


def channels_and_kernel(op: Operation) -> tuple[int, int] | None:
    """Channels and kernel of a convolution."""
    return (op.out_channels, op.kernel) if isinstance(op, Conv) else None


@given(budget=st.integers(100, 400_000))
def test_the_finest_grids_are_left_out_for_a_budget(budget: int) -> None:
    video = Video(352, 288, 1)
    least = picture.smallest(video, 1)
    if budget < least:
        with pytest.raises(RateError, match="too small for 352x288"):
            picture.build(video, 1, budget)
        return
    program = picture.build(video, 1, budget)
    assert least <= program.parameters <= budget
    every = [picture.assemble(video, 1, 1 << halvings).parameters for halvings in range(7)]
    assert program.parameters == max(count for count in every if count <= budget)


def test_a_picture_of_absurd_size_is_refused() -> None:
    video = Video(65_000, 65_000, 1)
    for make in (lambda: picture.for_bytes(video, 1, 10_000), lambda: picture.smallest(video, 1)):
        with pytest.raises(LimitError):
            make()


def test_there_are_no_presets() -> None:
    with pytest.raises(UsageError, match="no presets"):
        backbone("picture").build_preset("lop", Video(320, 180, 1), 1)


def test_a_single_frame_is_a_picture_and_a_clip_is_not() -> None:
    assert backbone("auto", 1).build is pyramid.build
    assert backbone("auto", 1, 600).build is picture.build
    assert backbone("auto", 1, 599).build is pyramid.build
    assert backbone("auto", 2).build is pyramid.build
    assert backbone("pyramid", 1).build is pyramid.build
