"""Windows: paths, cells, edges, what they read (formats/nq.md, 5 and 6.13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance_vectors.build import File, Part, Vector, file, part, sealed
from conformance_vectors.calm import Calm, calm_network, calm_vector
from conformance_vectors.coding import pack_network
from nqcodec.bitstream.reader import write_sv, write_uv
from nqcodec.media.video import Chroma, Video
from nqcodec.network.camera_path import Knot
from nqcodec.network.operations import Activation, Add, Concat, Conv, Grid, Operation, Planes, Upsample, Window

VIEW = Video(8, 6, 8, chroma=Chroma.C400, depth=12)
"""A picture whose samples hold every bit of a 12-bit map."""

PICTURE = Video(16, 12, 4, chroma=Chroma.C400)
MAP = (10, 13)
"""Rows and columns of most maps that a window reads: 4 and 5 more than the picture."""

CORNERS: tuple[Knot, ...] = ((1, 0, 40), (3, 9, 7), (4, 32, 0), (6, 5, 5))
"""A path in 1/8 cells that reaches each edge of such a map."""

LAST_FRAME = (1 << 24) - 1


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from paths()
    yield from fractions()
    yield from edges()
    yield from cells()
    yield from shared()
    yield from sources()
    yield from segments()


def view(
    name: str,
    purpose: str,
    seed: int,
    knots: tuple[Knot, ...],
    bits: int = 3,
    size: tuple[int, int] = MAP,
    frames: int = VIEW.frames,
) -> Vector:
    """A vector whose picture is one window of one channel, every bit of it seen."""
    operations = [Grid((), 1, 1, *size), Window((0,), 6, 8, 1, bits, knots), Planes((1,), 1)]
    how = Calm(seed, latent_bits=8, frac=12)
    return calm_vector(f"op-window-{name}", purpose, how, operations, VIEW.with_frames(frames))


def paths() -> Iterator[Vector]:
    """Where a window is at each frame."""
    yield view(
        "path", "A path of four knots within the segment: rest, three ways of different pace, rest.", 1000, CORNERS
    )
    yield view("one-knot", "A path of one knot: the place is its at every frame.", 1001, ((5, 11, 6),))
    yield view("before-first-knot", "Seven frames before the first of two knots.", 1002, ((6, 3, 9), (7, 30, 33)))
    yield view("after-last-knot", "Seven frames from the last of two knots on.", 1003, ((0, 3, 9), (1, 30, 33)))
    slopes = ((0, 5, 6), (4, 6, 5), (8, 5, 6), (10, 6, 5), (12, 5, 6), (15, 7, 4))
    yield view(
        "rounding",
        "Paces of a half, a quarter and two thirds in both directions: halves are rounded up, the division is floored.",
        1004,
        slopes,
        bits=2,
        frames=17,
    )
    zigzag = tuple((t, 29 * t % 33, 23 * t % 41) for t in range(8))
    yield view("knot-each-frame", "A knot at every frame: nothing lies between them.", 1005, zigzag)
    many = tuple((2 * k, 7 * k % 17, 11 * k % 21) for k in range(4096))
    yield view(
        "4096-knots", "A path of 4,096 knots, the most; all but a few come after the segment.", 1006, many, 2, frames=20
    )
    far = ((2, 30, 3), (LAST_FRAME, 0, 40))
    yield view("far-knot", "A knot at frame 2^24 - 1, the last: the way there is slow.", 1007, far)


def fractions() -> Iterator[Vector]:
    """Every number of fractional bits of which a rule has a special case."""
    for bits, what in ((0, "none: nothing is between two cells"), (1, "one"), (4, "four"), (8, "eight, the most")):
        rows, columns = 4 << bits, 5 << bits
        knots = ((0, 0, columns), (3, rows // 2 + bits, 1), (7, rows, columns - bits))
        yield view(f"bits-{bits}", f"Fractional bits of a path: {what}.", 1010 + bits, knots, bits)
    operations = [Grid((), 1, 1, *MAP), Window((0,), 6, 8, 1, 8, ((0, 513, 257), (7, 11, 900))), Planes((1,), 1)]
    network = calm_network(VIEW, operations, Calm(1020, latent_bits=8, width=14, frac=14))
    latent = network.layers[0].tensors["latent"]
    latent.step_indices = latent.step_indices + 32
    purpose = "A map whose values are mostly the least and the greatest of 14 bits, at eight fractional bits."
    yield Vector("op-window-extremes", purpose, file(VIEW, network))


def edges() -> Iterator[Vector]:
    """The last row and column, beyond which there is nothing."""
    low, high = (4 << 8, 5 << 8), (4 << 8) - 1
    yield view(
        "edge",
        "The last row, the last column and both, with weight 0 for what is beyond, and one step before.",
        1030,
        ((0, *low), (1, high, low[1]), (2, low[0], low[1] - 1), (3, high, low[1] - 1), (4, 0, low[1]), (5, low[0], 0)),
        bits=8,
    )
    yield view("whole-map", "A map of the window's size, which has one place.", 1031, ((0, 0, 0), (6, 0, 0)), 5, (6, 8))
    yield view(
        "one-row-more", "A map of one row more, of the window's width.", 1032, ((0, 0, 0), (7, 32, 0)), 5, (7, 8)
    )
    yield calm_vector(
        "op-window-cells-edge",
        "The last row and column in cells of 2 x 2.",
        Calm(1033, latent_bits=8, frac=12),
        [Grid((), 1, 1, 7, 9), Window((0,), 3, 4, 2, 4, ((0, 16, 16), (2, 15, 15), (3, 16, 0))), Planes((1,), 2)],
        VIEW.with_frames(4),
    )


def cells() -> Iterator[Vector]:
    """Each kind of ratio; two channels show the order of places and channels."""
    for ratio in (1, 2, 3):
        height, width = -(-12 // ratio), -(-16 // ratio)
        operations: list[Operation] = [
            Grid((), 2, 2, height * ratio + 3, width * ratio + 5),
            Window((0,), height, width, ratio, 2, ((0, 12, 0), (3, 1, 19))),
            Conv((1,), ratio * ratio, 1),
            Planes((2,), ratio),
        ]
        purpose = f"Cells of {ratio} x {ratio} places, {2 * ratio * ratio} channels of two, which a convolution mixes."
        yield calm_vector(f"op-window-ratio-{ratio}", purpose, Calm(1043 + ratio), operations, PICTURE)
    yield calm_vector(
        "op-window-ratio-16",
        "Cells of 16 x 16 places, the most.",
        Calm(1056, latent_bits=4, frac=12),
        [Grid((), 1, 1, 33, 50), Window((0,), 2, 3, 16, 3, ((0, 8, 0), (2, 1, 15))), Planes((1,), 16)],
        Video(48, 32, 3, chroma=Chroma.C400),
    )


def shared() -> Iterator[Vector]:
    """Windows on one path, told once, told twice, or that of a window that nothing reads."""
    other: tuple[Knot, ...] = ((0, 7, 7), (6, 28, 2))
    operations: list[Operation] = [
        Grid((), 1, 2, *MAP),
        Window((0,), 6, 8, 1, 3, CORNERS),
        Grid((), 2, 1, 20, 27),
        Window((2,), 6, 8, 2, 2, CORNERS),
        Window((0,), 6, 8, 1, 3, other),
        Window((2,), 6, 8, 2, 2, other),
        Window((2,), 6, 8, 1, 5, other),
        Concat((1, 3, 4, 5, 6)),
        Conv((7,), 1, 1),
        Planes((8,), 1),
    ]
    yield calm_vector(
        "op-window-shared-path",
        "Five windows on two paths, each told once: a window takes that of the last one before it, in its own units.",
        Calm(1060),
        operations,
        VIEW,
    )
    again = [Grid((), 1, 2, *MAP), *(Window((0,), 6, 8, 1, bits, CORNERS) for bits in (3, 5)), Add((1, 2))]
    again += [Conv((3,), 1, 1), Planes((4,), 1)]
    network = calm_network(VIEW, again, Calm(1061))
    program, table, pieces = pack_network(network)
    short, path_record = b"\x0d\x02\x06\x08\x01\x05\0", path_bytes(CORNERS)
    body = program.replace(short, short[:-1] + path_record) + table + pieces
    yield Vector(
        "op-window-shared-path-in-full",
        "Two windows whose paths are the same, each told in full: legal, if longer.",
        File(VIEW, [sealed(VIEW, VIEW.frames, body)]).data(),
    )
    yield calm_vector(
        "op-window-shared-path-unread",
        "A window that nothing reads, on whose path the next one is.",
        Calm(1062, latent_bits=8, frac=12),
        [
            Grid((), 1, 1, *MAP),
            Window((0,), 1, 1, 1, 3, CORNERS),
            Window((0,), 6, 8, 1, 3, CORNERS),
            Planes((2,), 1),
        ],
        VIEW,
        features=("program:unread-map",),
    )


def path_bytes(knots: tuple[Knot, ...]) -> bytes:
    """A path as a program tells it (formats/nq.md, 5), whatever its knots."""
    out, last = bytearray(write_uv(len(knots))), (0, 0, 0)
    for knot in knots:
        time, row, column = (a - b for a, b in zip(knot, last, strict=True))
        out += write_uv(time % (1 << 32)) + write_sv(row) + write_sv(column)
        last = knot
    return bytes(out)


def sources() -> Iterator[Vector]:
    """Windows of what changes in time, of convolutions, of enlargements and of windows."""
    seen = [Window((1,), 6, 8, 1, 3, CORNERS), Conv((2,), 1, 1), Planes((3,), 1)]
    for name, purpose, operations in (
        (
            "grid-in-time",
            "A window of a grid that changes with time.",
            [Grid((), 5, 2, *MAP), Conv((0,), 2, 1), *seen],
        ),
        (
            "conv",
            "A window of a convolution's map, which is zero beyond that map's edges and not beyond the window's.",
            [Grid((), 2, 2, *MAP), Conv((0,), 3, 3, activation=Activation.GELU), *seen],
        ),
        (
            "upsample",
            "A window of an enlarged map.",
            [Grid((), 1, 2, 5, 7), Upsample((0,), 2, *MAP), *seen],
        ),
        (
            "window",
            "A window of a window's map, both moving.",
            [Grid((), 1, 2, 14, 15), Window((0,), *MAP, 1, 6, ((0, 256, 0), (7, 3, 127))), *seen],
        ),
    ):
        yield calm_vector(f"op-window-of-{name}", purpose, Calm(1070 + len(name)), operations, VIEW)
    before: list[Operation] = [
        Grid((), 1, 2, *MAP),
        Window((0,), 6, 8, 1, 3, CORNERS),
        Conv((1,), 3, 3, activation=Activation.SILU),
        Conv((2,), 1, 3),
        Planes((3,), 1),
    ]
    yield calm_vector("op-window-before-conv", "3 x 3 convolutions of a window's map.", Calm(1080), before, VIEW)


def segments() -> Iterator[Vector]:
    """Segments that have their own frame 0 and path."""
    operations: list[Operation] = [
        Grid((), 1, 1, *MAP),
        Window((0,), 6, 8, 1, 3, CORNERS),
        Planes((1,), 1),
    ]
    windowed = [part_of(1090 + number, operations) for number in range(2)]
    plain = part_of(1092, [Grid((), 2, 1, 6, 8), Planes((0,), 1)], 3)
    for number, parts in enumerate(([windowed[0], plain, windowed[1]], [plain, windowed[1]])):
        purpose = (
            "A path in each of two segments, which counts from the segment's first frame.",
            "A window in the last segment alone.",
        )[number]
        name = ("two", "last")[number]
        yield Vector(f"segments-window-in-{name}", purpose, File(VIEW, parts).data())


def part_of(seed: int, operations: list[Operation], frames: int = VIEW.frames) -> Part:
    """A segment of the picture with a calm network."""
    video = replace(VIEW, frames=frames)
    return part(video, calm_network(video, operations, Calm(seed, latent_bits=8, frac=12, head_frac=12)))
