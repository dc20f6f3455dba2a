"""Activations of every value that a map can have, in every format, by every instruction set, against the tables."""

from __future__ import annotations

import numpy as np
import pytest

from nqcodec.benchmarks.kernel_cases import KernelCase
from nqcodec.benchmarks.kernels import Operation, expected_outputs
from nqcodec.media.video import Chroma, Video
from nqcodec.native.cpu import synthesis_levels
from nqcodec.network.integer_network import IntegerNetwork, IntTensor, Layer
from nqcodec.network.operations import Activation, Conv, Grid, Planes
from nqcodec.network.program import Program

pytestmark = pytest.mark.skipif(not synthesis_levels(), reason="libnq is not built")

VIDEO = Video(128, 128, 1, chroma=Chroma.C400)
VALUES = np.arange(-(1 << 13), 1 << 13, dtype=np.int16).reshape(1, 128, 128)
"""Each value of 14 bits once."""

FRACS = range(21)


def case_of(activation: Activation, frac: int, *, depthwise: bool) -> KernelCase:
    """A convolution by 1 of `VALUES` in the format of its output: p is the value."""
    operations = [Grid((), 1, 1, 128, 128), Conv((0,), 1, 1, depthwise, activation), Planes((1,), 1)]
    grid = IntTensor(np.zeros((1, 1, 128, 128), np.int32), 2, np.array([-8 * frac], np.int32))
    # half_tanh's p has 12 fractional bits, whatever the map's.
    wanted = 12 if activation is Activation.HALF_TANH else frac
    step_index = 8 * (frac - wanted)
    weight = IntTensor(np.ones((1, 1, 1, 1), np.int32), 2, np.array([step_index], np.int32))
    bias = IntTensor(np.zeros(1, np.int32), 2, np.array([step_index - 8 * frac], np.int32))
    layers = [Layer(14, frac, {"latent": grid}), Layer(14, frac, {"weight": weight, "bias": bias}), Layer()]
    network = IntegerNetwork(Program.of(operations, VIDEO), layers)
    return KernelCase(network, VIDEO, 1, (VALUES,), 0)


@pytest.mark.parametrize("activation", list(Activation))
def test_every_value_in_every_format(activation: Activation) -> None:
    for frac in FRACS:
        for depthwise in (False, True):
            case = case_of(activation, frac, depthwise=depthwise)
            expected, operation = expected_outputs(case), Operation(case)
            for level in synthesis_levels():
                operation.outputs[0].array[...] = 77
                operation.run(level)
                assert operation.difference(expected) == "", (activation, frac, level)


def test_a_gate_by_vectors_is_not_mistaken_for_no_gate() -> None:
    """That the cases reach what they are for: gates between 0 and 1, p unchanged far above 0 and 0 far below."""
    out = expected_outputs(case_of(Activation.GELU, 10, depthwise=False))[0].ravel()
    p = VALUES.ravel()
    assert np.array_equal(out[p >= 5 << 10], p[p >= 5 << 10])
    assert not out[p <= -(5 << 10)].any()
    assert (np.abs(out - np.maximum(p, 0)) > 150).sum() > 500
