"""Convolutions that nothing reads, and that break a rule all the same (formats/nq.md, 6)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance_vectors.build import Vector
from conformance_vectors.calm import one_step_index
from conformance_vectors.coding import Models, pack_network
from conformance_vectors.containers import OPERATIONS, VIDEO
from conformance_vectors.faults import FORMAT, NETWORK, refused, segment
from nqcodec.entropy.tensors import TensorModel
from nqcodec.network.integer_network import IntegerNetwork, IntTensor, Layer
from nqcodec.network.operations import Conv, Planes
from nqcodec.network.program import Program

WIDE_KERNEL = 63
"""Three channels of so many rows and columns of weights of -128 exceed an accumulator."""


def vectors() -> Iterator[Vector]:
    """All of this module."""
    for name, purpose, step, bias_step in (
        ("rescale", "A rescale by a shift of 47 in a convolution that nothing reads.", -249 - 8 * (12 - 10), -300),
        ("rescale-bias", "A bias rescaled by a shift of 0 in a convolution that nothing reads.", -40, 0),
    ):
        data = with_unread(1, step, bias_step, {})
        yield refused(f"unread-{name}", purpose, data, FORMAT, "refused:rescale")
    data = with_unread(WIDE_KERNEL, -40, -150, {(2, "weight"): TensorModel(False, -128, 0)})
    purpose = "An accumulator that can overflow in a convolution that nothing reads."
    yield refused("unread-accumulator", purpose, data, FORMAT, "refused:accumulator")


def with_unread(kernel: int, step: int, bias_step: int, models: Models) -> bytes:
    """The legal file with another convolution before its planes, of weights of -128, whose map nothing reads."""
    grid, conv, _ = OPERATIONS
    program = Program.of([grid, conv, Conv((0,), 1, kernel), Planes((1,), 2)], VIDEO)
    weight = IntTensor(np.full((1, 3, kernel, kernel), -128, np.int32), 8, one_step_index(step))
    bias = IntTensor(np.ones(1, np.int32), 8, one_step_index(bias_step))
    layers = [*NETWORK.layers[:2], Layer(12, 12, {"weight": weight, "bias": bias}), Layer()]
    return segment(*pack_network(IntegerNetwork(program, layers), models))
