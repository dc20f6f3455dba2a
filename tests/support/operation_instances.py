"""Random legal instances of each operation, with small maps, for tests; `operation_cases` says what they are for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    MOST_WARP_BITS,
    MOST_WINDOW_BITS,
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
from nqcodec.network.program import Program

FRAMES = 3


@dataclass(frozen=True)
class Instance:
    """An operation and the shapes of the maps 0, 1, ... that it reads."""

    op: Operation
    inputs: tuple[Shape, ...] = ()

    @property
    def read(self) -> list[Shape]:
        """Shapes of its inputs in the order that it reads them."""
        return [self.inputs[i] for i in self.op.inputs]


def program_around(instance: Instance) -> tuple[Program, Video, int]:
    """(program, video, index of the operation): grids for its inputs, and a head that shows all channels of its map.

    Operation 0 is a grid of one value, which nothing reads.
    """
    op = replace(instance.op, inputs=tuple(i + 1 for i in instance.op.inputs))
    operations: list[Operation] = [Grid((), 1, 1, 1, 1)]
    operations += [Grid((), (1, FRAMES)[k % 2], *shape) for k, shape in enumerate(instance.inputs)]
    operations.append(op)
    index, (_, height, width) = len(operations) - 1, instance.op.shape(instance.read)
    if not isinstance(op, Planes):
        operations += [Conv((index,), 1, 1), Planes((index + 1,), 1)]
    video = Video(width, height, FRAMES, chroma=Chroma.C400, depth=12)
    return Program.of(operations, video), video, index


def _shape(rng: np.random.Generator, channels: int | None = None) -> Shape:
    """A small map's."""
    sizes = [int(n) for n in rng.integers(1, 8, 2)]
    return (channels or int(rng.integers(1, 7)), sizes[0], sizes[1])


def of_one(make: Callable[[np.random.Generator, Shape], Operation]) -> Callable[[np.random.Generator], Instance]:
    """Instances with one input of any shape."""

    def instance(rng: np.random.Generator) -> Instance:
        shape = _shape(rng)
        return Instance(make(rng, shape), (shape,))

    return instance


def random_grid(rng: np.random.Generator) -> Instance:
    return Instance(Grid((), int(rng.integers(1, 2 * FRAMES)), *_shape(rng)))


def random_norm(rng: np.random.Generator) -> Instance:
    return Instance(Norm((0,)), (_shape(rng, int(rng.integers(1, 41))),))


def random_frequency(rng: np.random.Generator) -> Instance:
    count = int(rng.integers(1, 5))
    increments, phases = (tuple(int(v) for v in values) for values in rng.integers(0, 1 << 32, (2, count)))
    return Instance(Frequency((), increments, phases))


def random_conv(rng: np.random.Generator) -> Instance:
    shape, depthwise = _shape(rng), bool(rng.integers(2))
    channels = shape[0] if depthwise else int(rng.integers(1, 9))
    kernel, activation = int(rng.choice([1, 3, 5])), Activation(int(rng.integers(5)))
    return Instance(Conv((0,), channels, kernel, depthwise, activation), (shape,))


def random_fold(rng: np.random.Generator) -> Instance:
    rows, columns = (int(n) for n in rng.integers(1, 5, 2))
    return Instance(Fold((0,), rows, columns), (_shape(rng, rows * columns * int(rng.integers(1, 4))),))


def random_shuffle(rng: np.random.Generator) -> Instance:
    ratio = int(rng.integers(1, 4))
    return Instance(Shuffle((0,), ratio), (_shape(rng, ratio**2 * int(rng.integers(1, 4))),))


def random_planes(rng: np.random.Generator) -> Instance:
    ratio = int(rng.integers(1, 5))
    return Instance(Planes((0,), ratio), (_shape(rng, ratio**2),))


def random_upsample(rng: np.random.Generator, shape: Shape) -> Operation:
    ratio = int(rng.integers(1, 17))
    return Upsample((0,), ratio, *(int(rng.integers(1, size * ratio + 1)) for size in shape[1:]))


def random_tile(rng: np.random.Generator, shape: Shape) -> Operation:
    return Tile((0,), *(int(n) for n in rng.integers(1, 21, 2)))


def random_window(rng: np.random.Generator) -> Instance:
    """Anywhere on any path, its ends at the map's edges among them."""
    (channels, height, width), ratio = _shape(rng, int(rng.integers(1, 3))), int(rng.integers(1, 4))
    bits, spare = int(rng.integers(0, MOST_WINDOW_BITS + 1)), [int(n) for n in rng.integers(0, 4, 2)]
    times = np.unique(rng.integers(0, 2 * FRAMES, int(rng.integers(1, 5))))
    ways = [rng.choice([0, n << bits, rng.integers(0, (n << bits) + 1)], len(times)).tolist() for n in spare]
    knots = tuple((int(t), row, column) for t, row, column in zip(times, *ways, strict=True))
    shape = (channels, height * ratio + spare[0], width * ratio + spare[1])
    return Instance(Window((0,), height, width, ratio, bits, knots), (shape,))


def random_warp(rng: np.random.Generator) -> Instance:
    shape = _shape(rng)
    taps = int(rng.choice([LINEAR_TAPS, CUBIC_TAPS]))
    return Instance(Warp((0, 1), int(rng.integers(0, MOST_WARP_BITS + 1)), taps), (shape, (2, *shape[1:])))


def random_concat(rng: np.random.Generator) -> Instance:
    first = _shape(rng)
    shapes = (first, *((int(n), *first[1:]) for n in rng.integers(1, 4, int(rng.integers(0, 16)))))
    return Instance(Concat(tuple(int(i) for i in rng.permutation(len(shapes)))), shapes)


def pair_of(kind: type[Add] | type[Mul]) -> Callable[[np.random.Generator], Instance]:
    def instance(rng: np.random.Generator) -> Instance:
        return Instance(kind(((0, 1), (1, 0))[int(rng.integers(2))]), (_shape(rng),) * 2)

    return instance
