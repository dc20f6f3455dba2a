"""Warps: vectors, their units and roundings, edges, what they read (formats/nq.md, 5 and 6.14)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from conformance_vectors.build import File, Vector, file
from conformance_vectors.calm import Calm, calm_network, calm_vector, one_step_index
from conformance_vectors.draws import Draws
from conformance_vectors.windows import CORNERS, MAP, VIEW, part_of
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import Int32, Int64, IntegerNetwork, IntTensor, Layer, validate
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    MOST_WARP_BITS,
    Activation,
    Add,
    Concat,
    Conv,
    Frequency,
    Grid,
    Operation,
    Planes,
    Tile,
    Upsample,
    Warp,
    Window,
)

SIZE = (6, 8)
"""Rows and columns of most maps: the picture's."""

CELL = 32
"""Places between two cells of a map."""

PREFIXES = {LINEAR_TAPS: "op-warp", CUBIC_TAPS: "op-warp-cubic"}
"""How the names of vectors begin, by the taps of their warps."""

BY_TAPS = {LINEAR_TAPS: "", CUBIC_TAPS: " By four taps."}
"""What their purposes say of them beside the rest."""

FAR = (-2048, 2047)
"""The least and the greatest latent: with three bits to the left, vectors clamped to those of 14 bits."""


@dataclass(frozen=True)
class Moves:
    """Vectors: integers [T, 2, H, W] of at most 12 bits times 2^`left`, `frac` of whose 14 are fractional."""

    values: Int32
    frac: int
    left: int = 0

    @property
    def bits(self) -> int:
        """Least width that holds the integers."""
        low, high = int(self.values.min()), int(self.values.max())
        return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0, 1) + 1

    def layer(self) -> Layer:
        """That of a grid of T times whose map they are."""
        latent = IntTensor(self.values, self.bits, one_step_index(8 * (self.left - self.frac)))
        return Layer(14, self.frac, {"latent": latent})


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from units()
    yield from roundings()
    for taps in (LINEAR_TAPS, CUBIC_TAPS):
        yield from fractions(taps)
        yield from edges(taps)
        yield from sizes(taps)
        yield from formats(taps)
    yield from moved_by()
    yield from moved()
    yield from readers()
    yield from segments()


def warped(
    seed: int, moves: Moves, bits: int, taps: int = LINEAR_TAPS, *, width: int = 12, frac: int = 12
) -> tuple[Video, IntegerNetwork]:
    """A picture that is a warp of one map of a format, every bit of 12 seen, and the network that makes it."""
    frames, _, rows, columns = moves.values.shape
    video = Video(columns, rows, frames, chroma=Chroma.C400, depth=12)
    operations = [
        Grid((), 1, 1, rows, columns),
        Grid((), frames, 2, rows, columns),
        Warp((0, 1), bits, taps),
        Planes((2,), 1),
    ]
    network = calm_network(video, operations, Calm(seed, latent_bits=8, width=width, frac=frac))
    network.layers[1] = moves.layer()
    validate(network)
    return video, network


def view(name: str, purpose: str, seed: int, moves: Moves, bits: int, taps: int = LINEAR_TAPS) -> Vector:
    """A vector of one such picture."""
    return Vector(f"{PREFIXES[taps]}-{name}", purpose + BY_TAPS[taps], file(*warped(seed, moves, bits, taps)))


def spread(seed: int, reach: int, frames: int = 3, size: tuple[int, int] = SIZE) -> Int32:
    """Integers in -reach..reach at random, [frames, 2, H, W]."""
    drawn: Int64 = Draws(seed).integers(-reach, reach + 1, (frames, 2, *size))
    return drawn.astype(np.int32)


def units() -> Iterator[Vector]:
    """Each number of bits, and fractional bits of the vectors on both sides of 5 in sum with them."""
    for bits in range(MOST_WARP_BITS + 1):
        left = max(bits - 6, 0)
        moves = Moves(spread(1200 + bits, min(3 << 4 + bits, 2047)), 4, left)
        yield view(
            f"bits-{bits}",
            f"Vectors of 4 fractional bits and {bits} bits more, 2^{4 + bits} of them a cell.",
            1210 + bits,
            moves,
            bits,
        )
    for number, (frac, bits, what) in enumerate(
        (
            (0, 0, "whole cells, five bits to the left"),
            (4, 0, "one bit to the left"),
            (0, 4, "one bit to the left"),
            (5, 0, "as they are"),
            (0, 5, "as they are"),
            (6, 0, "one bit to the right"),
            (3, 3, "one bit to the right"),
            (10, 8, "13 bits to the right, of which a place is left"),
            (20, 0, "15 bits to the right: nothing moves"),
            (20, 8, "23 bits to the right, the most: nothing moves"),
        )
    ):
        moves = Moves(spread(1220 + number, min(4 << frac + bits, 2047)), frac, 2 if frac + bits > 9 else 0)
        purpose = f"Vectors of {frac} fractional bits and {bits} bits more: {what}."
        yield view(f"frac-{frac}-bits-{bits}", purpose, 1240 + number, moves, bits)


