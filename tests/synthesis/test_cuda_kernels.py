"""CUDA's kernels against the reference, on a device where there is one and emulated everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from random_networks import random_network
from warped_networks import FRAMES, WarpCase, random_case, warped_network

from nqcodec.benchmarks.kernel_cases import KERNELS, PLANES, kernel_case
from nqcodec.benchmarks.kernels import check_case
from nqcodec.decoder import conformance
from nqcodec.media.video import Chroma, Video
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import CUBIC_TAPS, Activation, Conv, Grid, Operation, Planes
from nqcodec.network.program import Program
from nqcodec.synthesis.cuda import CudaSynthesizer
from nqcodec.synthesis.reference import ReferenceSynthesizer


@pytest.mark.parametrize("name", [*KERNELS, PLANES])
def test_every_kernel_is_exact(name: str, cuda: str) -> None:
    rng = np.random.default_rng([6, *name.encode()])
    for _ in range(8):
        assert not check_case(kernel_case(name, rng), ())


CUTS = (
    (16, 10, 1, 4, 5),
    (97, 16, 1, 2, 4),
    (81, 16, 3, 3, 20),
    (68, 12, 5, 9, 10),
    (57, 8, 5, 17, 19),
    (544, 12, 1, 3, 23),  # its octets do not fit into shared memory at once
    (90, 2, 5, 21, 40),
    (5, 16, 3, 9, 33),
    (20, 6, 1, 8, 9),
    (9, 8, 3, 9, 9),
    (3, 6, 7, 5, 70),
    (1, 1, 31, 18, 20),
    (1, 1, 33, 18, 20),  # too large a border for shared memory: a plain convolution
)
"""(input channels, root of output channels, kernel, height, width) that blocks of every kind are chosen for."""


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: "-".join(map(str, cut)))
def test_every_cut_of_a_convolution(cut: tuple[int, ...], cuda: str) -> None:
    """Weights of one byte, and wider ones after a Hadamard transform; the convolution's whole map is seen."""
    channels, ratio, kernel, height, width = cut
    video = Video(width * ratio, height * ratio, 2, chroma=Chroma.C400, depth=12)
    rng = np.random.default_rng(cut)
    for _ in range(4):
        convolution = Conv((0,), ratio**2, kernel, activation=Activation(int(rng.integers(5))))
        operations: list[Operation] = [Grid((), 2, channels, height, width), convolution, Planes((1,), ratio)]
        network = random_network(rng, video, Program.of(operations, video))
        reference = ReferenceSynthesizer(network, video, 2)
        with CudaSynthesizer(network, video, 2, batch=2) as synthesizer:
            for t, frame in enumerate(synthesizer.frames(0, 2)):
                assert np.array_equal(frame[0], reference.frame(t)[0])


WARPS = (
    WarpCase(1, 1, 1, (1, FRAMES), 0, 0, 0),
    WarpCase(2, 5, 33, (FRAMES, FRAMES), 0, 0, 88),  # vectors of some cells, shifted left
    WarpCase(3, 9, 70, (FRAMES, 1), 5, 0, 40),  # not shifted
    WarpCase(4, 4, 31, (1, FRAMES), 6, 0, 56),  # shifted right by one
    WarpCase(3, 12, 65, (1, 1), 11, 0, 0),
    WarpCase(5, 6, 40, (FRAMES, FRAMES), 3, 8, 16),
    WarpCase(3, 7, 32, (FRAMES, 1), 0, 0, 0),  # far beyond every side
    WarpCase(1, 3, 17, (1, FRAMES), 20, 8, 0),  # none that moves a place
    WarpCase(1, 1, 1, (1, FRAMES), 0, 0, 0, CUBIC_TAPS),
    WarpCase(2, 3, 33, (FRAMES, FRAMES), 0, 0, 88, CUBIC_TAPS),  # fewer rows than taps
    WarpCase(3, 9, 70, (FRAMES, 1), 5, 0, 40, CUBIC_TAPS),
    WarpCase(5, 6, 40, (FRAMES, FRAMES), 3, 8, 16, CUBIC_TAPS),
    WarpCase(3, 7, 32, (FRAMES, 1), 0, 0, 0, CUBIC_TAPS),  # far beyond every side
)


def assert_warped(rng: np.random.Generator, case: WarpCase) -> bool:
    """CUDA's frames are the reference's, in batches that leave a rest; whether any differs from the map unwarped."""
    network, video = warped_network(rng, case), case.video
    reference = ReferenceSynthesizer(network, video, FRAMES)
    expected = [reference.frame(t)[0] for t in range(FRAMES)]
    with CudaSynthesizer(network, video, FRAMES, batch=2) as synthesizer:
        for t, frame in enumerate(synthesizer.frames(0, FRAMES)):
            assert np.array_equal(frame[0], expected[t])
    still = Program.of([*network.program.operations[:2], Planes((0,), case.root)], video)
    unwarped = ReferenceSynthesizer(IntegerNetwork(still, network.layers[:3]), video, FRAMES)
    return not all(np.array_equal(unwarped.frame(t)[0], expected[t]) for t in range(FRAMES))


@pytest.mark.parametrize("case", WARPS, ids=lambda case: f"{case.root}-{case.frac}-{case.bits}-{case.taps}")
def test_every_kind_of_warp(case: WarpCase, cuda: str) -> None:
    """Every value of the warped map is seen."""
    rng = np.random.default_rng([case.root, case.frac, case.bits])
    moved = [assert_warped(rng, case) for _ in range(4)]
    assert any(moved) == (case.width > 1 and case.frac + case.bits < 20)


def test_random_warps(cuda: str) -> None:
    rng = np.random.default_rng(14)
    moved = [assert_warped(rng, random_case(rng)) for _ in range(40)]
    assert any(moved)


def test_every_conformance_vector(cuda: str) -> None:
    outcomes = list(conformance.run_backend(conformance.load_vectors(), "cuda"))
    assert len(outcomes) > 400
    assert {outcome.vector.name: outcome.reason for outcome in outcomes if outcome.reason} == {}
