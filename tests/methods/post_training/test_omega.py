"""Omega against a full Hessian on a tiny network, its terms between tensors, and the criteria that share its units."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from nqcodec.errors import UsageError
from nqcodec.media.video import Video
from nqcodec.methods.post_training.criteria import Substitution, changes, make_criterion
from nqcodec.methods.post_training.omega import Omega
from nqcodec.methods.post_training.sensitivity import loss_slopes, measure_curvature
from nqcodec.network.operations import Activation, Conv, Grid, Planes
from nqcodec.network.program import Program
from nqcodec.quantization.quantizers import QuantizerKind
from nqcodec.quantization.settings import CRITERIA
from nqcodec.quantization.transform import QuantTransform
from nqcodec.reporting.sensitivity_table import SensitivitySettings, measure_sensitivities
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.losses import LOSSES, plane_errors
from nqcodec.training.network import FloatNetwork
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import fit

VIDEO = Video(12, 8, 3)
FRAMES = torch.arange(3)


def tiny(iterations: int = 0) -> tuple[FloatNetwork, PackedClip]:
    """A network of 143 parameters, and a gradient that moves."""
    operations = [
        Grid((), 3, 2, 2, 3),
        Conv((0,), 3, 1, activation=Activation.GELU),
        Conv((1,), 24, 1),
        Planes((2,), 4),
    ]
    program = Program.of(operations, VIDEO)
    frames = []
    for t in range(3):
        grids = [np.mgrid[:height, :width] for height, width in VIDEO.plane_shapes]
        frames.append(tuple((60 + 9 * (x + 2 * t) + 5 * y).astype(np.uint8) for y, x in grids))
    clip = pack(frames, VIDEO, program)
    settings = FitSettings(max(iterations, 1), dtype="float32", batch=3)
    network = new_network(program, 3, settings)
    if iterations:
        fit(network, clip, settings)
    return network, clip


def noise(network: FloatNetwork, seed: int, size: float = 0.01) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {key: size * torch.randn(value.shape, generator=generator) for key, value in network.tensors.items()}


def full_hessian(network: FloatNetwork, clip: PackedClip, loss: str) -> Tensor:
    """Of the loss, to first order in the plane errors, in all parameters at once, float32 [n, n]."""
    sizes = [value.numel() for value in network.tensors.values()]
    with torch.no_grad():
        slopes = loss_slopes(plane_errors(network(FRAMES), clip.batch(FRAMES), clip), clip, loss)

    def objective(flat: Tensor) -> Tensor:
        parts = zip(network.tensors.items(), flat.split(sizes), strict=True)
        values = {f"tensors.{key}": part.view(value.shape) for (key, value), part in parts}
        return (plane_errors(functional_call(network, values, (FRAMES,)), clip.batch(FRAMES), clip) * slopes).sum()

    flat = torch.cat([value.detach().flatten() for value in network.tensors.values()])
    return torch.autograd.functional.hessian(objective, flat)


@pytest.mark.parametrize("loss", list(LOSSES))
def test_omega_is_the_full_hessian_between_all_pairs_of_tensors(loss: str) -> None:
    network, clip = tiny()
    hessian = full_hessian(network, clip, loss).double()
    change = noise(network, 0)
    blocks = torch.block_diag(*(value.flatten()[:, None] for value in change.values())).double()
    expected = (blocks.T @ hessian @ blocks / 2).numpy()
    omega = Omega(network, clip, FRAMES, loss)
    pairs = omega.pairs(list(change.items()))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(pairs, expected, rtol=1e-3, atol=1e-4 * scale)
    assert omega.of(change) == pytest.approx(expected.sum(), rel=1e-3)
    assert abs(expected.sum() - np.trace(expected)) > 0.05 * np.trace(expected)


def test_several_changes_of_one_tensor_are_pairs_too() -> None:
    network, clip = tiny()
    omega = Omega(network, clip, FRAMES, "mse")
    first, second = (noise(network, seed)["op1_weight"] for seed in (1, 2))
    bias = noise(network, 3)["op2_bias"]
    counts: list[tuple[int, int]] = []
    pairs = omega.pairs(
        [("op1_weight", first), ("op2_bias", bias), ("op1_weight", second)], lambda *count: counts.append(count)
    )
    assert counts == [(i, 9) for i in range(1, 10)]
    assert pairs[0, 0] == pytest.approx(omega.of({"op1_weight": first}), rel=1e-4)
    together = omega.of({"op1_weight": first + second, "op2_bias": bias})
    assert together == pytest.approx(pairs.sum(), rel=1e-3)


def test_predictions_meet_measurements_on_a_fitted_network() -> None:
    """Small changes of a fit: the second-order term is what the loss does; the diagonal is of the same size."""
    network, clip = tiny(iterations=400)
    curvatures = measure_curvature(network, clip, frames=3, loss="log-mse", seed=0)
    probe = QuantTransform({}, {}, only="op2_weight")
    probe.set_tensor("op2_weight", np.array([-48], np.int32), 8, clip.device)
    figures = {
        name: make_criterion(name, network, clip, frames=3, loss="log-mse", curvatures=curvatures).distortion(probe)
        for name in CRITERIA
    }
    assert figures["measured"] > 0
    assert figures["omega"] == pytest.approx(figures["measured"], rel=0.3)
    assert 0.2 < figures["fisher"] / figures["omega"] < 5


def test_fisher_is_the_curvature_times_squared_changes() -> None:
    network, clip = tiny()
    curvatures = {key: torch.rand(value.shape) for key, value in network.tensors.items()}
    criterion = make_criterion("fisher", network, clip, frames=1, loss="mse", curvatures=curvatures)
    values = {key: network.tensors[key].detach() + 0.5 for key in ("op0_latent", "op2_bias")}
    expected = 0.25 * sum(float(curvatures[key].sum()) for key in values)
    assert criterion.distortion(Substitution(values)) == pytest.approx(expected, rel=1e-5)
    assert set(changes(network, Substitution(values))) == set(values)


def test_an_unknown_criterion_is_refused_by_name() -> None:
    network, clip = tiny()
    with pytest.raises(UsageError, match=r"by luck: choose one of measured, omega, fisher"):
        make_criterion("luck", network, clip, frames=1, loss="mse", curvatures={})


@pytest.mark.parametrize("method", CRITERIA)
def test_a_survey_has_every_tensor_at_every_width(method: str) -> None:
    network, clip = tiny(iterations=60)
    done: list[int] = []
    settings = SensitivitySettings(method, (2, 4, 7), QuantizerKind(per_channel=True), frames=3)
    result = measure_sensitivities(network, clip, settings, lambda count, _: done.append(count))
    assert done == [1, 2, 3]
    assert [tensor.key for tensor in result.tensors] == list(network.tensors)
    sums = result.distortions.sum(axis=0)
    assert sums[0] > 3 * sums[1] > 3 * sums[2] > 0
    assert np.all(np.diff(result.rates.sum(axis=0)) > 0)
    if method == "fisher":
        assert result.together == pytest.approx(sums, rel=1e-5)
    else:
        assert result.together != pytest.approx(sums, rel=1e-3)
    if result.pairs is not None:
        assert result.pairs.sum(axis=(1, 2)) == pytest.approx(result.together)
        assert method == "omega"
