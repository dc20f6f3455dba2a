"""Plans by name: which criterion and which search share out the bits (`QuantSettings.allocation`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.methods.post_training.allocation import Candidate, Plan, allocate
from nqcodec.methods.post_training.candidates import Report, make_candidates, probe, spaced_choices
from nqcodec.methods.post_training.criteria import FisherCriterion, changes, make_criterion
from nqcodec.methods.post_training.genetic import genetic_plan
from nqcodec.methods.post_training.omega import Change, Omega
from nqcodec.methods.post_training.sources import Source, base_step_indices, one_step_index
from nqcodec.network.integer_network import STEP_INDEX_RANGE, WEIGHT_BITS
from nqcodec.quantization.map_formats import spread_frames
from nqcodec.quantization.quantizers import OCTAVE, initial_step_index
from nqcodec.quantization.settings import ALLOCATIONS, CRITERIA, QuantSettings
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork

LEAST_SPACING = 2
"""Step indices between a tensor's candidates for the genetic search, at least."""

UNIFORM_BIAS_BITS = 8
"""Fewest bits of a bias in a uniform plan. With as few as the weights, rounding to 4 and 5 coded bits measured 0.7 and
0.4 dB worse."""


@dataclass(frozen=True)
class Quantizable:
    """What is to be quantised, and what is known of it.

    Attributes:
        curvatures: the Gauss-Newton diagonal by tensor key (`sensitivity.curvature`).
    """

    network: FloatNetwork
    clip: PackedClip
    sources: list[Source]
    curvatures: Mapping[str, Tensor]


def make_plan(fitted: Quantizable, budget: float, settings: QuantSettings, report: Report) -> Plan:
    """The plan of `settings.allocation` for at most `budget` coded bits; raises UsageError for an unknown name.

    `report` is called with (parts done, all parts) of the sensitivities.
    """
    name = settings.allocation
    if name == "uniform":
        return uniform_plan(fitted, budget, settings.search)
    if name == "omega-genetic":
        return pairwise_plan(fitted, budget, settings, report)
    if name not in CRITERIA:
        raise UsageError(f"there is no allocation {name}: choose one of {', '.join(ALLOCATIONS)}")
    network, clip, curvatures = fitted.network, fitted.clip, fitted.curvatures
    criterion = make_criterion(name, network, clip, frames=settings.frames, loss=settings.loss, curvatures=curvatures)
    candidates = make_candidates(fitted.sources, criterion, settings.evaluations, report, settings.search)
    return allocate(candidates, budget)


def pairwise_plan(fitted: Quantizable, budget: float, settings: QuantSettings, report: Report) -> Plan:
    """The genetic search over Omega with the terms between tensors, from one Hessian-vector product a candidate."""
    sources = fitted.sources
    spans = [coarsest - finest for finest, coarsest in map(base_step_indices, sources)]
    spacing = max(LEAST_SPACING, -(-sum(spans) // settings.evaluations))
    candidates: dict[str, list[Candidate]] = {}
    probes: list[Change] = []
    for source in sources:
        options = candidates.setdefault(source.tensor.key, [])
        for base, bits in spaced_choices(source, spacing, settings.search):
            rate = source.rate(base, bits)[0]
            options.append(Candidate(one_step_index(base), bits, rate, 0.0, source.hadamard))
            probes.append((source.tensor.key, _change(fitted, source, base, bits)))
    omega = Omega(fitted.network, fitted.clip, spread_frames(fitted.clip.frames, settings.frames), settings.loss)
    pairs = omega.pairs(probes, report)
    alone = iter(np.maximum(pairs.diagonal(), 0.0))
    rated = {key: [replace(c, distortion=float(next(alone))) for c in options] for key, options in candidates.items()}
    return genetic_plan(rated, pairs, budget, settings.seed)


def _change(fitted: Quantizable, source: Source, base: int, bits: int) -> Tensor:
    """The change of a tensor by its quantisation."""
    return changes(fitted.network, probe(source, base, bits, fitted.clip.device))[source.tensor.key]


def uniform_plan(fitted: Quantizable, budget: float, search: str) -> Plan:
    """One bit width for all weights and latents, each with the step size of least error: the widest within the budget.

    Biases are few and have `UNIFORM_BIAS_BITS` at least. Between two widths the step sizes of the wider one are made
    coarser alike by eighths of an octave, so that budgets are met within an eighth of a bit a value.
    """
    # One source a tensor: weights and their Hadamard coefficients are not compared here.
    first = {source.tensor.key: source for source in reversed(fitted.sources)}
    sources = list(reversed(first.values()))
    fisher = FisherCriterion(fitted.network, fitted.curvatures)
    low, high = WEIGHT_BITS
    choice: dict[str, Candidate] = {}
    for bits in range(high, low - 1, -1):
        widths = {s.tensor.key: _uniform_width(s, bits) for s in sources}
        searched = {
            s.tensor.key: max(initial_step_index(s.values, widths[s.tensor.key], search), base_step_indices(s)[0])
            for s in sources
        }
        for coarser in range(OCTAVE):
            choice = {}
            for source in sources:
                key = source.tensor.key
                base, width = min(searched[key] + coarser, STEP_INDEX_RANGE[1]), widths[key]
                choice[key] = Candidate(one_step_index(base), width, source.rate(base, width)[0], 0.0, source.hadamard)
            if sum(candidate.rate for candidate in choice.values()) <= budget:
                return _fisher_plan(fitted, sources, choice, fisher)
    return _fisher_plan(fitted, sources, choice, fisher)


def _uniform_width(source: Source, bits: int) -> int:
    return max(bits, UNIFORM_BIAS_BITS) if source.tensor.name == "bias" else bits


def _fisher_plan(
    fitted: Quantizable, sources: list[Source], choice: dict[str, Candidate], fisher: FisherCriterion
) -> Plan:
    """A plan with Fisher distortions, and the slope of 6 dB a bit and value that fine quantisation has."""
    rated = {}
    for source in sources:
        candidate = choice[source.tensor.key]
        rounded = probe(source, int(candidate.step_indices[0]), candidate.bits, fisher.device)
        rated[source.tensor.key] = replace(candidate, distortion=fisher.distortion(rounded))
    plan = Plan(rated, 0.0)
    values = sum(source.values.size for source in sources)
    return replace(plan, slope=2 * math.log(2) * plan.distortion / values)
