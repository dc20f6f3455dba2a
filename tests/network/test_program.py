"""The program's inference: shapes, tensors, cost, limits."""

from __future__ import annotations

import pytest

from nqcodec.errors import LimitError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import (
    Activation,
    Conv,
    Grid,
    Operation,
    Planes,
    Shuffle,
    Window,
)
from nqcodec.network.program import Limits, Program, head_channels


def small(video: Video, ratio: int = 2) -> list[Operation]:
    """Latents 3x4, one shuffle by 2, a head."""
    channels = head_channels(video.chroma, ratio)
    return [
        Grid((), 5, 4, 3, 4),
        Conv((0,), 8, 3, activation=Activation.GELU),
        Shuffle((1,), 2),
        Conv((2,), channels, 3),
        Planes((3,), ratio),
    ]


def test_shapes_tensors_and_cost() -> None:
    program = Program.of(small(Video(15, 11, 5)), Video(15, 11, 5))
    assert program.shapes == ((4, 3, 4), (8, 3, 4), (2, 6, 8), (6, 6, 8), (6, 12, 16))
    assert program.tensors(1) == {"weight": (8, 4, 3, 3), "bias": (8,)}
    assert program.parameters == 5 * 4 * 3 * 4 + 8 * 4 * 9 + 8 + 6 * 2 * 9 + 6
    assert program.macs == 2 * 4 * 12 + 8 * 4 * 9 * 12 + 6 * 2 * 9 * 48
    assert program.coded_size == (16, 12)


@pytest.mark.parametrize(
    ("chroma", "ratio", "channels"),
    [
        (Chroma.C400, 1, 1),
        (Chroma.C400, 2, 4),
        (Chroma.C420, 2, 6),
        (Chroma.C420, 4, 24),
        (Chroma.C422, 2, 8),
        (Chroma.C444, 1, 3),
        (Chroma.C444, 2, 12),
    ],
)
def test_head_channels(chroma: Chroma, ratio: int, channels: int) -> None:
    assert head_channels(chroma, ratio) == channels


def test_head_ratio_must_suit_the_chroma_format() -> None:
    with pytest.raises(ValueError, match="4:2:0"):
        head_channels(Chroma.C420, 1)


VIDEO = Video(16, 12, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({1: Conv((0,), 8, 2)}, "odd"),
        ({1: Conv((0,), 6, 3), 2: Shuffle((1,), 2)}, "cannot be shuffled"),
        ({1: Conv((3,), 8, 3)}, "earlier"),
        ({1: Conv((0,), 8, 3, depthwise=True)}, "channels"),
        ({3: Conv((2,), 5, 3)}, "do not make"),
        ({3: Planes((2,), 2)}, "its last"),
        ({4: Conv((3,), 6, 3)}, "its last"),
        ({0: Grid((), 0, 4, 3, 4)}, r"grid times 0 is outside 1\.\."),
        ({0: Grid((), 5, 4, 2, 4)}, "does not cover"),
    ],
)
def test_illegal_programs_are_refused(change: dict[int, Operation], message: str) -> None:
    operations = small(VIDEO)
    for index, op in change.items():
        operations[index] = op
    with pytest.raises(ValueError, match=message):
        Program.of(operations, VIDEO)


@pytest.mark.parametrize("name", ["parameters", "macs_per_pixel", "map_bytes", "picture_pixels", "frames"])
def test_each_limit_is_kept(name: str) -> None:
    program = Program.of(small(VIDEO), VIDEO)
    program.check_limits(VIDEO, Limits())
    with pytest.raises(LimitError):
        program.check_limits(VIDEO, Limits(**{name: 1}))


def test_limits_allocate_nothing() -> None:
    """A program that asks for terabytes is refused by arithmetic alone."""
    video = Video(1 << 20, 1 << 20, 1)
    program = Program.of([Grid((), 1, 6, 1 << 19, 1 << 19), Planes((0,), 2)], video)
    with pytest.raises(LimitError, match="parameters"):
        program.check_limits(video, Limits())


def test_a_window_moves_evenly_along_its_path_and_rests_before_and_after() -> None:
    op = Window((0,), 2, 2, 1, 4, ((2, 0, 30), (5, 10, 0), (6, 3, 3)))
    assert [op.position(t) for t in (0, 2, 3, 4, 5, 6, 99)] == [
        *((0, 30), (0, 30), (3, 20), (7, 10), (10, 0)),
        *((3, 3), (3, 3)),
    ]
    # Half a step rounds up, whichever way the path goes.
    assert Window((0,), 2, 2, 1, 4, ((0, 0, 5), (2, 5, 0))).position(1) == (3, 3)
