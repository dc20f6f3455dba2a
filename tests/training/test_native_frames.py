"""libnq's frames of a float network and their gradients: against the network itself, its loss and its evaluation."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from fitting import small_clip
from torch import Tensor

from nqcodec.backbones import backbone, picture, pyramid
from nqcodec.errors import UnsupportedError
from nqcodec.media.video import Chroma, Video
from nqcodec.methods.rate_aware.quantizer import FixedTensors
from nqcodec.native.cpu import CPU_LEVELS, cpu_levels
from nqcodec.native.loading import load_libnq, why_absent
from nqcodec.network.camera_path import Path
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    Activation,
    Add,
    Concat,
    Conv,
    Grid,
    Mul,
    Operation,
    Planes,
    Upsample,
    Warp,
    Window,
)
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.evaluation import evaluate, mean_quality
from nqcodec.training.losses import LOSSES, plane_errors
from nqcodec.training.native_frames import NativeFrames, can_compute
from nqcodec.training.network import FloatNetwork

pytestmark = pytest.mark.skipif(load_libnq() is None, reason=why_absent("libnq"))

LEVELS = [cpu for cpu in CPU_LEVELS if cpu in cpu_levels()]
PATH = Path(((0, 0, 0), (2, 21, 5), (4, 13, 37)), 3)
"""A camera that moves by eighths of a sample."""


@dataclass(frozen=True)
class Fit:
    """A network with random values, and the clip that it is compared with."""

    network: FloatNetwork
    clip: PackedClip

    @property
    def values(self) -> dict[str, Tensor]:
        return {key: value.detach() for key, value in self.network.tensors.items()}


def fit_of(make: Callable[[Video], Program], **clip: object) -> Fit:
    video, frames = small_clip(**clip)  # type: ignore[arg-type]
    program = make(video)
    network = FloatNetwork(program, video.frames, torch.Generator().manual_seed(1))
    source = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in network.tensors.values():
            value.add_(0.1 * torch.randn(value.shape, generator=source))
    return Fit(network, pack(frames, video, program))


def made(*operations: Operation) -> Callable[[Video], Program]:
    return lambda video: Program.of(list(operations), video)


def pyramid_of(keys: int = 0, path: Path | None = None, moves: bool = True) -> Callable[[Video], Program]:
    settings = pyramid.Settings(keys=keys, path=path, displaced=moves)
    return lambda video: pyramid.assemble(settings, video, video.frames)


GRID = Grid((), 1, 5, 11, 18)
SAMPLES = Grid((), 2, 6, 11, 18)
FITS: dict[str, Callable[[], Fit]] = {
    "grid in time": lambda: fit_of(made(SAMPLES, Planes((0,), 2))),
    "grid for each frame": lambda: fit_of(made(Grid((), 5, 6, 11, 18), Planes((0,), 2))),
    "pointwise": lambda: fit_of(made(GRID, Conv((0,), 6, 1), Planes((1,), 2))),
    "seven inputs": lambda: fit_of(made(Grid((), 1, 7, 11, 18), Conv((0,), 6, 1), Planes((1,), 2))),
    "3x3": lambda: fit_of(made(GRID, Conv((0,), 6, 3), Planes((1,), 2))),
    "gelu": lambda: fit_of(made(GRID, Conv((0,), 6, 3, activation=Activation.GELU), Planes((1,), 2))),
    "relu": lambda: fit_of(made(GRID, Conv((0,), 6, 1, activation=Activation.RELU), Planes((1,), 2))),
    "single column": lambda: fit_of(made(Grid((), 1, 2, 3, 1), Conv((0,), 6, 3), Planes((1,), 2)), width=2, height=6),
    "enlarged": lambda: fit_of(made(Grid((), 1, 6, 6, 9), Upsample((0,), 2, 11, 18), Planes((1,), 2))),
    "enlarged, odd": lambda: fit_of(
        made(Grid((), 1, 6, 6, 10), Upsample((0,), 2, 12, 19), Planes((1,), 2)), width=37, height=23
    ),
    "one map twice": lambda: fit_of(made(SAMPLES, Add((0, 0)), Planes((1,), 2))),
    "residual": lambda: fit_of(
        made(SAMPLES, Conv((0,), 6, 3, activation=Activation.GELU), Add((0, 1)), Conv((2,), 6, 1), Planes((3,), 2))
    ),
    "sums of sums": lambda: fit_of(
        made(
            SAMPLES,
            GRID,
            Conv((1,), 6, 1),
            Conv((1,), 6, 3, activation=Activation.GELU),
            Add((2, 3)),
            Add((0, 4)),
            Planes((5,), 2),
        )
    ),
    "read again": lambda: fit_of(
        made(SAMPLES, Conv((0,), 6, 3), Add((0, 1)), Conv((1,), 6, 1), Add((3, 2)), Planes((4,), 2))
    ),
    "concatenated": lambda: fit_of(
        made(GRID, SAMPLES, Grid((), 1, 1, 11, 18), Concat((0, 1, 2)), Conv((3,), 6, 1), Planes((4,), 2))
    ),
    "window": lambda: fit_of(
        made(Grid((), 1, 6, 14, 23), Window((0,), 11, 18, 1, 3, PATH.knots), Planes((1,), 2)), width=36, height=22
    ),
    "window of cells": lambda: fit_of(
        made(Grid((), 1, 2, 25, 41), Window((0,), 11, 18, 2, 3, PATH.knots), Conv((1,), 6, 1), Planes((2,), 2))
    ),
    "warp": lambda: fit_of(
        made(SAMPLES, Grid((), 5, 2, 11, 18), Warp((0, 1), 2, CUBIC_TAPS), Planes((2,), 2)),
    ),
    "pyramid": lambda: fit_of(pyramid_of(moves=False), width=70, height=45),
    "pyramid with vectors": lambda: fit_of(pyramid_of(), width=70, height=50),
    "pyramid with key grids": lambda: fit_of(pyramid_of(keys=2), width=70, height=50),
    "pyramid along a path": lambda: fit_of(pyramid_of(path=PATH), width=70, height=50),
    "light pyramid": lambda: fit_of(
        lambda video: pyramid.assemble(pyramid.LIGHT, video, video.frames), width=70, height=45
    ),
    "picture": lambda: fit_of(lambda video: picture.assemble(video, video.frames), width=35, height=23, frames=1),
    "4:4:4, 10 bits": lambda: fit_of(pyramid_of(), width=70, height=50, chroma=Chroma.C444, depth=10),
    "grey": lambda: fit_of(pyramid_of(), width=70, height=50, chroma=Chroma.C400),
}


@pytest.fixture(scope="module", params=FITS)
def fit(request: pytest.FixtureRequest) -> Fit:
    return FITS[request.param]()


def of_torch(fit: Fit, times: list[int], loss: str = "log-mse") -> tuple[Tensor, dict[str, Tensor]]:
    """Errors, and gradients of the mean distortion."""
    leaves = {key: value.clone().requires_grad_(True) for key, value in fit.values.items()}
    batch = torch.tensor(times)
    errors = plane_errors(fit.network(batch, FixedTensors(leaves)), fit.clip.batch(batch), fit.clip)
    gradients = torch.autograd.grad(LOSSES[loss](errors, fit.clip.weights), list(leaves.values()))
    return errors.detach(), dict(zip(leaves, gradients, strict=True))


def assert_close(mine: dict[str, Tensor], theirs: dict[str, Tensor], slack: float) -> None:
    """To `slack` of each tensor's norm."""
    assert mine.keys() == theirs.keys()
    for key, expected in theirs.items():
        assert mine[key].shape == expected.shape
        assert float((mine[key] - expected).norm()) <= slack * float(expected.norm()) + 1e-9, key


