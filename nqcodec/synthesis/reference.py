"""The definition of decoding in numpy, one function an operation (formats/nq.md, 6). The other backends match it.

Operations without tensors are in `reference_maps`. Maps are int16 [C, H, W]. Convolutions sum in float64 matrix
products, and these are exact: the accumulator bound of formats/nq.md 6.3 keeps every partial sum an integer below 2^31
in any order, and float64 holds integers to 2^53.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.media.video import Frame, Video
from nqcodec.network import tables
from nqcodec.network.integer_network import (
    GRID_FRACTION_BITS,
    Int16,
    Int32,
    Int64,
    IntegerNetwork,
    Rescaled,
    rescale,
    validate,
)
from nqcodec.network.operations import Activation, Conv, Grid, Operation, Planes
from nqcodec.network.program import PARAMETER_BYTES, Program
from nqcodec.synthesis.closing import Closing
from nqcodec.synthesis.reference_maps import MAP_DEFINITIONS, Definition, Evaluation, clamp_width, shift

HALF_TANH_WIDTH = 16
"""Signed bits of what goes into the half_tanh table (formats/nq.md, 6.5)."""

STRIP_VALUES = 1 << 20
"""Values of one matrix of input windows (8 MiB): a convolution works in strips of rows, so memory stays bounded."""

WORKING_BYTES = 64
"""Most bytes that a value of a map takes while it is computed: some eight arrays of int64."""

Float64 = npt.NDArray[np.float64]


def _by_channel(factors: Int32) -> Int32:
    return factors[:, None, None]


def grid_position(t: int, frames: int, times: int) -> tuple[int, int, int]:
    """(i, j, f) of formats/nq.md 6.2: the two latents that frame t lies between, and its 16-bit fraction."""
    position = (((2 * t + 1) * times - frames) << GRID_FRACTION_BITS) // (2 * frames)
    position = min(max(position, 0), (times - 1) << GRID_FRACTION_BITS)
    i, f = divmod(position, 1 << GRID_FRACTION_BITS)
    return i, min(i + 1, times - 1), f


def run_grid(factors: Rescaled, width: int, t: int, frames: int) -> Int16:
    """Latents [times, C, H, W] at frame t of `frames`, as a map of `width` bits (formats/nq.md, 6.2)."""
    latent = factors.values
    i, j, f = grid_position(t, frames, latent.shape[0])
    one = 1 << GRID_FRACTION_BITS
    v = latent[i].astype(np.int64) * (one - f) + latent[j].astype(np.int64) * f
    scaled = rescale(v, _by_channel(factors.multiplier), _by_channel(factors.shift))
    return clamp_width(scaled, width).astype(np.int16)


def convolve(x: Int16, weight: Int32) -> Int64:
    """Sums of formats/nq.md 6.3 without bias: map [C, H, W] and dense weight [O, C, k, k] to [O, H, W]."""
    _, height, width = x.shape
    out_channels, _, kernel, _ = weight.shape
    pad = kernel // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    matrix = weight.reshape(out_channels, -1).astype(np.float64)  # [O, C k k]
    rows = max(1, STRIP_VALUES // (matrix.shape[1] * width))
    out = np.empty((out_channels, height, width), np.int64)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        strip = padded[:, top : top + count + kernel - 1]
        windows = np.lib.stride_tricks.sliding_window_view(strip, (kernel, kernel), axis=(1, 2))  # [C, count, W, k, k]
        columns: Float64 = windows.transpose(0, 3, 4, 1, 2).reshape(matrix.shape[1], count * width).astype(np.float64)
        out[:, top : top + count] = (matrix @ columns).reshape(out_channels, count, width)
    return out


def convolve_depthwise(x: Int16, weight: Int32) -> Int64:
    """Sums of formats/nq.md 6.3 without bias: map [C, H, W] and weight [C, 1, k, k] to [C, H, W]."""
    _, height, width = x.shape
    kernel = weight.shape[-1]
    pad = kernel // 2
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad))).astype(np.int64)
    out = np.zeros(x.shape, np.int64)
    for a in range(kernel):
        for b in range(kernel):
            out += weight[:, :, a, b, None] * padded[:, a : a + height, b : b + width]
    return out


def activate(p: Int64, activation: Activation, width: int, frac: int) -> Int64:
    """formats/nq.md 6.5 for an output map of `width` bits and `frac` fractional bits."""
    if activation is Activation.RELU:
        return np.maximum(p, 0)
    table = tables.activations()
    half = table.gelu.size // 2
    if activation is Activation.HALF_TANH:
        index = np.clip((p + 8) >> 4, -half, half - 1)
        return clamp_width(shift(table.half_tanh[index + half], 15 - frac), width)
    if activation is Activation.NONE:
        return p
    gate = (table.gelu if activation is Activation.GELU else table.silu).astype(np.int64)
    index = np.clip(shift(p, frac - 8), -half, half - 1)
    gated: Int64 = (p * gate[index + half] + (1 << 14)) >> 15
    return gated


def run_conv(x: Int16, op: Conv, factors: Rescaled, width: int, frac: int) -> Int16:
    """Convolution, rescale, clamp and activation (formats/nq.md, 6.3)."""
    acc = (convolve_depthwise if op.depthwise else convolve)(x, factors.values) + _by_channel(factors.bias)
    p_width = HALF_TANH_WIDTH if op.activation is Activation.HALF_TANH else width
    p = clamp_width(rescale(acc, _by_channel(factors.multiplier), _by_channel(factors.shift)), p_width)
    return activate(p, op.activation, width, frac).astype(np.int16)


def run_planes(x: Int16, ratio: int, frac: int, video: Video) -> Frame:
    """Map [C, H, W] to the cropped planes of a picture (formats/nq.md, 6.6)."""
    depth = video.depth
    values = np.clip(shift(x, frac - depth) + (1 << (depth - 1)), 0, (1 << depth) - 1).astype(video.dtype)
    return cropped_planes(values, ratio, video)


def cropped_planes(values: npt.NDArray[Any], ratio: int, video: Video) -> tuple[npt.NDArray[Any], ...]:
    """The samples [C, H, W] of cells of `ratio` x `ratio` luma samples as planes, cropped to the picture."""
    _, height, width = values.shape
    planes, first = [], 0
    for index, (rows, columns) in enumerate(video.plane_shapes):
        sx, sy = video.chroma.plane_sub(index)
        a, b = ratio // sy, ratio // sx
        blocks = values[first : first + a * b].reshape(a, b, height, width)
        plane = blocks.transpose(2, 0, 3, 1).reshape(height * a, width * b)
        planes.append(np.ascontiguousarray(plane[:rows, :columns]))
        first += a * b
    return tuple(planes)


def _rescaled(e: Evaluation) -> Rescaled:
    assert e.factors is not None, "operations with tensors have derived constants"
    return e.factors


DEFINITIONS: dict[type[Operation], Definition] = {
    Grid: lambda op, e: run_grid(_rescaled(e), e.width, e.t, e.frames),
    Conv: lambda op, e: run_conv(e.inputs[0], op, _rescaled(e), e.width, e.frac),
    **MAP_DEFINITIONS,
}
"""The definition of each operation that makes a map: all but `Planes`, which makes a picture (`run_planes`)."""


def reference_bytes(program: Program) -> int:
    """Most bytes that synthesis takes here: tensors, the maps that live, and an operation's own in 64 bits."""
    largest = max(channels * height * width for channels, height, width in program.shapes)
    strips = 3 * 8 * STRIP_VALUES
    return PARAMETER_BYTES * program.parameters + program.map_bytes + WORKING_BYTES * largest + strips


