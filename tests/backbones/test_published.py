"""NeRV, NeRV++ and HiNeRV: published parameter counts, errors, and networks for any clip size and budget."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.backbones import BACKBONES, Backbone, hinerv, nerv, nervpp, stem
from nqcodec.errors import LimitError, RateError, UsageError
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network.operations import Activation, Conv, Frequency, Grid, Planes, Upsample
from nqcodec.network.program import Limits

RGB = Colour(matrix=0)
HD = Video(1280, 720, 132, chroma=Chroma.C444, colour=RGB)
FULL_HD = Video(1920, 1080, 600, chroma=Chroma.C444, colour=RGB)
CROP = Video(1280, 640, 132, chroma=Chroma.C444, colour=RGB)
NAMES = ("nerv", "nervpp", "hinerv")


@pytest.mark.parametrize(
    ("arch", "name", "video", "parameters"),
    [
        ("nerv", "s", HD, 3_201_905),
        ("nerv", "m", HD, 6_282_001),
        ("nerv", "l", HD, 12_524_563),
        ("nerv", "bunny-3m-neuroquant", CROP, 3_078_499),
        ("nervpp", "xs", HD, 1_902_725),
        ("nervpp", "s", HD, 3_379_541),
        ("nervpp", "m", HD, 6_382_533),
        ("nervpp", "l", HD, 12_546_111),
        ("nervpp", "xs-scrb", HD, 1_742_403),
        ("nervpp", "s-scrb", HD, 3_215_199),
        ("nervpp", "m-scrb", HD, 6_201_503),
        ("nervpp", "l-scrb", HD, 12_309_011),
        ("hinerv", "bunny-xxs", HD, 766_691),
        ("hinerv", "bunny-xs", HD, 1_585_666),
        ("hinerv", "bunny-s", HD, 3_249_819),
        ("hinerv", "uvg-s", FULL_HD, 3_188_933),
        ("hinerv", "uvg-m", FULL_HD, 6_489_553),
        ("hinerv", "uvg-l", FULL_HD, 12_818_953),
        ("hinerv", "uvg-xl", FULL_HD, 25_649_557),
        ("hinerv", "uvg-xxl", FULL_HD, 50_726_919),
    ],
)
def test_published_networks_have_their_published_sizes(arch: str, name: str, video: Video, parameters: int) -> None:
    program = BACKBONES[arch].build_preset(name, video, video.frames)
    # HiNeRV's blocks have no biases, and ours do.
    biases = hinerv.block_biases(program) if arch == "hinerv" else 0
    assert program.parameters - biases == parameters
    assert program.coded_size == (video.width, video.height)
    head = program.operations[-2]
    assert isinstance(head, Conv)
    assert head.activation is Activation.HALF_TANH


def test_every_preset_is_counted() -> None:
    assert nerv.PRESETS == ("s", "m", "l", "bunny-3m-neuroquant")
    assert len(nervpp.PRESETS) == 8
    assert len(BACKBONES["hinerv"].presets) == 8


@pytest.mark.parametrize(("arch", "name"), [("nerv", "s"), ("nervpp", "xs"), ("nervpp", "xs-scrb")])
def test_other_strides_at_full_hd(arch: str, name: str) -> None:
    program = BACKBONES[arch].build_preset(name, FULL_HD, 600)
    assert program.coded_size == (1920, 1080)
    assert program.parameters > BACKBONES[arch].build_preset(name, HD, 132).parameters


def test_block_biases_are_those_of_the_blocks() -> None:
    program = hinerv.build_preset("bunny-xxs", HD, 132)
    widths = [(136, 136), (136, 136), (136, 136), (136, 68), (68, 68), (68, 68), (68, 34), (34, 34), (34, 34), (34, 17)]
    expansions = [4] * 9 + [1]
    wanted = sum(a + e * b + b for (a, b), e in zip(widths, expansions, strict=True))
    assert hinerv.block_biases(program) == wanted


def test_hinerv_grids() -> None:
    """Each level has half the times and twice the channels; later stages start with half the channels."""
    program = hinerv.build_preset("bunny-xxs", HD, 132)
    grids = [(op.times, op.channels, op.height, op.width) for op in program.operations if isinstance(op, Grid)]
    base = [(40, 2, 18, 32), (20, 4, 18, 32)]
    local = [[(132 >> level, c << level, s, s) for level in range(3)] for c, s in ((4, 5), (2, 2), (1, 2), (1, 2))]
    assert grids == base + [grid for stage in local for grid in stage]


def test_time_encoding_is_exact() -> None:
    op = stem.time_encoding(40, 132)
    for level, increment in enumerate(op.increments):
        turns = Fraction(5, 4) ** level / (2 * 132)
        assert abs((turns - Fraction(increment, 1 << 32) + Fraction(1, 2)) % 1 - Fraction(1, 2)) <= Fraction(1, 1 << 33)
    assert op.phases == (0,) * 40


def test_segments_of_different_length_have_their_own_increments() -> None:
    operations = [nerv.build(Video(320, 180, 500), frames, 40_000).operations[0] for frames in (16, 32)]
    assert all(isinstance(op, Frequency) for op in operations)
    assert operations[0] == stem.time_encoding(13, 16)
    assert operations[1] == stem.time_encoding(16, 32)


@pytest.mark.parametrize(("frames", "levels"), [(1, 1), (2, 4), (32, 16), (132, 22), (100_000, 40)])
def test_own_networks_take_no_frequency_that_aliases(frames: int, levels: int) -> None:
    """Frequency k turns 1.25^k / 2 times a clip, so up to half a turn a frame where 1.25^k is the number of frames."""
    assert stem.own_levels(frames) == levels
    assert 1.25 ** (levels - 1) <= frames or levels == 1


@pytest.mark.parametrize(
    ("arch", "name", "video", "message"),
    [
        ("nerv", "xl", HD, "choose one of s, m, l"),
        ("nerv", "s", Video(1280, 720, 132), "4:2:0"),
        ("nerv", "s", CROP, "1280x720 or 1920x1080, not 1280x640"),
        ("nerv", "bunny-3m-neuroquant", HD, "1280x640, not 1280x720"),
        ("nervpp", "s", CROP, "1280x720 or 1920x1080, not 1280x640"),
        ("nervpp", "xxs", HD, "xs-scrb"),
        ("hinerv", "bunny-xxs", CROP, "1280x720, not 1280x640"),
        ("hinerv", "uvg-s", HD, "1920x1080, not 1280x720"),
        ("hinerv", "bunny-xxs", Video(1280, 720, 132), "4:2:0"),
        ("hinerv", "s", HD, "bunny-xxs"),
    ],
)
def test_presets_refuse_what_they_cannot_serve(arch: str, name: str, video: Video, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        BACKBONES[arch].build_preset(name, video, video.frames)


def check_network(arch: Backbone, video: Video, budget: int) -> float:
    """Build, check what every network must satisfy, and return the part of the budget that it uses."""
    program = arch.build(video, video.frames, budget)
    assert arch.smallest(video, video.frames) <= program.parameters <= budget
    program.check_limits(video, Limits())
    head = program.operations[-1]
    assert isinstance(head, Planes)
    assert head.ratio == 2
    assert all(1 <= op.times <= video.frames for op in program.operations if isinstance(op, Grid))
    width, height = program.coded_size
    assert width >= video.width
    assert height >= video.height
    return program.parameters / budget


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(1, 4096),
    height=st.integers(1, 2304),
    frames=st.integers(1, 500),
    chroma=st.sampled_from(list(Chroma)),
    budget=st.integers(2_000, 3_000_000),
)
def test_any_size_and_budget(name: str, width: int, height: int, frames: int, chroma: Chroma, budget: int) -> None:
    video, arch = Video(width, height, frames, chroma=chroma), BACKBONES[name]
    if budget < arch.smallest(video, frames):
        with pytest.raises(RateError):
            arch.build(video, frames, budget)
    else:
        check_network(arch, video, budget)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [20_000, 40_000, 60_000, 250_000, 1_000_000])
@pytest.mark.parametrize(("width", "height", "frames"), [(320, 180, 32), (176, 144, 120), (1280, 720, 132)])
def test_budgets_of_ordinary_clips_are_used(name: str, width: int, height: int, frames: int, budget: int) -> None:
    assert check_network(BACKBONES[name], Video(width, height, frames), budget) > 0.92


@pytest.mark.parametrize("name", NAMES)
def test_impossible_budgets_say_what_is_possible(name: str) -> None:
    video, arch = Video(320, 180, 32), BACKBONES[name]
    least = arch.smallest(video, 32)
    assert least < 4_000
    with pytest.raises(RateError, match=str(least)):
        arch.build(video, 32, least - 1)
    assert arch.build(video, 32, least).parameters == least


@pytest.mark.parametrize("name", NAMES)
def test_larger_budgets_give_larger_networks(name: str) -> None:
    video = Video(320, 180, 32)
    sizes = [BACKBONES[name].build(video, 32, budget).parameters for budget in (8_000, 12_000, 20_000, 50_000, 90_000)]
    assert all(small < large for small, large in pairwise(sizes))


@pytest.mark.parametrize("name", NAMES)
def test_absurd_pictures_are_refused(name: str) -> None:
    with pytest.raises(LimitError):
        BACKBONES[name].smallest(Video(1 << 16, 1 << 16, 1), 1)


@pytest.mark.parametrize(("width", "height"), [(320, 180), (175, 143), (1918, 1078), (5, 3)])
def test_hinerv_pads_by_less_than_its_head(width: int, height: int) -> None:
    """Every enlargement is cropped to what the picture needs, so the coded size is the next even one."""
    video = Video(width, height, 16)
    program = hinerv.build(video, 16, 60_000)
    assert program.coded_size == (width + width % 2, height + height % 2)
    sizes = [(op.width, op.height) for op in program.operations if isinstance(op, Upsample)]
    assert sizes == sorted(sizes)
