"""One case for each operation: what it is tested with, for shapes, bytes, descriptors, definitions, twins and seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from operation_instances import (
    Instance,
    of_one,
    pair_of,
    random_concat,
    random_conv,
    random_fold,
    random_frequency,
    random_grid,
    random_norm,
    random_planes,
    random_shuffle,
    random_tile,
    random_upsample,
    random_warp,
    random_window,
)

from nqcodec.network.operations import (
    CUBIC_TAPS,
    MOST_INPUTS,
    MOST_NORM_CHANNELS,
    OPERATIONS,
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


@dataclass(frozen=True)
class OperationCase:
    """What an operation is tested with.

    Attributes:
        example: a legal instance.
        shape, macs: of the example's map.
        wire: the example's bytes in a file, in hexadecimal.
        broken: fields of the example's native descriptor, and values that a library must refuse.
        make: a random legal instance with small maps.
        extremes: more legal instances, with their shapes and multiply-accumulates.
        refused: instances that are not legal, and what the message says.
        rounding: most that its float twin differs from its definition, in units of the last place, or that of an
            instance; None where the two are compared elsewhere.
    """

    example: Instance
    shape: Shape
    macs: int
    wire: str
    make: Callable[[np.random.Generator], Instance]
    broken: tuple[tuple[str, int | None], ...] = ()
    extremes: tuple[tuple[Instance, Shape, int], ...] = ()
    refused: tuple[tuple[Instance, str], ...] = ()
    rounding: float | Callable[[Any], float] | None = 0.0

    @property
    def kind(self) -> type[Operation]:
        """The operation's class."""
        return type(self.example.op)


def warp_rounding(op: Warp) -> float:
    """An axis is off by 1/64 of a cell at most, between values that differ by 4095 units at most.

    With four taps a value changes by up to 3/2 of that difference a cell, weights are off by 1/64 of it at most, and
    the other axis's weights, 88/64 without their signs, enlarge both.
    """
    if op.taps == CUBIC_TAPS:
        return 2 * 88 / 64 * (1.5 + 1) * 4095 / 64 + 0.52
    return 2 * 4095 / 64 + 0.52


MAP = (4, 3, 4)
LARGER = (4, 8, 9)
STAY = ((0, 0, 0),)


