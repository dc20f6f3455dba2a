"""The quantizers of a rate-aware fit: learned step sizes, noise or rounding, and entropy models of the symbols."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nqcodec.methods.rate_aware.context_pruning import clamp, prune_context
from nqcodec.methods.rate_aware.likelihood import LEAST_SCALE, ContextWeights
from nqcodec.methods.rate_aware.native_tensors import ROUNDED, SOFT, UNIFORM, Sampled, sample
from nqcodec.methods.rate_aware.noise import Noise
from nqcodec.network.integer_network import (
    BITS_RANGE,
    CONTEXT_BASE_RANGE,
    CONTEXT_MEAN_RANGE,
    CONTEXT_SCALE_RANGE,
    STEP_INDEX_RANGE,
    Context,
    IntTensor,
)
from nqcodec.network.motion import vector_grids
from nqcodec.quantization.quantizers import OCTAVE, bits_needed, limits
from nqcodec.quantization.transform import TensorName, tensor_names
from nqcodec.training.native_arrays import empty_like, has_native
from nqcodec.training.network import FloatNetwork, tensor_key

FIRST_STEP_SIZE = {"weight": 0.15, "latent": 0.5, "bias": 0.0}
"""Step sizes at the start, as parts of a tensor's standard deviation."""

LEAST_STEP_SIZE = 2e-3
"""Smallest step size at the start, because biases begin at zero."""

VECTOR_STEP_SIZE = 0.25
"""Step size of vectors in luma samples, which is not learned: noise or other step sizes in the fit displace the whole
picture, and measured worse than whole vectors from the first iteration on."""

FINE_SHIFT = 8.0
"""Shift of all step indices up to which vectors keep theirs: an octave, beyond which a picture is ruined anyway."""

BASE_UNIT, WEIGHT_UNIT = 512, 64
"""The file's units of a context model's base and weights, as parts of 1 (formats/nq.md, 3.6)."""


@dataclass(frozen=True)
class QuantizedSample:
    """The values of all tensors in one iteration, by tensor key.

    Attributes:
        used: float32, the values that the network computes with.
        symbols: float32, the same in units of step sizes, for the entropy models.
        sizes: float32 scalars, step sizes: 2^(step index / 8).
        slopes: float32, of symbols with respect to values in units of step sizes, where they are not 1.
    """

    used: dict[str, Tensor]
    symbols: dict[str, Tensor]
    sizes: dict[str, Tensor]
    slopes: dict[str, Tensor]


@dataclass(frozen=True)
class FixedTensors:
    """A `Transform` that gives a network the values sampled for an iteration."""

    values: dict[str, Tensor]

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        return self.values[tensor_key(index, name)]

    def map(self, index: int, value: Tensor) -> Tensor:
        return value


