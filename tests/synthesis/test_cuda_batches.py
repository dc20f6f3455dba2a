"""Batches of frames on CUDA, on a device where there is one, emulated everywhere: order, seeks, memory, ends."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network

from nqcodec.bitstream.file import read_file
from nqcodec.decoder.decoder import Decoder
from nqcodec.errors import LimitError
from nqcodec.media.video import Chroma, Frame, Video, frame_bytes
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import (
    CUBIC_TAPS,
    Activation,
    Add,
    Concat,
    Conv,
    Grid,
    Mul,
    Operation,
    Planes,
    Shuffle,
    Tile,
    Warp,
    Window,
)
from nqcodec.network.program import Limits, Program
from nqcodec.synthesis import backends
from nqcodec.synthesis.cuda import CudaSynthesizer, ceilings
from nqcodec.synthesis.reference import ReferenceSynthesizer

FRAMES = 11
VIDEO = Video(22, 14, FRAMES, chroma=Chroma.C400)

MIXED: tuple[Operation, ...] = (
    Grid((), 1, 3, 7, 11),  # 0: the same for every frame, like 1, 2, 9, 10 and 11
    Conv((0,), 12, 3, activation=Activation.GELU),
    Shuffle((1,), 2),
    Grid((), 4, 3, 7, 11),
    Conv((3,), 12, 5, activation=Activation.SILU),  # its store does 5 and 6 as well
    Shuffle((4,), 2),
    Add((2, 5)),
    Conv((6,), 3, 1),  # its store does 8 as well
    Mul((7, 6)),
    Tile((0,), 14, 22),
    Window((9,), 14, 22, 1, 2, ((0, 0, 0),)),
    Conv((10,), 3, 3),  # its store leaves 12 alone, which is different for every frame
    Add((11, 8)),
    Concat((12, 10, 9)),
    Conv((13,), 1, 3),
    Planes((14,), 1),
)
"""Static maps and others, followers that a store takes in and followers that it cannot."""

WARPED: tuple[Operation, ...] = (
    Grid((), 1, 3, 7, 11),  # 0: the same for every frame, like 1, 2 and 3
    Grid((), 1, 2, 7, 11),
    Warp((0, 1), 1),
    Warp((1, 1), 0),  # a map by itself
    Grid((), FRAMES, 3, 7, 11),
    Conv((4,), 8, 3),  # its store does 6 as well, but none of the warps that read it
    Shuffle((5,), 2),  # 6: vectors of every frame
    Conv((2,), 12, 1),  # the same for every frame, like 8
    Shuffle((7,), 2),
    Warp((8, 6), 2, CUBIC_TAPS),  # a still map by moving vectors
    Conv((3,), 8, 1),
    Shuffle((10,), 2),
    Warp((9, 11), 3, CUBIC_TAPS),  # a moving map by still vectors
    Conv((4,), 12, 1),
    Shuffle((13,), 2),
    Warp((14, 6), 0),  # both moving; 6 is read again
    Conv((15,), 3, 3, activation=Activation.GELU),  # its store does 17, which reads a warp
    Add((12, 16)),
    Conv((17,), 1, 3),
    Planes((18,), 1),
)
"""Warps of still and moving maps by still and moving vectors."""


@pytest.fixture(scope="module")
def network() -> IntegerNetwork:
    """`MIXED` with random integers."""
    return random_network(np.random.default_rng(4), VIDEO, Program.of(list(MIXED), VIDEO))


@pytest.fixture(scope="module")
def expected(network: IntegerNetwork) -> list[Frame]:
    """The reference's frames."""
    reference = ReferenceSynthesizer(network, VIDEO, FRAMES)
    return [reference.frame(t) for t in range(FRAMES)]


def same(frame: Frame, wanted: Frame) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(frame, wanted, strict=True))


def test_frames_differ(expected: list[Frame]) -> None:
    assert len({frame_bytes(frame) for frame in expected}) == FRAMES


@pytest.mark.parametrize("batch", [1, 2, 4, 5, FRAMES, FRAMES + 1])
def test_batches_of_any_size(cuda: str, batch: int, network: IntegerNetwork, expected: list[Frame]) -> None:
    with CudaSynthesizer(network, VIDEO, FRAMES, batch=batch) as synthesizer:
        assert synthesizer.batch == min(batch, FRAMES)
        for start, stop in ((0, FRAMES), (3, 9), (FRAMES - 1, FRAMES), (5, 5)):
            got = list(synthesizer.frames(start, stop))
            assert len(got) == stop - start
            assert all(same(a, b) for a, b in zip(got, expected[start:stop], strict=True))


def test_single_frames_between_batches(cuda: str, network: IntegerNetwork, expected: list[Frame]) -> None:
    with CudaSynthesizer(network, VIDEO, FRAMES, batch=2) as synthesizer:
        for t, frame in enumerate(synthesizer.frames(0, FRAMES)):
            other = (7 * t + 3) % FRAMES
            assert same(synthesizer.frame(other), expected[other])
            assert same(frame, expected[t])


