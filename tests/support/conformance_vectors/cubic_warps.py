"""Warps of four taps: what overshoots, the least maps, what they read and what reads them (formats/nq.md, 6.14).

Fractions, edges, channels and formats are in `warps`, which makes them for both numbers of taps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance_vectors.build import Vector, file
from conformance_vectors.calm import Calm, calm_vector, one_step_index
from conformance_vectors.warps import SIZE, Moves, spread, view, warped
from conformance_vectors.windows import VIEW
from nqcodec.network.integer_network import IntTensor, Layer
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    MOST_WARP_BITS,
    Add,
    Concat,
    Conv,
    Grid,
    Operation,
    Planes,
    Warp,
)

EDGES = {"rows": (8, 1), "columns": (1, 8), "both": (8, 8)}
"""Rows and columns of the blocks that a map of two values has, by the axes along which it overshoots."""


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from units()
    yield from overshoots()
    yield from small()
    yield from readers()


def units() -> Iterator[Vector]:
    """No bits, some and the most: vectors are the same whatever the taps."""
    for bits in (0, 3, MOST_WARP_BITS):
        moves = Moves(spread(1500 + bits, min(3 << 4 + bits, 2047)), 4, max(bits - 6, 0))
        yield view(f"bits-{bits}", f"Vectors of {bits} bits more.", 1510 + bits, moves, bits, CUBIC_TAPS)


def overshoots() -> Iterator[Vector]:
    """Steps between the least and the greatest value of 10 bits, and between values that leave room for overshoots.

    The picture has room for what a decoder that does not clamp the map would show.
    """
    y, x = np.mgrid[:24, :24]
    places = np.stack([(x + 3 * y) % 32, (5 * x + y) % 32])[None].astype(np.int32)
    for name, (rows, columns) in EDGES.items():
        above = (y // rows % 2 if rows > 1 else 0) ^ (x // columns % 2 if columns > 1 else 0)
        for what, low, high in (("", -512, 511), ("-within", -325, 324)):
            video, network = warped(1520, Moves(places, 5), 0, CUBIC_TAPS, width=10)
            latent = np.where(above, high, low)[None, None].astype(np.int32)
            network.layers[0] = Layer(10, 12, {"latent": IntTensor(latent, 12, one_step_index(-96))})
            saturation = "overshoot and are kept" if what else "overshoot 10 bits and are clamped"
            purpose = f"Steps from {low} to {high} along {name if name != 'both' else 'rows and columns'} {saturation}."
            yield Vector(f"op-warp-cubic-overshoot-{name}{what}", purpose, file(video, network))


def small() -> Iterator[Vector]:
    """Maps of so few rows or columns that a place has less than four about it."""
    for height, width in ((2, 3), (3, 2), (3, 9), (9, 3), (4, 4), (4, 9), (9, 4), (3, 40), (4, 40), (5, 40)):
        moves = Moves(spread(1540 + height * 41 + width, 200, 2, (height, width)), 5)
        purpose = f"A map of {height} rows and {width} columns."
        yield view(f"{height}-by-{width}", purpose, 1550 + height + width, moves, 0, CUBIC_TAPS)


def readers() -> Iterator[Vector]:
    """Warps of both numbers of taps beside one another, in a row, before convolutions and of a map by itself."""
    two = [Grid((), 1, 2, *SIZE), Grid((), 4, 2, *SIZE)]
    cases: tuple[tuple[str, str, list[Operation]], ...] = (
        (
            "before-conv",
            "3 x 3 convolutions of a map warped by four taps.",
            [Warp((0, 1), 0, CUBIC_TAPS), Conv((2,), 3, 3), Conv((3,), 1, 3)],
        ),
        ("by-itself", "A map of two channels moved by itself.", [Warp((1, 1), 0, CUBIC_TAPS), Conv((2,), 1, 1)]),
        (
            "of-both-taps",
            "A map warped by two taps and again by four, and the other way round.",
            [
                Warp((0, 1), 0, LINEAR_TAPS),
                Warp((2, 1), 0, CUBIC_TAPS),
                Warp((0, 1), 1, CUBIC_TAPS),
                Warp((4, 1), 0, LINEAR_TAPS),
                Concat((3, 5)),
                Conv((6,), 1, 1),
            ],
        ),
        (
            "by-warp",
            "Vectors that are warped by four taps, and a sum with the map itself.",
            [Warp((1, 0), 1, CUBIC_TAPS), Warp((0, 2), 0, CUBIC_TAPS), Add((0, 3)), Conv((4,), 1, 1)],
        ),
    )
    for number, (name, purpose, operations) in enumerate(cases):
        program = [*two, *operations, Planes((len(operations) + 1,), 1)]
        how = Calm(1560 + number, fracs={1: 8})
        yield calm_vector(f"op-warp-cubic-{name}", purpose, how, program, VIEW.with_frames(4))
