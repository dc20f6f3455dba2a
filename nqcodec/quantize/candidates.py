"""Candidates for the allocation: steps found by error search at each bit width, with measured distortions.

Channels of one tensor share one base step; where the curvature of the loss differs enough between channels to pay for
a list of steps, each has a fixed offset to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nqcodec.fit.network import FloatNetwork
from nqcodec.network import BITS_RANGE, STEP_RANGE, Int32, IntTensor, channel_axis
from nqcodec.quantize.allocate import Candidate
from nqcodec.quantize.quantizers import (
    OCTAVE,
    Float64,
    bits_needed,
    covering_step,
    quantise_array,
    search_step,
)
from nqcodec.quantize.rate import step_list_bits, tensor_bits
from nqcodec.quantize.sensitivity import Meter
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
    """A tensor as candidates are made of it: `offsets` int32 [1] or [channels] shape its steps."""

    tensor: TensorName
    values: Float64
    offsets: Int32

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

    def rate(self, base: int, bits: int | None = None) -> tuple[float, int]:
        """(coded bits, bit width) at a base step."""
        values = self.integers(base, bits)
        width = bits_needed(values)
        return tensor_bits(IntTensor(values, width, self.steps(base)), self.tensor.name), width

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
    sources: list[Source], meter: Meter, evaluations: int, report: Report
) -> dict[str, list[Candidate]]:
    """Candidates of every tensor by key, measured with at most about `evaluations` passes.

    `report` is called with (tensors done, all tensors).
    """
    wanted = sum(2 * len(searched_bits(source.tensor.name)) for source in sources)
    stride = max(1, -(-wanted // evaluations))
    result = {}
    for place, source in enumerate(sources):
        result[source.tensor.key] = list(_candidates(source, meter, stride))
        report(place + 1, len(sources))
    return result


def _candidates(source: Source, meter: Meter, stride: int) -> Iterator[Candidate]:
    """Clamped ones at each `stride`-th bit width, and unclamped ones at those steps and between."""
    scaled = source.scaled.ravel()
    finest, coarsest = base_steps(source)
    widest = BITS_RANGE[source.tensor.name][1]
    measured: dict[int, float] = {coarsest: _measure(source, meter, coarsest, None)}
    for bits in searched_bits(source.tensor.name)[::-stride]:
        base = max(search_step(scaled, bits), finest)
        if base not in measured:
            measured[base] = _measure(source, meter, base, None)
        rate, width = source.rate(base, bits)
        if width < source.rate(base)[1]:
            yield Candidate(source.steps(base), bits, rate, _measure(source, meter, base, bits))
    known = np.array(sorted(measured))
    levels = np.log(np.maximum([measured[base] for base in known], 1e-12))
    for base in sorted({*measured, *range(known[0], known[-1], SPACING)}):
        distortion = measured.get(base, float(np.exp(np.interp(base, known, levels))))
        yield Candidate(source.steps(base), widest, source.rate(base)[0], distortion)


def _measure(source: Source, meter: Meter, base: int, bits: int | None) -> float:
    """Distortion when only this tensor is quantised; never negative, as rounding that happens to help will not last."""
    key = source.tensor.key
    probe = QuantTransform({}, {}, only=key)
    probe.set_tensor(key, source.steps(base), bits or BITS_RANGE[source.tensor.name][1], meter.clip.device)
    return max(meter.distortion(probe), 0.0)
