"""Networks about a warp (formats/nq.md, 6.14) whose pictures show every value of its map as it is, for tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from random_networks import random_values

from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import GRID_FRACTION_BITS, IntegerNetwork, IntTensor, Layer, validate
from nqcodec.network.operations import CUBIC_TAPS, LINEAR_TAPS, MOST_WARP_BITS, Grid, Planes, Warp
from nqcodec.network.program import Program

FRAMES = 3
LATENT_BITS = 12


@dataclass(frozen=True)
class WarpCase:
    """What a warp is of.

    Attributes:
        root: of the map's channels.
        height, width: of the map.
        times: latents of the map and of its vectors; 1 is the same for every frame.
        frac: fractional bits of the vectors.
        bits: of the warp.
        damping: the vectors' largest are some 2^(13 - damping / 8).
        taps: of the warp.
    """

    root: int
    height: int
    width: int
    times: tuple[int, int]
    frac: int
    bits: int
    damping: int
    taps: int = LINEAR_TAPS

    @property
    def video(self) -> Video:
        return Video(self.width * self.root, self.height * self.root, FRAMES, chroma=Chroma.C400, depth=12)


def random_case(rng: np.random.Generator) -> WarpCase:
    """Any formats, so vectors from none to far beyond the map; channels on both sides of a thread's share."""
    root, height, width = int(rng.integers(1, 6)), int(rng.integers(1, 12)), int(rng.choice([1, 2, 7, 31, 33, 70]))
    times = (int(rng.choice([1, FRAMES])), int(rng.choice([1, FRAMES])))
    frac, bits = int(rng.integers(0, 21)), int(rng.integers(0, MOST_WARP_BITS + 1))
    damping, taps = int(rng.integers(0, 80)), int(rng.choice([LINEAR_TAPS, CUBIC_TAPS]))
    return WarpCase(root, height, width, times, frac, bits, damping, taps)


def warped_network(rng: np.random.Generator, case: WarpCase) -> IntegerNetwork:
    """A map of random values, displaced by random vectors, as the samples of a picture; valid by `validate`."""
    program = Program.of(
        [
            Grid((), case.times[0], case.root**2, case.height, case.width),
            Grid((), case.times[1], 2, case.height, case.width),
            Warp((0, 1), case.bits, case.taps),
            Planes((2,), case.root),
        ],
        case.video,
    )
    layers = [
        _grid(rng, program, 0, Layer(12, 12), 0),
        _grid(rng, program, 1, Layer(14, case.frac), case.damping),
        Layer(),
        Layer(),
    ]
    network = IntegerNetwork(program, layers)
    validate(network)
    return network


def _grid(rng: np.random.Generator, program: Program, index: int, layer: Layer, damping: int) -> Layer:
    """`layer` with latents that fill its width, or as much of it as damping leaves."""
    shape = program.tensors(index)["latent"]
    exponent = 8 * (layer.width - LATENT_BITS - GRID_FRACTION_BITS) - damping
    step_indices = np.array([exponent - 8 * (layer.frac - GRID_FRACTION_BITS)], np.int32)
    layer.tensors = {"latent": IntTensor(random_values(rng, shape, LATENT_BITS), LATENT_BITS, step_indices)}
    return layer
