"""Backbones: the papers' parameter counts, and networks for any clip size and budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.backbones import BACKBONES, backbone, hnerv
from nqcodec.errors import LimitError, RateError, UsageError
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network.operations import Activation, Conv, Grid, Planes, Shuffle
from nqcodec.network.program import Limits

BUNNY = Video(1280, 640, 132, chroma=Chroma.C444, colour=Colour(matrix=0))


@pytest.mark.parametrize(
    ("name", "decoder_parameters"),
    [
        ("bunny-0.35m", 312_830),
        ("bunny-0.75m", 719_256),
        ("bunny-1.5m", 1_488_276),
        ("bunny-3m", 3_012_686),
        ("bunny-3m-neuroquant", 2_646_219),
    ],
)
def test_published_networks_have_their_published_sizes(name: str, decoder_parameters: int) -> None:
    program = hnerv.build_preset(name, BUNNY, 132)
    assert program.tensors(0) == {"latent": (132, 16, 2, 4)}
    assert program.parameters - 132 * 16 * 2 * 4 == decoder_parameters
    assert program.coded_size == (1280, 640)


def test_neuroquant_layers() -> None:
    """The layer table of NeuroQuant's 3M network: in -> out (kernel), with no activation after its stem."""
    program = hnerv.build_preset("bunny-3m-neuroquant", BUNNY, 132)
    convolutions = [
        (program.input_shapes(index)[0][0], op.out_channels, op.kernel, op.activation)
        for index, op in enumerate(program.operations)
        if isinstance(op, Conv)
    ]
    gelu = Activation.GELU
    assert convolutions == [
        (16, 92, 1, Activation.NONE),
        (92, 1925, 1, gelu),
        (77, 1024, 3, gelu),
        (64, 848, 5, gelu),
        (53, 176, 5, gelu),
        (44, 148, 5, gelu),
        (37, 3, 3, Activation.HALF_TANH),
    ]
    assert [op.ratio for op in program.operations if isinstance(op, Shuffle)] == [5, 4, 4, 2, 2]


def test_preset_errors() -> None:
    with pytest.raises(UsageError, match="bunny-3m"):
        hnerv.build_preset("bunny-4m", BUNNY, 132)
    with pytest.raises(UsageError, match="4:2:0"):
        hnerv.build_preset("bunny-3m", Video(1280, 640, 132), 132)


def check_network(video: Video, budget: int) -> float:
    """Build, check what every network must satisfy, and return the part of the budget that it uses."""
    program = hnerv.build(video, video.frames, budget)
    assert hnerv.smallest(video, video.frames) <= program.parameters <= budget
    program.check_limits(video, Limits())
    head, grid = program.operations[-1], program.operations[0]
    assert isinstance(head, Planes)
    assert head.ratio == 2
    assert isinstance(grid, Grid)
    assert 1 <= grid.times <= video.frames
    width, height = program.coded_size
    assert width >= video.width
    assert height >= video.height
    return program.parameters / budget


@given(
    width=st.integers(1, 4096),
    height=st.integers(1, 2304),
    frames=st.integers(1, 500),
    chroma=st.sampled_from(list(Chroma)),
    budget=st.integers(2_000, 3_000_000),
)
def test_any_size_and_budget(width: int, height: int, frames: int, chroma: Chroma, budget: int) -> None:
    video = Video(width, height, frames, chroma=chroma)
    if budget < hnerv.smallest(video, frames):
        with pytest.raises(RateError):
            hnerv.build(video, frames, budget)
    else:
        check_network(video, budget)


@pytest.mark.parametrize("budget", [20_000, 40_000, 60_000, 250_000, 1_000_000, 50_000_000])
@pytest.mark.parametrize(("width", "height", "frames"), [(320, 180, 32), (640, 320, 32), (1280, 720, 132)])
def test_budgets_of_ordinary_clips_are_used(width: int, height: int, frames: int, budget: int) -> None:
    assert check_network(Video(width, height, frames), budget) > 0.92


@pytest.mark.parametrize(("width", "height"), [(320, 180), (176, 144), (1280, 720), (1920, 1080), (4096, 2304)])
def test_ordinary_sizes_need_little_padding(width: int, height: int) -> None:
    video = Video(width, height, 64)
    coded_width, coded_height = hnerv.build(video, 64, 250_000).coded_size
    assert coded_width * coded_height < 1.06 * width * height


def test_tiny_pictures_have_no_stages() -> None:
    program = hnerv.build(Video(1, 1, 1), 1, 2_000)
    assert not any(isinstance(op, Shuffle) for op in program.operations)
    assert program.coded_size == (2, 2)


def test_more_budget_never_gives_a_smaller_network() -> None:
    video = Video(320, 180, 32)
    sizes = [hnerv.build(video, 32, budget).parameters for budget in range(2_000, 60_000, 1_777)]
    assert sizes == sorted(sizes)


def test_impossible_budgets_say_what_is_possible() -> None:
    video = Video(320, 180, 32)
    least = hnerv.smallest(video, 32)
    assert least < 2_000
    with pytest.raises(RateError, match=str(least)):
        hnerv.build(video, 32, least - 1)
    assert hnerv.build(video, 32, least).parameters == least


def test_absurd_pictures_are_refused() -> None:
    with pytest.raises(LimitError):
        hnerv.smallest(Video(1 << 16, 1 << 16, 1), 1)


def test_table() -> None:
    assert {"hnerv", "nerv", "nervpp", "hinerv"} <= set(BACKBONES)
    assert backbone("hnerv").smallest is hnerv.smallest
    with pytest.raises(UsageError, match="hnerv"):
        backbone("vgg")
