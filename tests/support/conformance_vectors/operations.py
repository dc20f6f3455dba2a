"""Each operation alone, then all of them in one program (formats/nq.md, 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from conformance_vectors.build import Vector, file
from conformance_vectors.calm import Calm, calm_network, calm_vector
from conformance_vectors.draws import Draws
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import (
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
    Shuffle,
    Tile,
    Upsample,
)

HALF_TURN, TURN = 1 << 31, 1 << 32


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from grids()
    yield from convolutions()
    yield from activations()
    yield from rearrangements()
    yield from upsampling()
    yield from pairs()
    yield from frequencies()
    yield from heads()
    yield every_operation()


def grids() -> Iterator[Vector]:
    """A grid that is the picture, at every relation of its times to the frames."""
    video = Video(6, 5, 5, chroma=Chroma.C400)
    for times, what in ((1, "one for all"), (2, "fewer than"), (5, "as many as"), (8, "more than")):
        yield calm_vector(
            f"op-grid-{times}-of-5",
            f"A grid of {times} times, {what} the 5 frames: positions, fractions and both ends.",
            Calm(100 + times, latent_bits=8, width=12, head_frac=11),
            [Grid((), times, 1, 5, 6), Planes((0,), 1)],
            video,
        )


def convolutions() -> Iterator[Vector]:
    """Each kernel, dense and depthwise; larger than the map, too."""
    for kernel in (1, 3, 5, 7):
        yield calm_vector(
            f"op-conv-{kernel}x{kernel}",
            f"A dense {kernel} x {kernel} convolution, with zeros beyond the edges of the map.",
            Calm(110 + kernel),
            [Grid((), 2, 3, 12, 16), Conv((0,), 1, kernel), Planes((1,), 1)],
        )
        yield calm_vector(
            f"op-depthwise-{kernel}x{kernel}",
            f"A depthwise {kernel} x {kernel} convolution: each channel by itself.",
            Calm(120 + kernel),
            [Grid((), 2, 4, 6, 8), Conv((0,), 4, kernel, True), Planes((1,), 2)],
        )
    yield calm_vector(
        "op-conv-larger-than-map",
        "A 9 x 9 convolution of a 2 x 3 map: most of the kernel lies outside.",
        Calm(131),
        [Grid((), 1, 2, 2, 3), Conv((0,), 4, 9), Planes((1,), 2)],
        Video(6, 4, 1, chroma=Chroma.C400),
    )


def activations() -> Iterator[Vector]:
    """A convolution with each activation, before another one."""
    for activation in Activation:
        name = activation.name.lower().replace("_", "-")
        yield calm_vector(
            f"op-activation-{name}",
            f"A convolution with activation {int(activation)} ({activation.name.lower()}).",
            Calm(140 + activation, width=14, frac=11),
            [Grid((), 2, 4, 12, 16), Conv((0,), 6, 1, activation=activation), Conv((1,), 1, 3), Planes((2,), 1)],
        )
    for frac in (0, 4, 14, 15, 20):
        yield calm_vector(
            f"op-activation-frac-{frac}",
            f"All activations in maps of {frac} fractional bits: both directions of each shift.",
            Calm(150 + frac, width=14, frac=frac, head_frac=12),
            [
                Grid((), 1, 4, 12, 16),
                *(Conv((0,), 2, 1, activation=activation) for activation in Activation),
                Concat((1, 2, 3, 4, 5)),
                Conv((6,), 1, 1),
                Planes((7,), 1),
            ],
        )


def rearrangements() -> Iterator[Vector]:
    """Depth to space and tiling."""
    yield calm_vector(
        "op-shuffle",
        "Depth to space by 3, then by 1.",
        Calm(170, head_frac=11),
        [Grid((), 2, 9, 4, 6), Shuffle((0,), 3), Shuffle((1,), 1), Conv((2,), 1, 1), Planes((3,), 1)],
    )
    yield calm_vector(
        "op-fold",
        "Depth to space by 3 rows and 2 columns, then by 1 row and 4 columns.",
        Calm(171, head_frac=11),
        [Grid((), 2, 24, 4, 2), Fold((0,), 3, 2), Fold((1,), 1, 4), Planes((2,), 1)],
    )
    yield calm_vector(
        "op-tile",
        "A 3 x 5 map repeated over 12 x 16, the last repeats cut, and a map cut to its corner.",
        Calm(172),
        [
            Grid((), 2, 2, 3, 5),
            Tile((0,), 12, 16),
            Grid((), 1, 2, 13, 20),
            Tile((2,), 12, 16),
            Add((1, 3)),
            Conv((4,), 1, 1),
            Planes((5,), 1),
        ],
    )


def upsampling() -> Iterator[Vector]:
    """Dyadic and other ratios, crops, one row or column."""
    for ratio, height, width in ((1, 12, 16), (2, 12, 16), (3, 11, 16), (5, 12, 13), (16, 20, 27)):
        small = -(-height // ratio), -(-width // ratio)
        yield calm_vector(
            f"op-upsample-{ratio}",
            f"Bilinear enlargement by {ratio} from {small[1]}x{small[0]}, cropped to {width}x{height}.",
            Calm(180 + ratio, width=14, head_frac=12),
            [Grid((), 2, 2, *small), Upsample((0,), ratio, height, width), Conv((1,), 1, 1), Planes((2,), 1)],
            Video(width, height, 2, chroma=Chroma.C400),
        )
    yield calm_vector(
        "op-upsample-far-crop",
        "Bilinear enlargement by 4 of which less than the first map's size is kept.",
        Calm(198, head_frac=11),
        [Grid((), 1, 2, 5, 7), Upsample((0,), 4, 3, 4), Conv((1,), 1, 1), Planes((2,), 1)],
        Video(4, 3, 1, chroma=Chroma.C400),
    )


def pairs() -> Iterator[Vector]:
    """Operations on several maps whose formats differ, and norm."""
    two = [Grid((), 2, 3, 12, 16), Conv((0,), 3, 1), Conv((0,), 3, 3, activation=Activation.GELU)]
    made: dict[str, Sequence[Operation]] = {
        "op-add": [*two, Add((1, 2)), Conv((3,), 1, 1), Planes((4,), 1)],
        "op-mul": [*two, Mul((2, 1)), Conv((3,), 1, 1), Planes((4,), 1)],
        "op-concat": [*two, Concat((2, 0, 1, 0)), Conv((3,), 1, 1), Planes((4,), 1)],
        "op-norm": [*two, Norm((2,)), Conv((3,), 1, 1), Planes((4,), 1)],
        "op-same-input-twice": [*two, Add((1, 1)), Mul((3, 3)), Conv((4,), 1, 1), Planes((5,), 1)],
    }
    purposes = {
        "op-add": "The sum of two maps.",
        "op-mul": "The product of two maps.",
        "op-concat": "Four maps stacked, one of them twice.",
        "op-norm": "The channels of each position normalised.",
        "op-same-input-twice": "A map added to itself and multiplied by itself.",
    }
    for number, (name, operations) in enumerate(made.items()):
        yield calm_vector(name, purposes[name], Calm(200 + number, fracs={1: 8, 2: 11, 3: 9}), operations)
    yield calm_vector(
        "op-norm-one-channel",
        "A norm of one channel, whose deviation is nought: r is 1 and the map 0.",
        Calm(206),
        [Grid((), 1, 1, 12, 16), Norm((0,)), Add((0, 1)), Planes((2,), 1)],
        features=("norm:constant",),
    )
    yield widest_norm()
    yield calm_vector(
        "op-concat-16",
        "Sixteen maps stacked, the most that a concat takes.",
        Calm(207),
        [*(Grid((), 1, 1, 12, 16) for _ in range(16)), Concat(tuple(range(16))), Conv((16,), 1, 1), Planes((17,), 1)],
        features=("limit:concat-inputs",),
    )


def widest_norm() -> Vector:
    """A norm of 65,536 channels, most of them 0."""
    video = Video(16, 12, 1, chroma=Chroma.C400)
    operations = [Grid((), 1, 65536, 1, 1), Norm((0,)), Shuffle((1,), 256), Planes((2,), 1)]
    network = calm_network(video, operations, Calm(208, latent_bits=2, width=14, fracs={1: 9}))
    latent, draws = network.layers[0].tensors["latent"], Draws(209)
    rare = draws.random(65536).reshape(latent.values.shape)
    latent.values = np.where(rare < 0.02, 1, np.where(rare > 0.98, -2, 0)).astype(np.int32)
    purpose = "A norm of 65,536 channels, the most, and a shuffle by 256."
    return Vector("op-norm-65536-channels", purpose, file(video, network), features=("norm:most-channels",))


def frequencies() -> Iterator[Vector]:
    """Sines and cosines whose angles wrap and whose table indices change."""
    yield calm_vector(
        "op-frequency",
        "Sines and cosines at steps and phases around the table's index boundaries and a whole turn.",
        Calm(210, frac=10),
        [
            Frequency((), (0, 1, 1 << 19, HALF_TURN, TURN - 1, 123456789), (0, (1 << 19) - 1, 1 << 19, 1 << 30, 5, 7)),
            Conv((0,), 192, 1),
            Fold((1,), 12, 16),
            Planes((2,), 1),
        ],
        Video(16, 12, 4, chroma=Chroma.C400),
    )


def heads() -> Iterator[Vector]:
    """Planes at each kind of ratio."""
    for ratio, chroma in ((1, Chroma.C444), (4, Chroma.C420), (16, Chroma.C400), (3, Chroma.C444), (6, Chroma.C422)):
        channels = sum((ratio // sx) * (ratio // sy) for sx, sy in (chroma.plane_sub(i) for i in range(chroma.planes)))
        rows, columns = -(-9 // ratio), -(-11 // ratio)
        yield calm_vector(
            f"op-planes-{ratio}",
            f"The head at ratio {ratio} in {chroma.label}, {channels} channels, cropped to 11x9.",
            Calm(220 + ratio, head_frac=11),
            [Grid((), 2, channels, rows, columns), Planes((0,), ratio)],
            Video(11, 9, 2, chroma=chroma),
        )


def every_operation() -> Vector:
    """One program with every operation, maps that several read and maps that none reads."""
    operations = [
        Grid((), 2, 4, 3, 4),
        Conv((0,), 24, 3),
        Shuffle((1,), 2),
        Upsample((0,), 2, 6, 8),
        Frequency((), (1, HALF_TURN), (TURN - 1, 0)),
        Tile((4,), 6, 8),
        Concat((2, 3, 5)),
        Fold((6,), 1, 2),
        Conv((5,), 4, 1, activation=Activation.SILU),
        Add((3, 8)),
        Mul((9, 3)),
        Norm((10,)),
        Concat((11, 2, 9)),
        Conv((12,), 6, 1, activation=Activation.HALF_TANH),
        Planes((13,), 2),
    ]
    return calm_vector(
        "op-every",
        "Every operation in one program; several maps have many readers and one has none.",
        Calm(240, width=13),
        operations,
        Video(15, 11, 3),
        features=("program:unread-map",),
    )
