"""Programs with every operation, and what packing and parsing them must give."""

from __future__ import annotations

import numpy as np

from nqcodec.bitstream.operations import pack_program, parse_program
from nqcodec.bitstream.reader import Reader
from nqcodec.media.video import Video
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import (
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
    Shuffle,
    Tile,
    Upsample,
    Window,
)
from nqcodec.network.program import Program


def assert_same(a: IntegerNetwork, b: IntegerNetwork) -> None:
    assert a.program == b.program
    for left, right in zip(a.layers, b.layers, strict=True):
        assert (left.width, left.frac, list(left.tensors)) == (right.width, right.frac, list(right.tensors))
        for name, tensor in left.tensors.items():
            other = right.tensors[name]
            assert (tensor.bits, tensor.hadamard, tensor.context) == (other.bits, other.hadamard, other.context)
            np.testing.assert_array_equal(tensor.values, other.values)
            np.testing.assert_array_equal(
                np.broadcast_to(tensor.steps, other.steps.shape if other.steps.size > 1 else tensor.steps.shape),
                np.broadcast_to(other.steps, tensor.steps.shape if tensor.steps.size > 1 else other.steps.shape),
            )


def assert_packs(program: Program, expected: list[str]) -> None:
    """The program has these bytes (hexadecimal), and they are read as it, to the last."""
    data = pack_program(program)
    assert data == bytes.fromhex(" ".join(expected))
    reader = Reader(data)
    assert parse_program(reader, SMALL) == program
    assert reader.left == 0


SMALL = Video(15, 11, 3)


EVERY_OPERATION: tuple[Operation, ...] = (
    Grid((), 2, 4, 3, 4),
    Conv((0,), 24, 3),
    Shuffle((1,), 2),
    Upsample((0,), 2, 6, 8),
    Frequency((), (1, 1 << 31), ((1 << 32) - 1, 0)),
    Tile((4,), 6, 8),
    Concat((2, 3, 5)),
    Fold((6,), 1, 2),
    Conv((5,), 4, 1),
    Add((3, 8)),
    Mul((9, 3)),
    Norm((10,)),
    Concat((11, 2, 9)),
    Conv((12,), 6, 1),
    Planes((13,), 2),
)


WINDOWED: tuple[Operation, ...] = (
    Grid((), 1, 4, 8, 9),
    Window((0,), 6, 8, 1, 3, ((0, 16, 0), (2, 3, 8))),
    Window((0,), 3, 4, 2, 6, ((0, 16, 0), (2, 3, 8))),
    Concat((1, 1)),
    Window((3,), 6, 8, 1, 0, ((7, 0, 0),)),
    Conv((4,), 6, 1),
    Planes((5,), 2),
)
"""Two windows on one path, and one that stays."""
