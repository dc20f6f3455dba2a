"""Schedules, stages, and the papers' recipes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from nqcodec.errors import UsageError
from nqcodec.training.paper.prune import Pruning
from nqcodec.training.paper.quant_noise import QuantNoise
from nqcodec.training.presets import with_optimizer
from nqcodec.training.recipes import RECIPES, paper_recipe
from nqcodec.training.schedule import SCHEDULES
from nqcodec.training.settings import FitSettings
from nqcodec.training.stages import learning_rate, stage_at, stages

PLAIN = FitSettings(iterations=100, warmup=0.0)


def rates(settings: FitSettings) -> list[float]:
    return [learning_rate(iteration, settings) for iteration in range(settings.iterations)]


def test_the_default_is_a_cosine_over_all_iterations_times_a_warm_up() -> None:
    default = rates(FitSettings(iterations=400))
    expected = [min(1.0, (s + 1) / 20) * (0.5 + 0.5 * math.cos(math.pi * s / 400)) for s in range(400)]
    assert default == expected


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_begin_at_the_peak_and_do_not_rise(name: str) -> None:
    found = rates(replace(PLAIN, schedule=name))
    assert found[0] == 1
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < 0.05
    assert min(rates(replace(PLAIN, schedule=name, floor=0.2))) == 0.2


def test_shapes() -> None:
    assert rates(replace(PLAIN, schedule="linear"))[25] == pytest.approx(0.75)
    assert [rates(replace(PLAIN, schedule="step"))[s] for s in (49, 50, 74, 75)] == [1, 0.1, 0.1, 0.01]
    assert [rates(replace(PLAIN, schedule="constant-decay"))[s] for s in (70, 85)] == pytest.approx([1, 0.5])


def test_a_late_cosine_begins_at_the_end_of_the_warm_up() -> None:
    settings = replace(PLAIN, schedule="late-cosine", warmup=0.2, warmup_from=0.1)
    found = rates(settings)
    assert found[0] == pytest.approx(0.1 + 0.9 / 20)
    assert found[19] == found[20] == 1
    assert found[60] == pytest.approx(0.5)
    assert rates(replace(settings, schedule="cosine"))[60] == pytest.approx(0.5 + 0.5 * math.cos(0.6 * math.pi))


def test_stages_share_out_the_iterations_and_each_has_its_own_schedule() -> None:
    pruning, noise = Pruning(share=0.3, rate=0.5), QuantNoise(share=0.1, rate=0.1)
    settings = replace(PLAIN, pruning=pruning, noise=noise)
    assert [(s.name, s.first, s.iterations) for s in stages(settings)] == [
        ("fit", 0, 60),
        ("prune", 60, 30),
        ("noise", 90, 10),
    ]
    found = rates(settings)
    assert found[:60] == rates(replace(PLAIN, iterations=60))
    assert (found[60], found[90]) == (0.5, 0.1)
    assert found[60:90] == pytest.approx([0.5 * rate for rate in rates(replace(PLAIN, iterations=30))])
    assert stage_at(100, settings).name == "noise"
    assert [s.iterations for s in stages(replace(settings, iterations=4))] == [2, 1, 1]


def test_recipes_are_the_papers() -> None:
    nerv, hnerv, neuroquant = (paper_recipe(name, 132) for name in ("nerv", "hnerv", "neuroquant"))
    assert (nerv.iterations, nerv.batch, nerv.lr, nerv.betas, nerv.warmup) == (300 * 132, 1, 5e-4, (0.5, 0.999), 0.2)
    assert (nerv.loss, nerv.warmup_from, nerv.schedule) == ("l1-ssim", 0.1, "late-cosine")
    assert (hnerv.iterations, hnerv.batch, hnerv.lr, hnerv.loss) == (300 * 66, 2, 1e-3, "mse")
    assert (hnerv.betas, hnerv.warmup, hnerv.floor) == ((0.9, 0.999), 0.1, 0)
    assert (neuroquant.iterations, neuroquant.lr, neuroquant.floor) == (300 * 132, 5e-4, 0.05)
    hinerv = paper_recipe("hinerv-pruned", 10)
    assert [s.iterations for s in stages(hinerv)] == [3000, 600, 300]
    assert (hinerv.gradient_norm, hinerv.loss) == (1, "l1-ms-ssim")
    assert learning_rate(2999, hinerv) == pytest.approx(0.01)
    assert [s.iterations for s in stages(paper_recipe("nerv-pruned", 10))] == [3000, 1000]


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_adam_in_float32_at_one_rate(name: str) -> None:
    settings = paper_recipe(name, 1, seed=3, threads=2)
    assert (settings.optimizer, settings.dtype, settings.batch) == ("adam", "float32", 1)
    assert settings.lr == settings.rest_lr == settings.latent_lr
    assert (settings.decay, settings.seed, settings.threads) == (0, 3, 2)


def test_names_and_values_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="hinerv"):
        paper_recipe("nerf", 10)
    with pytest.raises(UsageError, match="muon"):
        with_optimizer(PLAIN, "sgd")
    for wrong, text in (
        ({"loss": "l3"}, "log-mse"),
        ({"schedule": "flat"}, "linear"),
        ({"ema": 1.0}, "decay"),
        ({"coarse": 0.1, "loss": "l1-ssim"}, "full sizes"),
        ({"pruning": Pruning(share=0.6), "noise": QuantNoise(share=0.5)}, "no iterations"),
    ):
        with pytest.raises(UsageError, match=text):
            replace(PLAIN, **wrong)
    for make in (
        lambda: Pruning(kept=0),
        lambda: Pruning(share=1),
        lambda: Pruning(score="l2"),
        lambda: QuantNoise(bits=1),
        lambda: QuantNoise(part=0),
        lambda: QuantNoise(share=1),
    ):
        with pytest.raises(UsageError):
            make()