@pytest.mark.parametrize("cpu", LEVELS)
def test_gradients_are_those_of_the_network(fit: Fit, cpu: str) -> None:
    times = [3, 0] if fit.clip.frames > 3 else [0]
    errors, gradients = of_torch(fit, times)
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse", cpu=cpu)
    for _ in range(2):  # the second call finds what the first one left in memory
        found = frames.gradients(times, fit.values, rounds_vectors=False)
        assert torch.allclose(found.errors, errors, rtol=1e-5)
        assert_close(found.tensors, gradients, 2e-5)


def test_gradients_with_factors_of_bfloat16(fit: Fit) -> None:
    """Eight bits of each factor: to some thousandths."""
    times = [3, 0] if fit.clip.frames > 3 else [0]
    errors, gradients = of_torch(fit, times)
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse", bfloat16=True)
    for _ in range(2):
        found = frames.gradients(times, fit.values, rounds_vectors=False)
        assert torch.allclose(found.errors, errors, rtol=1e-2)
        assert_close(found.tensors, gradients, 2e-2)


@pytest.mark.parametrize("name", ["pointwise", "seven inputs", "3x3", "single column"])
def test_factors_that_are_bfloat16_already_lose_nothing(name: str) -> None:
    fit = FITS[name]()
    with torch.no_grad():
        for value in fit.network.tensors.values():
            value.copy_(value.bfloat16())
    errors, _ = of_torch(fit, [0, 1])
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse", bfloat16=True)
    assert torch.allclose(frames.gradients([0, 1], fit.values, rounds_vectors=False).errors, errors, rtol=1e-5)


