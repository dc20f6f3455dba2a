"""The search for weights that are better quantised in the Hadamard domain of their input channels.

With entropy-coded weights the transform hardly gains anything (docs/component-benchmarks.md), so it is off by default;
a file may hold such weights all the same (formats/nq.md, 6.3.1). The transform is orthonormal, so rounding errors are
as large in the weights as in the coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.methods.post_training.sources import Source
from nqcodec.network.integer_network import (
    GAIN_RANGE,
    USED_WIDTH_RANGE,
    Hadamard,
    IntTensor,
    used_step_indices,
    used_weight,
)
from nqcodec.network.operations import Conv, Operation
from nqcodec.network.program import Program
from nqcodec.quantization.hadamard import INPUT_CHANNELS
from nqcodec.quantization.quantizers import Float64, step_size
from nqcodec.quantization.settings import HADAMARD, QuantSettings
from nqcodec.quantization.transform import QuantTransform
from nqcodec.synthesis.hadamard import fastest
from nqcodec.training.hadamard import hadamard
from nqcodec.training.network import FloatNetwork


def has_hadamard(op: Operation, name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor of an operation may be coded in the Hadamard domain, and would differ there."""
    return name == "weight" and isinstance(op, Conv) and not op.depthwise and shape[INPUT_CHANNELS] > 1


def to_hadamard_domain(weight: npt.NDArray[np.floating]) -> Float64:
    """Coefficients of a weight [out, in, k, k], float64; the transform is its own inverse."""
    coefficients: Float64 = hadamard(torch.from_numpy(weight.astype(np.float64)), INPUT_CHANNELS).numpy()
    return np.ascontiguousarray(coefficients)


def decoded_weight(tensor: IntTensor) -> Float64:
    """A coded weight [out, in, k, k] as the decoder uses it, float64."""
    step_indices = used_step_indices(tensor)
    size = step_size(step_indices.reshape(-1, *[1] * (tensor.values.ndim - 1)))
    return used_weight(tensor, fastest()) * size


def add_hadamard_sources(sources: list[Source], program: Program, settings: QuantSettings) -> list[Source]:
    """Sources with weights in the Hadamard domain as `settings.hadamard` says; with "auto" beside the plain ones.

    Raises:
        UsageError: for a name that is none of `HADAMARD`.
    """
    if settings.hadamard not in HADAMARD:
        raise UsageError(f"there is no Hadamard mode {settings.hadamard}: choose one of {', '.join(HADAMARD)}")
    offered = []
    for source in sources:
        operation = program.operations[source.tensor.index]
        legal = settings.hadamard != "off" and has_hadamard(operation, source.tensor.name, source.values.shape)
        if not legal or settings.hadamard == "auto":
            offered.append(source)
        if legal:
            offered.append(replace(source, values=to_hadamard_domain(source.values), map_width=settings.map_width))
    return offered


def to_hadamard(network: FloatNetwork, transform: QuantTransform, keys: Sequence[str]) -> None:
    """Replace the weights `keys` of `network` by their coefficients, and mark them in `transform`.

    Their gains are left to `fix_formats`.
    """
    for key in keys:
        transform.hadamard[key] = Hadamard(USED_WIDTH_RANGE[1], GAIN_RANGE[0])
        value: Tensor = network.tensors[key]
        value.data.copy_(hadamard(value.detach(), INPUT_CHANNELS))
