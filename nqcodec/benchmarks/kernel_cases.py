"""Random single operations with extreme shapes, formats and values, for checking kernels (`nqtool bench kernels`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import Int16, Int32, IntegerNetwork, IntTensor, Layer, validate
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
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
    Warp,
    Window,
)
from nqcodec.network.program import Program, head_channels

FRAMES = 7
SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 127, 130)
"""Widths about the lengths of vectors and tiles."""

EXPONENTS = (-31 * 8, 14 * 8 + 7)
"""Least and largest exponent of a rescale: shifts of 46 and 1 (formats/nq.md, 6.1)."""

Rng = np.random.Generator


@dataclass(frozen=True)
class KernelCase:
    """One operation within a legal program.

    Attributes:
        network: random integers; the operation's inputs are grids whose values do not matter.
        index: of the operation.
        inputs: int16 maps [C, H, W] to run it on.
    """

    network: IntegerNetwork
    video: Video
    index: int
    inputs: tuple[Int16, ...]
    t: int


def _pick(rng: Rng, *values: int) -> int:
    return int(rng.choice(values))


def _sources(rng: Rng, shapes: list[tuple[int, int, int]]) -> list[Operation]:
    return [Grid((), 1, *shape) for shape in shapes]


def _one(rng: Rng, large: bool) -> tuple[int, int, int]:
    """A shape: mostly small with awkward sides; for timing, one that is large enough for several threads."""
    if large:
        return 24, 32, 320
    return int(rng.integers(1, 20)), int(rng.integers(1, 6)), _pick(rng, *SIZES)


def _conv(kernel: int, depthwise: bool) -> Callable[[Rng, bool], list[Operation]]:
    def make(rng: Rng, large: bool) -> list[Operation]:
        shape = _one(rng, large)
        channels = shape[0] if depthwise or large else int(rng.integers(1, 27))
        activation = Activation.GELU if large else Activation(int(rng.integers(5)))
        return [*_sources(rng, [shape]), Conv((0,), channels, kernel, depthwise, activation)]

    return make


def _upsample(ratio: int | None) -> Callable[[Rng, bool], list[Operation]]:
    def make(rng: Rng, large: bool) -> list[Operation]:
        shape, by = _one(rng, large), ratio or int(rng.integers(1, 17))
        height, width = (side * by - (0 if large else int(rng.integers(0, by))) for side in shape[1:])
        return [*_sources(rng, [shape]), Upsample((0,), by, height, width)]

    return make


def _concat(rng: Rng, large: bool) -> list[Operation]:
    _, height, width = _one(rng, large)
    count = int(rng.integers(1, 6))
    shapes = [(int(rng.integers(1, 5)), height, width) for _ in range(count)]
    return [*_sources(rng, shapes), Concat(tuple(range(count)))]


def _pair(kind: type[Add] | type[Mul]) -> Callable[[Rng, bool], list[Operation]]:
    return lambda rng, large: [*_sources(rng, [_one(rng, large)] * 1) * 2, kind((0, 1))]


def _norm(rng: Rng, large: bool) -> list[Operation]:
    channels, height, width = _one(rng, large)
    wide = 1 if large or rng.random() < 0.8 else _pick(rng, 29, 101)  # up to 1919 channels: beyond the doubles' bound
    return [*_sources(rng, [(channels * wide, height if wide == 1 else 1, width)]), Norm((0,))]


def _shuffle(rng: Rng, large: bool) -> list[Operation]:
    channels, height, width = _one(rng, large)
    ratio = 2 if large else int(rng.integers(1, 7))
    return [*_sources(rng, [(channels * ratio**2, height, width)]), Shuffle((0,), ratio)]


def _fold(rng: Rng, large: bool) -> list[Operation]:
    channels, height, width = _one(rng, large)
    rows, columns = (int(rng.integers(1, 7)) for _ in range(2))
    return [*_sources(rng, [(channels * rows * columns, height, width)]), Fold((0,), rows, columns)]


def _tile(rng: Rng, large: bool) -> list[Operation]:
    channels = int(rng.integers(1, 9))
    source = channels, int(rng.integers(1, 6)), int(rng.integers(1, 9))
    return [*_sources(rng, [source]), Tile((0,), int(rng.integers(1, 9)), 640 if large else _pick(rng, *SIZES))]


def _window(ratio: int | None) -> Callable[[Rng, bool], list[Operation]]:
    def make(rng: Rng, large: bool) -> list[Operation]:
        channels, height, width = _one(rng, large)
        by, bits = ratio or int(rng.integers(1, 17)), int(rng.integers(0, 9))
        spare = [int(v) for v in rng.integers(0, 6, 2)]
        times = sorted(rng.choice(FRAMES + 2, int(rng.integers(1, 5)), replace=False).tolist())
        # Ends of the map are as likely as places within it.
        ends = [(0, side << bits, int(rng.integers(0, (side << bits) + 1))) for side in spare]
        knots = tuple((t, *(_pick(rng, *places) for places in ends)) for t in times)
        source = channels, height * by + spare[0], width * by + spare[1]
        return [*_sources(rng, [source]), Window((0,), height, width, by, bits, knots)]

    return make


def _warp(taps: int) -> Callable[[Rng, bool], list[Operation]]:
    def make(rng: Rng, large: bool) -> list[Operation]:
        shape = _one(rng, large)
        return [*_sources(rng, [shape, (2, *shape[1:])]), Warp((0, 1), int(rng.integers(0, 9)), taps)]

    return make


def _grid(rng: Rng, large: bool) -> list[Operation]:
    return [Grid((), int(rng.integers(1, 9)), *_one(rng, large))]


def _frequency(rng: Rng, large: bool) -> list[Operation]:
    count = int(rng.integers(1, 40))
    increments, phases = (tuple(int(v) for v in rng.integers(0, 1 << 32, count)) for _ in range(2))
    return [Frequency((), increments, phases)]


KERNELS: dict[str, Callable[[Rng, bool], list[Operation]]] = {
    "conv 1x1": _conv(1, False),
    "conv 3x3": _conv(3, False),
    "conv 5x5": _conv(5, False),
    "conv 7x7": _conv(7, False),
    "conv 3x3 depthwise": _conv(3, True),
    "conv 5x5 depthwise": _conv(5, True),
    "upsample x2": _upsample(2),
    "upsample x3": _upsample(3),
    "upsample x5": _upsample(5),
    "upsample any": _upsample(None),
    "concat": _concat,
    "add": _pair(Add),
    "mul": _pair(Mul),
    "norm": _norm,
    "shuffle": _shuffle,
    "fold": _fold,
    "tile": _tile,
    "window": _window(1),
    "window x2": _window(2),
    "window any": _window(None),
    "warp": _warp(LINEAR_TAPS),
    "warp of 4 taps": _warp(CUBIC_TAPS),
    "grid": _grid,
    "frequency": _frequency,
}
"""What makes a random operation after grids for its inputs; the flag asks for one to time."""

PLANES = "planes"


def kernel_case(name: str, rng: Rng, large: bool = False) -> KernelCase:
    """A random case of a kernel, `KERNELS` or planes, that `validate` accepts."""
    if name == PLANES:
        return _planes_case(rng, large)
    operations = KERNELS[name](rng, large)
    index = len(operations) - 1
    shapes = [op.shape([]) for op in operations[:index] if isinstance(op, Grid)]
    _, height, width = operations[index].shape(shapes)
    video = Video(width, height, FRAMES, chroma=Chroma.C400, depth=_pick(rng, 8, 12))
    operations += [Conv((index,), 1, 1), Planes((index + 1,), 1)]
    case = _filled(Program.of(operations, video), video, index, rng)
    return _moved(case) if large and isinstance(operations[index], Warp) else case


def _moved(case: KernelCase) -> KernelCase:
    """The same warp by vectors of up to three cells, or what 14 bits hold, which change slowly, as those of motion do.

    By random vectors the time would be that of scattered reads alone.
    """
    op = case.network.program.operations[case.index]
    assert isinstance(op, Warp)
    vectors, cell = case.inputs[1], 2.0 ** (case.network.map_format(op.inputs[1])[1] + op.bits)
    phases = np.indices(vectors.shape).sum(axis=0) / 60
    ways = np.rint(3 * cell * np.sin(phases)).clip(np.iinfo(np.int16).min >> 2, np.iinfo(np.int16).max >> 2)
    return replace(case, inputs=(case.inputs[0], ways.astype(np.int16)))


def _planes_case(rng: Rng, large: bool) -> KernelCase:
    chroma = Chroma.C420 if large else Chroma(int(rng.integers(4)))
    ratio = 2 if large else _pick(rng, 2, 4, 6, 16)
    _, height, width = _one(rng, large)
    channels = head_channels(chroma, ratio)
    crop = (0, 0) if large else (int(rng.integers(0, ratio)), int(rng.integers(0, ratio)))
    size = width * ratio - crop[0], height * ratio - crop[1]
    video = Video(*size, FRAMES, chroma=chroma, depth=8 if large else _pick(rng, 8, 9, 10, 12))
    operations: list[Operation] = [Grid((), 1, channels, height, width), Planes((0,), ratio)]
    return _filled(Program.of(operations, video), video, 1, rng)


def _filled(program: Program, video: Video, index: int, rng: Rng) -> KernelCase:
    """Random layers for a program, tried again with smaller weights until accumulators fit."""
    for attempt in range(8):
        network = IntegerNetwork(program, [])
        for at, op in enumerate(program.operations):
            network.layers.append(_layer(rng, network, at, op, attempt))
        try:
            validate(network)
        except ValueError:
            continue
        inputs = tuple(_map(rng, program.shapes[i], network.map_format(i)[0]) for i in program.operations[index].inputs)
        return KernelCase(network, video, index, inputs, int(rng.integers(FRAMES)))
    raise AssertionError("weights of two bits fit every accumulator of these shapes")


def _layer(rng: Rng, network: IntegerNetwork, index: int, op: Operation, attempt: int) -> Layer:
    shapes = network.program.tensors(index)
    layer = Layer(_pick(rng, 8, 12, 14, 14), int(rng.integers(0, 21))) if op.has_format else Layer()
    if isinstance(op, Grid):
        bits = int(rng.integers(2, 13))
        step_indices = _step_indices(rng, 8 * (layer.width - bits - 16), 8 * (layer.frac - 16), op.channels)
        layer.tensors = {"latent": IntTensor(_values(rng, shapes["latent"], bits), bits, step_indices)}
    elif isinstance(op, Conv):
        width_in, frac_in = network.map_format(op.inputs[0])
        half_tanh = op.activation is Activation.HALF_TANH
        frac = 12 if half_tanh else layer.frac
        bits = max(2, int(rng.integers(2, 9)) - attempt)
        typical = (15 if half_tanh else layer.width) - width_in - bits - np.log2(np.prod(shapes["weight"][1:])) / 2
        step_indices = _step_indices(rng, 8 * (typical + 2), 8 * (frac - frac_in), op.out_channels)
        # The bias needs a legal exponent for every channel's step size.
        least, most = (
            int(step_indices.max()) - 8 * frac_in - 240,
            int(step_indices.min()) - 8 * frac_in + 8 * (6 - attempt),
        )
        bias_index = int(np.clip(rng.integers(least, max(most, least + 1)), -320, 320))
        bias = IntTensor(_values(rng, shapes["bias"], 12), 12, np.array([bias_index], np.int32))
        layer.tensors = {"weight": IntTensor(_values(rng, shapes["weight"], bits), bits, step_indices), "bias": bias}
    return layer


def _step_indices(rng: Rng, exponent: float, offset: int, channels: int) -> Int32:
    """One step index or one a channel; exponent = step index + offset is near the one asked for, or any legal one."""
    if rng.random() < 0.15:
        exponent = float(rng.integers(*EXPONENTS))
    step_indices = round(float(exponent)) - offset + rng.integers(-9, 10, channels if rng.random() < 0.5 else 1)
    low, high = max(-320, EXPONENTS[0] - offset), min(320, EXPONENTS[1] - offset)
    return np.clip(step_indices, low, high).astype(np.int32)


def _values(rng: Rng, shape: tuple[int, ...], bits: int) -> Int32:
    """Integers of `bits` bits: uniform, extreme ones only, one of them throughout, or small ones."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    kind = int(rng.integers(6))
    if kind == 0:
        return rng.choice(np.array([low, high], np.int32), shape)
    if kind == 1:
        return np.full(shape, _pick(rng, low, high), np.int32)
    if kind == 2:
        return rng.integers(max(low, -2), min(high, 2) + 1, shape).astype(np.int32)
    return rng.integers(low, high + 1, shape).astype(np.int32)


def _map(rng: Rng, shape: tuple[int, ...], width: int) -> Int16:
    return _values(rng, shape, width).astype(np.int16)


def widened(case: KernelCase) -> KernelCase:
    """The same case with inputs at the ends of their width throughout, alternating."""
    ends = []
    for x, source in zip(case.inputs, case.network.program.operations[case.index].inputs, strict=True):
        half = 1 << (case.network.map_format(source)[0] - 1)
        checker = np.indices(x.shape).sum(axis=0) % 2
        ends.append(np.where(checker == 0, -half, half - 1).astype(np.int16))
    return replace(case, inputs=tuple(ends))
