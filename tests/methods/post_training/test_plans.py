"""Plans by name: every allocation meets its budget and its size window, and uniform ones are uniform."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from fitted_networks import fitted_network
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.errors import UsageError
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.methods.post_training.plans import UNIFORM_BIAS_BITS, Quantizable, make_plan
from nqcodec.methods.post_training.sensitivity import measure_curvature
from nqcodec.methods.post_training.sources import make_sources
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.quantization.quantizers import bits_needed
from nqcodec.quantization.settings import ALLOCATIONS, QuantSettings
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork


@pytest.fixture(scope="module")
def fitted() -> tuple[FloatNetwork, PackedClip]:
    video, frames = small_clip()
    program = hnerv.build(video, video.frames, 3000)
    return fitted_network(program, video, frames, 200)


@pytest.fixture(scope="module")
def known(fitted: tuple[FloatNetwork, PackedClip]) -> Quantizable:
    network, clip = fitted
    curvatures = measure_curvature(network, clip, frames=2, loss="log-mse", seed=0)
    return Quantizable(network, clip, make_sources(network), curvatures)


def settings_for(allocation: str) -> QuantSettings:
    return QuantSettings(finetune_iterations=0, allocation=allocation, frames=2, evaluations=120)


def size_of(network: IntegerNetwork) -> int:
    return pack_segment(network).size


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_plans_use_their_budget_and_predict_less_loss_for_more(known: Quantizable, allocation: str) -> None:
    parameters = known.network.program.parameters
    plans = []
    for bits in (3, 4, 5):
        reports: list[tuple[int, int]] = []
        plan = make_plan(known, bits * parameters, settings_for(allocation), lambda *r: reports.append(r))  # noqa: B023
        assert 0.93 * bits * parameters < plan.rate <= bits * parameters
        assert plan.slope > 0
        assert allocation == "uniform" or reports[-1][0] == reports[-1][1] > 1
        plans.append(plan)
    assert plans[0].distortion > plans[1].distortion > plans[2].distortion > 0


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_every_allocation_meets_the_size_window_and_repeats(
    fitted: tuple[FloatNetwork, PackedClip], allocation: str
) -> None:
    network, clip = fitted
    settings = settings_for(allocation)
    digests = set()
    for _ in range(2):
        coded = quantize(network, clip, max_bytes=1500, size_of=size_of, settings=settings)
        assert 1470 <= size_of(coded) <= 1500
        digests.add(hashlib.md5(pack_segment(coded).coded).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize("allocation", ALLOCATIONS)
def test_what_is_calibrated_is_not_filled_up(fitted: tuple[FloatNetwork, PackedClip], allocation: str) -> None:
    network, clip = fitted
    files = []
    for iterations in (0, 16):
        settings = replace(settings_for(allocation), finetune_iterations=iterations)
        files.append(pack_segment(quantize(network, clip, max_bytes=1500, size_of=size_of, settings=settings)).coded)
    rounded, tuned = files
    assert tuned != rounded
    assert len(tuned) == pytest.approx(len(rounded), rel=0.03)


def test_uniform_plans_give_all_tensors_one_width(known: Quantizable) -> None:
    settings = settings_for("uniform")
    plan = make_plan(known, 4.2 * known.network.program.parameters, settings, lambda *_: None)
    widths = {key: candidate.bits for key, candidate in plan.choice.items()}
    assert len({width for key, width in widths.items() if not key.endswith("bias")}) == 1
    assert {width for key, width in widths.items() if key.endswith("bias")} == {UNIFORM_BIAS_BITS}
    for source in known.sources:
        candidate = plan.choice[source.tensor.key]
        assert candidate.step_indices.size == 1
        integers = source.integers(int(candidate.step_indices[0]), candidate.bits)
        assert bits_needed(integers) <= candidate.bits


def test_the_search_decides_where_clamping_begins(known: Quantizable) -> None:
    budget = 4.2 * known.network.program.parameters
    chosen = [
        make_plan(known, budget, replace(settings_for("uniform"), search=search), lambda *_: None)
        for search in ("max", "mse")
    ]
    assert [c.step_indices.tolist() for c in chosen[0].choice.values()] != [
        c.step_indices.tolist() for c in chosen[1].choice.values()
    ]


def test_unknown_allocations_are_refused(known: Quantizable) -> None:
    with pytest.raises(UsageError, match="no allocation best: choose one of measured"):
        make_plan(known, 1e4, settings_for("best"), lambda *_: None)
