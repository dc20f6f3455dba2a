"""Random integer networks that `validate` accepts, for tests: every operation, activation, format and extreme value."""

from __future__ import annotations

from math import log2

import numpy as np
from random_programs import random_program

from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import (
    BIAS_BITS,
    FRAC_RANGE,
    GAIN_RANGE,
    GRID_FRACTION_BITS,
    HALF_TANH_FRAC,
    LATENT_BITS,
    STEP_INDEX_RANGE,
    USED_WIDTH_RANGE,
    WEIGHT_BITS,
    WIDTH_RANGE,
    Hadamard,
    Int32,
    IntegerNetwork,
    IntTensor,
    Layer,
    validate,
)
from nqcodec.network.operations import Activation, Conv, Grid
from nqcodec.network.program import Program

EXPONENTS = (-31 * 8, 14 * 8 + 7)
"""Least and largest exponent of a rescale: shifts 46 and 1 (formats/nq.md, 6.1)."""

STEP_INDEX_SPREAD = 6
"""Most that a channel's step index differs from the tensor's."""


def random_video(rng: np.random.Generator) -> Video:
    """A small picture of any chroma format and depth; odd sizes and 1 x 1 among them."""
    width, height = (int(rng.choice([1, 2, 3, 5, 8, 17, 33, 70])) for _ in range(2))
    chroma = Chroma(int(rng.integers(4)))
    return Video(width, height, int(rng.integers(1, 8)), chroma=chroma, depth=int(rng.choice([8, 10, 12])))


def random_network(rng: np.random.Generator, video: Video, program: Program | None = None) -> IntegerNetwork:
    """Random formats, step indices and integers for `program` (a random one if None); valid by `validate`.

    A quarter of the tensors hold extreme values only. Step indices are such that maps use their width, and sometimes
    saturate.
    """
    program = program or random_program(rng, video)
    network = IntegerNetwork(program, [])
    for index, op in enumerate(program.operations):
        layer = Layer()
        network.layers.append(layer)
        if op.has_format:
            is_head = index == program.operations[-1].inputs[0]
            layer.width, layer.frac = _random_format(rng, is_head=is_head)
        if isinstance(op, Grid):
            layer.tensors = {"latent": _random_latent(rng, op, layer)}
        elif isinstance(op, Conv):
            _fill_conv(rng, network, index, op)
    validate(network)
    return network


def _random_format(rng: np.random.Generator, *, is_head: bool) -> tuple[int, int]:
    """(width, frac): mostly such that a head fills the samples' range and other maps reach a few units, else any."""
    width = int(rng.integers(WIDTH_RANGE[0], WIDTH_RANGE[1] + 1))
    if rng.random() < 0.25:
        return width, int(rng.integers(FRAC_RANGE[0], FRAC_RANGE[1] + 1))
    return width, width - int(rng.integers(0, 2) if is_head else rng.integers(1, 5))


def random_values(rng: np.random.Generator, shape: tuple[int, ...], bits: int) -> Int32:
    """Integers of `bits` bits, int32: uniform, Gaussian, or extreme ones only."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    kind = int(rng.integers(8))
    if kind == 0:
        values = rng.choice([low, high], shape)
    elif kind == 1:
        values = np.full(shape, rng.choice([low, high]))
    elif kind < 5:
        values = np.rint(rng.normal(0.0, high / 3 + 0.3, shape))
    else:
        values = rng.integers(low, high + 1, shape)
    clipped: Int32 = np.clip(values, low, high).astype(np.int32)
    return clipped


def _random_bits(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    return int(rng.integers(bounds[0], bounds[1] + 1))


def _random_step_indices(rng: np.random.Generator, exponent: float, offset: int, channels: int, low: int) -> Int32:
    """One step index, or one a channel, at least `low`, whose sum with `offset` is legal and near `exponent`."""
    count = channels if rng.random() < 0.5 else 1
    step_indices = round(exponent) - offset + rng.integers(-STEP_INDEX_SPREAD, STEP_INDEX_SPREAD + 1, count)
    return np.clip(
        step_indices,
        max(STEP_INDEX_RANGE[0], EXPONENTS[0] - offset, low),
        min(STEP_INDEX_RANGE[1], EXPONENTS[1] - offset),
    ).astype(np.int32)


def _random_latent(rng: np.random.Generator, op: Grid, layer: Layer) -> IntTensor:
    bits = _random_bits(rng, LATENT_BITS)
    exponent = 8 * (layer.width - bits - GRID_FRACTION_BITS + rng.uniform(-2, 1.5))
    step_indices = _random_step_indices(
        rng, exponent, 8 * (layer.frac - GRID_FRACTION_BITS), op.channels, STEP_INDEX_RANGE[0]
    )
    return IntTensor(random_values(rng, (op.times, op.channels, op.height, op.width), bits), bits, step_indices)


def _random_hadamard(rng: np.random.Generator, op: Conv, fan_in: int, width_in: int) -> Hadamard | None:
    """None, or a width that keeps `fan_in` products within an accumulator whatever their signs."""
    if op.depthwise or rng.random() < 0.5:
        return None
    most = min(USED_WIDTH_RANGE[1], 31 - width_in - (fan_in - 1).bit_length())
    if most < USED_WIDTH_RANGE[0]:
        return None
    return Hadamard(_random_bits(rng, (USED_WIDTH_RANGE[0], most)), _random_bits(rng, GAIN_RANGE))


def _fill_conv(rng: np.random.Generator, network: IntegerNetwork, index: int, op: Conv) -> None:
    """Weights and bias for operation `index`, whose layer has its format already."""
    layer, shapes = network.layers[index], network.program.tensors(index)
    width_in, frac_in = network.map_format(op.inputs[0])
    half_tanh = op.activation is Activation.HALF_TANH
    bits = _random_bits(rng, WEIGHT_BITS)
    weight = random_values(rng, shapes["weight"], bits)
    fan_in = int(np.prod(shapes["weight"][1:]))
    hadamard = _random_hadamard(rng, op, fan_in, width_in)
    gain = 0 if hadamard is None else hadamard.gain
    # log2 of a typical accumulator: half of full scale on both sides, errors adding up as a square root.
    used_bits = bits if hadamard is None else min(bits + gain, hadamard.used_width)
    size = log2(fan_in) / 2 + used_bits - 2 + width_in - 2
    target = 15 if half_tanh else layer.width - 1
    offset = 8 * ((HALF_TANH_FRAC if half_tanh else layer.frac) - frac_in - gain)
    # The bias needs a legal exponent too: bias_step_index - step_index + 8 (gain + frac_in) is at most EXPONENTS[1].
    frac_acc = gain + frac_in
    low = STEP_INDEX_RANGE[0] + 8 * frac_acc - EXPONENTS[1] + 1
    step_indices = _random_step_indices(rng, 8 * (target - size + rng.uniform(-1.5, 1.5)), offset, op.out_channels, low)
    bias_bits = _random_bits(rng, BIAS_BITS)
    bias_step_index = round(8 * (size - bias_bits + rng.uniform(-2, 1))) - 8 * frac_acc + int(step_indices.min())
    least = max(STEP_INDEX_RANGE[0], EXPONENTS[0] - 8 * frac_acc + int(step_indices.max()))
    most = min(STEP_INDEX_RANGE[1], EXPONENTS[1] - 8 * frac_acc + int(step_indices.min()))
    bias = IntTensor(
        random_values(rng, shapes["bias"], bias_bits),
        bias_bits,
        np.array([min(max(bias_step_index, least), most)], np.int32),
    )
    layer.tensors = {"weight": IntTensor(weight, bits, step_indices, hadamard), "bias": bias}
