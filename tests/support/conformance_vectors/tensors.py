"""Tensors: bit widths, steps, entropy models, lists and pieces (formats/nq.md, 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from conformance_vectors.build import File, Part, Vector, file, leveled, sealed
from conformance_vectors.calm import GREY, Calm, calm_network, calm_vector, one_step_index
from conformance_vectors.coding import ADAPTIVE_MODEL, gaussian_scale, pack_network, piece
from conformance_vectors.draws import Draws
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import MD5_BYTES, parse_segment
from nqcodec.entropy.tensors import TensorModel
from nqcodec.errors import NqError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import CONTEXT_NEIGHBOURS, Context, Hadamard, Int32, IntegerNetwork, IntTensor
from nqcodec.network.operations import Concat, Conv, Grid, Operation, Planes, Shuffle
from nqcodec.network.program import Limits

PLAIN: list[Operation] = [Grid((), 2, 4, 12, 16), Conv((0,), 4, 3), Conv((1,), 1, 1), Planes((2,), 1)]
"""A program for tensors of every kind."""

TENSORS = ((0, "latent"), (1, "weight"), (1, "bias"), (2, "weight"), (2, "bias"))
"""Its tensors, by operation and name."""

LATENTS = Video(8, 6, 3, chroma=Chroma.C400)
"""The picture of vectors whose latents are the picture."""

LONG = 9371
"""Times of a grid of one row of seven whose 65,597 values are more than a piece."""


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from widths()
    yield from steps()
    yield from gaussians()
    yield from adaptives()
    yield from contexts()
    yield from pieces()
    yield padded()


def with_latent(network: IntegerNetwork, latent: IntTensor) -> IntegerNetwork:
    """The network with other latents in its first operation."""
    network.layers[0].tensors["latent"] = latent
    return network


def widths() -> Iterator[Vector]:
    """Each width of weights, and the ends of those of biases and latents."""
    for bits in range(2, 9):
        yield calm_vector(
            f"bits-weight-{bits}",
            f"Weights of {bits} bits, the first tensor's in the adaptive model.",
            Calm(500 + bits, weight_bits=bits),
            PLAIN,
            models={(1, "weight"): ADAPTIVE_MODEL},
        )
    for bits in (2, 16):
        yield calm_vector(f"bits-bias-{bits}", f"Biases of {bits} bits.", Calm(510 + bits, bias_bits=bits), PLAIN)
    for bits in (2, 9, 12):
        yield calm_vector(f"bits-latent-{bits}", f"Latents of {bits} bits.", Calm(530 + bits, latent_bits=bits), PLAIN)


def steps() -> Iterator[Vector]:
    """A step a channel: all eight fractions of a rescale."""
    network = calm_network(
        GREY, [Grid((), 2, 9, 6, 8), Conv((0,), 16, 3), Shuffle((1,), 4), Planes((2,), 1)], Calm(550)
    )
    video = Video(32, 24, 2, chroma=Chroma.C400)
    network = calm_network(video, network.program.operations, Calm(550))
    latent, weight = network.layers[0].tensors["latent"], network.layers[1].tensors["weight"]
    latent.step_indices = latent.step_indices + np.arange(-4, 5, dtype=np.int32)
    weight.step_indices = weight.step_indices + np.arange(-8, 8, dtype=np.int32)
    yield Vector(
        "steps-by-channel",
        "A step for each channel of a latent and of a weight: every fraction of a rescale.",
        file(video, network),
        features=("rescale:all-fractions",),
    )
    scales = {
        (0, "latent"): TensorModel(False, 1, 18, np.arange(14, 23, dtype=np.int32), 16),
        (1, "weight"): TensorModel(False, -1, 20, np.arange(28, 12, -1, dtype=np.int32), 24),
    }
    weight.hadamard = Hadamard(12, 3)
    yield Vector(
        "steps-and-scales-by-channel",
        "A step and a scale for each channel: the list of steps, the list of scales, then the values.",
        file(video, network, scales),
    )


def gaussians() -> Iterator[Vector]:
    """All scales, offsets and escapes."""
    video, draws = Video(8, 8, 1, chroma=Chroma.C400), Draws(560)
    operations = [Grid((), 1, 64, 4, 4), Conv((0,), 4, 1), Planes((1,), 2)]
    network = calm_network(video, operations, Calm(560, latent_bits=12))
    sizes = [min(2047.0, 2 ** ((scale - 12) / 4)) for scale in range(64)]
    values = np.stack([np.clip(np.rint(draws.normal(0, size, (4, 4))), -2048, 2047) for size in sizes])
    latent = replace(network.layers[0].tensors["latent"], values=values[None].astype(np.int32))
    model = TensorModel(False, 0, 32, np.arange(64, dtype=np.int32), 30)
    yield Vector(
        "gaussian-every-scale",
        "A channel for each of the 64 scale indices, by a list of scales: every row, with and without low bits.",
        file(video, with_latent(network, latent), {(0, "latent"): model}),
        features=("model:every-row",),
    )
    network = calm_network(GREY, PLAIN, Calm(561, latent_bits=9))
    latent = network.layers[0].tensors["latent"]
    latent.values = np.clip(latent.values // 2 + 100, -256, 255).astype(np.int32)
    model = TensorModel(False, 100, gaussian_scale(latent.values, 100))
    yield Vector("gaussian-offset", "Latents around an offset of 100.", file(GREY, network, {(0, "latent"): model}))
    yield from escapes()


def escapes() -> Iterator[Vector]:
    """Values far beyond their row's half-width."""
    network = calm_network(GREY, PLAIN, Calm(562, latent_bits=12, bias_bits=16))
    network.layers[1].tensors["bias"].values[:] = [32767, -32768, 32766, 0]
    models = {
        (0, "latent"): TensorModel(False, -3, 4),
        (1, "bias"): TensorModel(False, -32768, 0),
        (2, "weight"): TensorModel(False, 31, 40),
    }
    yield Vector(
        "gaussian-escapes",
        "Most latents escape their row, both signs; biases by the 17 bits that are the most a legal file needs.",
        file(GREY, network, models),
    )
    network = calm_network(LATENTS, [Grid((), 3, 1, 6, 8), Planes((0,), 1)], Calm(563, latent_bits=12))
    values = network.layers[0].tensors["latent"].values
    values[:] = np.where(values % 3 == 0, 2047, np.where(values % 3 == 1, -2048, values))
    yield Vector(
        "gaussian-escapes-with-low-bits",
        "Values at both ends of 12 bits in a row of one low bit and more: escapes, then low bits.",
        file(LATENTS, network, {(0, "latent"): TensorModel(False, 2047, 35)}),
    )