def roundings() -> Iterator[Vector]:
    """Vectors between two places, halves among them, on both sides of zero."""
    rows, columns = (np.arange(48).reshape(SIZE) * step % 48 - 24 for step in (1, 5))
    frames = np.stack([np.stack([rows + t, columns - t]) for t in range(4)]).astype(np.int32)
    for frac, bits in ((6, 0), (5, 2), (2, 6), (1, 8)):
        n = frac + bits - 5
        purpose = f"Vectors in 1/{1 << n} places, -24 to 26 of them: halves are rounded up."
        yield view(f"rounding-{1 << n}", purpose, 1260 + n, Moves(frames, frac), bits)


def fractions(taps: int) -> Iterator[Vector]:
    """Every fraction of a row with every fraction of a column, and each direction alone."""
    y, x = np.mgrid[:34, :34]
    every = np.stack([x % CELL, y % CELL])[None].astype(np.int32)
    yield view("every-fraction", "All 32 x 32 pairs of fractions, forwards.", 1270, Moves(every, 3), 2, taps)
    yield view("every-fraction-back", "All 32 x 32 pairs of fractions, backwards.", 1271, Moves(-every, 5), 0, taps)
    for axis, what in enumerate(("rows", "columns")):
        moves = spread(1272 + axis, 100)
        moves[:, 1 - axis] = 0
        yield view(f"{what}-alone", f"Vectors along {what} alone.", 1274 + axis, Moves(moves, 4), 1, taps)
    still = Moves(np.zeros((1, 2, *SIZE), np.int32), 5)
    yield view("still", "Vectors of nought: the map itself.", 1276, still, 0, taps)