class ReferenceSynthesizer(Closing):
    """Synthesizes frames by the functions above, in program order.

    Args:
        network: any that `validate` accepts.
        video: the picture's size, chroma format and depth.
        frames: T of formats/nq.md 6.2, the frames of the segment.
        threads: taken as the other backends take it; numpy's matrix products choose their own threads.

    Raises:
        ValueError: a network that breaks a rule of formats/nq.md 6.
    """

    def __init__(self, network: IntegerNetwork, video: Video, frames: int, threads: int = 1):
        self._network, self._video, self._frames = network, video, frames
        self._factors = validate(network)
        operations = network.program.operations
        self._last_reader = {i: index for index, op in enumerate(operations) for i in op.inputs}

    def frame(self, t: int) -> Frame:
        """Planes of frame t, 0 <= t < frames; raises ValueError outside."""
        if not 0 <= t < self._frames:
            raise ValueError(f"frame {t} is not within a segment of {self._frames}")
        maps: dict[int, Int16] = {}
        for index, op in enumerate(self._network.program.operations):
            if isinstance(op, Planes):
                _, frac = self._network.map_format(index)
                return run_planes(maps[op.inputs[0]], op.ratio, frac, self._video)
            maps[index] = self.map(index, maps, t)
            for i in set(op.inputs):
                if self._last_reader[i] == index:
                    del maps[i]
        raise AssertionError("a checked program ends in planes")

    def map(self, index: int, maps: Mapping[int, Int16], t: int) -> Int16:
        """The map of operation `index`, not planes, for frame t from the `maps` of its inputs by index."""
        network, op = self._network, self._network.program.operations[index]
        width, frac = network.map_format(index)
        inputs, fracs = [maps[i] for i in op.inputs], [network.map_format(i)[1] for i in op.inputs]
        evaluation = Evaluation(inputs, fracs, width, frac, t, self._frames, self._factors[index])
        return DEFINITIONS[type(op)](op, evaluation)

    def close(self) -> None:
        """Nothing to free; here for the common interface."""
