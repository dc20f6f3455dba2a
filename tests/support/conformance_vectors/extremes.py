"""Ends of ranges: steps, shifts, formats, clamps, accumulators (formats/nq.md, 6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from conformance_vectors.build import Vector, file, file_of
from conformance_vectors.calm import GREY, Calm, calm_network, one_step_index
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import Hadamard, IntegerNetwork, IntTensor, Layer
from nqcodec.network.operations import Activation, Add, Concat, Conv, Fold, Frequency, Grid, Mul, Norm, Planes
from nqcodec.network.program import Program

STEP_VIDEO = Video(16, 8, 1, chroma=Chroma.C400)
REACH_VIDEO = Video(2, 2, 1, chroma=Chroma.C400)
REACH_CHANNELS = 2048
"""Inputs whose 8-bit weights of -128 and 14-bit maps reach 2^31."""


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from shifts()
    yield from step_ends()
    yield from formats()
    yield from saturated()
    yield Vector(
        "accumulator-at-bound",
        "An accumulator that can reach 2^31 - 1 and no more.",
        file(REACH_VIDEO, reaching(127, 8191)),
        features=("accumulator:bound",),
    )
    yield from randoms()


def tensor(values: Sequence[int], shape: tuple[int, ...], bits: int, step: int) -> IntTensor:
    """A tensor of given integers, repeated to fill its shape."""
    return IntTensor(np.resize(np.array(values, np.int32), shape), bits, one_step_index(step))


def shifts() -> Iterator[Vector]:
    """Rescales by the least and the greatest shift."""
    video = Video(8, 4, 1, chroma=Chroma.C400)
    program = Program.of([Grid((), 1, 1, 4, 8), Conv((0,), 1, 1), Planes((1,), 1)], video)
    layers = [
        Layer(14, 0, {"latent": tensor([1, -1, 0, 0, 1, -2], (1, 1, 4, 8), 2, 119 + 8 * 16)}),
        Layer(12, 12, {"weight": tensor([1], (1, 1, 1, 1), 2, -120), "bias": tensor([1], (1,), 2, -90)}),
        Layer(),
    ]
    yield Vector(
        "rescale-shift-1",
        "A grid rescaled by 2^(119/8): a shift of 1, the least.",
        file(video, IntegerNetwork(program, layers)),
        features=("rescale:shift-1",),
    )
    network = reaching(127, 100)
    network.layers[1].frac = 8
    for layer_tensor in network.layers[1].tensors.values():
        layer_tensor.step_indices = one_step_index(-241 - 8 * 8)
    yield Vector(
        "rescale-shift-46",
        "Accumulators near 2^31 rescaled by 2^(-241/8): a shift of 46, the greatest.",
        file(REACH_VIDEO, network),
        features=("rescale:shift-46",),
    )


def step_ends() -> Iterator[Vector]:
    """Step indices of -320 and of 320, for all channels and by a list."""
    yield Vector(
        "step-least",
        "Step indices of -320, the least, of a weight and its bias.",
        file(STEP_VIDEO, of_small_steps(-320)),
        features=("step:least",),
    )
    yield Vector(
        "step-greatest",
        "A step index of 320, the greatest: legal only with the most gain, from 20 fractional bits to none.",
        file(STEP_VIDEO, of_large_steps(320)),
        features=("step:greatest",),
    )
    for end, network in (
        ("least", of_small_steps(-320, -300, -310, -290)),
        ("greatest", of_large_steps(300, 320, 310, 290)),
    ):
        yield Vector(
            f"step-list-{end}",
            f"A list of steps with the {end} step index.",
            file(STEP_VIDEO, network),
            features=(f"step:{end}",),
        )


def of_small_steps(*steps: int) -> IntegerNetwork:
    """A convolution with steps near -320, one or one a channel, and one that makes its map visible."""
    operations = [Grid((), 1, 64, 4, 8), Conv((0,), 4, 1), Conv((1,), 4, 1, True), Planes((2,), 2)]
    weight = replace(tensor([127, 120, -100], (4, 64, 1, 1), 8, 0), step_indices=np.array(steps, np.int32))
    layers = [
        Layer(14, 0, {"latent": tensor([3, -7, 2, 0, 5], (1, 64, 4, 8), 4, 80)}),
        Layer(14, 20, {"weight": weight, "bias": tensor([30000, -20000], (4,), 16, -320)}),
        Layer(12, 12, {"weight": tensor([100], (4, 1, 1, 1), 8, 56), "bias": tensor([0], (4,), 2, 0)}),
        Layer(),
    ]
    return IntegerNetwork(Program.of(operations, STEP_VIDEO), layers)


def of_large_steps(*steps: int) -> IntegerNetwork:
    """A convolution with steps near 320, one or one a channel, in the Hadamard domain, from most to least frac."""
    operations = [Grid((), 1, 1, 4, 8), Conv((0,), 4, 1), Planes((1,), 2)]
    weight = tensor([1, -1, 1, -2], (4, 1, 1, 1), 2, 0)
    weight = replace(weight, step_indices=np.array(steps, np.int32), hadamard=Hadamard(8, 6))
    layers = [
        Layer(14, 20, {"latent": tensor([1, -1, 0], (1, 1, 4, 8), 2, -160)}),
        Layer(14, 0, {"weight": weight, "bias": tensor([1], (4,), 2, -100)}),
        Layer(),
    ]
    return IntegerNetwork(Program.of(operations, STEP_VIDEO), layers)


def formats() -> Iterator[Vector]:
    """Least and greatest widths and fractional bits of every operation with a format."""
    operations = [
        Grid((), 2, 4, 6, 8),
        Conv((0,), 4, 3, activation=Activation.GELU),
        Add((0, 1)),
        Mul((1, 2)),
        Norm((2,)),
        Frequency((), (77 << 20, 3 << 27), (0, 1 << 30)),
        Conv((5,), 192, 1),
        Fold((6,), 6, 8),
        Concat((3, 4, 7)),
        Conv((8,), 4, 1),
        Planes((9,), 2),
    ]
    for width, frac in ((8, 0), (8, 20), (14, 0), (14, 20), (11, 16)):
        network = calm_network(GREY, operations, Calm(830 + width + frac, width=width, frac=8, head_frac=width))
        network = reformatted(network, width, frac)
        yield Vector(
            f"format-width-{width}-frac-{frac}",
            f"Maps of {width} bits, {frac} of them fractional, wherever an operation has a format but convolutions.",
            file(GREY, network),
        )


def reformatted(network: IntegerNetwork, width: int, frac: int) -> IntegerNetwork:
    """The network with another format for its operations without weights; bias steps follow, so that it stays legal."""
    for op, layer in zip(network.program.operations, network.layers, strict=True):
        if op.has_format and not isinstance(op, Conv):
            layer.width, layer.frac = width, frac
    for index, op in enumerate(network.program.operations):
        if isinstance(op, Conv):
            frac_in, tensors = network.map_format(op.inputs[0])[1], network.layers[index].tensors
            tensors["weight"].step_indices = tensors["weight"].step_indices + 4 * (frac_in - 8)
            tensors["bias"].step_indices = tensors["bias"].step_indices - 4 * (frac_in - 8)
        elif isinstance(op, Grid):
            latent = network.layers[index].tensors["latent"]
            latent.step_indices = latent.step_indices - 8 * (frac - 8)
    return network


def saturated() -> Iterator[Vector]:
    """Every clamp of every operation, from both sides."""
    operations = [
        Grid((), 2, 4, 6, 8),
        Conv((0,), 4, 1),
        Add((0, 0)),
        Mul((0, 0)),
        Mul((0, 1)),
        Norm((0,)),
        Concat((0, 1)),
        Frequency((), (1 << 28, 3 << 27), (1 << 30, 3 << 30)),
        Conv((0,), 4, 1, activation=Activation.HALF_TANH),
        Concat((2, 3, 4, 5, 6, 8)),
        Conv((7,), 192, 1),
        Fold((10,), 6, 8),
        Concat((9, 11)),
        Conv((12,), 4, 1),
        Planes((13,), 2),
    ]
    loud = {2: 11, 3: 14, 4: 16, 5: 14, 6: 14, 7: 15, 8: 16}
    network = calm_network(GREY, operations, Calm(860, width=12, fracs=loud, head_frac=13))
    latent, weight = network.layers[0].tensors["latent"], network.layers[1].tensors["weight"]
    latent.step_indices, weight.step_indices = latent.step_indices + 16, weight.step_indices + 16
    network.layers[8].tensors["weight"].step_indices = network.layers[8].tensors["weight"].step_indices + 64
    yield Vector(
        "saturation-every-clamp",
        "Maps clamped at both ends by every operation with a format, and samples at 0 and 255.",
        file(GREY, network),
    )
    operations = [Grid((), 2, 4, 6, 8), *(Conv((0,), 4, 1, activation=a) for a in Activation), Concat((1, 2, 3, 4, 5))]
    network = calm_network(
        GREY, [*operations, Conv((6,), 4, 1), Planes((7,), 2)], Calm(861, width=14, fracs=dict.fromkeys(range(1, 6), 8))
    )
    network.layers[0].tensors["latent"].step_indices = network.layers[0].tensors["latent"].step_indices + 24
    yield Vector(
        "saturation-activations",
        "Activations far outside their tables' domain on both sides.",
        file(GREY, network),
        features=("activation:outside-domain",),
    )


def reaching(last_weight: int, bias: int) -> IntegerNetwork:
    """2,048 inputs at -2^13 or 2^13 - 1, 2,047 weights of -128 and another one, and a bias that is added unscaled.

    The sum of magnitudes times 2^13 is 2^31 - 2^13 for a last weight of 127, 2^31 for one of -128.
    """
    program = Program.of([Grid((), 1, REACH_CHANNELS, 2, 2), Conv((0,), 1, 1), Planes((1,), 1)], REACH_VIDEO)
    weight = tensor([-128], (1, REACH_CHANNELS, 1, 1), 8, -150)
    weight.values[0, 0] = last_weight
    latent = tensor([-2, 1, -2, 0], (1, REACH_CHANNELS, 2, 2), 2, 8 * 14)
    latent.values[0, 0] = [[1, -2], [1, 1]]
    layers = [
        Layer(14, 0, {"latent": latent}),
        Layer(12, 10, {"weight": weight, "bias": tensor([bias], (1,), 16, -150)}),
        Layer(),
    ]
    return IntegerNetwork(program, layers)


def randoms() -> Iterator[Vector]:
    """Extreme integers, formats and steps, chosen at random, in a chain of all kinds of operations."""
    operations = [
        Grid((), 3, 6, 5, 6),
        Conv((0,), 8, 3, activation=Activation.SILU),
        Conv((1,), 8, 5, True, Activation.GELU),
        Mul((1, 2)),
        Fold((3,), 2, 2),
        Norm((4,)),
        Conv((5,), 6, 3),
        Planes((6,), 2),
    ]
    for number, seed in enumerate((872, 913, 926, 897, 892, 880)):  # whose pictures show most
        chroma = (Chroma.C420, Chroma.C422, Chroma.C444)[number % 3]
        channels = (6, 8, 12)[number % 3]
        chain = [*operations[:6], Conv((5,), channels, 3), Planes((6,), 2)]
        video = Video(19, 17, 2, chroma=chroma, depth=(8, 10, 12)[number // 2])
        yield Vector(
            f"random-{number}",
            "Integers, formats and steps at random, extreme ones among them.",
            file_of(seed, video, chain),
            features=("network:random",),
        )