def edges(taps: int) -> Iterator[Vector]:
    """The first and the last row and column, a place before and after them, and all that is beyond."""
    pairs = np.arange(144).reshape(3, *SIZE)
    moves = np.zeros((3, 2, *SIZE), np.int32)
    for axis, chosen in enumerate((pairs // 12, pairs % 12)):
        last = CELL * (SIZE[axis] - 1)
        targets = (-40, -1, 0, 1, 31, 32, last - 32, last - 31, last - 1, last, last + 1, last + 33)
        moves[:, axis] = np.array(targets)[chosen] - CELL * np.indices(SIZE)[axis]
    purpose = "Each pair of a row and a column at an edge, 1/32 and more before and after it."
    yield view("edge", purpose, 1280, Moves(moves, 5), 0, taps)
    cells = ((-2048, 3), (2047, -2), (-1, -2048), (2, 2047), (-5, 7), (5, -7), (-6, 8), (6, -8), (-2048, 2047))
    whole = np.broadcast_to(np.array(cells, np.int32)[:, :, None, None], (len(cells), 2, *SIZE))
    yield view("beyond", "Vectors of 1 to 2,048 cells over every edge.", 1281, Moves(whole, 0), 0, taps)
    drawn = Draws(1282).choice(np.array(FAR), (4, 2, *SIZE)).astype(np.int32)
    purpose = "The least and the greatest vectors of 14 bits, "
    yield view("far-beyond", purpose + "which are 8,192 cells.", 1283, Moves(drawn, 0, 3), 0, taps)
    yield view("far-fractions", purpose + "in 1/64 places.", 1284, Moves(drawn, 8, 3), 3, taps)


def sizes(taps: int) -> Iterator[Vector]:
    """Maps of one row, of one column and of one value; channels."""
    for name, size, what in (
        ("one-row", (1, 9), "one row: vectors along rows move nothing"),
        ("one-column", (9, 1), "one column: vectors along columns move nothing"),
        ("one-value", (1, 1), "one value, which nothing moves"),
        ("two-by-two", (2, 2), "2 x 2 values"),
    ):
        moves = Moves(spread(1290 + len(name), 160, 4, size), 4)
        yield view(name, f"A map of {what}.", 1300 + len(name), moves, 2, taps)
    for name, chroma, ratio, channels in (("three", Chroma.C444, 1, 3), ("six", Chroma.C420, 2, 6)):
        operations = [Grid((), 1, channels, *SIZE), Grid((), 4, 2, *SIZE), Warp((0, 1), 0, taps), Planes((2,), ratio)]
        video = Video(SIZE[1] * ratio, SIZE[0] * ratio, 4, chroma=chroma, depth=12)
        network = calm_network(video, operations, Calm(1310 + channels, latent_bits=8, frac=12))
        network.layers[1] = Moves(spread(1320 + channels, 90, 4), 5).layer()
        yield Vector(
            f"{PREFIXES[taps]}-{name}-channels",
            f"{name.title()} channels of a picture's planes, moved by the same vectors." + BY_TAPS[taps],
            file(video, network),
        )
    yield calm_vector(
        f"{PREFIXES[taps]}-70-channels",
        "Seventy channels, of which a convolution makes one." + BY_TAPS[taps],
        Calm(1330, fracs={1: 8}),
        [Grid((), 1, 70, *SIZE), Grid((), 2, 2, *SIZE), Warp((0, 1), 0, taps), Conv((2,), 1, 1), Planes((3,), 1)],
        VIEW.with_frames(2),
    )
    for name, (height, width) in (("wide", (1, 2100)), ("high", (2100, 1))):
        small, moves = ((1, 50), (1, 31)) if height == 1 else ((50, 1), (31, 1))
        yield calm_vector(
            f"{PREFIXES[taps]}-{name}",
            f"A map of {width}x{height}, whose last places are beyond 2^16." + BY_TAPS[taps],
            Calm(1331, latent_bits=8, frac=12, fracs={1: 7}),
            [
                Grid((), 1, 1, *small),
                Grid((), 1, 2, *moves),
                Tile((0,), height, width),
                Tile((1,), height, width),
                Warp((2, 3), 0, taps),
                Planes((4,), 1),
            ],
            Video(width, height, 1, chroma=Chroma.C400, depth=12),
        )


def formats(taps: int) -> Iterator[Vector]:
    """The first input's format is kept, whatever that of the vectors; values at the ends of 14 bits."""
    for width, frac, moves_frac in ((9, 9, 3), (12, 13, 6), (14, 14, 0)):
        moves = Moves(spread(1340 + width, min(3 << moves_frac, 2047)), moves_frac)
        purpose = f"A map of {width} bits, {frac} of them fractional, moved by one of 14 bits and {moves_frac}."
        data = file(*warped(1343 + width, moves, 0, taps, width=width, frac=frac))
        yield Vector(f"{PREFIXES[taps]}-format-width-{width}-frac-{frac}", purpose + BY_TAPS[taps], data)
    yield calm_vector(
        f"{PREFIXES[taps]}-format-before-others",
        "A warp's map before a sum, a stack and a convolution, which use its fractional bits." + BY_TAPS[taps],
        Calm(1360, fracs={0: 7, 1: 9, 3: 11, 4: 9}),
        [
            Grid((), 1, 2, *SIZE),
            Grid((), 3, 2, *SIZE),
            Warp((0, 1), 0, taps),
            Add((2, 1)),
            Concat((2, 3)),
            Conv((4,), 2, 3),
            Conv((2,), 2, 1),
            Concat((5, 6)),
            Conv((7,), 1, 1),
            Planes((8,), 1),
        ],
        VIEW.with_frames(4),
    )
    moves = Moves(spread(1361, 200, 4), 6)
    video, network = warped(1362, moves, 0, taps, width=14, frac=14)
    latent = network.layers[0].tensors["latent"]
    latent.step_indices = latent.step_indices + 40
    purpose = "A map whose values are mostly the least and the greatest of 14 bits."
    yield Vector(f"{PREFIXES[taps]}-extremes", purpose + BY_TAPS[taps], file(video, network))


def moved_by() -> Iterator[Vector]:
    """Vectors from each kind of operation."""
    source = Grid((), 1, 1, *SIZE)
    cases: tuple[tuple[str, str, list[Operation]], ...] = (
        ("grid-in-time", "a grid that changes with time", [Grid((), 3, 2, *SIZE)]),
        ("conv", "a convolution", [Grid((), 2, 3, *SIZE), Conv((1,), 2, 3, activation=Activation.SILU)]),
        ("upsample", "an enlargement", [Grid((), 2, 2, 3, 4), Upsample((1,), 2, *SIZE)]),
        ("window", "a moving window", [Grid((), 1, 2, *MAP), Window((1,), *SIZE, 1, 3, CORNERS)]),
        ("frequency", "sines, the same vector everywhere", [Frequency((), (1 << 29,), (77,)), Tile((1,), *SIZE)]),
        ("concat", "two stacked maps", [Grid((), 2, 1, *SIZE), Grid((), 1, 1, *SIZE), Concat((1, 2))]),
        ("warp", "a warp", [Grid((), 2, 2, *SIZE), Grid((), 3, 2, *SIZE), Warp((1, 2), 0)]),
    )
    for number, (name, what, operations) in enumerate(cases):
        last = len(operations)
        how = Calm(1370 + number, latent_bits=8, frac=8, fracs={0: 12})
        program = [source, *operations, Warp((0, last), 0), Planes((last + 1,), 1)]
        yield calm_vector(f"op-warp-by-{name}", f"Vectors from {what}.", how, program, VIEW)


def moved() -> Iterator[Vector]:
    """Warps of each kind of map, and warps in a row."""
    moves = Grid((), 5, 2, *SIZE)
    cases: tuple[tuple[str, str, list[Operation]], ...] = (
        ("grid-in-time", "A grid that changes with time", [Grid((), 3, 2, *SIZE)]),
        (
            "conv",
            "A convolution's map, beyond whose edges a warp finds the last values and no zeros",
            [Grid((), 1, 2, *SIZE), Conv((1,), 2, 3, activation=Activation.GELU)],
        ),
        ("upsample", "An enlarged map", [Grid((), 1, 2, 3, 4), Upsample((1,), 2, *SIZE)]),
        ("window", "A moving window", [Grid((), 1, 2, *MAP), Window((1,), *SIZE, 1, 3, CORNERS)]),
        ("tile", "A repeated map", [Grid((), 1, 2, 2, 3), Tile((1,), *SIZE)]),
        ("warp", "A warp by the same vectors", [Grid((), 1, 2, *SIZE), Warp((1, 0), 1)]),
    )
    for number, (name, what, operations) in enumerate(cases):
        last = len(operations)
        program = [moves, *operations, Warp((last, 0), 0), Conv((last + 1,), 1, 1), Planes((last + 2,), 1)]
        how = Calm(1380 + number, fracs={0: 8})
        yield calm_vector(f"op-warp-of-{name}", f"{what}, moved by vectors.", how, program, VIEW)
    windows: list[Operation] = [
        Grid((), 1, 2, *MAP),
        Window((0,), 8, 10, 1, 3, ((0, 3, 0), (5, 16, 21))),
        Grid((), 1, 2, 14, 15),
        Window((2,), 8, 10, 1, 6, ((0, 256, 0), (7, 3, 127))),
        Warp((1, 3), 2),
        Window((4,), *SIZE, 1, 2, ((0, 8, 1), (6, 0, 7))),
        Conv((5,), 1, 1),
        Planes((6,), 1),
    ]
    purpose = "A window's map moved by another's, and a window of the warp."
    yield calm_vector("op-warp-between-windows", purpose, Calm(1390, fracs={2: 7}), windows, VIEW)


def readers() -> Iterator[Vector]:
    """Maps that a warp and others read, the same map for both inputs, and what reads warps."""
    two = [Grid((), 1, 2, *SIZE), Grid((), 4, 2, *SIZE)]
    seen: tuple[tuple[str, str, list[Operation], tuple[str, ...]], ...] = (
        (
            "before-conv",
            "3 x 3 convolutions of a warp's map.",
            [Warp((0, 1), 0), Conv((2,), 3, 3), Conv((3,), 1, 3)],
            (),
        ),
        ("by-itself", "A map of two channels moved by itself.", [Warp((1, 1), 0), Conv((2,), 1, 1)], ()),
        (
            "inputs-read-again",
            "Both inputs are read after the warp, too.",
            [Warp((0, 1), 0), Add((0, 2)), Concat((1, 3, 2)), Conv((4,), 1, 1)],
            (),
        ),
        (
            "both-ways",
            "Two maps, each moved by the other, by different bits.",
            [Warp((0, 1), 0), Warp((1, 0), 3), Concat((2, 3)), Conv((4,), 1, 1)],
            (),
        ),
        (
            "unread",
            "A warp that nothing reads before one that is.",
            [Warp((1, 0), 8), Warp((0, 1), 1), Conv((3,), 1, 1)],
            ("program:unread-map",),
        ),
    )
    for number, (name, purpose, operations, features) in enumerate(seen):
        program = [*two, *operations, Planes((len(operations) + 1,), 1)]
        how = Calm(1400 + number, fracs={1: 8})
        yield calm_vector(f"op-warp-{name}", purpose, how, program, VIEW.with_frames(5), features=features)


def segments() -> Iterator[Vector]:
    """Segments with and without warps."""
    operations: list[Operation] = [Grid((), 1, 1, *SIZE), Grid((), 3, 2, *SIZE), Warp((0, 1), 6), Planes((2,), 1)]
    window = [Grid((), 1, 1, *MAP), Window((0,), *SIZE, 1, 3, CORNERS), Planes((1,), 1)]
    plain, windowed = part_of(1410, [Grid((), 2, 1, *SIZE), Planes((0,), 1)], 3), part_of(1411, window)
    one = part_of(1412, operations)
    for name, parts, purpose in (
        ("warp-in-last", [plain, one], "A warp in the last segment alone."),
        ("warp-before-window", [one, windowed], "A warp and then a window, in a segment each."),
        ("window-before-warp", [windowed, plain, one], "A window and then a warp, in a segment each."),
    ):
        yield Vector(f"segments-{name}", purpose, File(VIEW, parts).data())
