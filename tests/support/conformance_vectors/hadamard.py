"""Weights coded in the Hadamard domain of their input channels (formats/nq.md, 6.3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from conformance_vectors.build import Vector, file
from conformance_vectors.calm import GREY, Calm, calm_network, calm_vector, one_step_index
from conformance_vectors.coding import ADAPTIVE_MODEL
from conformance_vectors.draws import Draws
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import Hadamard
from nqcodec.network.operations import Activation, Conv, Grid, Planes

PLAIN = Hadamard(used_width=12, gain=4)


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from small_blocks()
    yield from domains()
    yield from long_axes()
    yield single_channel()
    yield clamped()


def small_blocks() -> Iterator[Vector]:
    """Axes of one block of each small size, and of several."""
    for channels in (2, 4, 8, 16, 32, 64, 3, 53):
        kernel = 3 if channels < 16 else 1
        yield calm_vector(
            f"hadamard-{channels}",
            f"{channels} input channels, {kernel} x {kernel}: blocks of {_blocks(channels)}.",
            Calm(700 + channels, hadamard=PLAIN),
            [Grid((), 2, channels, 6, 8), Conv((0,), 4, kernel), Planes((1,), 2)],
        )


def _blocks(channels: int) -> str:
    return " + ".join(str(1 << bit) for bit in reversed(range(13)) if channels >> bit & 1)


def domains() -> Iterator[Vector]:
    """Ends of the used width and of the gain, a step a channel, and each activation's exponent."""
    operations = [
        Grid((), 2, 6, 6, 8),
        Conv((0,), 7, 3, activation=Activation.SILU),
        Conv((1,), 5, 1, activation=Activation.HALF_TANH),
        Conv((2,), 4, 3),
        Planes((3,), 2),
    ]
    for used_width, gain in ((8, 0), (8, 6), (10, 2), (12, 6)):
        yield calm_vector(
            f"hadamard-width-{used_width}-gain-{gain}",
            f"Weights as used of {used_width} bits, gain {gain}.",
            Calm(770 + used_width + gain, hadamard=Hadamard(used_width, gain)),
            operations,
        )
    network = calm_network(GREY, operations, Calm(790, hadamard=PLAIN))
    for index in (1, 2, 3):
        weight = network.layers[index].tensors["weight"]
        weight.step_indices = weight.step_indices + np.arange(-2, weight.values.shape[0] - 2, dtype=np.int32)
    yield Vector(
        "hadamard-steps-by-channel",
        "A step for each output channel of weights in the Hadamard domain.",
        file(GREY, network, {(1, "weight"): ADAPTIVE_MODEL}),
    )


def long_axes() -> Iterator[Vector]:
    """Blocks of 128 to 4096, once each, and several of 4096."""
    for channels, what in ((8191, "a block of every size"), (8205, "two blocks of 4096, then 8 + 4 + 1")):
        video = Video(2, 1, 1, chroma=Chroma.C400)
        network = calm_network(
            video,
            [Grid((), 1, channels, 1, 2), Conv((0,), 1, 1), Planes((1,), 1)],
            Calm(800 + channels, weight_bits=3, latent_bits=2, width=9, hadamard=Hadamard(8, 1), head_frac=9),
        )
        draws = Draws(801 + channels)
        network.layers[0].tensors["latent"].values = (
            np.where(draws.random(2 * channels) < 0.9, 0, draws.integers(-2, 2, 2 * channels))
            .reshape(1, channels, 1, 2)
            .astype(np.int32)
        )
        yield Vector(
            f"hadamard-{channels}",
            f"{channels} input channels: {what}.",
            file(video, network, {(1, "weight"): ADAPTIVE_MODEL, (0, "latent"): ADAPTIVE_MODEL}),
        )


def single_channel() -> Vector:
    """One block of one value: the transform is the identity, the gain is not."""
    network = calm_network(GREY, [Grid((), 2, 1, 6, 8), Conv((0,), 4, 3), Planes((1,), 2)], Calm(720))
    tensors = network.layers[1].tensors
    tensors["weight"] = replace(tensors["weight"], hadamard=Hadamard(9, 3))
    return Vector("hadamard-1", "One input channel in the Hadamard domain: a block of 1.", file(GREY, network))


def clamped() -> Vector:
    """Sums that leave the used width."""
    video = Video(8, 6, 1, chroma=Chroma.C400)
    network = calm_network(video, [Grid((), 1, 64, 3, 4), Conv((0,), 4, 1), Planes((1,), 2)], Calm(730, weight_bits=8))
    weight = network.layers[1].tensors["weight"]
    for o in range(4):  # all of a channel's energy in one weight as used, of either sign
        signs = (1 - 2 * ((np.arange(64) >> o) & 1)) * (-1) ** o
        weight.values[o] = np.where(signs > 0, 127, -128)[:, None, None]
    weight.hadamard = Hadamard(8, 6)
    weight.step_indices = one_step_index(int(weight.step_indices[0]) + 64)
    return Vector(
        "hadamard-clamped",
        "Coded weights that all add up: those as used are clamped at both ends.",
        file(video, network),
    )
