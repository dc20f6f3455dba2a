"""The integer network's rules: rescale arithmetic against Python integers, ranges, accumulator bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.media.video import Video
from nqcodec.network.integer_network import (
    MANTISSAS,
    IntegerNetwork,
    IntTensor,
    Layer,
    rescale,
    rescale_factors,
    validate,
)
from nqcodec.network.operations import Add, Conv, Grid, Norm, Planes, Tile, Upsample
from nqcodec.network.program import Program

VIDEO = Video(8, 6, 2)


def test_mantissas_are_what_they_approximate() -> None:
    assert [round(2 ** (15 + j / 8)) for j in range(8)] == list(MANTISSAS)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-31 * 8, 14 * 8 + 7))
def test_rescale_is_the_specification_in_python_integers(value: int, exponent: int) -> None:
    multiplier, shift = rescale_factors(np.array([exponent]))
    m, s = MANTISSAS[exponent % 8], 15 - exponent // 8
    assert (int(multiplier[0]), int(shift[0])) == (m, s)
    assert int(rescale(np.array([value]), multiplier, shift)[0]) == (value * m + (1 << (s - 1))) >> s


@pytest.mark.parametrize("exponent", [-32 * 8, 15 * 8, 1000, -1000])
def test_rescale_refuses_shifts_outside_the_range(exponent: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.46"):
        rescale_factors(np.array([exponent]))


def network(weight: int = 3, width: int = 12) -> IntegerNetwork:
    """Latents straight into a 1 x 1 head."""
    program = Program.of([Grid((), 2, 4, 3, 4), Conv((0,), 6, 1), Planes((1,), 2)], VIDEO)
    latent = IntTensor(np.ones((2, 4, 3, 4), np.int32), 4, np.array([-24], np.int32))
    weights = IntTensor(np.full((6, 4, 1, 1), weight, np.int32), 8, np.array([-40], np.int32))
    bias = IntTensor(np.zeros(6, np.int32), 8, np.array([-48], np.int32))
    layers = [Layer(width, 8, {"latent": latent}), Layer(14, 13, {"weight": weights, "bias": bias}), Layer()]
    return IntegerNetwork(program, layers)


def test_a_legal_network_passes_and_planes_inherit_the_head_format() -> None:
    legal = network()
    derived = validate(legal)
    assert derived[2] is None
    assert legal.map_format(2) == (14, 13)


def test_accumulator_bound_is_exact() -> None:
    """2048 weights of -128 on a 14-bit map reach 2^31 and are refused; one of them at -127 is legal."""
    program = Program.of([Grid((), 1, 2048, 3, 4), Conv((0,), 6, 1), Planes((1,), 2)], VIDEO)
    latent = IntTensor(np.zeros((1, 2048, 3, 4), np.int32), 4, np.array([-24], np.int32))
    weight = IntTensor(np.full((6, 2048, 1, 1), -128, np.int32), 8, np.array([-40], np.int32))
    bias = IntTensor(np.zeros(6, np.int32), 8, np.array([-48], np.int32))
    layers = [Layer(14, 8, {"latent": latent}), Layer(14, 13, {"weight": weight, "bias": bias}), Layer()]
    edge = IntegerNetwork(program, layers)
    with pytest.raises(ValueError, match="overflow"):
        validate(edge)
    weight.values[:, 0] = -127
    validate(edge)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda n: setattr(n.layers[0], "width", 15), "width 15"),
        (lambda n: setattr(n.layers[0], "frac", 21), "frac 21"),
        (lambda n: setattr(n.layers[1].tensors["weight"], "bits", 9), "9 bits"),
        (lambda n: n.layers[1].tensors["weight"].values.__setitem__((0, 0, 0, 0), 128), "outside 8 bits"),
        (lambda n: n.layers[1].tensors["bias"].step_indices.__setitem__(0, 400), "step index"),
        (
            lambda n: setattr(n.layers[1].tensors["bias"], "step_indices", np.zeros(6, np.int32)),
            "step indices do not fit",
        ),
        (lambda n: setattr(n.layers[0].tensors["latent"], "values", np.zeros((1, 4, 3, 4), np.int32)), "shape"),
    ],
)
def test_each_broken_rule_is_named(spoil: object, message: str) -> None:
    broken = network()
    spoil(broken)  # type: ignore[operator]
    with pytest.raises(ValueError, match=message):
        validate(broken)


def without_tensors() -> IntegerNetwork:
    """Operations with and without formats between latents and planes."""
    operations = [
        Grid((), 2, 6, 1, 2),
        Tile((0,), 2, 2),
        Upsample((1,), 2, 3, 4),
        Norm((2,)),
        Upsample((3,), 1, 3, 4),
        Add((2, 4)),
        Planes((5,), 2),
    ]
    program = Program.of(operations, VIDEO)
    latent = IntTensor(np.ones((2, 6, 1, 2), np.int32), 4, np.array([-24], np.int32))
    layers = [Layer() for _ in operations]
    layers[0] = Layer(11, 7, {"latent": latent})
    layers[3], layers[5] = Layer(12, 8), Layer(13, 9)
    return IntegerNetwork(program, layers)


def test_formats_are_inherited_through_operations_without_one() -> None:
    network = without_tensors()
    formats = [(11, 7), (11, 7), (11, 7), (12, 8), (12, 8), (13, 9), (13, 9)]
    assert [network.map_format(index) for index in range(7)] == formats
    assert [derived is not None for derived in validate(network)] == [True] + [False] * 6


@pytest.mark.parametrize(("index", "width", "frac"), [(3, 7, 8), (3, 15, 8), (5, 12, -1), (5, 12, 21)])
def test_formats_of_operations_without_tensors_are_checked(index: int, width: int, frac: int) -> None:
    network = without_tensors()
    network.layers[index] = Layer(width, frac)
    with pytest.raises(ValueError, match=f"operation {index}.*outside"):
        validate(network)
