"""Sensitivity of every tensor at every bit width by one criterion: what `nqtool sensitivity` shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from nqcodec.methods.post_training.criteria import OmegaCriterion, Substitution, make_criterion
from nqcodec.methods.post_training.sensitivity import measure_curvature
from nqcodec.network.integer_network import IntTensor
from nqcodec.quantization.quantizers import Float64, QuantizerKind, UniformQuantizer, bits_needed
from nqcodec.quantization.rate import tensor_bits
from nqcodec.quantization.transform import TensorName, tensor_names
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork


@dataclass(frozen=True)
class SensitivitySettings:
    """What is asked of a table of sensitivities.

    Attributes:
        method: a name of `CRITERIA`.
        bits: widths, the same for all tensors.
        kind: how quantizers are chosen.
        frames: on how many frames the loss is taken.
        loss: a name of `nqcodec.training.losses.LOSSES`.
        seed: of the curvature's probes.
    """

    method: str = "measured"
    bits: tuple[int, ...] = tuple(range(2, 9))
    kind: QuantizerKind = field(default_factory=QuantizerKind)
    frames: int = 4
    loss: str = "log-mse"
    seed: int = 0


@dataclass(frozen=True)
class SensitivityTable:
    """Rises of the loss.

    Attributes:
        tensors: [n], in file order.
        bits: [b] widths.
        distortions: [n, b], one tensor quantised at a time.
        together: [b], all of them at one width; what it is more than the sum of a column comes from terms between
            tensors, which `fisher` has none of.
        rates: [n, b] coded bits of each tensor.
        pairs: by omega alone: [b, n, n], the share of each pair; a matrix's sum is `together`.
    """

    tensors: list[TensorName]
    bits: tuple[int, ...]
    distortions: Float64
    together: Float64
    rates: Float64
    pairs: Float64 | None


def measure_sensitivities(
    network: FloatNetwork,
    clip: PackedClip,
    settings: SensitivitySettings,
    report: Callable[[int, int], object] | None = None,
) -> SensitivityTable:
    """Sensitivities of a fitted network; `report` is called with (widths done, all widths)."""
    tensors = list(tensor_names(network.program))
    curvatures: dict[str, Tensor] = {}
    if settings.method == "fisher":
        curvatures = measure_curvature(network, clip, frames=settings.frames, loss=settings.loss, seed=settings.seed)
    criterion = make_criterion(
        settings.method, network, clip, frames=settings.frames, loss=settings.loss, curvatures=curvatures
    )
    shape = len(tensors), len(settings.bits)
    distortions, rates, together = np.zeros(shape), np.zeros(shape), np.zeros(shape[1])
    pairs: list[Float64] = []
    for column, bits in enumerate(settings.bits):
        values, rates[:, column] = _quantized(network, tensors, bits, settings.kind)
        if isinstance(criterion, OmegaCriterion):
            pairs.append(criterion.omega.pairs([(key, values[key] - network.tensors[key].detach()) for key in values]))
            distortions[:, column], together[column] = pairs[-1].diagonal(), pairs[-1].sum()
        else:
            alone = [Substitution({tensor.key: values[tensor.key]}) for tensor in tensors]
            distortions[:, column] = [criterion.distortion(each) for each in alone]
            together[column] = criterion.distortion(Substitution(values))
        if report:
            report(column + 1, len(settings.bits))
    return SensitivityTable(tensors, settings.bits, distortions, together, rates, np.stack(pairs) if pairs else None)


def _quantized(
    network: FloatNetwork, tensors: list[TensorName], bits: int, kind: QuantizerKind
) -> tuple[dict[str, Tensor], list[float]]:
    """(values after quantisation by key, coded bits in the order of `tensors`) at one bit width."""
    values, rates = {}, []
    for tensor in tensors:
        value = network.tensors[tensor.key].detach()
        x = value.cpu().double().numpy()
        quantizer = UniformQuantizer.of(x, tensor.name, bits, kind)
        integers = quantizer.integers(x)
        values[tensor.key] = torch.from_numpy(quantizer.values(x)).to(value)
        rates.append(tensor_bits(IntTensor(integers, bits_needed(integers), quantizer.step_indices), tensor.name))
    return values, rates
