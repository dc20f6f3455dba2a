"""Candidates for the allocation: step sizes found by error search at each bit width, with the distortions of a
criterion.

All channels of a tensor share one step size. Step sizes for each channel, in the ratio of least distortion by the
curvatures, were measured to be no better at equal bytes on two fits, with the lists of step indices counted
(docs/experiments.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from nqcodec.methods.post_training.allocation import Candidate
from nqcodec.methods.post_training.criteria import Criterion, Substitution
from nqcodec.methods.post_training.hadamard_search import decoded_weight
from nqcodec.methods.post_training.sources import Source, base_step_indices, one_step_index
from nqcodec.network.integer_network import BITS_RANGE
from nqcodec.quantization.quantizers import initial_step_index
from nqcodec.quantization.transform import QuantTransform
from nqcodec.training.network import Transform

SPACING = 2
"""Step indices between candidates that are interpolated from measured ones."""

BIAS_BITS = (4, 14)
LATENT_BITS = (2, 10)
"""Lowest and highest bit width that is tried, within the file's range; for weights all of that range is."""

Report = Callable[[int, int], None]


def searched_bits(name: str) -> range:
    """Bit widths that candidates of a tensor are searched at."""
    low, high = {"bias": BIAS_BITS, "latent": LATENT_BITS}.get(name, BITS_RANGE[name])
    return range(low, high + 1)


def make_candidates(
    sources: list[Source], criterion: Criterion, evaluations: int, report: Report, search: str = "mse"
) -> dict[str, list[Candidate]]:
    """Candidates of every tensor by key, from at most about `evaluations` figures of the criterion.

    Args:
        report: called with (tensors done, all tensors).
        search: how step sizes of clamped candidates are found, a name of `SEARCHES`.
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
    """Clamped ones at each `stride`-th bit width, and unclamped ones at those step indices and between."""
    scaled = source.values.ravel()
    finest, coarsest = base_step_indices(source)
    widest = BITS_RANGE[source.tensor.name][1]
    measured: dict[int, float] = {coarsest: _measure(source, criterion, coarsest, None)}
    for bits in searched_bits(source.tensor.name)[::-stride]:
        base = max(initial_step_index(scaled, bits, search), finest)
        if base not in measured:
            measured[base] = _measure(source, criterion, base, None)
        rate, width = source.rate(base, bits)
        if width < source.rate(base)[1]:
            yield Candidate(one_step_index(base), bits, rate, _measure(source, criterion, base, bits))
    known = np.array(sorted(measured))
    logarithms = np.log(np.maximum([measured[base] for base in known], 1e-12))
    for base in sorted({*measured, *range(known[0], known[-1], SPACING)}):
        distortion = measured.get(base, float(np.exp(np.interp(base, known, logarithms))))
        yield Candidate(one_step_index(base), widest, source.rate(base)[0], distortion)


def _measure(source: Source, criterion: Criterion, base: int, bits: int | None) -> float:
    """Distortion when only this tensor is quantised; never negative, because a gain by chance does not last."""
    return max(criterion.distortion(probe(source, base, bits, criterion.device)), 0.0)


def probe(source: Source, base: int, bits: int | None, device: torch.device) -> Transform:
    """A transform that quantises only this tensor, of a network that holds weights, as the decoder will see it."""
    key = source.tensor.key
    if source.hadamard:
        decoded = torch.from_numpy(decoded_weight(source.coded(base, bits)))
        return Substitution({key: decoded.to(device, torch.float32)})
    single = QuantTransform({}, {}, only=key)
    single.set_tensor(key, one_step_index(base), bits or BITS_RANGE[source.tensor.name][1], device)
    return single


def spaced_choices(source: Source, spacing: int, search: str) -> list[tuple[int, int]]:
    """(step index, bit width) pairs: unclamped ones `spacing` indices apart, and one for each width that clamps."""
    finest, coarsest = base_step_indices(source)
    choices = [(base, BITS_RANGE[source.tensor.name][1]) for base in range(finest, coarsest + 1, spacing)]
    for bits in searched_bits(source.tensor.name):
        base = max(initial_step_index(source.values, bits, search), finest)
        if source.rate(base, bits)[1] < source.rate(base)[1]:
            choices.append((base, bits))
    return choices
