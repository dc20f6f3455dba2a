"""A second reading of formats/nq.md 6 in unbounded Python integers and nested lists, for very small pictures.

It shares nothing with the package but the network's own data: no numpy arithmetic, no derived constants, tables from
the JSON file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import floor, isqrt
from pathlib import Path
from typing import Any

from nqcodec.media.video import Video
from nqcodec.network.integer_network import IntegerNetwork, IntTensor
from nqcodec.network.operations import (
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
    Warp,
    Window,
)

Map = list[list[list[int]]]
M = (32768, 35734, 38968, 42495, 46341, 50535, 55109, 60097)
TABLES = Path(__file__).parents[2] / "formats" / "tables"


@cache
def table(name: str) -> list[int]:
    file = TABLES / ("sine.json" if name == "sine" else "activations.json")
    return list(json.loads(file.read_text())[name])


def clamp(x: int, a: int, b: int) -> int:
    return min(max(x, a), b)


def clamp_width(x: int, width: int) -> int:
    return clamp(x, -(1 << (width - 1)), (1 << (width - 1)) - 1)


def rescale(v: int, e: int) -> int:
    s = 15 - (e >> 3)
    assert 1 <= s <= 46
    return (v * M[e & 7] + (1 << (s - 1))) >> s


def shift(v: int, n: int) -> int:
    return (v + 2 ** (n - 1)) >> n if n > 0 else v << -n


def step_index_of(tensor: IntTensor, channel: int) -> int:
    return int(tensor.step_indices[channel if tensor.step_indices.size > 1 else 0])


def activation(p: int, code: int, width: int, frac: int) -> int:
    if code == 1:
        return max(p, 0)
    if code in (2, 3):
        gate: list[int] = table("gelu" if code == 2 else "silu")
        return (p * gate[clamp(shift(p, frac - 8), -2048, 2047) + 2048] + 2**14) >> 15
    if code == 4:
        return clamp_width(shift(table("half_tanh")[clamp((p + 8) >> 4, -2048, 2047) + 2048], 15 - frac), width)
    return p


def grid(network: IntegerNetwork, index: int, t: int, frames: int) -> Map:
    op, layer = network.program.operations[index], network.layers[index]
    assert isinstance(op, Grid)
    latent = layer.tensors["latent"]
    values = latent.values.tolist()
    p = clamp((((2 * t + 1) * op.times - frames) << 16) // (2 * frames), 0, (op.times - 1) << 16)
    i, f = p >> 16, p & 65535
    j = min(i + 1, op.times - 1)

    def value(c: int, y: int, x: int) -> int:
        v = values[i][c][y][x] * (65536 - f) + values[j][c][y][x] * f
        return clamp_width(rescale(v, step_index_of(latent, c) + 8 * (layer.frac - 16)), layer.width)

    return [[[value(c, y, x) for x in range(op.width)] for y in range(op.height)] for c in range(op.channels)]


def conv_weight(tensor: IntTensor) -> list[list[list[list[int]]]]:
    """The weights as used [out][in][k][k], each Hadamard block by its matrix of signs."""
    coded = tensor.values.tolist()
    if tensor.hadamard is None:
        return list(coded)
    kernel, used = range(len(coded[0][0])), []
    for c in coded:
        blocks: list[list[list[int]]] = []
        while len(blocks) < len(c):
            first, m = len(blocks), min(len(c) - len(blocks), 4096).bit_length() - 1
            e = 8 * tensor.hadamard.gain - 4 * m
            for i in range(2**m):
                signs = [(-1) ** bin(i & j).count("1") for j in range(2**m)]
                sums = [[sum(s * c[first + j][a][b] for j, s in enumerate(signs)) for b in kernel] for a in kernel]
                blocks.append([[clamp_width(rescale(s, e), tensor.hadamard.used_width) for s in row] for row in sums])
        used.append(blocks)
    return used


def conv(network: IntegerNetwork, index: int, source: Map) -> Map:
    op, layer = network.program.operations[index], network.layers[index]
    assert isinstance(op, Conv)
    weight, bias = layer.tensors["weight"], layer.tensors["bias"]
    w, biases = conv_weight(weight), bias.values.tolist()
    gain = 8 * weight.hadamard.gain if weight.hadamard else 0
    _, frac_in = network.map_format(op.inputs[0])
    height, width, q = len(source[0]), len(source[0][0]), (op.kernel - 1) // 2

    def value(o: int, y: int, x: int) -> int:
        step_index = step_index_of(weight, o) - gain
        acc = rescale(biases[o], int(bias.step_indices[0]) - step_index + 8 * frac_in)
        for n, i in enumerate([o] if op.depthwise else range(len(source))):
            for a in range(op.kernel):
                for b in range(op.kernel):
                    if 0 <= y + a - q < height and 0 <= x + b - q < width:
                        acc += w[o][n][a][b] * source[i][y + a - q][x + b - q]
        if op.activation == 4:
            p = clamp_width(rescale(acc, step_index + 8 * (12 - frac_in)), 16)
        else:
            p = clamp_width(rescale(acc, step_index + 8 * (layer.frac - frac_in)), layer.width)
        return activation(p, int(op.activation), layer.width, layer.frac)

    return [[[value(o, y, x) for x in range(width)] for y in range(height)] for o in range(op.out_channels)]


def fold(source: Map, rows: int, columns: int) -> Map:
    height, width = len(source[0]), len(source[0][0])
    out = [[[0] * (width * columns) for _ in range(height * rows)] for _ in range(len(source) // (rows * columns))]
    for c in range(len(out)):
        for y in range(height):
            for x in range(width):
                for a in range(rows):
                    for b in range(columns):
                        out[c][y * rows + a][x * columns + b] = source[(c * rows + a) * columns + b][y][x]
    return out


def frequency(op: Frequency, t: int, width: int, frac: int) -> Map:
    out = []
    for increment, phase in zip(op.increments, op.phases, strict=True):
        i = ((phase + t * increment + 2**19) % 2**32) >> 20
        for entry in (table("sine")[i], table("sine")[(i + 1024) & 4095]):
            out.append([[clamp_width(shift(entry, 15 - frac), width)]])
    return out


def upsample(source: Map, op: Upsample) -> Map:
    def weights(y: int, size: int) -> list[tuple[int, int]]:
        p, r = 2 * y + 1 - op.ratio, op.ratio
        i = p // (2 * r)
        f = (128 * (p - 2 * r * i) + r) // (2 * r)
        return [(clamp(i, 0, size - 1), 128 - f), (clamp(i + 1, 0, size - 1), f)]

    def value(c: list[list[int]], y: int, x: int) -> int:
        total = 0
        for i, w in weights(y, len(c)):
            for j, v in weights(x, len(c[0])):
                total += w * v * c[i][j]
        return (total + 2**13) >> 14

    return [[[value(c, y, x) for x in range(op.width)] for y in range(op.height)] for c in source]


def tile(source: Map, op: Tile) -> Map:
    return [[[c[y % len(c)][x % len(c[0])] for x in range(op.width)] for y in range(op.height)] for c in source]


def window_place(op: Window, t: int) -> list[int]:
    """p of rows and of columns at frame t."""
    if t < op.knots[0][0]:
        return list(op.knots[0][1:])
    for (time, *first), (after, *second) in zip(op.knots, op.knots[1:], strict=False):
        if time <= t < after:
            n = after - time
            return [a + (2 * (b - a) * (t - time) + n) // (2 * n) for a, b in zip(first, second, strict=True)]
    return list(op.knots[-1][1:])


def window(source: Map, op: Window, t: int) -> Map:
    one = 2**op.bits
    (i, f), (j, g) = (divmod(p, one) for p in window_place(op, t))

    def value(c: list[list[int]], y: int, x: int) -> int:
        total = 0
        for a, down in ((0, one - f), (1, f)):
            for b, right in ((0, one - g), (1, g)):
                if down and right:
                    total += down * right * c[y + i + a][x + j + b]
        return shift(total, 2 * op.bits)

    r, out = op.ratio, list[list[list[int]]]()
    for c in source:
        for a in range(r):
            for b in range(r):
                out.append([[value(c, y * r + a, x * r + b) for x in range(op.width)] for y in range(op.height)])
    return out


def cubic_weights(f: int) -> list[int]:
    """From the real kernel, whose inner weights share what rounding leaves: B of 6.14 is their right half's sum."""

    def nearest(value: Fraction) -> int:
        return floor(value + Fraction(1, 2))

    s = Fraction(f, 32)
    before, after = (nearest(48 * u * (1 - u) ** 2) for u in (s, 1 - s))
    second = 32 + nearest((f - 16) * (2300 - Fraction(f - 16) ** 2) / 1024)
    return [-before, 64 - second + before, second + after, -after]


