"""The quantizers of a rate-aware fit: learned steps, noise or rounding, and models that charge for what comes out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nqcodec.methods.rate_aware.context_pruning import thrifty, within
from nqcodec.methods.rate_aware.likelihood import LEAST_SPREAD, ContextWeights
from nqcodec.methods.rate_aware.noise import Noise
from nqcodec.network.integer_network import (
    BITS_RANGE,
    CONTEXT_BASE_RANGE,
    CONTEXT_MEAN_RANGE,
    CONTEXT_SPREAD_RANGE,
    STEP_RANGE,
    Context,
    IntTensor,
)
from nqcodec.quantization.quantizers import OCTAVE, bits_needed, limits
from nqcodec.quantization.transform import TensorName, tensor_names
from nqcodec.training.network import FloatNetwork, tensor_key

FIRST_STEP = {"weight": 0.15, "latent": 0.5, "bias": 0.0}
"""Steps at the start against a tensor's standard deviation."""

LEAST_STEP = 2e-3
"""Smallest step at the start: biases begin at zero."""

STEP_UNIT, WEIGHT_UNIT = 512, 64
"""What the file counts a context model's base and weights in (formats/nq.md, 3.6)."""


@dataclass(frozen=True)
class Drawn:
    """One step's values of all tensors, by tensor key.

    Attributes:
        used: float32, what the network computes with.
        symbols: float32, in units of steps: what the entropy models see.
        sizes: float32 scalars, 2^(step / 8).
        slopes: float32, of symbols with respect to values in units of steps, where they are not 1.
    """

    used: dict[str, Tensor]
    symbols: dict[str, Tensor]
    sizes: dict[str, Tensor]
    slopes: dict[str, Tensor]


@dataclass(frozen=True)
class Used:
    """A `Transform` that hands a network the values drawn for a step."""

    values: dict[str, Tensor]

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        return self.values[tensor_key(index, name)]

    def map(self, index: int, value: Tensor) -> Tensor:
        return value


@dataclass
class Quantizers:
    """Steps and context models of a network's tensors.

    Attributes:
        steps: step index of each tensor, float32 [1] by tensor key; whole numbers once settled.
        contexts: the context model of each latent, by tensor key.
        reach: smallest and largest symbol that a file can hold of each tensor (formats/nq.md, 4).
    """

    network: FloatNetwork
    steps: dict[str, Tensor] = field(default_factory=dict)
    contexts: dict[str, ContextWeights] = field(default_factory=dict)
    reach: dict[str, tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.reach = {tensor.key: limits(BITS_RANGE[tensor.name][1]) for tensor in self.names}

    @staticmethod
    def start(network: FloatNetwork) -> Quantizers:
        """For a network that has not been fitted yet."""
        result = Quantizers(network)
        for tensor in tensor_names(network.program):
            value = network.tensors[tensor.key].detach()
            spread = float(value.std()) if value.numel() > 1 else 0.0
            index = OCTAVE * math.log2(max(FIRST_STEP[tensor.name] * spread, LEAST_STEP))
            result.steps[tensor.key] = torch.full((1,), index, device=value.device)
            if tensor.name == "latent":
                result.contexts[tensor.key] = ContextWeights.start(value.device)
        return result

    def tensors(self) -> dict[str, Tensor]:
        """Steps and context weights by name."""
        result = {f"steps.{key}": value for key, value in self.steps.items()}
        for key, weights in self.contexts.items():
            result |= {f"context.{key}.{number}": value for number, value in enumerate(weights.parameters())}
        return result

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave.

        Raises:
            KeyError: if something is missing.
            ValueError: if something has another shape, or values that no fit comes to.
        """
        for name, value in self.tensors().items():
            given = tensors[name]
            if given.shape != value.shape or not bool(given.isfinite().all()):
                raise ValueError(f"{name} has another shape, or values that are no numbers")
            value.copy_(given)
        if any(not STEP_RANGE[0] <= float(step) <= STEP_RANGE[1] for step in self.steps.values()):
            raise ValueError(f"a step index is outside {STEP_RANGE[0]}..{STEP_RANGE[1]}")

    @property
    def names(self) -> Iterator[TensorName]:
        """The network's tensors in file order."""
        return tensor_names(self.network.program)

    @torch.no_grad()
    def draw(self, noise: Noise | None) -> Drawn:
        """Values with `noise`, that of latents soft, or rounded without any."""
        used, symbols, sizes, slopes = {}, {}, {}, {}
        for key, value in self.network.tensors.items():
            size = torch.exp2(self.steps[key] / OCTAVE)
            exact = value.detach() / size
            if noise is None:
                symbol = exact.round()
            elif key in self.contexts:
                symbol, slopes[key] = noise.soft(exact)
            else:
                symbol = noise.uniform(exact)
            symbol.clamp_(*self.reach[key])
            used[key], symbols[key], sizes[key] = symbol * size, symbol, size
        return Drawn(used, symbols, sizes, slopes)

    @torch.no_grad()
    def keep_reach(self) -> None:
        """Make the steps coarser of tensors that have values beyond what a file can hold at theirs."""
        for key, value in self.network.tensors.items():
            needed = value.detach().abs().max() / self.reach[key][1]
            self.steps[key].clamp_(min=float((OCTAVE * torch.log2(needed.clamp(min=1e-20))).ceil()))

    def settled(self, shift: float) -> dict[str, float]:
        """Whole step indices by key, `shift` coarser on average over all values.

        From the largest tensor on, each makes up for what rounding its index added to the rate.
        """
        carried, result = 0.0, {}
        for key in sorted(self.steps, key=lambda k: (-self.network.tensors[k].numel(), k)):
            wanted, count = float(self.steps[key]) + shift, self.network.tensors[key].numel()
            index = round(wanted + min(max(carried / count, -0.5), 0.5))
            carried += (wanted - index) * count
            result[key] = float(min(max(index, STEP_RANGE[0]), STEP_RANGE[1]))
        return result

    @torch.no_grad()
    def set_steps(self, indices: dict[str, float]) -> None:
        """Take over step indices by key."""
        for key, index in indices.items():
            self.steps[key].fill_(index)

    @torch.no_grad()
    def integers(self, final: bool = False) -> dict[str, IntTensor]:
        """The integer tensors by key, with bit widths as small as the values allow and the models that code latents.

        `final` takes the time to make those models `thrifty`.
        """
        result = {}
        for tensor in self.names:
            step = round(float(self.steps[tensor.key]))
            exact = self.network.tensors[tensor.key] / 2.0 ** (float(self.steps[tensor.key]) / OCTAVE)
            values = exact.round().clamp(*self.reach[tensor.key]).cpu().numpy().astype(np.int32)
            bits, context = bits_needed(values), None
            if tensor.key in self.contexts:
                context = whole(self.contexts[tensor.key])
                context = thrifty(values, bits, context) if final else context
            result[tensor.key] = IntTensor(values, bits, np.array([step], np.int32), context=context)
        return result


def whole(weights: ContextWeights) -> Context:
    """A context model's weights as the file holds them (formats/nq.md, 3.6)."""
    base = LEAST_SPREAD + float(torch.nn.functional.softplus(weights.base))
    spreads = torch.nn.functional.softplus(weights.spread).tolist()
    return Context(
        within(base * STEP_UNIT, CONTEXT_BASE_RANGE),
        tuple(within(value * WEIGHT_UNIT, CONTEXT_MEAN_RANGE) for value in weights.mean.tolist()),
        tuple(within(value * WEIGHT_UNIT, CONTEXT_SPREAD_RANGE) for value in spreads),
    )