def test_gradients_of_the_mean_squared_error() -> None:
    fit = FITS["pyramid with vectors"]()
    _, gradients = of_torch(fit, [1, 4], "mse")
    frames = NativeFrames(fit.network.program, fit.clip, "mse")
    assert_close(frames.gradients([1, 4], fit.values, rounds_vectors=False).tensors, gradients, 2e-5)


@pytest.mark.parametrize("name", ["warp", "pyramid with key grids", "pyramid along a path"])
def test_vectors_are_rounded_as_the_decoder_does(name: str) -> None:
    fit = FITS[name]()
    fit.network.rounds_vectors = True
    errors, gradients = of_torch(fit, [2, 3])
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse")
    found = frames.gradients([2, 3], fit.values, rounds_vectors=True)
    # A vector halfway between two places may go either way.
    assert_close(found.tensors, gradients, 2e-2)
    assert torch.allclose(found.errors, errors, rtol=1e-4)


def test_vectors_that_are_rounded_lead_elsewhere() -> None:
    fit = FITS["warp"]()
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse")
    rounded, exact = (frames.gradients([2, 3], fit.values, rounds_vectors=rounds).errors for rounds in (True, False))
    assert not torch.allclose(rounded, exact, rtol=1e-4)


@pytest.mark.parametrize("name", ["pyramid with vectors", "picture", "4:4:4, 10 bits"])
def test_quality_is_that_of_the_evaluation(name: str) -> None:
    fit = FITS[name]()
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse")
    for as_samples in (False, True):
        errors = frames.errors(range(fit.clip.frames), fit.values, rounds_vectors=False, as_samples=as_samples)
        expected = evaluate(fit.network, fit.clip, as_samples=as_samples)
        assert mean_quality(errors, fit.clip).planes == pytest.approx(expected.planes, abs=1e-3)


def test_the_result_depends_on_the_input_alone() -> None:
    fit = FITS["pyramid with key grids"]()
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse")

    def flat(t: int) -> bytes:
        found = frames.gradients([t], fit.values, rounds_vectors=False).tensors
        return torch.cat([gradient.reshape(-1) for gradient in found.values()]).numpy().tobytes()

    alone = [flat(t) for t in range(5)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(flat, list(range(5)) * 8)) == alone * 8


def test_torch_computes_what_libnq_does_not() -> None:
    video, frames = small_clip()
    other = backbone("hinerv", video.frames, None).build(video, video.frames, 20_000)
    assert not can_compute(other, pack(frames, video, other), "log-mse")
    for operations in (
        [SAMPLES, Grid((), 5, 2, 11, 18), Warp((0, 1), 2, LINEAR_TAPS), Planes((2,), 2)],
        [GRID, Conv((0,), 6, 3, activation=Activation.SILU), Planes((1,), 2)],
        [Grid((), 1, 6, 3, 5), Upsample((0,), 4, 11, 18), Planes((1,), 2)],
    ):
        program = Program.of(operations, video)
        assert not can_compute(program, pack(frames, video, program), "log-mse")


@pytest.mark.parametrize(
    "operations",
    [
        (GRID, Conv((0,), 6, 5), Planes((1,), 2)),
        (GRID, Conv((0,), 6, 3, activation=Activation.SILU), Planes((1,), 2)),
        (Grid((), 1, 6, 3, 5), Upsample((0,), 4, 11, 18), Planes((1,), 2)),
        (SAMPLES, SAMPLES, Mul((0, 1)), Planes((2,), 2)),
    ],
)
def test_the_library_refuses_programs_that_it_cannot_compute(operations: tuple[Operation, ...]) -> None:
    fit = fit_of(made(*operations))
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse")
    with pytest.raises(ValueError, match="float network: the program or frame is not valid"):
        frames.errors([0], fit.values, rounds_vectors=False, as_samples=False)


def test_a_level_that_the_cpu_does_not_have_is_refused() -> None:
    fit = FITS["3x3"]()
    with pytest.raises(UnsupportedError, match="not one of this machine's"):
        NativeFrames(fit.network.program, fit.clip, "log-mse", cpu="quantum")


def test_frames_outside_of_the_segment_are_refused() -> None:
    fit = FITS["3x3"]()
    frames = NativeFrames(fit.network.program, fit.clip, "log-mse")
    with pytest.raises(ValueError, match="argument"):
        frames.errors([fit.clip.frames], fit.values, rounds_vectors=False, as_samples=False)
    assert np.isfinite(frames.errors([0], fit.values, rounds_vectors=False, as_samples=False).numpy()).all()
