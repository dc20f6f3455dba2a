"""A program with windows, and what packing and parsing networks must give."""

from __future__ import annotations

import numpy as np

from nqcodec.media.video import Video
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import (
    Concat,
    Conv,
    Grid,
    Operation,
    Planes,
    Window,
)


def assert_same(a: IntegerNetwork, b: IntegerNetwork) -> None:
    assert a.program == b.program
    for left, right in zip(a.layers, b.layers, strict=True):
        assert (left.width, left.frac, list(left.tensors)) == (right.width, right.frac, list(right.tensors))
        for name, tensor in left.tensors.items():
            other = right.tensors[name]
            assert (tensor.bits, tensor.hadamard, tensor.context) == (other.bits, other.hadamard, other.context)
            np.testing.assert_array_equal(tensor.values, other.values)
            np.testing.assert_array_equal(
                np.broadcast_to(
                    tensor.step_indices,
                    other.step_indices.shape if other.step_indices.size > 1 else tensor.step_indices.shape,
                ),
                np.broadcast_to(
                    other.step_indices,
                    tensor.step_indices.shape if tensor.step_indices.size > 1 else other.step_indices.shape,
                ),
            )


SMALL = Video(15, 11, 3)


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
