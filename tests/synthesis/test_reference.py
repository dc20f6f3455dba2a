"""The numpy reference against an evaluator in Python integers that was written from formats/nq.md alone."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import random_network, random_video
from slow_evaluator import slow_frame

from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import IntegerNetwork, IntTensor, Layer
from nqcodec.network.operations import Activation, Conv, Grid, Operation, Planes
from nqcodec.network.program import Program
from nqcodec.synthesis import reference
from nqcodec.synthesis.reference import ReferenceSynthesizer, grid_position

SLOW_MACS = 30_000


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_agree_with_python_integers(seed: int) -> None:
    checked = 0
    rng = np.random.default_rng([seed, 1])
    while checked < 5:
        video = random_video(rng)
        network = random_network(rng, video)
        if network.program.macs > SLOW_MACS:
            continue
        checked += 1
        synthesizer = ReferenceSynthesizer(network, video, video.frames)
        t = int(rng.integers(video.frames))
        assert [plane.tolist() for plane in synthesizer.frame(t)] == slow_frame(network, video, video.frames, t)


@pytest.mark.parametrize(("frames", "times"), [(7, 7), (7, 1), (8, 3), (3, 8), (1, 5)])
def test_every_frame_of_a_grid(frames: int, times: int) -> None:
    video = Video(4, 3, frames, chroma=Chroma.C400, depth=12)
    program = Program.of([Grid((), times, 1, 3, 4), Planes((0,), 1)], video)
    rng = np.random.default_rng(times)
    latent = IntTensor(rng.integers(-2048, 2048, (times, 1, 3, 4)).astype(np.int32), 12, np.array([-96], np.int32))
    network = IntegerNetwork(program, [Layer(12, 12, {"latent": latent}), Layer()])
    synthesizer = ReferenceSynthesizer(network, video, frames)
    for t in range(frames):
        assert synthesizer.frame(t)[0].tolist() == slow_frame(network, video, frames, t)[0]
        if times == frames:
            # One latent a frame is read as it stands: value latent * 2^(-96/8), depth 12.
            assert np.array_equal(synthesizer.frame(t)[0], latent.values[t, 0] + 2048)


def test_grid_positions_by_hand() -> None:
    assert [grid_position(t, 4, 4) for t in range(4)] == [(t, min(t + 1, 3), 0) for t in range(4)]
    # Two latents over four frames stand at 0.5 and 2.5: the ends are held, a quarter and three quarters between.
    assert [grid_position(t, 4, 2) for t in range(4)] == [(0, 1, 0), (0, 1, 1 << 14), (0, 1, 3 << 14), (1, 1, 0)]


def test_a_convolution_is_a_correlation_with_zero_padding() -> None:
    x = np.arange(1, 7, dtype=np.int16).reshape(1, 2, 3)
    weight = np.zeros((1, 1, 3, 3), np.int32)
    weight[0, 0, 1, 2] = 10  # the right neighbour
    weight[0, 0, 0, 1] = 1  # the upper neighbour
    assert reference.convolve(x, weight).tolist() == [[[20, 30, 0], [51, 62, 3]]]
    assert reference.convolve_depthwise(x, weight).tolist() == [[[20, 30, 0], [51, 62, 3]]]


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(-8192, 8192, (3, 11, 7)).astype(np.int16)
    weight = rng.integers(-128, 128, (4, 3, 5, 5)).astype(np.int32)
    whole = reference.convolve(x, weight)
    monkeypatch.setattr(reference, "STRIP_VALUES", 2 * weight[0].size * 7)
    assert np.array_equal(reference.convolve(x, weight), whole)


def test_float64_products_are_exact_at_the_accumulator_bound() -> None:
    """2^31 - 2^13 by 2047 products of 2^20 and one of 127 * 2^13, with a neighbour that differs by one in a product."""
    weight = np.full((1, 2048, 1, 1), -128, np.int32)
    weight[0, -1] = -127
    x = np.full((2048, 1, 2), -8192, np.int16)
    x[-1, 0, 1] = -8191
    assert reference.convolve(x, weight).tolist() == [[[2**31 - 2**13, 2**31 - 2**13 - 127]]]


@pytest.mark.parametrize("t", [-1, 3])
def test_frames_outside_the_segment_are_refused(t: int) -> None:
    video = Video(2, 2, 3, chroma=Chroma.C400)
    network = random_network(np.random.default_rng(0), video)
    with ReferenceSynthesizer(network, video, 3) as synthesizer, pytest.raises(ValueError, match="segment of 3"):
        synthesizer.frame(t)


def test_an_illegal_network_is_refused() -> None:
    video = Video(2, 2, 1, chroma=Chroma.C400)
    operations: list[Operation] = [Grid((), 1, 1, 2, 2), Conv((0,), 1, 1, activation=Activation.GELU), Planes((1,), 1)]
    network = random_network(np.random.default_rng(0), video, Program.of(operations, video))
    network.layers[1].width = 15
    with pytest.raises(ValueError, match="width 15"):
        ReferenceSynthesizer(network, video, 1)