def warp(source: Map, vectors: Map, op: Warp, frac: int, bits: int) -> Map:
    height, width, n = len(source[0]), len(source[0][0]), frac + op.bits - 5

    def value(c: list[list[int]], y: int, x: int) -> int:
        i, f = divmod(clamp(32 * y + shift(vectors[0][y][x], n), 0, 32 * (height - 1)), 32)
        j, g = divmod(clamp(32 * x + shift(vectors[1][y][x], n), 0, 32 * (width - 1)), 32)
        total = 0
        if op.taps == 4:
            for a, down in enumerate(cubic_weights(f), -1):
                for b, right in enumerate(cubic_weights(g), -1):
                    total += down * right * c[clamp(i + a, 0, height - 1)][clamp(j + b, 0, width - 1)]
            return clamp_width(shift(total, 12), bits)
        for a, down in ((0, 32 - f), (1, f)):
            for b, right in ((0, 32 - g), (1, g)):
                if down and right:
                    total += down * right * c[i + a][j + b]
        return shift(total, 10)

    return [[[value(c, y, x) for x in range(width)] for y in range(height)] for c in source]


def each(source: Map, function: Callable[[int], int]) -> Map:
    return [[[function(x) for x in row] for row in c] for c in source]


def concat(sources: list[Map], fracs: list[int], width: int, frac: int) -> Map:
    out: Map = []
    for source, own in zip(sources, fracs, strict=True):
        out += each(source, lambda x, n=own - frac: clamp_width(shift(x, n), width))  # type: ignore[misc]
    return out


