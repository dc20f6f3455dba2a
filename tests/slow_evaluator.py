"""A second reading of formats/nq.md 6 in unbounded Python integers and nested lists, for very small pictures.

It shares nothing with the package but the network's own data: no numpy arithmetic, no derived constants, tables from
the JSON file.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from nqcodec.network import IntegerNetwork, IntTensor
from nqcodec.program import Conv, Grid, Planes, Shuffle
from nqcodec.video import Video

Map = list[list[list[int]]]
M = (32768, 35734, 38968, 42495, 46341, 50535, 55109, 60097)
TABLE_FILE = Path(__file__).parent.parent / "formats" / "tables" / "activations.json"


@cache
def table(name: str) -> list[int]:
    return list(json.loads(TABLE_FILE.read_text())[name])


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


def step_of(tensor: IntTensor, channel: int) -> int:
    return int(tensor.steps[channel if tensor.steps.size > 1 else 0])


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
        return clamp_width(rescale(v, step_of(latent, c) + 8 * (layer.frac - 16)), layer.width)

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
        step = step_of(weight, o) - gain
        acc = rescale(biases[o], int(bias.steps[0]) - step + 8 * frac_in)
        for n, i in enumerate([o] if op.depthwise else range(len(source))):
            for a in range(op.kernel):
                for b in range(op.kernel):
                    if 0 <= y + a - q < height and 0 <= x + b - q < width:
                        acc += w[o][n][a][b] * source[i][y + a - q][x + b - q]
        if op.activation == 4:
            p = clamp_width(rescale(acc, step + 8 * (12 - frac_in)), 16)
        else:
            p = clamp_width(rescale(acc, step + 8 * (layer.frac - frac_in)), layer.width)
        return activation(p, int(op.activation), layer.width, layer.frac)

    return [[[value(o, y, x) for x in range(width)] for y in range(height)] for o in range(op.out_channels)]


def shuffle(source: Map, r: int) -> Map:
    height, width = len(source[0]), len(source[0][0])
    out = [[[0] * (width * r) for _ in range(height * r)] for _ in range(len(source) // r**2)]
    for c in range(len(out)):
        for y in range(height):
            for x in range(width):
                for a in range(r):
                    for b in range(r):
                        out[c][y * r + a][x * r + b] = source[c * r * r + a * r + b][y][x]
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


def slow_frame(network: IntegerNetwork, video: Video, frames: int, t: int) -> list[list[list[int]]]:
    """Planes of frame t as nested lists [plane][row][column]."""
    maps: list[Map] = []
    for index, op in enumerate(network.program.operations):
        if isinstance(op, Grid):
            maps.append(grid(network, index, t, frames))
        elif isinstance(op, Conv):
            maps.append(conv(network, index, maps[op.inputs[0]]))
        elif isinstance(op, Shuffle):
            maps.append(shuffle(maps[op.inputs[0]], op.ratio))
        elif isinstance(op, Planes):
            _, frac = network.map_format(index)
            return planes(maps[op.inputs[0]], op.ratio, frac, video)
    raise AssertionError("no planes")