def adaptives() -> Iterator[Vector]:
    """Alphabets of one and of two events, long enough for both slowest rates."""
    for bits in (2, 4, 5, 8):
        yield calm_vector(
            f"adaptive-{bits}-bits",
            f"All tensors of {bits} bits in the adaptive model.",
            Calm(580 + bits, weight_bits=bits, bias_bits=bits, latent_bits=bits),
            PLAIN,
            models=dict.fromkeys(TENSORS, ADAPTIVE_MODEL),
            features=("model:two-events" if bits > 4 else "model:one-event",),
        )
    video = Video(4, 2, 2, chroma=Chroma.C400)
    network = calm_network(
        video, [Grid((), 2, 8, 16, 32), Shuffle((0,), 2), Conv((1,), 1, 1), Planes((2,), 1)], Calm(579)
    )
    latent = network.layers[0].tensors["latent"]
    latent.bits = 3
    latent.values = np.clip(latent.values // 8, -4, 3).astype(np.int32)
    yield Vector(
        "adaptive-settled",
        "8,192 values of 3 bits: both estimates at their slowest, the count at its limit.",
        file(video, network, {(0, "latent"): ADAPTIVE_MODEL}),
        features=("model:count-limit",),
    )


def smooth(seed: int, shape: tuple[int, ...], bits: int) -> Int32:
    """Latents whose neighbours resemble one another, int32."""
    draws, high = Draws(seed), (1 << (bits - 1)) - 1
    noise = draws.normal(0.0, high / 3, shape)
    for axis in range(4):
        noise = (noise + np.roll(noise, 1, axis)) * 0.75
    return np.clip(np.rint(noise), -high - 1, high).astype(np.int32)


def context_vector(name: str, purpose: str, seed: int, bits: int, context: Context, *features: str) -> Vector:
    """Latents [3, 2, 6, 8] in a context model."""
    operations = [Grid((), 3, 2, 6, 8), Conv((0,), 1, 1), Planes((1,), 1)]
    network = calm_network(LATENTS, operations, Calm(seed, latent_bits=bits))
    latent = replace(network.layers[0].tensors["latent"], values=smooth(seed, (3, 2, 6, 8), bits), context=context)
    return Vector(name, purpose, file(LATENTS, with_latent(network, latent)), features=features)


def weights(**by_neighbour: tuple[int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Mean and spread weights of all neighbours from those of j0, j1, ..."""
    pairs = [by_neighbour.get(f"j{j}", (0, 0)) for j in range(CONTEXT_NEIGHBOURS)]
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)


def contexts() -> Iterator[Vector]:
    """Each neighbour alone, all together, and the ends of every weight."""
    for j in range(CONTEXT_NEIGHBOURS):
        yield context_vector(
            f"context-neighbour-{j}",
            f"Latents predicted by neighbour {j} alone.",
            600 + j,
            6,
            Context(700, *weights(**{f"j{j}": (48, 20)})),
        )
    mean = (30, 24, -12, 3, 20, 2, 2, 6, -4, -4, 3, 3, 2, -2)
    spread = (12, 12, 6, 6, 10, 4, 4, 5, 3, 3, 2, 2, 2, 2)
    for bits in (2, 6, 12):
        context = Context(10 << bits, mean, spread)
        yield context_vector(
            f"context-all-{bits}-bits", f"All 14 neighbours, latents of {bits} bits.", 620 + bits, bits, context
        )
    only_spread = weights(j0=(0, 40), j1=(0, 40))
    yield context_vector(
        "context-spread-only", "No mean weight: a prediction of 0.", 640, 6, Context(300, *only_spread)
    )
    only_mean = weights(j0=(64, 0))
    yield context_vector("context-mean-only", "No spread weight: one scale for all.", 641, 6, Context(900, *only_mean))
    least = Context(1, *weights(j0=(255, 0), j4=(-256, 1)))
    yield context_vector(
        "context-least-spread",
        "The least base and extreme mean weights: predictions at both clamps, escapes, scale index 0.",
        642,
        8,
        least,
        "context:clamped",
    )
    most = Context(65535, (64, *(-256 for _ in range(13))), (255,) * 14)
    yield context_vector(
        "context-most-spread",
        "The greatest weights on 12-bit latents: scale index 63, many low bits.",
        643,
        12,
        most,
    )


def pieces() -> Iterator[Vector]:
    """Tensors of more than 65,536 values, and of exactly so many."""
    for name, model, context in (
        ("gaussian", TensorModel(False, 0, 4), None),
        ("adaptive", ADAPTIVE_MODEL, None),
        ("context", None, Context(60, *weights(j0=(30, 30), j4=(30, 30), j11=(0, 8)))),
    ):
        network, video = long_network(LONG)
        latent = network.layers[0].tensors["latent"]
        latent.context = context
        yield Vector(
            f"pieces-{name}",
            f"65,597 values in two pieces, {name} model"
            + (": the second piece's values have neighbours in the first." if context else ": it starts afresh."),
            file(video, network, {} if model is None else {(0, "latent"): model}),
        )
    network, video = long_network(16384, 4)
    yield common_sequence()
    for times, width, what in ((1024, 4, "in the common sequence"), (241, 17, "in a piece of their own")):
        network, video = long_network(times, width)
        purpose = f"{times * width:,} values of the Gaussian model: they are {what}."
        model = TensorModel(False, 0, 4)
        yield Vector(f"pieces-{times * width}-values", purpose, file(video, network, {(0, "latent"): model}))
    yield Vector(
        "pieces-exactly-one",
        "65,536 values: one full piece and no empty one.",
        file(video, network, {(0, "latent"): TensorModel(False, 0, 2)}),
    )


def common_sequence() -> Vector:
    """A step list of 65,537 entries, before small tensors that are in the second run of the common sequence."""
    wide = (1 << 16) + 1
    operations = [Grid((), 1, 1, 1, 1), Conv((0,), wide, 1), Grid((), 2, 3, 3, 4), Conv((2,), 6, 1), Planes((3,), 2)]
    video = Video(8, 6, 2)
    network = calm_network(video, operations, Calm(691))
    weight, bias = network.layers[1].tensors["weight"], network.layers[1].tensors["bias"]
    weight.values[:], bias.values[:] = 0, 0
    weight.values[-1] = 1
    steps = np.full(wide, int(weight.step_indices[0]), np.int32)
    steps[-1] += 1
    weight.step_indices = steps
    models = {(1, "weight"): TensorModel(False, 0, 0), (1, "bias"): TensorModel(False, 0, 0)}
    return Vector(
        "pieces-common-sequence",
        "A list of 65,537 steps and the small tensors behind it: the common sequence has two pieces.",
        file(video, network, models),
        features=("pieces:common",),
    )


def padded() -> Vector:
    """Pieces of all models whose last bits, as many as no event needs, are the opposite of an encoder's."""
    operations = [Grid((), 2, 2, 12, 16), Grid((), 1, 2, 12, 16), Concat((0, 1)), Conv((2,), 1, 3), Planes((3,), 1)]
    network = calm_network(GREY, operations, Calm(690))
    network = with_latent(
        network, replace(network.layers[0].tensors["latent"], context=Context(60, *weights(j0=(40, 20), j1=(30, 10))))
    )
    program, table, data = pack_network(network, {(3, "weight"): ADAPTIVE_MODEL})
    head, reader, coded = program + table, Reader(data), list[bytes]()
    while reader.left:
        coded.append(reader.take(reader.uv("length"), "piece"))
    for number, one in enumerate(coded):
        others = (one[:-1] + bytes([one[-1] ^ (1 << bits) - 1]) for bits in range(7, -1, -1))
        trials = ([*coded[:number], other, *coded[number + 1 :]] for other in others)
        coded = next(trial for trial in trials if tensors_of(head, trial) == tensors_of(head, coded))
    return Vector(
        "pieces-pad-bits",
        "Pieces whose last bits, which no event needs, are not those that an encoder writes: they are not checked.",
        File(GREY, [sealed(GREY, GREY.frames, head + b"".join(map(piece, coded)))]).data(),
        features=("pieces:pad-bits",),
    )


def tensors_of(head: bytes, coded: Sequence[bytes]) -> list[bytes]:
    """Values of all tensors of a segment of `GREY` from program and layers, and pieces; none where it is refused."""
    part = Part(GREY.frames, bytes(MD5_BYTES), leveled(GREY, head + b"".join(map(piece, coded))))
    try:
        layers = parse_segment(Reader(part.payload), GREY, Limits()).network.layers
    except NqError:
        return []
    return [tensor.values.tobytes() for layer in layers for tensor in layer.tensors.values()]


def long_network(times: int, width: int = 7) -> tuple[IntegerNetwork, Video]:
    """A grid [times, 1, 1, width] of 2 bits that is the picture, mostly zeros."""
    video = Video(width, 1, 4, chroma=Chroma.C400)
    network = calm_network(video, [Grid((), times, 1, 1, width), Planes((0,), 1)], Calm(660, latent_bits=2))
    latent, draws = network.layers[0].tensors["latent"], Draws(661)
    rare = draws.random(latent.values.size).reshape(latent.values.shape)
    latent.values = np.where(rare < 0.01, 1, np.where(rare > 0.99, -2, 0)).astype(np.int32)
    for frame in range(4):  # what the four frames show
        latent.values[times * (2 * frame + 1) // 8] = np.arange(width) % 4 - 2
    latent.step_indices = one_step_index(-24)
    return network, video
