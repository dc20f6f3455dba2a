"""The networks that decoding is measured on: published sizes and our own, with random integers for weights.

The samples mean nothing. Speed does not depend on them: no kernel branches on values, but for a norm of channels that
hardly differ, which these networks do not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log2

import numpy as np

from nqcodec.backbones import hinerv, hnerv, pyramid
from nqcodec.benchmarks.entropy import CONTEXT, drifting_waves
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import IntegerNetwork, IntTensor, Layer
from nqcodec.network.operations import Activation, Conv, Grid, Norm
from nqcodec.network.program import Program

FRAMES = 100
"""Frames of the clip that a case stands for: as many as its latents are made for."""

MAP_WIDTH, MAP_FRAC, NORM_FRAC, HEAD_FRAC = 14, 10, 11, 13
"""Formats as an encoder chooses them: maps of unit deviation, heads within half a unit."""

WEIGHT_BITS, LATENT_BITS, BIAS_BITS = 8, 8, 12
LATENT_WAVE, LATENT_NOISE = 4.0, 0.7
"""Amplitude of what a latent's integers share with their neighbours, and mean magnitude of the rest: about 2.5 bits."""

UNIFORM_DEVIATION = 0.5 * 3**-0.5
"""Of a uniform variable, in units of its range."""

GAIN = 1.5
"""What a convolution multiplies deviations by, since a gate takes as much away."""


@dataclass(frozen=True)
class Case:
    """A network to measure: its program for `FRAMES` frames of `video`."""

    video: Video
    program: Program


def _hnerv(name: str, width: int, height: int) -> Case:
    video = Video(width, height, FRAMES, chroma=Chroma.C444)
    return Case(video, hnerv.build_preset(name, video, FRAMES))


def _hinerv() -> Case:
    video = Video(1280, 720, FRAMES, chroma=Chroma.C444)
    return Case(video, hinerv.build_preset("bunny-xxs", video, FRAMES))


def _pyramid(settings: pyramid.Settings) -> Case:
    video = Video(1280, 720, FRAMES)
    return Case(video, pyramid.assemble(settings, video, FRAMES))


def _wide_pyramid() -> Case:
    """The default network of a file of 0.1 bits a pixel, whose trunk is as wide as the work a frame allows, with grids
    displaced for what moves by itself."""
    video = Video(1280, 720, FRAMES)
    return Case(video, pyramid.for_bytes(video, FRAMES, video.pixels // 80, None, True))


CASES: dict[str, Callable[[], Case]] = {
    "pyramid": lambda: _pyramid(pyramid.Settings()),
    "pyramid-wide": _wide_pyramid,
    "pyramid-light": lambda: _pyramid(pyramid.LIGHT),
    "hnerv-3m": lambda: _hnerv("bunny-3m", 1280, 640),
    "hnerv-0.75m": lambda: _hnerv("bunny-0.75m", 640, 320),
    "hinerv-xxs": _hinerv,
    "hnerv-3m-1080p": lambda: _hnerv("bunny-3m", 1920, 1080),
}
"""By name: pyramids and HiNeRV at 1280x720, HNeRV 3M at 1280x640 and 1920x1080, 0.75M at 640x320."""


def random_integers(program: Program, seed: int = 0) -> IntegerNetwork:
    """A legal network for `program` whose maps neither vanish nor saturate."""
    rng = np.random.default_rng(seed)
    layers = [Layer() for _ in program.operations]
    head = program.operations[-1].inputs[0]
    for index, op in enumerate(program.operations):
        shapes, layer = program.tensors(index), layers[index]
        if op.has_format:
            frac = HEAD_FRAC if index == head else NORM_FRAC if isinstance(op, Norm) else MAP_FRAC
            layer.width, layer.frac = MAP_WIDTH, frac
        if isinstance(op, Grid):
            layer.tensors = {"latent": _latent(rng, shapes["latent"])}
        elif isinstance(op, Conv):
            fan_in = float(np.prod(shapes["weight"][1:]))
            gain = 1.0 if op.activation is Activation.NONE else GAIN
            # fan_in products add up as a square root.
            deviation = (0.2 if index == head else gain) * fan_in**-0.5
            layer.tensors = {
                "weight": _uniform(rng, shapes["weight"], WEIGHT_BITS, deviation),
                "bias": _uniform(rng, shapes["bias"], BIAS_BITS, 0.1),
            }
    return IntegerNetwork(program, layers)


def _latent(rng: np.random.Generator, shape: tuple[int, ...]) -> IntTensor:
    """Integers as a fit for a rate leaves them: small, and like their neighbours, so that they are coded in context."""
    noise = rng.laplace(0.0, LATENT_NOISE, shape)
    values = np.rint(LATENT_WAVE * drifting_waves(shape) + noise).clip(-128, 127).astype(np.int32)
    # Two waves and a Laplace distribution: variances of one half each, and of two.
    step_index = round(-4 * log2(LATENT_WAVE**2 + 2 * LATENT_NOISE**2))
    return IntTensor(values, LATENT_BITS, np.array([step_index], np.int32), context=CONTEXT)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], bits: int, deviation: float) -> IntTensor:
    """Uniform integers of `bits` bits with the step size that gives their values about this deviation."""
    half = 1 << (bits - 1)
    step_index = round(8 * log2(deviation / (2 * half * UNIFORM_DEVIATION)))
    return IntTensor(rng.integers(-half, half, shape).astype(np.int32), bits, np.array([step_index], np.int32))