def pairwise(op: Operation, sources: list[Map], fracs: list[int], width: int, frac: int) -> Map:
    (first, second), (fa, fb) = sources, fracs
    e = max(fa, fb)

    def value(a: int, b: int) -> int:
        if isinstance(op, Add):
            return clamp_width(shift((a << (e - fa)) + (b << (e - fb)), e - frac), width)
        return clamp_width(shift(a * b, fa + fb - frac), width)

    return [
        [[value(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(*maps, strict=True)]
        for maps in zip(first, second, strict=True)
    ]


def norm(source: Map, width: int, frac: int) -> Map:
    out = each(source, lambda _: 0)
    for y in range(len(source[0])):
        for x in range(len(source[0][0])):
            column = [c[y][x] for c in source]
            m = (256 * sum(column)) // len(column)
            deviations = [256 * v - m for v in column]
            r = max(isqrt((sum(d * d for d in deviations) // len(column)) << 16), 1)
            for c, d in enumerate(deviations):
                out[c][y][x] = clamp_width((d * (2**46 // r) + 2 ** (37 - frac)) >> (38 - frac), width)
    return out


def planes(source: Map, r: int, frac: int, video: Video) -> list[list[list[int]]]:
    d, first, result = video.depth, 0, []
    subsampling = {0: [(1, 1)], 1: [(1, 1), (2, 2), (2, 2)], 2: [(1, 1), (2, 1), (2, 1)], 3: [(1, 1)] * 3}
    for sx, sy in subsampling[int(video.chroma)]:
        a, b = r // sy, r // sx
        rows, columns = (video.height + sy - 1) // sy, (video.width + sx - 1) // sx
        plane = [[0] * columns for _ in range(rows)]
        for y in range(rows):
            for x in range(columns):
                channel = first + y % a * b + x % b
                v = shift(source[channel][y // a][x // b], frac - d) + 2 ** (d - 1)
                plane[y][x] = clamp(v, 0, 2**d - 1)
        result.append(plane)
        first += a * b
    return result


BY_OPERATION: dict[type[Operation], Callable[[Any, list[Map], list[int], int, int, int], Map]] = {
    Shuffle: lambda op, sources, fracs, width, frac, t: fold(sources[0], op.ratio, op.ratio),
    Fold: lambda op, sources, fracs, width, frac, t: fold(sources[0], op.rows, op.columns),
    Upsample: lambda op, sources, fracs, width, frac, t: upsample(sources[0], op),
    Tile: lambda op, sources, fracs, width, frac, t: tile(sources[0], op),
    Window: lambda op, sources, fracs, width, frac, t: window(sources[0], op, t),
    Warp: lambda op, sources, fracs, width, frac, t: warp(sources[0], sources[1], op, fracs[1], width),
    Concat: lambda op, sources, fracs, width, frac, t: concat(sources, fracs, width, frac),
    Add: lambda op, sources, fracs, width, frac, t: pairwise(op, sources, fracs, width, frac),
    Mul: lambda op, sources, fracs, width, frac, t: pairwise(op, sources, fracs, width, frac),
    Norm: lambda op, sources, fracs, width, frac, t: norm(sources[0], width, frac),
    Frequency: lambda op, sources, fracs, width, frac, t: frequency(op, t, width, frac),
}


def without_tensors(op: Operation, sources: list[Map], fracs: list[int], width: int, frac: int, t: int) -> Map:
    """The map of an operation whose own format is (width, frac), from inputs of `fracs` fractional bits."""
    return BY_OPERATION[type(op)](op, sources, fracs, width, frac, t)


def slow_frame(network: IntegerNetwork, video: Video, frames: int, t: int) -> list[list[list[int]]]:
    """Planes of frame t as nested lists [plane][row][column]."""
    maps: list[Map] = []
    for index, op in enumerate(network.program.operations):
        sources = [maps[i] for i in op.inputs]
        fracs = [network.map_format(i)[1] for i in op.inputs]
        if isinstance(op, Planes):
            return planes(sources[0], op.ratio, fracs[0], video)
        if isinstance(op, Grid):
            maps.append(grid(network, index, t, frames))
        elif isinstance(op, Conv):
            maps.append(conv(network, index, sources[0]))
        else:
            maps.append(without_tensors(op, sources, fracs, *network.map_format(index), t))
    raise AssertionError("no planes")