def test_an_iteration_may_end_early(cuda: str, network: IntegerNetwork, expected: list[Frame]) -> None:
    with CudaSynthesizer(network, VIDEO, FRAMES, batch=2) as synthesizer:
        frames = synthesizer.frames(0, FRAMES)
        assert same(next(frames), expected[0])
        with pytest.raises(ValueError, match="under way"):
            next(synthesizer.frames(0, 1))
        frames.close()
        assert all(same(a, b) for a, b in zip(synthesizer.frames(4, FRAMES), expected[4:], strict=True))
        left_open = synthesizer.frames(0, FRAMES)
        assert same(next(left_open), expected[0])
    with pytest.raises(ValueError, match="closed"):
        list(left_open)


def test_frames_outside_the_segment(cuda: str, network: IntegerNetwork) -> None:
    with CudaSynthesizer(network, VIDEO, FRAMES, batch=2) as synthesizer:
        for t in (-1, FRAMES, 1 << 40):
            with pytest.raises(ValueError, match="not valid"):
                synthesizer.frame(t)
        for start, stop in ((-1, 2), (0, FRAMES + 1), (4, 3)):
            with pytest.raises(ValueError, match="are not within"):
                list(synthesizer.frames(start, stop))


def test_memory_is_planned_and_bounded(cuda: str, network: IntegerNetwork, expected: list[Frame]) -> None:
    def planned(batch: int) -> int:
        with CudaSynthesizer(network, VIDEO, FRAMES, batch=batch) as synthesizer:
            return synthesizer.planned_bytes

    one, two, three = map(planned, (1, 2, 3))
    assert three - two == two - one > 0
    with CudaSynthesizer(network, VIDEO, FRAMES, 1, Limits(memory=three)) as synthesizer:
        assert synthesizer.batch == 3
        assert synthesizer.planned_bytes == three
        assert same(list(synthesizer.frames(0, FRAMES))[-1], expected[-1])
    with pytest.raises(LimitError):
        CudaSynthesizer(network, VIDEO, FRAMES, 1, Limits(memory=one - 1))


def test_stores_take_in_what_follows(cuda: str, network: IntegerNetwork) -> None:
    """What runs with another operation, or once for all frames, costs nothing of its own."""
    with CudaSynthesizer(network, VIDEO, FRAMES, batch=2) as synthesizer:
        work, seconds = synthesizer.work(), synthesizer.seconds()
    own = [3, 4, 7, 12, 13, 14, 15]
    assert np.flatnonzero(work.bytes).tolist() == own
    assert np.flatnonzero(work.macs).tolist() == [4, 7, 14]
    assert (work.products >= 2 * work.macs).all()
    assert np.flatnonzero(seconds).tolist() == own
    assert work.macs[4] == 12 * 3 * 25 * 7 * 11


@pytest.mark.parametrize("seed", range(4))
def test_warps_in_batches(cuda: str, seed: int) -> None:
    """Both inputs of a warp are whole maps of their own, of one frame or of every; the still one is made once."""
    network = random_network(np.random.default_rng(seed), VIDEO, Program.of(list(WARPED), VIDEO))
    reference = ReferenceSynthesizer(network, VIDEO, FRAMES)
    with CudaSynthesizer(network, VIDEO, FRAMES, batch=4) as synthesizer:
        for t, frame in enumerate(synthesizer.frames(0, FRAMES)):
            assert same(frame, reference.frame(t))
        work = synthesizer.work()
    assert np.flatnonzero(work.bytes).tolist() == [4, 5, 9, 12, 13, 15, 16, 18, 19]
    assert work.bytes[9] == 2 * (3 + 2 + 3) * 14 * 22


def test_batches_in_device_memory(cuda: str, network: IntegerNetwork, expected: list[Frame]) -> None:
    with CudaSynthesizer(network, VIDEO, FRAMES, batch=4) as synthesizer:
        assert synthesizer.repeat(5) > 0
        assert same(synthesizer.frame(2), expected[2])
        frames = synthesizer.frames(0, FRAMES)
        next(frames)
        with pytest.raises(ValueError, match="not valid"):
            synthesizer.repeat(1)
        frames.close()


def test_ceilings_are_numbers(cuda: str) -> None:
    if cuda == "emulated":  # which has no speed to measure
        assert min(ceilings(2, 1 << 10)) > 0
        return
    products, copied = ceilings()
    assert products > 1e12
    assert copied > 1e10


def test_the_sample_in_batches(cuda: str, sample: Path, sample_md5: str) -> None:
    """All of it on a device; a few frames across a batch's end where it is emulated."""
    file = read_file(sample)
    count = 3 if cuda == "emulated" else file.video.frames
    digests = []
    for backend in ("cuda", backends.choose("native" if not backends.available()["native"] else "reference")):
        digest = hashlib.md5(usedforsecurity=False)
        for frame in Decoder(file, backend=backend).frames(0, count):
            digest.update(frame_bytes(frame))
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1]
    assert count < file.video.frames or digests[0] == sample_md5
