"""Candidates for the allocation: steps found by error search at each bit width, with the distortions of a criterion.

Channels of one tensor share one base step; where the curvature of the loss differs enough between channels to pay for
a list of steps, each has a fixed offset to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.fit.network import FloatNetwork, Transform
from nqcodec.network import BITS_RANGE, STEP_RANGE, Int32, IntTensor, channel_axis
from nqcodec.program import Program
from nqcodec.quantize.allocate import Candidate
from nqcodec.quantize.criteria import Criterion, Substitution
from nqcodec.quantize.domain import choose_use, decoded_weight, has_domain, to_domain
from nqcodec.quantize.quantizers import (
    OCTAVE,
    Float64,
    bits_needed,
    covering_step,
    initial_step,
    quantise_array,
)
from nqcodec.quantize.rate import step_list_bits, tensor_bits
from nqcodec.quantize.settings import HADAMARD, QuantSettings
from nqcodec.quantize.transform import QuantTransform, TensorName, tensor_names

MOST_OFFSET = 16
"""Largest offset of a channel's step index, two octaves either way: curvatures are estimates."""

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
    """A tensor as candidates are made of it: `offsets` int32 [1] or [channels] shape its steps.

    For a weight in the Hadamard domain `values` are its coefficients, and `map_width` is the signed width of the maps
    that it meets; for all else that is None.
    """

    tensor: TensorName
    values: Float64
    offsets: Int32
    map_width: int | None = None

    def steps(self, base: int) -> Int32:
        """Step indices, [1] or [channels]."""
        return np.clip(base + self.offsets, *STEP_RANGE).astype(np.int32)

    def integers(self, base: int, bits: int | None = None) -> Int32:
        """The tensor quantised at a base step, clamped to `bits`, by default to the most that the file allows."""
        shape = [1] * self.values.ndim
        shape[channel_axis(self.tensor.name)] = -1
        steps = self.steps(base)
        index = steps.reshape(shape) if steps.size > 1 else steps[0]
        return quantise_array(self.values, index, bits or BITS_RANGE[self.tensor.name][1])

    @property
    def hadamard(self) -> bool:
        """Whether this is a weight in the Hadamard domain."""
        return self.map_width is not None

    def coded(self, base: int, bits: int | None = None) -> IntTensor:
        """The integer tensor at a base step."""
        values = self.integers(base, bits)
        how = None if self.map_width is None else choose_use(values, self.map_width)
        return IntTensor(values, bits_needed(values), self.steps(base), how)

    def rate(self, base: int, bits: int | None = None) -> tuple[float, int]:
        """(coded bits, bit width) at a base step."""
        coded = self.coded(base, bits)
        return tensor_bits(coded, self.tensor.name), coded.bits

    @property
    def scaled(self) -> Float64:
        """Values divided by what their channels' offsets multiply steps with: one step fits all."""
        shape = [1] * self.values.ndim
        shape[channel_axis(self.tensor.name)] = -1
        factor = np.exp2(self.offsets / OCTAVE)
        return self.values / (factor.reshape(shape) if factor.size > 1 else factor[0])


def make_sources(network: FloatNetwork, curvatures: dict[str, Tensor]) -> list[Source]:
    """A source for each tensor of `network`, with channel offsets where they pay."""
    sources = []
    for tensor in tensor_names(network.program):
        values = network.tensors[tensor.key].detach().cpu().double().numpy()
        offsets = channel_offsets(curvatures[tensor.key].cpu().double().numpy(), tensor.name)
        sources.append(Source(tensor, values, offsets))
    return sources


def offer_domains(sources: list[Source], program: Program, settings: QuantSettings) -> list[Source]:
    """Sources with weights in the Hadamard domain as `settings.hadamard` says; with "auto" beside the plain ones.

    The transform leaves the summed curvature of an output channel as it is, and therefore the channel's offset.

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


def channel_offsets(curvature: Float64, name: str) -> Int32:
    """Step offsets of the channels, [1] zero or [channels], from the curvature of each parameter.

    At a common slope of distortion over rate the best step of a channel is its mean curvature to the power -1/2.
    Against one step for all, that saves log2(arithmetic / geometric mean of curvatures) / 2 bits a value.
    """
    none = np.zeros(1, np.int32)
    if name == "bias":
        return none
    axis = channel_axis(name)
    means = curvature.mean(axis=tuple(d for d in range(curvature.ndim) if d != axis))
    if means.size < 2 or means.max() <= 0:
        return none
    reach = 2.0 ** (2 * MOST_OFFSET / OCTAVE)
    centre = np.exp(np.log(np.maximum(means, means.max() * 1e-9)).mean())
    means = np.clip(means, centre / reach, centre * reach)
    offsets = np.rint(-OCTAVE / 2 * np.log2(means / np.exp(np.log(means).mean()))).astype(np.int32)
    saved = curvature.size * 0.5 * np.log2(means.mean() / np.exp(np.log(means).mean()))
    return offsets if saved > step_list_bits(offsets) else none


def base_steps(source: Source) -> tuple[int, int]:
    """(finest, coarsest) base step: the finest at which the file's widest alphabet clamps nothing, and one at which two
    bits hold everything."""
    widest = BITS_RANGE[source.tensor.name][1]
    return covering_step(source.scaled, widest), covering_step(source.scaled, 2)


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
    scaled = source.scaled.ravel()
    finest, coarsest = base_steps(source)
    widest = BITS_RANGE[source.tensor.name][1]
    measured: dict[int, float] = {coarsest: _measure(source, criterion, coarsest, None)}
    for bits in searched_bits(source.tensor.name)[::-stride]:
        base = max(initial_step(scaled, bits, search), finest)
        if base not in measured:
            measured[base] = _measure(source, criterion, base, None)
        rate, width = source.rate(base, bits)
        if width < source.rate(base)[1]:
            yield Candidate(source.steps(base), bits, rate, _measure(source, criterion, base, bits))
    known = np.array(sorted(measured))
    levels = np.log(np.maximum([measured[base] for base in known], 1e-12))
    for base in sorted({*measured, *range(known[0], known[-1], SPACING)}):
        distortion = measured.get(base, float(np.exp(np.interp(base, known, levels))))
        yield Candidate(source.steps(base), widest, source.rate(base)[0], distortion)


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
    single.set_tensor(key, source.steps(base), bits or BITS_RANGE[source.tensor.name][1], device)
    return single


def spaced_choices(source: Source, spacing: int, search: str) -> list[tuple[int, int]]:
    """(base step, bit width) pairs: unclamped ones `spacing` indices apart, and one for each width that clamps."""
    finest, coarsest = base_steps(source)
    choices = [(base, BITS_RANGE[source.tensor.name][1]) for base in range(finest, coarsest + 1, spacing)]
    for bits in searched_bits(source.tensor.name):
        base = max(initial_step(source.scaled, bits, search), finest)
        if source.rate(base, bits)[1] < source.rate(base)[1]:
            choices.append((base, bits))
    return choices
