"""Random programs for tests: every operation, several readers of one map, maps that nothing reads, odd sizes, crops."""

from __future__ import annotations

import numpy as np

from nqcodec.media.video import Video
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
from nqcodec.network.program import Program, head_channels

KERNELS = (1, 3, 5, 7)
MOST_CHANNELS = 24
"""Channels of a map: for 14-bit maps and 8-bit weights, a 7 x 7 convolution of so many has legal accumulators."""

ANGLES = (0, 1, (1 << 19) - 1, 1 << 19, 1 << 30, 1 << 31, (1 << 32) - 1)
"""Increments and phases at which an angle wraps or an index of the sine table changes."""


class Growth:
    """A program in the making; operations are appended, and `latest` is the map that goes on to the head."""

    def __init__(self, rng: np.random.Generator, frames: int):
        self.rng, self.frames = rng, frames
        self.operations: list[Operation] = []
        self.shapes: list[Shape] = []
        self.latest = -1

    def put(self, op: Operation) -> int:
        """Append an operation; returns its index."""
        self.shapes.append(op.shape([self.shapes[i] for i in op.inputs]))
        self.operations.append(op)
        return len(self.operations) - 1

    def grid(self, height: int, width: int) -> int:
        """Latents of random times and channels."""
        times = int(self.rng.choice([1, self.frames, int(self.rng.integers(1, 2 * self.frames + 2))]))
        return self.put(Grid((), times, int(self.rng.integers(1, 10)), height, width))

    def conv(self, source: int, channels: int, *, depthwise: bool = False) -> int:
        """A convolution of random kernel and activation."""
        kernel, activation = int(self.rng.choice(KERNELS)), Activation(int(self.rng.integers(5)))
        return self.put(Conv((source,), channels, kernel, depthwise, activation))

    def waves(self) -> int:
        """Sines and cosines of t: [2 n, 1, 1]."""
        count = int(self.rng.integers(1, 4))
        increments, phases = (
            tuple(int(v) for v in np.where(self.rng.random(count) < 0.3, self.rng.choice(ANGLES, count), random))
            for random in self.rng.integers(0, 1 << 32, (2, count))
        )
        return self.put(Frequency((), increments, phases))

    def alike(self, index: int) -> int:
        """A map of the shape of map `index`: that one, another one, or a convolution of it."""
        others = [i for i, shape in enumerate(self.shapes) if shape == self.shapes[index]]
        return int(self.rng.choice(others)) if self.rng.random() < 0.6 else self.conv(index, self.shapes[index][0])

    def tiled(self, height: int, width: int) -> int:
        """A small map, or waves, repeated over a size."""
        rows, columns = (int(n) for n in self.rng.integers(1, 5, 2))
        small = self.grid(rows, columns) if self.rng.random() < 0.6 else self.waves()
        return self.put(Tile((small,), height, width))

    def stack(self, first: int) -> int:
        """A concat of `first` and maps of its size, some of them twice."""
        _, height, width = self.shapes[first]
        if self.rng.random() < 0.5:
            self.tiled(height, width)
        if self.rng.random() < 0.4 and height * width <= 4096:
            self.windowed(height, width)
        same = [i for i, shape in enumerate(self.shapes) if shape[1:] == (height, width)]
        chosen, total = [first], self.shapes[first][0]
        for i in (int(i) for i in self.rng.choice(same, int(self.rng.integers(0, 5)))):
            if total + self.shapes[i][0] <= MOST_CHANNELS:
                chosen.append(i)
                total += self.shapes[i][0]
        self.rng.shuffle(chosen)
        return self.put(Concat(tuple(chosen)))

    def spare(self) -> int:
        """Rows or columns that a map has more than its windows see."""
        return int(self.rng.integers(0, 6))

    def windowed(self, height: int, width: int) -> int:
        """A window of a size on its way over a larger map, or over one of just that size; some share a path."""
        bits = int(self.rng.integers(0, MOST_WINDOW_BITS + 1))
        others = [op for op in self.operations if isinstance(op, Window)]
        ratio = int(self.rng.choice([1, 1, 2, 3]))
        part = (height * ratio, width * ratio)
        source = self.put(Grid((), 1, int(self.rng.integers(1, 4 - ratio // 2)), *(n + self.spare() for n in part)))
        rows, columns = ((a - b) << bits for a, b in zip(self.shapes[source][1:], part, strict=True))
        times = np.unique(self.rng.integers(0, 2 * self.frames + 1, int(self.rng.integers(1, 5))))
        ends = [(int(self.rng.choice([0, rows])), int(self.rng.choice([0, columns]))) for _ in times]
        anywhere = [(int(self.rng.integers(0, rows + 1)), int(self.rng.integers(0, columns + 1))) for _ in times]
        knots = tuple((int(t), *place) for t, place in zip(times, ends if bits % 3 else anywhere, strict=True))
        for op in others:
            if all(row <= rows and column <= columns for _, row, column in op.knots):
                knots = op.knots
        return self.put(Window((source,), height, width, ratio, bits, knots))

    def warped(self, index: int) -> int:
        """Map `index` at places displaced by a map of its size, by itself where it has two channels."""
        size = self.shapes[index][1:]
        others = [i for i, shape in enumerate(self.shapes) if shape == (2, *size)]
        is_new = not others or self.rng.random() < 0.5
        vectors = self.conv(index, 2) if is_new else int(self.rng.choice(others))
        taps = int(self.rng.choice([LINEAR_TAPS, CUBIC_TAPS]))
        return self.put(Warp((index, vectors), int(self.rng.integers(0, MOST_WARP_BITS + 1)), taps))

    def keep_shape(self, index: int) -> int:
        """An operation whose output has its input's shape."""
        channels, height, width = self.shapes[index]
        kind = int(self.rng.integers(10))
        if kind == 0:
            return self.put(Norm((index,)))
        if kind in (1, 2):
            pair = (index, self.alike(index))
            pair = pair if self.rng.random() < 0.5 else pair[::-1]
            return self.put(Add(pair) if kind == 1 else Mul(pair))
        if kind == 3:
            return self.put(Upsample((index,), int(self.rng.integers(1, 4)), height, width))
        if kind == 4:
            return self.put(Tile((index,), height, width))
        if kind == 5:
            return self.put(Concat((index,)))
        if kind == 6:
            return self.put(Fold((index,), 1, 1))
        if kind in (7, 8):
            return self.warped(index)
        return self.conv(index, channels, depthwise=True)

    def decorate(self) -> None:
        """Go on by a few operations that keep height and width."""
        for _ in range(int(self.rng.integers(0, 4))):
            kind = int(self.rng.integers(6))
            if kind == 0:
                self.conv(self.latest, int(self.rng.integers(1, 4)))  # nothing need read it
            elif kind == 1:
                self.latest = self.stack(self.latest)
            elif kind == 2:
                self.latest = self.conv(self.latest, int(self.rng.integers(1, 10)))
            else:
                self.latest = self.keep_shape(self.latest)

    def enlarge(self, stride: tuple[int, int], size: tuple[int, int]) -> None:
        """Enlarge the latest map to `size` at least, by `stride` rows and columns at most."""
        rows, columns = stride
        _, height, width = self.shapes[self.latest]
        if self.rng.random() < 0.5:
            channels = int(self.rng.integers(1, 8 if rows * columns < 9 else 3))
            folded = self.conv(self.latest, channels * rows * columns)
            square = rows == columns and self.rng.random() < 0.7
            self.latest = self.put(Shuffle((folded,), rows) if square else Fold((folded,), rows, columns))
            return
        cropped = (
            int(self.rng.integers(wanted, most + 1))
            for wanted, most in zip(size, (height * rows, width * columns), strict=True)
        )
        self.latest = self.put(Upsample((self.latest,), max(rows, columns), *cropped))


def random_program(rng: np.random.Generator, video: Video) -> Program:
    """Latents, then stages that enlarge with operations of every kind in between, up to a head for `video`."""
    ratio = int(rng.choice([r for r in (1, 2, 4) if all(r % s == 0 for s in video.chroma.sub)]))
    strides = [tuple(int(r) for r in rng.choice([1, 2, 3, 5], 2)) for _ in range(int(rng.integers(0, 3)))]
    strides = [(rows, rows if rng.random() < 0.6 else columns) for rows, columns in strides]
    sizes = [(-(-video.height // ratio), -(-video.width // ratio))]
    for rows, columns in reversed(strides):
        sizes.insert(0, (-(-sizes[0][0] // rows), -(-sizes[0][1] // columns)))
    growth = Growth(rng, video.frames)
    growth.latest = growth.grid(*(size + int(rng.integers(0, 2)) for size in sizes[0]))
    growth.decorate()
    for stride, size in zip(strides, sizes[1:], strict=True):
        growth.enlarge((stride[0], stride[1]), size)
        growth.decorate()
    growth.latest = growth.conv(growth.latest, head_channels(video.chroma, ratio))
    if rng.random() < 0.6:
        growth.latest = growth.keep_shape(growth.latest)
    growth.put(Planes((growth.latest,), ratio))
    return Program.of(growth.operations, video)
