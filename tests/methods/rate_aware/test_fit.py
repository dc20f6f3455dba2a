"""Short rate-aware fits of real frames: sizes, exactness, the same result after any interruption, threads, errors."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from dequantized import dequantized
from rateaware_cases import QUICK, Case, crop, size_of
from torch import Tensor

from nqcodec.bitstream.segment import pack_segment
from nqcodec.errors import InputError, NqError
from nqcodec.media.metrics import QualityMeter
from nqcodec.methods.rate_aware.control import controller
from nqcodec.methods.rate_aware.fit import (
    RATE_SHIFT,
    Fitted,
    expected_time,
    fit_for_size,
    further,
    shift_step_indices,
)
from nqcodec.methods.rate_aware.settings import RateAwareSettings, preset_settings
from nqcodec.methods.rate_aware.trainer import (
    CONTROL_ITERATIONS,
    MOST_SHIFT,
    RateAwareTrainer,
)
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.quantization.size_search import SizeError
from nqcodec.synthesis.backends import open_synthesizer
from nqcodec.synthesis.reference import cropped_planes
from nqcodec.training.presets import RATE_AWARE_PRESETS
from nqcodec.training.progress import Progress
from nqcodec.training.session import Measured

LEAST = 0.95
"""Part of the bytes asked for that even these short fits use: they are steered for a fifteenth of the usual
iterations."""

LATE = replace(QUICK, aim=0.9, min_ratio=0.98)
"""Steered below its window, so that a fit takes all of its extra iterations."""


def fit(case: Case, fitted: Fitted | None = None, **arguments: object) -> IntegerNetwork:
    return fit_for_size(
        fitted or case.fresh(),
        case.clip,
        case.settings,
        max_bytes=case.bytes,
        size_of=size_of,
        **arguments,  # type: ignore[arg-type]
    )


def payload(network: IntegerNetwork) -> bytes:
    return pack_segment(network).coded


def decoded_psnr(network: IntegerNetwork) -> float:
    """PSNR-YUV of the integer network's frames against those of the crop."""
    video, frames = crop()
    meter = QualityMeter(video)
    with open_synthesizer(network, video, video.frames) as synthesizer:
        for t, frame in enumerate(frames):
            meter.add(frame, synthesizer.frame(t))
    return meter.means()["yuv"]


@pytest.mark.parametrize(("bpp", "iterations"), [(0.1, 100), (0.4, 100), (1.5, 600)])
def test_files_are_as_large_as_asked_for_and_no_larger(bpp: float, iterations: int) -> None:
    case, seen = Case.at(bpp, replace(QUICK, iterations=iterations)), list[Progress]()
    size = size_of(fit(case, progress=seen.append))
    assert LEAST * case.bytes <= size <= case.bytes
    assert [state.iteration for state in seen[:4]] == [25, 50, 75, 100]
    assert all(state.iteration <= state.iterations and (state.size or 0) > 0 and state.eta >= 0 for state in seen)
    assert bpp < 0.4 or seen[-1].psnr > seen[0].psnr


def test_what_is_decoded_is_what_was_trained() -> None:
    """Integers lose next to nothing against the float network with the same rounded tensors."""
    case = Case.at(1.0)
    fitted = case.fresh()
    network = fit(case, fitted)
    video, frames = crop()
    floats = dequantized(network, video.frames)
    exact, rounded = QualityMeter(video), QualityMeter(video)
    ratio = network.program.operations[-1].ratio
    apart = []
    with open_synthesizer(network, video, video.frames) as synthesizer:
        for t, frame in enumerate(frames):
            decoded = synthesizer.frame(t)
            with torch.no_grad():
                packed = floats(torch.tensor([t]))[0].numpy()
            codes = ((packed + 0.5) * 256).clip(0, 255)
            planes = tuple(plane.round().astype(np.uint8) for plane in cropped_planes(codes, ratio, video))
            apart += [np.abs(a.astype(int) - b).mean() for a, b in zip(decoded, planes, strict=True)]
            exact.add(frame, decoded)
            rounded.add(frame, planes)
    assert max(apart) < 1
    assert exact.means()["yuv"] == pytest.approx(rounded.means()["yuv"], abs=0.05)
    assert exact.means()["yuv"] > 26, "a fit of real frames must resemble them"