@dataclass
class Quantizers:
    """Step indices and context models of a network's tensors.

    Attributes:
        step_indices: step index of each tensor, float32 [1] by tensor key; whole numbers once frozen.
        contexts: the context model of each latent, by tensor key.
        dead_zone: by how much a latent's value must be above a half, in step sizes, to be rounded away from 0.
        symbol_range: smallest and largest symbol that a file can hold of each tensor (formats/nq.md, 4).
        vectors: keys of latents that displace maps; they are rounded throughout, and keep their step sizes.
    """

    network: FloatNetwork
    step_indices: dict[str, Tensor] = field(default_factory=dict)
    contexts: dict[str, ContextWeights] = field(default_factory=dict)
    dead_zone: float = 0.0
    symbol_range: dict[str, tuple[int, int]] = field(init=False)
    vectors: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.vectors = frozenset(tensor_key(index, "latent") for index in vector_grids(self.network.program))
        self.symbol_range = {tensor.key: limits(BITS_RANGE[tensor.name][1]) for tensor in self.names}

    @staticmethod
    def start(network: FloatNetwork, latent_step_index: int | None = None) -> Quantizers:
        """For a network that has not been fitted yet; by default, step sizes follow from the values of each tensor."""
        result, units = Quantizers(network), vector_grids(network.program)
        for tensor in tensor_names(network.program):
            value = network.tensors[tensor.key].detach()
            deviation = float(value.std()) if value.numel() > 1 else 0.0
            index = OCTAVE * math.log2(max(FIRST_STEP_SIZE[tensor.name] * deviation, LEAST_STEP_SIZE))
            if tensor.name == "latent" and latent_step_index is not None:
                index = float(latent_step_index)
            if tensor.key in result.vectors:
                index = float(round(OCTAVE * math.log2(VECTOR_STEP_SIZE / units[tensor.index])))
            result.step_indices[tensor.key] = torch.full((1,), index, device=value.device)
            if tensor.name == "latent":
                result.contexts[tensor.key] = ContextWeights.start(value.device)
        return result

    def tensors(self) -> dict[str, Tensor]:
        """Step indices and context weights by name."""
        result = {f"steps.{key}": value for key, value in self.step_indices.items()}
        for key, weights in self.contexts.items():
            result |= {f"context.{key}.{number}": value for number, value in enumerate(weights.parameters())}
        return result

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Set what `tensors` gave.

        Raises:
            KeyError: if something is missing.
            ValueError: if something has another shape, or values that are out of range.
        """
        for name, value in self.tensors().items():
            given = tensors[name]
            if given.shape != value.shape or not bool(given.isfinite().all()):
                raise ValueError(f"{name} has another shape, or values that are no numbers")
            value.copy_(given)
        if any(not STEP_INDEX_RANGE[0] <= float(index) <= STEP_INDEX_RANGE[1] for index in self.step_indices.values()):
            raise ValueError(f"a step index is outside {STEP_INDEX_RANGE[0]}..{STEP_INDEX_RANGE[1]}")

    @property
    def names(self) -> Iterator[TensorName]:
        """The network's tensors in file order."""
        return tensor_names(self.network.program)

    @torch.no_grad()
    def sample(self, noise: Noise | None, threads: int = 1) -> QuantizedSample:
        """Values with `noise`, soft-rounded for latents, or rounded values without it. Vectors are always rounded.

        Args:
            threads: CPU threads for libnq; the result does not depend on it.
        """
        sizes = self._step_sizes()
        if has_native(self.network.tensors.values()):
            return self._sample_natively(noise, sizes, threads)
        used, symbols, slopes = {}, {}, {}
        for key, value in self.network.tensors.items():
            exact = value.detach() / sizes[key]
            if noise is None or key in self.vectors:
                symbol = self._rounded(key, exact)
            elif key in self.contexts:
                symbol, slopes[key] = noise.soft(exact)
            else:
                symbol = noise.uniform(exact)
            symbol.clamp_(*self.symbol_range[key])
            used[key], symbols[key] = symbol * sizes[key], symbol
        return QuantizedSample(used, symbols, sizes, slopes)

    def _step_sizes(self) -> dict[str, Tensor]:
        """Step sizes [1] by tensor key."""
        sizes = torch.exp2(torch.cat([self.step_indices[key] for key in self.network.tensors]) / OCTAVE)
        return dict(zip(self.network.tensors, sizes.split(1), strict=True))

    def _sample_natively(self, noise: Noise | None, sizes: dict[str, Tensor], threads: int) -> QuantizedSample:
        """`sample` by libnq."""
        values = dict(self.network.tensors.items())
        soft = [] if noise is None else [key for key in values if key in self.contexts and key not in self.vectors]
        used, symbols = (dict(zip(values, empty_like(list(values.values())), strict=True)) for _ in range(2))
        slopes = dict(zip(soft, empty_like([values[key] for key in soft]), strict=True))
        items, drawn = [], list[Tensor]()
        for (key, value), size in zip(values.items(), torch.cat(list(sizes.values())).tolist(), strict=True):
            item = Sampled(value.data_ptr(), symbols=symbols[key].data_ptr(), used=used[key].data_ptr())
            item.size, item.step_size, item.sampling = value.numel(), size, ROUNDED
            item.low, item.high = self.symbol_range[key]
            if noise is None or key in self.vectors:
                item.dead_zone = 0.0 if key in self.vectors or key not in self.contexts else self.dead_zone
            elif key in slopes:
                drawn.append(noise.numbers(value))
                item.sampling, item.numbers, item.slopes = SOFT, drawn[-1].data_ptr(), slopes[key].data_ptr()
                item.temperature, item.peak = noise.temperature, noise.numbers_peak
            else:
                drawn.append(noise.random(value))
                item.sampling, item.numbers = UNIFORM, drawn[-1].data_ptr()
            items.append(item)
        sample(items, threads)
        return QuantizedSample(used, symbols, sizes, slopes)

    def _rounded(self, key: str, exact: Tensor) -> Tensor:
        """Whole values for `exact` in units of step sizes."""
        if not self.dead_zone or key not in self.contexts or key in self.vectors:
            return exact.round()
        return (exact.abs() + (0.5 - self.dead_zone)).floor() * exact.sign()

    @torch.no_grad()
    def keep_symbol_ranges(self) -> None:
        """Make the step size coarser for tensors with values outside of the symbol range."""
        for key, value in self.network.tensors.items():
            needed = value.detach().abs().max() / self.symbol_range[key][1]
            self.step_indices[key].clamp_(min=float((OCTAVE * torch.log2(needed.clamp(min=1e-20))).ceil()))

    def whole_indices(self, shift: float) -> dict[str, float]:
        """Whole step indices by key, `shift` coarser on average over all values but vectors.

        From the largest tensor to the smallest, each corrects the change of the rate by rounding those before, unless
        it is whole as it is. Vectors become coarser only by what a shift has beyond `FINE_SHIFT`.
        """
        carried, result = 0.0, {}
        for key in sorted(self.step_indices, key=lambda k: (-self.network.tensors[k].numel(), k)):
            if key in self.vectors:
                index = float(self.step_indices[key]) + math.ceil(max(shift - FINE_SHIFT, 0.0))
                result[key] = min(index, float(STEP_INDEX_RANGE[1]))
                continue
            wanted, count = float(self.step_indices[key]) + shift, self.network.tensors[key].numel()
            index = round(wanted + min(max(carried / count, -0.5), 0.5)) if wanted % 1 else round(wanted)
            carried += (wanted - index) * count
            result[key] = float(min(max(index, STEP_INDEX_RANGE[0]), STEP_INDEX_RANGE[1]))
        return result

    @torch.no_grad()
    def set_step_indices(self, indices: dict[str, float]) -> None:
        """Set step indices by key."""
        for key, index in indices.items():
            self.step_indices[key].fill_(index)

    @torch.no_grad()
    def integers(self, final: bool = False) -> dict[str, IntTensor]:
        """The integer tensors by key, with bit widths as small as the values allow and the models that code latents.

        `final` also runs `prune_context` on those models, which takes longer.
        """
        result = {}
        for tensor in self.names:
            index = round(float(self.step_indices[tensor.key]))
            exact = self.network.tensors[tensor.key] / 2.0 ** (float(self.step_indices[tensor.key]) / OCTAVE)
            values = (
                self._rounded(tensor.key, exact).clamp(*self.symbol_range[tensor.key]).cpu().numpy().astype(np.int32)
            )
            bits, context = bits_needed(values), None
            if tensor.key in self.contexts:
                context = whole(self.contexts[tensor.key])
                context = prune_context(values, bits, context) if final else context
            result[tensor.key] = IntTensor(values, bits, np.array([index], np.int32), context=context)
        return result


def whole(weights: ContextWeights) -> Context:
    """A context model's weights as the file holds them (formats/nq.md, 3.6)."""
    base = LEAST_SCALE + float(torch.nn.functional.softplus(weights.base))
    scales = torch.nn.functional.softplus(weights.scale).tolist()
    return Context(
        clamp(base * BASE_UNIT, CONTEXT_BASE_RANGE),
        tuple(clamp(value * WEIGHT_UNIT, CONTEXT_MEAN_RANGE) for value in weights.mean.tolist()),
        tuple(clamp(value * WEIGHT_UNIT, CONTEXT_SCALE_RANGE) for value in scales),
    )
