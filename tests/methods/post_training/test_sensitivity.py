"""Sensitivity: the curvature against exact Jacobians, measured distortion against the loss itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nqcodec.media.video import Video
from nqcodec.methods.post_training.candidates import make_candidates
from nqcodec.methods.post_training.sensitivity import Meter, curvature, loss_slopes
from nqcodec.methods.post_training.sources import make_sources
from nqcodec.network.operations import Activation, Conv, Grid, Planes
from nqcodec.network.program import Program
from nqcodec.quantization.transform import QuantTransform
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.losses import LOSSES, plane_errors
from nqcodec.training.network import FloatNetwork

VIDEO = Video(13, 10, 2)


def small() -> tuple[FloatNetwork, PackedClip]:
    """A network with padding beyond an odd picture, and noise to fit."""
    operations = [Grid((), 2, 3, 5, 7), Conv((0,), 4, 3, activation=Activation.GELU), Conv((1,), 6, 1), Planes((2,), 2)]
    program = Program.of(operations, VIDEO)
    network = FloatNetwork(program, 2, torch.Generator().manual_seed(1))
    generator = np.random.default_rng(0)
    frames = [tuple(generator.integers(0, 256, shape, np.uint8) for shape in VIDEO.plane_shapes) for _ in range(2)]
    return network, pack(frames, VIDEO, program)


def exact_curvature(network: FloatNetwork, clip: PackedClip, key: str, loss: str) -> torch.Tensor:
    """diag(J^T W J), averaged over frames, one output sample at a time."""
    parameter = network.tensors[key]
    total = torch.zeros_like(parameter)
    for time in range(clip.frames):
        times = torch.tensor([time])
        errors = plane_errors(network(times), clip.batch(times), clip)
        slopes = loss_slopes(errors.detach(), clip, loss)
        output = network(times)
        for place in torch.cartesian_prod(*(torch.arange(n) for n in output.shape)).tolist():
            unit = torch.zeros_like(output)
            unit[tuple(place)] = 1
            weight = float((plane_errors(unit, torch.zeros_like(unit), clip) * slopes).sum())
            if weight:
                (gradient,) = torch.autograd.grad(output[tuple(place)], parameter, retain_graph=True)
                total += weight * gradient.square()
    return total / clip.frames


@pytest.mark.parametrize("loss", list(LOSSES))
def test_curvature_is_the_gauss_newton_diagonal(loss: str) -> None:
    network, clip = small()
    frames = torch.arange(2)
    draws = [curvature(network, clip, frames, loss, seed) for seed in range(150)]
    for key in ("op1_weight", "op2_bias"):
        mean = torch.stack([draw[key] for draw in draws]).mean(dim=0)
        exact = exact_curvature(network, clip, key, loss)
        assert float(mean.sum() / exact.sum()) == pytest.approx(1, abs=0.05)
        assert float(torch.corrcoef(torch.stack([mean.flatten(), exact.flatten()]))[0, 1]) > 0.9


def test_curvature_repeats_and_depends_on_its_seed() -> None:
    network, clip = small()
    first, again, other = (
        curvature(network, clip, torch.arange(2), "log-mse", seed)["op1_weight"] for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("loss", list(LOSSES))
def test_distortion_is_the_change_of_the_loss_of_one_tensor(loss: str) -> None:
    network, clip = small()
    frames = torch.arange(2)
    meter = Meter.of(network, clip, frames, loss)
    probe = QuantTransform({}, {}, only="op1_weight")
    probe.set_tensor("op1_weight", np.array([-26], np.int32), 8, clip.device)
    with torch.no_grad():
        before = LOSSES[loss](plane_errors(network(frames), clip.batch(frames), clip), clip.weights)
        after = LOSSES[loss](plane_errors(network(frames, probe), clip.batch(frames), clip), clip.weights)
    assert meter.distortion(probe) == pytest.approx(float(after - before), rel=0.05)
    probe.only = "op0_latent"
    probe.set_tensor("op0_latent", np.array([-200], np.int32), 12, clip.device)
    assert meter.distortion(probe) != pytest.approx(float(after - before), rel=0.05)


def test_candidates_trade_rate_for_distortion_within_their_evaluations() -> None:
    network, clip = small()
    sources = make_sources(network)
    meter = Meter.of(network, clip, torch.arange(2), "log-mse")
    done: list[int] = []
    candidates = make_candidates(sources, meter, 400, lambda part, whole: done.append(part))
    assert done == list(range(1, len(sources) + 1))
    options = candidates["op1_weight"]
    dearest, cheapest = max(options, key=lambda c: c.rate), min(options, key=lambda c: c.rate)
    assert dearest.rate > 3 * cheapest.rate
    assert dearest.distortion < cheapest.distortion / 20
    assert any(c.bits < 8 for c in options)
    few = make_candidates(sources, meter, 20, lambda part, whole: None)
    assert sum(map(len, few.values())) < sum(map(len, candidates.values()))
