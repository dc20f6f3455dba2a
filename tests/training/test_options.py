"""Options of a fit: moving averages, pruning, Quant-Noise, optimizers. Each does what it says, and resumes exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.network.program import Program
from nqcodec.quantization.quantizers import quantize_array
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.compute import compute_settings
from nqcodec.training.evaluation import evaluate
from nqcodec.training.network import FloatNetwork
from nqcodec.training.objectives import Objective
from nqcodec.training.optim import MuonAdam
from nqcodec.training.paper.ema import Average
from nqcodec.training.paper.encoder import Encoder
from nqcodec.training.paper.prune import Pruning, masks
from nqcodec.training.paper.quant_noise import NoiseTransform, QuantNoise, round_to_bits
from nqcodec.training.presets import with_optimizer
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network
from nqcodec.training.train import PlainTrainer, fit, make_optimizer

SETTINGS = FitSettings(iterations=96, seed=3)
PRUNING = Pruning(kept=0.6, share=0.3)
EVERYTHING = replace(SETTINGS, coarse=0.9, ema=0.9, pruning=PRUNING, noise=QuantNoise(share=0.3), gradient_norm=1.0)


@pytest.fixture(scope="module")
def work() -> tuple[Program, PackedClip]:
    video, frames = small_clip()
    program = hnerv.build(video, video.frames, 3_000)
    return program, pack(frames, video, program)


def fitted(work: tuple[Program, PackedClip], settings: FitSettings, **how: Any) -> FloatNetwork:
    network = new_network(work[0], work[1].frames, settings)
    fit(network, work[1], settings, **how)
    return network


def trained(work: tuple[Program, PackedClip], settings: FitSettings, iterations: int) -> PlainTrainer:
    """A trainer after some iterations, outside of `fit`."""
    trainer = PlainTrainer(new_network(work[0], work[1].frames, settings), work[1], settings)
    with compute_settings(trainer.network, settings):
        for _ in range(iterations):
            trainer.iterate()
    return trainer


def weights(network: FloatNetwork) -> torch.Tensor:
    return torch.cat([v.detach().flatten() for k, v in network.tensors.items() if k.endswith("_weight")])


def same(a: FloatNetwork, b: FloatNetwork) -> bool:
    return all(torch.equal(a.tensors[name], b.tensors[name]) for name in a.tensors)


@pytest.mark.parametrize("looks", [[True], [False, True], [False, False, True]])
@pytest.mark.parametrize("encoder", [False, True])
def test_resume_is_identical_with_everything_at_once(
    work: tuple[Program, PackedClip], tmp_path: Path, looks: list[bool], encoder: bool
) -> None:
    """Stopped in the plain part (iteration 32), while pruned (64), and at the end (96)."""
    path = tmp_path / "fit.ckpt"

    def run(**how: Any) -> FloatNetwork:
        return fitted(work, EVERYTHING, encoder=Encoder(work[0]) if encoder else None, **how)

    whole, answers = run(), iter(looks)
    stopped = run(checkpoint=path, stop=lambda: next(answers))
    assert same(whole, stopped) == (len(looks) == 3)
    assert same(whole, run(checkpoint=path, resume=True))


@pytest.mark.parametrize(
    "change",
    [
        {"coarse": 0.1},
        {"ema": 0.9},
        {"pruning": PRUNING},
        {"noise": QuantNoise()},
        {"betas": (0.5, 0.999)},
        {"loss": "l1"},
    ],
)
def test_every_option_changes_the_network_and_repeats_itself(
    work: tuple[Program, PackedClip], change: dict[str, Any]
) -> None:
    settings = replace(SETTINGS, **change)
    first = fitted(work, settings)
    torch.manual_seed(123)
    assert same(first, fitted(work, settings))
    assert not same(first, fitted(work, SETTINGS))


def test_the_coarse_part_ends_in_time(work: tuple[Program, PackedClip], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    call = Objective.__call__

    def spy(self: Objective, output: torch.Tensor, target: torch.Tensor, errors: torch.Tensor, coarse: bool) -> Any:
        seen.append(coarse)
        return call(self, output, target, errors, coarse)

    monkeypatch.setattr(Objective, "__call__", spy)
    fitted(work, replace(SETTINGS, iterations=40, coarse=0.5, pruning=Pruning(share=0.5)))
    assert seen == [True] * 10 + [False] * 30


def test_the_average_is_the_one_of_its_definition() -> None:
    value = torch.nn.Parameter(torch.zeros(2))
    average, expected = Average([value], 0.8), 0.0
    for iteration in range(20):
        with torch.no_grad():
            value.copy_(torch.tensor([1.0, -1.0]) * (iteration + 1))
        average.after_update(iteration)
        decay = min(0.8, (1 + iteration) / (10 + iteration))
        expected = decay * expected + (1 - decay) * (iteration + 1)
    assert average.values[0].tolist() == pytest.approx([expected, -expected], rel=1e-5)
    average.finish()
    assert value.tolist() == pytest.approx([expected, -expected], rel=1e-5)


def test_a_fit_ends_with_the_average_and_reports_it(work: tuple[Program, PackedClip]) -> None:
    settings = replace(SETTINGS, ema=0.9)
    trainer = trained(work, settings, settings.iterations)
    last = {name: value.detach().clone() for name, value in trainer.network.tensors.items()}
    trainer.finish()
    network = new_network(work[0], 5, settings)
    result = fit(network, work[1], settings)
    assert same(network, trainer.network)
    assert not any(torch.equal(network.tensors[name], last[name]) for name in last)
    assert result.quality == evaluate(network, work[1])


def test_an_average_tames_a_rate_that_stays_high(work: tuple[Program, PackedClip]) -> None:
    restless = replace(SETTINGS, iterations=200, floor=1.0, lr=0.1, latent_lr=0.2)
    psnrs = [evaluate(fitted(work, replace(restless, ema=ema)), work[1]).yuv for ema in (0.0, 0.95)]
    assert psnrs[1] > psnrs[0] + 1


@pytest.mark.parametrize("kept", [0.85, 0.4])
@pytest.mark.parametrize("score", ["magnitude", "scaled"])
def test_masks_take_the_lowest_scores_and_exactly_as_many(
    work: tuple[Program, PackedClip], score: str, kept: float
) -> None:
    network = new_network(work[0], 5, SETTINGS)
    found = masks(network, Pruning(kept, score))
    assert set(found) == {name for name in network.tensors if name.endswith("_weight")}
    power = {"magnitude": 0.0, "scaled": 0.5}[score]
    scores = {k: (network.tensors[k].detach().abs() / network.tensors[k].numel() ** power).numpy() for k in found}
    gone = np.concatenate([scores[k][found[k].numpy() == 0] for k in found])
    left = np.concatenate([scores[k][found[k].numpy() == 1] for k in found])
    assert len(gone) == round((1 - kept) * (len(gone) + len(left)))
    assert gone.max() <= left.min()


def test_ties_are_pruned_in_order(work: tuple[Program, PackedClip]) -> None:
    network = new_network(work[0], 5, SETTINGS)
    for name in network.tensors:
        torch.nn.init.ones_(network.tensors[name])
    flat = torch.cat([mask.flatten() for mask in masks(network, Pruning(0.75, "magnitude")).values()])
    assert flat.tolist() == sorted(flat.tolist())
    assert int((flat == 0).sum()) == round(0.25 * len(flat))


def test_pruned_weights_stay_zero_and_the_fine_tune_repairs(work: tuple[Program, PackedClip]) -> None:
    settings = replace(SETTINGS, iterations=400, pruning=PRUNING, ema=0.9)
    trainer = trained(work, settings, 280)
    assert not (weights(trainer.network) == 0).any()
    with compute_settings(trainer.network, settings):
        trainer.iterate()
        cut = evaluate(trainer.network, work[1]).yuv
        pruned = weights(trainer.network) == 0
        while trainer.done < settings.iterations:
            trainer.iterate()
    trainer.finish()
    assert int(pruned.sum()) == round(0.4 * len(pruned))
    assert torch.equal(weights(trainer.network) == 0, pruned)
    grads = [value.grad for name, value in trainer.network.tensors.items() if name.endswith("_weight")]
    assert not torch.cat([grad.flatten() for grad in grads if grad is not None])[pruned].any()
    assert evaluate(trainer.network, work[1]).yuv > cut + 1
    value = trainer.network.tensors["op1_weight"].detach().numpy()
    assert not quantize_array(value, -30, 8)[value == 0].any()


def test_noise_quantises_its_part_and_only_the_rest_has_a_gradient() -> None:
    value = torch.randn(40, 10, 3, 3, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    noise = QuantNoise(bits=4, part=0.9)

    def seen(seed: int) -> torch.Tensor:
        return NoiseTransform(noise, torch.Generator().manual_seed(seed)).tensor(1, "weight", value)

    used = seen(5)
    used.sum().backward()
    assert value.grad is not None
    passed = value.grad == 1
    assert float(passed.float().mean()) == pytest.approx(0.1, abs=0.02)
    assert torch.equal(used[passed], value[passed])
    assert torch.equal(used[~passed], round_to_bits(value.detach(), "weight", 4)[~passed])
    assert not value.grad[~passed].any()
    assert torch.equal(used, seen(5))
    assert not torch.equal(used, seen(6))
    bias = torch.randn(7)
    assert NoiseTransform(noise, torch.Generator()).tensor(1, "bias", bias) is bias


@pytest.mark.parametrize("name", ["weight", "latent"])
@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_rounded_channels_have_their_levels(name: str, bits: int) -> None:
    value = torch.randn(6, 6, 9, 9, generator=torch.Generator().manual_seed(bits)) * torch.arange(6).view(-1, 1, 1, 1)
    axis = {"weight": 0, "latent": 1}[name]
    for x, y in zip(value.unbind(axis), round_to_bits(value, name, bits).unbind(axis), strict=True):
        step = 2 * float(x.abs().max()) / (2**bits - 1) + 1e-6
        integers = (y / step).round()
        assert torch.allclose(y, integers * step, atol=1e-6)
        assert -(2 ** (bits - 1)) <= int(integers.min()) <= int(integers.max()) <= 2 ** (bits - 1) - 1
        assert float((x - y).abs().max()) <= 0.502 * step


def test_noise_makes_rounding_cost_less(work: tuple[Program, PackedClip]) -> None:
    class Rounded:
        def tensor(self, index: int, name: str, value: torch.Tensor) -> torch.Tensor:
            return value if name == "bias" else round_to_bits(value, name, 3)

        def map(self, index: int, value: torch.Tensor) -> torch.Tensor:
            return value

    def mean_psnr(bits: int) -> float:
        # Single fits differ by a decibel.
        noisy = replace(SETTINGS, iterations=400, noise=QuantNoise(bits, share=0.3))
        fits = [fitted(work, replace(noisy, seed=seed)) for seed in range(2)]
        return sum(evaluate(network, work[1], Rounded()).yuv for network in fits) / len(fits)

    assert mean_psnr(3) > mean_psnr(8) + 0.5


def test_adamw_is_torch_s_and_adam_decays_nothing(work: tuple[Program, PackedClip]) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(4, 5, generator=generator)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    mine = MuonAdam([{"params": [ours], "lr": 0.01, "decay": 0.1}], betas=(0.5, 0.99))
    reference = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.1, betas=(0.5, 0.99))
    for _ in range(20):
        gradient = torch.randn(4, 5, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        reference.step()
    assert torch.allclose(ours, theirs, atol=1e-6)
    network = new_network(work[0], 5, SETTINGS)
    for name, decays in (("muon", True), ("adam", False), ("adamw", True)):
        settings = with_optimizer(SETTINGS, name)
        group = make_optimizer(network, settings).param_groups[0]
        assert (group["muon"], group["decay"] > 0) == (name == "muon", decays)
        assert group["lr"] == settings.lr


def test_gradients_are_scaled_down_to_their_norm(work: tuple[Program, PackedClip]) -> None:
    def norm(limit: float) -> float:
        trainer = trained(work, replace(SETTINGS, gradient_norm=limit), 1)
        grads = [value.grad for value in trainer.network.tensors.values() if value.grad is not None]
        return float(torch.cat([grad.flatten() for grad in grads]).norm())

    free = norm(0.0)
    assert norm(free / 4) == pytest.approx(free / 4, rel=1e-3)
    assert norm(free * 4) == free
