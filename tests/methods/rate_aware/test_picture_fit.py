"""The fit of a picture network: latents of one step size, which keep their values once they are rounded."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from rateaware_cases import Case, crop, size_of

from nqcodec.backbones import picture
from nqcodec.methods.rate_aware.control import controller
from nqcodec.methods.rate_aware.fit import Fitted, fit_for_size, further
from nqcodec.methods.rate_aware.settings import RateAwareSettings, with_program
from nqcodec.methods.rate_aware.trainer import CONTROL_ITERATIONS, LEAST_DELAY, RateAwareTrainer
from nqcodec.training.clip import PackedClip, pack
from nqcodec.training.start import new_network

VIDEO, FRAMES = crop(frames=1)
PROGRAM = picture.assemble(VIDEO, 1)
SETTINGS = with_program(RateAwareSettings(iterations=120, batch=1, noise=0.5, most_rounded=60), PROGRAM)


@pytest.fixture(scope="module")
def clip() -> PackedClip:
    return pack(FRAMES, VIDEO, PROGRAM)


def fresh() -> Fitted:
    return Fitted.fresh(new_network(PROGRAM, 1, SETTINGS), SETTINGS.latent_step_index)


def trainer_of(clip: PackedClip, size: int) -> RateAwareTrainer:
    """A trainer for a file whose size is always `size`, where 1,000 bytes are asked for."""
    fitted = fresh()
    control = controller(8000 * SETTINGS.aim, SETTINGS.gains)
    return RateAwareTrainer(fitted.network, clip, SETTINGS, control, lambda tensors: size, fitted.quantizers)


def test_settings_follow_from_the_program() -> None:
    usual = Case.at(0.5)
    assert with_program(usual.settings, usual.program) == usual.settings
    assert SETTINGS.latent_step_index is not None
    assert SETTINGS.deviations is not None
    rate = further(SETTINGS)
    assert rate.deviations == (SETTINGS.deviations[1],) * 2
    assert rate.latent_lr == SETTINGS.latent_lr
    assert rate.lr < SETTINGS.lr


def test_latents_keep_their_step_size_and_once_rounded_their_values(clip: PackedClip) -> None:
    trainer = trainer_of(clip, 900)
    keys = list(trainer.quantizers.contexts)
    while not trainer.rounds:
        trainer.iterate()
    kept = {key: value.detach().clone() for key, value in trainer.network.tensors.items()}
    assert any(bool(kept[key].any()) for key in keys), "latents have left 0"
    while trainer.done < trainer.iterations:
        trainer.iterate()
    assert trainer.delayed == 0
    for key, value in trainer.network.tensors.items():
        assert torch.equal(value.detach(), kept[key]) == (key in keys)
        if key in keys:
            assert float(trainer.quantizers.step_indices[key]) == SETTINGS.latent_step_index


def test_rounding_waits_for_a_file_that_is_too_large(clip: PackedClip) -> None:
    """Each time with coarser latents, but not for ever."""
    trainer = trainer_of(clip, 1001)
    while not trainer.rounds:
        trainer.iterate()
    assert trainer.delayed == LEAST_DELAY
    assert trainer.iterations == SETTINGS.iterations + LEAST_DELAY
    assert SETTINGS.latent_step_index is not None
    expected = SETTINGS.latent_step_index + LEAST_DELAY // CONTROL_ITERATIONS
    assert {float(trainer.quantizers.step_indices[key]) for key in trainer.quantizers.contexts} == {expected}
    again = trainer_of(clip, 1001)
    again.restore(trainer.state())
    assert (again.delayed, again.done) == (trainer.delayed, trainer.done)


@pytest.mark.parametrize("bpp", [1.5, 3.0])
def test_sizes_are_met_without_harm(clip: PackedClip, bpp: float) -> None:
    size, seen = int(bpp * VIDEO.pixels / 8), list[float]()
    network = fit_for_size(
        fresh(),
        clip,
        replace(SETTINGS, iterations=400),
        max_bytes=size,
        size_of=size_of,
        progress=lambda p: seen.append(p.psnr if p.psnr is not None else math.nan),
    )
    assert 0.8 * size <= size_of(network) <= size
    assert seen[-1] > 25
    assert seen[-1] > max(seen[-5:-1]) - 0.5
