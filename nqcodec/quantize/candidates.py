"""Candidates for the allocation: steps found by error search at each bit width, with the distortions of a criterion.

Channels of one tensor share one step. Steps of their own, in the ratio that the channels' curvatures ask for, measured
no better at equal bytes on two fits, lists of steps counted (BENCHMARKS.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from nqcodec.errors import UsageError
from nqcodec.fit.network import FloatNetwork, Transform
from nqcodec.network import BITS_RANGE, Int32, IntTensor
from nqcodec.program import Program
from nqcodec.quantize.allocate import Candidate
from nqcodec.quantize.criteria import Criterion, Substitution
from nqcodec.quantize.domain import choose_use, decoded_weight, has_domain, to_domain
from nqcodec.quantize.quantizers import (
    Float64,
    bits_needed,
    covering_step,
    initial_step,
    quantise_array,
)
from nqcodec.quantize.rate import tensor_bits
from nqcodec.quantize.settings import HADAMARD, QuantSettings
from nqcodec.quantize.transform import QuantTransform, TensorName, tensor_names

SPACING = 2
"""Step indices between candidates that are interpolated from measured ones."""

BIAS_BITS = (4, 14)
LATENT_BITS = (2, 10)
"""Bit widths searched, within what the file allows; a weight has all of its own."""

Report = Callable[[int, int], None]


def searched_bits(name: str) -> range:
    """Bit widths that candidates of a tensor are searched at."""
    low, high = {"bias": BIAS_BITS, "latent": LATENT_BITS}.get(name, BITS_RANGE[name])
    return range(low, high + 1)


@dataclass(frozen=True, eq=False)
class Source:
    """A tensor as candidates are made of it.

    For a weight in the Hadamard domain `values` are its coefficients, and `map_width` is the signed width of the maps
    that it meets; for all else that is None.
    """

    tensor: TensorName
    values: Float64
    map_width: int | None = None

    def integers(self, base: int, bits: int | None = None) -> Int32:
        """The tensor quantised at a step, clamped to `bits` bits, by default to the most that the file allows."""
        return quantise_array(self.values, base, bits or BITS_RANGE[self.tensor.name][1])

    @property
    def hadamard(self) -> bool:
        """Whether this is a weight in the Hadamard domain."""
        return self.map_width is not None

    def coded(self, base: int, bits: int | None = None) -> IntTensor:
        """The integer tensor at a base step."""
        values = self.integers(base, bits)
        how = None if self.map_width is None else choose_use(values, self.map_width)
        return IntTensor(values, bits_needed(values), one_step(base), how)

    def rate(self, base: int, bits: int | None = None) -> tuple[float, int]:
        """(coded bits, bit width) at a base step."""
        coded = self.coded(base, bits)
        return tensor_bits(coded, self.tensor.name), coded.bits


def one_step(base: int) -> Int32:
    """The step indices [1] of a tensor that has one step for all."""
    return np.array([base], np.int32)


def make_sources(network: FloatNetwork) -> list[Source]:
    """A source for each tensor of `network`."""
    return [
        Source(tensor, network.tensors[tensor.key].detach().cpu().double().numpy())
        for tensor in tensor_names(network.program)
    ]


def offer_domains(sources: list[Source], program: Program, settings: QuantSettings) -> list[Source]:
    """Sources with weights in the Hadamard domain as `settings.hadamard` says; with "auto" beside the plain ones.

    Raises:
        UsageError: for a name that is none of `HADAMARD`.
    """
    if settings.hadamard not in HADAMARD:
        raise UsageError(f"there is no choice of domains {settings.hadamard}: choose one of {', '.join(HADAMARD)}")
    offered = []
    for source in sources:
        operation = program.operations[source.tensor.index]
        legal = settings.hadamard != "off" and has_domain(operation, source.tensor.name, source.values.shape)
        if not legal or settings.hadamard == "auto":
            offered.append(source)
        if legal:
            offered.append(replace(source, values=to_domain(source.values), map_width=settings.map_width))
    return offered


def base_steps(source: Source) -> tuple[int, int]:
    """(finest, coarsest) base step: the finest at which the file's widest alphabet clamps nothing, and one at which two
    bits hold everything."""
    widest = BITS_RANGE[source.tensor.name][1]
    return covering_step(source.values, widest), covering_step(source.values, 2)


def make_candidates(
    sources: list[Source], criterion: Criterion, evaluations: int, report: Report, search: str = "mse"
) -> dict[str, list[Candidate]]:
    """Candidates of every tensor by key, from at most about `evaluations` figures of the criterion.

    Args:
        report: called with (tensors done, all tensors).
        search: how steps of clamped candidates are found, a name of `SEARCHES`.
    """
    wanted = sum(2 * len(searched_bits(source.tensor.name)) for source in sources)
    stride = max(1, -(-wanted // evaluations))
    result: dict[str, list[Candidate]] = {}
    for place, source in enumerate(sources):
        options = result.setdefault(source.tensor.key, [])
        options += (replace(c, hadamard=source.hadamard) for c in _candidates(source, criterion, stride, search))
        report(place + 1, len(sources))
    return result


def _candidates(source: Source, criterion: Criterion, stride: int, search: str) -> Iterator[Candidate]:
    """Clamped ones at each `stride`-th bit width, and unclamped ones at those steps and between."""
    scaled = source.values.ravel()
    finest, coarsest = base_steps(source)
    widest = BITS_RANGE[source.tensor.name][1]
    measured: dict[int, float] = {coarsest: _measure(source, criterion, coarsest, None)}
    for bits in searched_bits(source.tensor.name)[::-stride]:
        base = max(initial_step(scaled, bits, search), finest)
        if base not in measured:
            measured[base] = _measure(source, criterion, base, None)
        rate, width = source.rate(base, bits)
        if width < source.rate(base)[1]:
            yield Candidate(one_step(base), bits, rate, _measure(source, criterion, base, bits))
    known = np.array(sorted(measured))
    levels = np.log(np.maximum([measured[base] for base in known], 1e-12))
    for base in sorted({*measured, *range(known[0], known[-1], SPACING)}):
        distortion = measured.get(base, float(np.exp(np.interp(base, known, levels))))
        yield Candidate(one_step(base), widest, source.rate(base)[0], distortion)


def _measure(source: Source, criterion: Criterion, base: int, bits: int | None) -> float:
    """Distortion when only this tensor is quantised; never negative, as rounding that happens to help will not last."""
    return max(criterion.distortion(probe(source, base, bits, criterion.device)), 0.0)


def probe(source: Source, base: int, bits: int | None, device: torch.device) -> Transform:
    """A transform that quantises only this tensor, of a network that holds weights, as the decoder will see it."""
    key = source.tensor.key
    if source.hadamard:
        decoded = torch.from_numpy(decoded_weight(source.coded(base, bits)))
        return Substitution({key: decoded.to(device, torch.float32)})
    single = QuantTransform({}, {}, only=key)
    single.set_tensor(key, one_step(base), bits or BITS_RANGE[source.tensor.name][1], device)
    return single


def spaced_choices(source: Source, spacing: int, search: str) -> list[tuple[int, int]]:
    """(base step, bit width) pairs: unclamped ones `spacing` indices apart, and one for each width that clamps."""
    finest, coarsest = base_steps(source)
    choices = [(base, BITS_RANGE[source.tensor.name][1]) for base in range(finest, coarsest + 1, spacing)]
    for bits in searched_bits(source.tensor.name):
        base = max(initial_step(source.values, bits, search), finest)
        if source.rate(base, bits)[1] < source.rate(base)[1]:
            choices.append((base, bits))
    return choices