CASES = (
    OperationCase(
        Instance(Grid((), 2, *MAP)),
        MAP,
        2 * 48,
        "01 02 04 03 04",
        random_grid,
        broken=(("input_count", 1), ("times", 0), ("values", None), ("shift", None), ("multiplier", None)),
        refused=tuple(
            (Instance(Grid((), *sizes)), f"grid {name} 0 is outside 1..")
            for name, sizes in (
                ("times", (0, *MAP)),
                ("channels", (2, 0, 3, 4)),
                ("height", (2, 4, 0, 4)),
                ("width", (2, 4, 3, 0)),
            )
        ),
        rounding=None,
    ),
    OperationCase(
        Instance(Frequency((), (1, 1 << 31), ((1 << 32) - 1, 0))),
        (4, 1, 1),
        0,
        "0a 02 01000000 00000080 ffffffff 00000000",
        random_frequency,
        broken=(("channels", 5), ("width", 2), ("increments", None), ("phases", None)),
        extremes=((Instance(Frequency((), (1, 2, 3), (0, 0, (1 << 32) - 1))), (6, 1, 1), 0),),
        refused=(
            (Instance(Frequency((), (), ())), "at least one"),
            (Instance(Frequency((), (1, 2), (1,))), "an increment and a phase"),
            (Instance(Frequency((), (1 << 32,), (0,))), "increments 4294967296 is outside 0..4294967295"),
        ),
        rounding=0.5,
    ),
    OperationCase(
        Instance(Conv((0,), 24, 3, activation=Activation.GELU), (MAP,)),
        (24, 3, 4),
        24 * 4 * 9 * 12,
        "02 01 18 03 00 02",
        random_conv,
        broken=(
            *(("input_count", 0), ("input_count", 2), ("inputs", None), ("channels", 0), ("height", 1 << 30)),
            *(("map_width", 15), ("frac", 21), ("kernel", 4), ("activation", 5), ("activation", -1), ("bias", None)),
            *(("values", None), ("depthwise", 1)),
        ),
        extremes=((Instance(Conv((0,), 4, 1, depthwise=True), (MAP,)), MAP, 48),),
        refused=(
            (Instance(Conv((0,), 8, 2), (MAP,)), "odd"),
            (Instance(Conv((0,), 8, 257), (MAP,)), "conv kernel 257 is outside 0..255"),
            (Instance(Conv((0,), 0, 1), (MAP,)), "conv out_channels 0 is outside 1.."),
            (Instance(Conv((0,), 8, 3, depthwise=True), (MAP,)), "cannot give 8 channels from 4"),
        ),
        rounding=None,
    ),
    OperationCase(
        Instance(Shuffle((0,), 2), (MAP,)),
        (1, 6, 8),
        0,
        "03 01 02",
        random_shuffle,
        broken=(("rows", 4), ("columns", 0), ("width", 7), ("channels", 2)),
        refused=(
            (Instance(Shuffle((0,), 2), ((6, 3, 4),)), "cannot be shuffled"),
            (Instance(Shuffle((0,), 0), (MAP,)), "shuffle ratio 0 is outside 1.."),
        ),
    ),
    OperationCase(
        Instance(Fold((0,), 1, 2), (MAP,)),
        (2, 3, 8),
        0,
        "0b 01 01 02",
        random_fold,
        broken=(("rows", 1 << 30), ("columns", 0), ("height", 4)),
        extremes=(
            (Instance(Fold((0,), 2, 1), (MAP,)), (2, 6, 4), 0),
            (Instance(Fold((0,), 1, 4), (MAP,)), (1, 3, 16), 0),
            (Instance(Fold((0,), 9, 16), ((720, 1, 1),)), (5, 9, 16), 0),
        ),
        refused=(
            (Instance(Fold((0,), 3, 1), (MAP,)), "cannot be folded"),
            (Instance(Fold((0,), 0, 1), (MAP,)), "fold rows 0 is outside 1.."),
        ),
    ),
    OperationCase(
        Instance(Planes((0,), 2), (MAP,)),
        (4, 6, 8),
        0,
        "04 01 02",
        random_planes,
        broken=(("ratio", 1), ("ratio", 0), ("ratio", 17), ("channels", 3)),
        refused=(
            (Instance(Planes((0,), 0), (MAP,)), "planes ratio 0 is outside 1..16"),
            (Instance(Planes((0,), 17), (MAP,)), "planes ratio 17 is outside 1..16"),
        ),
    ),
    OperationCase(
        Instance(Upsample((0,), 2, 6, 8), (MAP,)),
        (4, 6, 8),
        4 * 4 * 48,
        "05 01 02 06 08",
        of_one(random_upsample),
        broken=(("ratio", 17), ("ratio", 1), ("width", 9), ("channels", 3)),
        extremes=((Instance(Upsample((0,), 3, 7, 1), (MAP,)), (4, 7, 1), 4 * 4 * 7),),
        refused=(
            (Instance(Upsample((0,), 0, 1, 1), (MAP,)), "upsample ratio 0 is outside 1..16"),
            (Instance(Upsample((0,), 17, 1, 1), (MAP,)), "upsample ratio 17 is outside 1..16"),
            (Instance(Upsample((0,), 2, 7, 8), (MAP,)), "does not cover"),
            (Instance(Upsample((0,), 2, 6, 0), (MAP,)), "does not cover"),
        ),
        rounding=0.5,
    ),
    OperationCase(
        Instance(Tile((0,), 7, 2), (MAP,)),
        (4, 7, 2),
        0,
        "0c 01 07 02",
        of_one(random_tile),
        broken=(("channels", 3), ("width", 0)),
        refused=(
            (Instance(Tile((0,), 0, 4), (MAP,)), "tile height 0 is outside 1.."),
            (Instance(Tile((0,), 4, 0), (MAP,)), "tile width 0 is outside 1.."),
        ),
    ),
    OperationCase(
        Instance(Window((0,), 6, 8, 1, 3, ((0, 16, 0), (2, 3, 8))), (LARGER,)),
        (4, 6, 8),
        4 * 4 * 48,
        "0d 01 06 08 01 03 02 00 20 00 02 19 10",
        random_window,
        broken=(
            *(
                ("knots", None),
                ("knot_count", 0),
                ("bits", 9),
                ("bits", -1),
                ("ratio", 0),
                ("ratio", 17),
                ("height", 9),
            ),
            *(("width", 10), ("channels", 3)),
        ),
        extremes=(
            (Instance(Window((0,), 2, 4, 1, 8, ((0, 256, 0),)), (MAP,)), (4, 2, 4), 4 * 4 * 8),
            (Instance(Window((0,), 1, 2, 2, 8, ((0, 256, 0),)), (MAP,)), (16, 1, 2), 4 * 4 * 8),
        ),
        refused=tuple(
            (Instance(Window((0,), *fields), (MAP,)), message)  # type: ignore[arg-type]
            for fields, message in (
                ((0, 4, 1, 0, STAY), "does not fit"),
                ((2, 5, 1, 0, STAY), "a window of 5x2 does not fit into 4x3"),
                ((2, 3, 2, 0, STAY), "a window of 6x4 does not fit into 4x3"),
                ((1, 1, 0, 0, STAY), "window ratio 0 is outside 1..16"),
                ((1, 1, 17, 0, STAY), "window ratio 17 is outside 1..16"),
                ((2, 4, 1, 0, ()), "0 knots is outside 1..4096"),
                ((2, 4, 1, 0, ((-1, 0, 0),)), "at frames 0"),
                ((2, 4, 1, 0, ((1 << 24, 0, 0),)), "at frames 0"),
                ((2, 4, 1, 0, ((2, 0, 0), (2, 1, 0))), "in order"),
                ((2, 4, 1, -1, STAY), "window bits -1 is outside 0..8"),
                ((2, 4, 1, 9, STAY), "window bits 9 is outside 0..8"),
                ((2, 4, 1, 3, ((0, 0, 0), (9, 9, 0))), "leaves its map of 4x3"),
                ((2, 4, 1, 3, ((0, 0, 0), (9, 0, 1))), "leaves its map"),
                ((2, 4, 1, 3, ((0, 0, 0), (9, 0, -1))), "leaves its map"),
                ((2, 4, 1, 3, ((0, -1, 0),)), "leaves its map"),
            )
        ),
        rounding=0.5,
    ),
    OperationCase(
        Instance(Warp((0, 1), 8), ((5, 3, 4), (2, 3, 4))),
        (5, 3, 4),
        4 * 5 * 12,
        "0e 02 01 08 02",
        random_warp,
        broken=(
            *(("bits", -1), ("bits", 9), ("input_count", 1), ("channels", 4), ("width", 3)),
            *(("taps", 0), ("taps", 1), ("taps", 3), ("taps", 5), ("taps", -4)),
        ),
        extremes=(
            (Instance(Warp((0, 0), 0), ((2, 1, 1),)), (2, 1, 1), 4 * 2),
            (Instance(Warp((0, 0), 0, CUBIC_TAPS), ((2, 1, 1),)), (2, 1, 1), 20 * 2),
            (Instance(Warp((0, 1), 8, CUBIC_TAPS), ((5, 3, 4), (2, 3, 4))), (5, 3, 4), 20 * 5 * 12),
        ),
        refused=(
            (Instance(Warp((0, 1), -1), (MAP, (2, 3, 4))), "warp bits -1 is outside 0..8"),
            (Instance(Warp((0, 1), 9), (MAP, (2, 3, 4))), "warp bits 9 is outside 0..8"),
            (Instance(Warp((0, 1), 255), (MAP, (2, 3, 4))), "warp bits 255 is outside 0..8"),
            (Instance(Warp((0, 1), 0, 1), (MAP, (2, 3, 4))), "warp taps 1 is outside 2..4"),
            (Instance(Warp((0, 1), 0, 3), (MAP, (2, 3, 4))), "a warp has 2 or 4 taps, not 3"),
            (Instance(Warp((0, 1), 0, 5), (MAP, (2, 3, 4))), "warp taps 5 is outside 2..4"),
            (Instance(Warp((0, 1), 0), (MAP, (3, 3, 4))), r"needs vectors of \(2, 3, 4\), not \(3, 3, 4\)"),
            (Instance(Warp((0, 0), 0), (MAP,)), r"a warp of \(4, 3, 4\) needs vectors"),
            *(
                (Instance(Warp((0, 1), 0), (MAP, shape)), r"needs vectors of \(2, 3, 4\)")
                for shape in ((2, 4, 3), (2, 1, 1), (1, 3, 4), (2, 2, 4), (2, 4, 4), (2, 3, 3), (2, 3, 5))
            ),
        ),
        rounding=warp_rounding,
    ),
    OperationCase(
        Instance(Concat((0, 1, 0)), (MAP, (1, 3, 4))),
        (9, 3, 4),
        0,
        "06 03 02 01 02",
        random_concat,
        broken=(("input_count", 2), ("input_count", 0), ("channels", 8), ("width", 3)),
        refused=(
            (Instance(Concat(())), "outside 1..16"),
            (Instance(Concat((0,) * (MOST_INPUTS + 1)), (MAP,)), "outside 1..16"),
            (Instance(Concat((0, 1)), (MAP, (4, 4, 3))), "one height and width"),
        ),
        rounding=0.5,
    ),
    OperationCase(
        Instance(Add((0, 1)), (MAP, MAP)),
        MAP,
        48,
        "07 02 01",
        pair_of(Add),
        broken=(("input_count", 1), ("input_count", 3), ("channels", 3)),
        extremes=((Instance(Add((0, 0)), (MAP,)), MAP, 48),),
        refused=((Instance(Add((0, 1)), (MAP, (1, 3, 4))), "add needs two maps of one shape"),),
        rounding=0.5,
    ),
    OperationCase(
        Instance(Mul((1, 0)), (MAP, MAP)),
        MAP,
        48,
        "08 01 02",
        pair_of(Mul),
        broken=(("input_count", 1), ("height", 2), ("channels", 3)),
        extremes=((Instance(Mul((0, 0)), (MAP,)), MAP, 48),),
        refused=((Instance(Mul((0, 1)), (MAP, (4, 1, 4))), "mul needs two maps of one shape"),),
        rounding=0.5,
    ),
    OperationCase(
        Instance(Norm((0,)), (MAP,)),
        MAP,
        4 * 48,
        "09 01",
        random_norm,
        broken=(("channels", 3), ("input_count", 0)),
        extremes=(
            (Instance(Norm((0,)), ((MOST_NORM_CHANNELS, 1, 1),)), (MOST_NORM_CHANNELS, 1, 1), 4 * MOST_NORM_CHANNELS),
        ),
        refused=((Instance(Norm((0,)), ((MOST_NORM_CHANNELS + 1, 1, 1),)), "over 65536"),),
        # The twin's epsilon weighs where channels differ by a few units only.
        rounding=None,
    ),
)
"""A case for each of `OPERATIONS`."""

assert {case.kind for case in CASES} == set(OPERATIONS.values())


def case_id(case: OperationCase) -> str:
    """For `pytest.mark.parametrize`."""
    return case.kind.name
