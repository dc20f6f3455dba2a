"""Networks whose maps fill their range and no more, so that a vector about one thing shows that thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from conformance_vectors.build import Vector, file
from conformance_vectors.coding import Models
from conformance_vectors.draws import Draws
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import Hadamard, Int32, IntegerNetwork, IntTensor, Layer, validate
from nqcodec.network.operations import Conv, Grid, Operation
from nqcodec.network.program import Program

GREY = Video(16, 12, 2, chroma=Chroma.C400)
"""The picture of most vectors about a network."""


@dataclass(frozen=True)
class Calm:
    """How a calm network is made: bits of its tensors, width and fractional bits of its maps, of the head's apart.

    With `hadamard` every convolution that is not depthwise has its weights in that domain. `fracs` are the fractional
    bits of single operations' maps.
    """

    seed: int
    weight_bits: int = 6
    bias_bits: int = 8
    latent_bits: int = 6
    width: int = 12
    frac: int = 10
    head_frac: int = 12
    hadamard: Hadamard | None = None
    fracs: Mapping[int, int] = field(default_factory=dict)


def values(draws: Draws, shape: tuple[int, ...], bits: int) -> Int32:
    """Nearly normal integers of `bits` bits, int32."""
    high = (1 << (bits - 1)) - 1
    return np.clip(np.rint(draws.normal(0.0, high / 2.5 + 0.3, shape)), -high - 1, high).astype(np.int32)


def one_step_index(step: int) -> Int32:
    """A step for all channels."""
    return np.array([step], np.int32)


def conv_tensors(
    draws: Draws, shapes: dict[str, tuple[int, ...]], how: Calm, reaches: tuple[int, int]
) -> dict[str, IntTensor]:
    """Weights and biases that take a map of one reach, log2 of what it mostly stays below, to another of any fan-in."""
    fan_in, (given, made) = int(np.prod(shapes["weight"][1:])), reaches
    step = 14 - 8 * (how.weight_bits - 1) - 4 * (fan_in.bit_length() - 1) + 8 * (made - given)
    weight, bias = values(draws, shapes["weight"], how.weight_bits), values(draws, shapes["bias"], how.bias_bits)
    domain = how.hadamard if shapes["weight"][1] > 1 else None
    return {
        "weight": IntTensor(weight, how.weight_bits, one_step_index(step), domain),
        "bias": IntTensor(bias, how.bias_bits, one_step_index(8 * made - 16 - 8 * (how.bias_bits - 1))),
    }


def calm_network(video: Video, operations: Sequence[Operation], how: Calm) -> IntegerNetwork:
    """The program with such tensors; raises ValueError where they break a rule."""
    draws, program = Draws(how.seed), Program.of(list(operations), video)
    layers: list[Layer] = []
    head = len(operations) - 2
    network = IntegerNetwork(program, layers)
    for index, op in enumerate(operations):
        frac = how.fracs.get(index, how.head_frac if index == head else how.frac)
        layer = Layer(how.width, frac) if op.has_format else Layer()
        layers.append(layer)
        shapes = program.tensors(index)
        reach = how.width - 2 - frac
        if isinstance(op, Grid):
            latent = values(draws, shapes["latent"], how.latent_bits)
            step = 8 * reach - 8 * (how.latent_bits - 1)
            layer.tensors = {"latent": IntTensor(latent, how.latent_bits, one_step_index(step))}
        elif isinstance(op, Conv):
            given = how.width - 2 - network.map_format(op.inputs[0])[1]
            layer.tensors = conv_tensors(draws, shapes, how, (given, reach))
    validate(network)
    return network


def calm_vector(
    name: str,
    purpose: str,
    how: Calm,
    operations: Sequence[Operation],
    video: Video = GREY,
    models: Models | None = None,
    features: tuple[str, ...] = (),
) -> Vector:
    """A vector of one segment with a calm network."""
    return Vector(name, purpose, file(video, calm_network(video, operations, how), models), features=features)