def test_the_seed_decides_the_file() -> None:
    case = Case.at(0.4)
    first, same = payload(fit(case)), payload(fit(case))
    other = payload(fit(replace(case, settings=replace(QUICK, seed=1))))
    assert first == same != other


def interrupt(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    """A real Ctrl-C after iteration `iteration` of any fit."""
    original = RateAwareTrainer.iterate

    def counting(trainer: RateAwareTrainer) -> Measured:
        result = original(trainer)
        if trainer.done == iteration:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(RateAwareTrainer, "iterate", counting)


@pytest.fixture(scope="module")
def undisturbed() -> bytes:
    """A fit that takes iterations of every phase, extra ones included."""
    seen = list[Progress]()
    whole = payload(fit(Case.at(0.4, LATE), progress=seen.append))
    assert seen[-1].iteration == 200, "or the extra phase is not tested"
    return whole


@pytest.mark.parametrize("iteration", [10, 50, 63, 76, 100, 104, 150, 199])
def test_ctrl_c_keeps_the_state_and_resume_gives_the_same_file(
    iteration: int, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under noise, as values are rounded and step indices become whole, after that, at the end, and beyond it."""
    case, kept = Case.at(0.4, LATE), tmp_path / "state.safetensors"
    before = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        interrupt(patch, iteration)
        with pytest.raises(KeyboardInterrupt):
            fit(case, checkpoint=kept)
    assert signal.getsignal(signal.SIGINT) is before
    taken = list[Progress]()
    assert payload(fit(case, checkpoint=kept, resume=True, progress=taken.append)) == undisturbed
    assert all(state.iteration > iteration for state in taken)


@pytest.mark.parametrize("looks", [1, 3, 5])
def test_stop_keeps_the_state_and_resume_gives_the_same_file(looks: int, undisturbed: bytes, tmp_path: Path) -> None:
    case, kept = Case.at(0.4, LATE), tmp_path / "state.safetensors"
    asked = []

    def stop() -> bool:
        asked.append(None)
        return len(asked) == looks

    with pytest.raises(NqError, match="stopped at iteration"):
        fit(case, checkpoint=kept, stop=stop)
    assert payload(fit(case, checkpoint=kept, resume=True)) == undisturbed


def test_resume_of_a_finished_fit_takes_no_more_steps(tmp_path: Path) -> None:
    case, kept = Case.at(0.4), tmp_path / "state.safetensors"
    whole = payload(fit(case, checkpoint=kept))
    taken = list[Progress]()
    assert payload(fit(case, checkpoint=kept, resume=True, progress=taken.append)) == whole
    assert [state.iteration for state in taken] == [taken[0].iterations], (
        "the final figures are reported again, and nothing else"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda case: replace(case, bytes=case.bytes + 1),
        lambda case: replace(case, settings=replace(case.settings, iterations=101)),
        lambda case: replace(case, settings=replace(case.settings, seed=1)),
        lambda case: replace(case, settings=replace(case.settings, threads=2)),
        lambda case: replace(case, clip=replace(case.clip, data=case.clip.data.flip(0))),
    ],
    ids=["size", "iterations", "seed", "threads", "clip"],
)
def test_a_checkpoint_of_something_else_is_refused(change: Callable[[Case], Case], tmp_path: Path) -> None:
    case, kept = Case.at(0.4), tmp_path / "state.safetensors"
    with pytest.raises(NqError, match="stopped"):
        fit(case, checkpoint=kept, stop=lambda: True)
    with pytest.raises(InputError, match="another network, clip, size or settings"):
        fit(change(case), checkpoint=kept, resume=True)


def test_two_threads_land_and_repeat() -> None:
    case = Case.at(0.4, replace(QUICK, threads=2))
    threads, seen = torch.get_num_threads(), list[Progress]()
    first = fit(case, progress=seen.append)
    assert LEAST * case.bytes <= size_of(first) <= case.bytes
    assert payload(fit(case)) == payload(first)
    assert torch.get_num_threads() == threads
    # The last report is made once the threads have ended.
    assert seen[-1].psnr == pytest.approx(decoded_psnr(first), abs=0.1)


def test_too_small_a_file_is_refused_at_once_and_the_least_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case.at(0.005)
    with monkeypatch.context() as patch:
        patch.setattr(RateAwareTrainer, "iterate", None)
        with pytest.raises(SizeError, match="too few") as caught:
            fit(case)
    possible = replace(case, bytes=round(1.03 * caught.value.possible))
    assert size_of(fit(possible)) <= possible.bytes


def test_bits_that_have_no_use_are_not_spent() -> None:
    """More bytes than all values take at their finest: the file is smaller, and is what the fit came to."""
    case, seen = replace(Case.at(0.3), bytes=Case.at(30).bytes), list[Progress]()
    size = size_of(fit(case, progress=seen.append))
    assert size < 0.5 * case.bytes
    assert size == seen[-1].size


@pytest.mark.parametrize("bpp", [0.1, 0.4, 1.5])
def test_files_show_what_their_fits_ended_with(bpp: float) -> None:
    """The last progress is of all frames with the values as they go into the file, after which nothing spoils them."""
    case, seen = Case.at(bpp), list[Progress]()
    network = fit(case, progress=seen.append)
    assert decoded_psnr(network) == pytest.approx(seen[-1].psnr, abs=0.1)
    assert size_of(network) == seen[-1].size


def trainer_of(size: int) -> RateAwareTrainer:
    """A trainer for a file whose size is always `size`, where 1,000 bytes are asked for."""
    case = Case.at(0.4)
    fitted, control = case.fresh(), controller(8000 * QUICK.aim)
    return RateAwareTrainer(fitted.network, case.clip, QUICK, control, lambda tensors: size, fitted.quantizers)


@pytest.mark.parametrize(("size", "shifted"), [(500, 0.0), (980, 0.0), (1000, MOST_SHIFT)])
def test_steps_become_whole_with_the_rounding_and_coarser_only_if_a_file_is_too_large(
    size: int, shifted: float
) -> None:
    trainer = trainer_of(size)
    while not trainer.rounds:
        trainer.iterate()
    learned = {key: float(index) for key, index in trainer.quantizers.step_indices.items()}
    expected = trainer.quantizers.whole_indices(shifted)
    assert any(index % 1 for index in learned.values())
    trainer.iterate()
    assert {key: float(index) for key, index in trainer.quantizers.step_indices.items()} == expected
    while trainer.done < trainer.iterations:
        trainer.iterate()
    assert {key: float(index) for key, index in trainer.quantizers.step_indices.items()} == expected


@pytest.mark.parametrize(("size", "kept"), [(980, True), (1000, True), (1001, False)])
def test_the_best_rounded_state_that_is_small_enough_is_kept(
    size: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, measured, states = trainer_of(size), iter((30.0, 32.0, 31.0)), list[dict[str, Tensor]]()
    monkeypatch.setattr(trainer, "psnr", lambda: next(measured))
    while not trainer.rounds:
        trainer.iterate()
    trainer.look()
    assert trainer.best is None, "step indices are not whole before the first iteration with rounding"
    while trainer.done < trainer.iterations:
        trainer.iterate()
        if trainer.done % 15 == 0:
            trainer.look()
            states.append({key: value.detach().clone() for key, value in trainer.network.tensors.items()})
    assert (trainer.best is not None) == kept
    assert not trainer.is_full
    if trainer.best:
        assert (trainer.best.psnr, trainer.best.size) == (32.0, size)
        trainer.best.take(trainer.network, trainer.quantizers)
        assert all(torch.equal(value, states[1][key]) for key, value in trainer.network.tensors.items())
        assert not all(torch.equal(value, states[2][key]) for key, value in trainer.network.tensors.items())
        trainer.rounded_size = 1001
        assert trainer.is_full


@pytest.fixture(scope="module")
def middle() -> Fitted:
    """A fit at 0.6 bits a pixel, which nothing may change."""
    case = Case.at(0.6)
    fitted = case.fresh()
    fit(case, fitted)
    return fitted


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_further_rates_start_from_the_first(factor: float, middle: Fitted) -> None:
    """A few more iterations from a fit are better than the same few from nothing, at rates around it."""
    case = Case.at(0.6)
    more = replace(case, bytes=round(factor * case.bytes), settings=further(case.settings))
    kept = {name: value.clone() for name, value in middle.extra().items()}
    another, seen, alone = middle.copy(), list[Progress](), list[Progress]()
    shift_step_indices(another, more.bytes, size_of)
    assert LEAST * more.bytes <= size_of(fit(more, another, progress=seen.append)) <= more.bytes
    fit(more, progress=alone.append)
    assert seen[-1].psnr > alone[-1].psnr
    assert all(torch.equal(kept[name], value) for name, value in middle.extra().items())


@pytest.mark.parametrize("factor", [0.6, 1.5])
def test_shift_steps_brings_a_fit_part_of_the_way_to_another_size(factor: float, middle: Fitted) -> None:
    fitted, target = middle.copy(), round(factor * Case.at(0.6).bytes)
    shift_step_indices(fitted, target, size_of)
    moved = [
        float(index - before)
        for index, before in zip(
            fitted.quantizers.step_indices.values(), middle.quantizers.step_indices.values(), strict=True
        )
    ]
    assert max(moved) - min(moved) < 1e-3, "all alike"
    before, after = middle.size(size_of), fitted.size(size_of)
    assert after == pytest.approx(before * (target / before) ** RATE_SHIFT, rel=0.1)


def test_expected_time_changes_nothing() -> None:
    case = Case.at(0.4)
    fitted = case.fresh()
    before = {name: value.clone() for name, value in fitted.extra().items()}
    values = {name: value.detach().clone() for name, value in fitted.network.tensors.items()}
    seconds = expected_time(fitted, case.clip, case.settings).seconds
    assert 0 < seconds < math.inf
    longer = expected_time(fitted, case.clip, replace(case.settings, iterations=100_000)).seconds
    assert longer > 100 * seconds
    assert all(torch.equal(before[name], value) for name, value in fitted.extra().items())
    assert all(torch.equal(values[name], value) for name, value in fitted.network.tensors.items())


def test_each_preset_is_longer_than_the_one_before() -> None:
    for frames in (1, 8, 60, 132):
        looks = [
            given.iterations * given.batch for given in (preset_settings(name, frames) for name in RATE_AWARE_PRESETS)
        ]
        assert all(3 * short < long for short, long in pairwise(looks))
    assert preset_settings("fast", 1).batch == 1
    assert [(given.batch, given.iterations) for given in (preset_settings("fast", n) for n in (8, 32, 64, 120))] == [
        (2, 5760),
        (2, 5760),
        (4, 5760),
        (8, 5400),
    ]
    given = preset_settings("fast", 8, seed=3, threads=2)
    assert (given.seed, given.threads, given.device) == (3, 2, "cpu")
    with pytest.raises(NqError, match="choose one of"):
        preset_settings("faster", 8)


def test_control_steps_divide_the_tests_settings() -> None:
    """Phases of `QUICK` begin at looks at the size, so that interruptions are tested at and between them."""
    settings: RateAwareSettings = QUICK
    assert settings.noise * settings.iterations % CONTROL_ITERATIONS == 0
