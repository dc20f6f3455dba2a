"""The program's inference: shapes, tensors, cost, limits."""

from __future__ import annotations

import pytest

from nqcodec.errors import LimitError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import (
    MOST_INPUTS,
    MOST_NORM_CHANNELS,
    Activation,
    Add,
    Concat,
    Conv,
    Fold,
    Frequency,
    Grid,
    Mul,
    Norm,
    Operation,
    Planes,
    Shape,
    Shuffle,
    Tile,
    Upsample,
    Warp,
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


@pytest.mark.parametrize(
    ("op", "inputs", "shape", "macs"),
    [
        (Upsample((0,), 2, 6, 8), [(4, 3, 4)], (4, 6, 8), 4 * 4 * 48),
        (Upsample((0,), 3, 7, 1), [(4, 3, 4)], (4, 7, 1), 4 * 4 * 7),
        (Concat((0, 1, 0)), [(4, 3, 4), (1, 3, 4), (4, 3, 4)], (9, 3, 4), 0),
        (Add((0, 0)), [(4, 3, 4)] * 2, (4, 3, 4), 48),
        (Mul((0, 0)), [(4, 3, 4)] * 2, (4, 3, 4), 48),
        (Norm((0,)), [(4, 3, 4)], (4, 3, 4), 4 * 48),
        (Norm((0,)), [(MOST_NORM_CHANNELS, 1, 1)], (MOST_NORM_CHANNELS, 1, 1), 4 * MOST_NORM_CHANNELS),
        (Frequency((), (1, 2, 3), (0, 0, (1 << 32) - 1)), [], (6, 1, 1), 0),
        (Fold((0,), 2, 1), [(4, 3, 4)], (2, 6, 4), 0),
        (Fold((0,), 1, 4), [(4, 3, 4)], (1, 3, 16), 0),
        (Tile((0,), 7, 2), [(4, 3, 4)], (4, 7, 2), 0),
        (Window((0,), 2, 4, 1, 8, ((0, 256, 0),)), [(4, 3, 4)], (4, 2, 4), 4 * 4 * 8),
        (Window((0,), 1, 2, 2, 8, ((0, 256, 0),)), [(4, 3, 4)], (16, 1, 2), 4 * 4 * 8),
        (Warp((0, 1), 0), [(5, 3, 4), (2, 3, 4)], (5, 3, 4), 4 * 5 * 12),
        (Warp((0, 0), 8), [(2, 1, 1), (2, 1, 1)], (2, 1, 1), 4 * 2),
    ],
)
def test_shapes_and_costs_of_operations_without_tensors(
    op: Operation, inputs: list[Shape], shape: Shape, macs: int
) -> None:
    assert op.shape(inputs) == shape
    assert op.macs(inputs) == macs
    assert op.tensors(inputs) == {}


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (Upsample((0,), 0, 1, 1), [(4, 3, 4)], "upsample ratio 0 is outside 1..16"),
        (Upsample((0,), 17, 1, 1), [(4, 3, 4)], "outside 1..16"),
        (Upsample((0,), 2, 7, 8), [(4, 3, 4)], "does not cover"),
        (Upsample((0,), 2, 6, 0), [(4, 3, 4)], "does not cover"),
        (Concat(()), [], "outside 1..16"),
        (Concat((0,) * (MOST_INPUTS + 1)), [(4, 3, 4)] * (MOST_INPUTS + 1), "outside 1..16"),
        (Concat((0, 1)), [(4, 3, 4), (4, 4, 3)], "one height and width"),
        (Add((0, 1)), [(4, 3, 4), (1, 3, 4)], "one shape"),
        (Mul((0, 1)), [(4, 3, 4), (4, 1, 4)], "one shape"),
        (Norm((0,)), [(MOST_NORM_CHANNELS + 1, 1, 1)], "over 65536"),
        (Frequency((), (), ()), [], "at least one"),
        (Frequency((), (1, 2), (1,)), [], "a step and a phase"),
        (Frequency((), (1 << 32,), (0,)), [], "steps 4294967296 is outside 0..4294967295"),
        (Fold((0,), 3, 1), [(4, 3, 4)], "cannot be folded"),
        (Fold((0,), 0, 1), [(4, 3, 4)], "fold rows 0 is outside 1.."),
        (Tile((0,), 0, 4), [(4, 3, 4)], "tile height 0 is outside 1.."),
        (Window((0,), 0, 4, 1, 0, ((0, 0, 0),)), [(4, 3, 4)], "does not fit"),
        (Window((0,), 2, 4, 1, 0, ()), [(4, 3, 4)], "0 knots is outside 1..4096"),
        (Window((0,), 2, 4, 1, 0, ((-1, 0, 0),)), [(4, 3, 4)], "at frames 0"),
        (Window((0,), 2, 4, 1, 0, ((2, 0, 0), (2, 1, 0))), [(4, 3, 4)], "in order"),
        (Window((0,), 2, 4, 1, -1, ((0, 0, 0),)), [(4, 3, 4)], "window bits -1 is outside 0..8"),
        (Window((0,), 2, 4, 1, 3, ((0, 0, 0), (9, 9, 0))), [(4, 3, 4)], "leaves its map"),
        (Window((0,), 2, 4, 1, 3, ((0, 0, 0), (9, 0, -1))), [(4, 3, 4)], "leaves its map"),
        (Warp((0, 1), -1), [(4, 3, 4), (2, 3, 4)], "outside 0..8"),
        (Warp((0, 1), 9), [(4, 3, 4), (2, 3, 4)], "outside 0..8"),
        (Warp((0, 1), 0), [(4, 3, 4), (3, 3, 4)], r"needs vectors of \(2, 3, 4\), not \(3, 3, 4\)"),
        (Warp((0, 1), 0), [(4, 3, 4), (2, 4, 3)], "needs vectors"),
        (Warp((0, 1), 0), [(4, 3, 4), (2, 1, 1)], "needs vectors"),
    ],
)
def test_operations_refuse_what_does_not_fit(op: Operation, inputs: list[Shape], message: str) -> None:
    def check() -> None:
        op.check_fields()
        op.shape(inputs)

    with pytest.raises(ValueError, match=message):
        check()


@pytest.mark.parametrize(
    "op", [Add((0,)), Mul((0, 0, 0)), Norm(()), Frequency((0,), (1,), (1,)), Concat((0, 5)), Warp((0,), 0)]
)
def test_a_wrong_number_of_inputs_is_refused(op: Operation) -> None:
    with pytest.raises(ValueError, match="earlier operations as inputs"):
        Program.of([Grid((), 1, 6, 6, 8), op, Planes((1,), 2)], VIDEO)


def test_a_window_moves_evenly_between_knots_and_rests_outside_them() -> None:
    op = Window((0,), 2, 2, 1, 4, ((2, 0, 30), (5, 10, 0), (6, 3, 3)))
    assert [op.position(t) for t in (0, 2, 3, 4, 5, 6, 99)] == [
        *((0, 30), (0, 30), (3, 20), (7, 10), (10, 0)),
        *((3, 3), (3, 3)),
    ]
    # Half a step rounds up, whichever way the path goes.
    assert Window((0,), 2, 2, 1, 4, ((0, 0, 5), (2, 5, 0))).position(1) == (3, 3)
