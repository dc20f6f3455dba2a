"""Criteria for the distortion of a quantised network, measured and predicted ones with the same interface.

All give the rise of the loss, to first order in the plane errors, so that figures of different criteria and of
different tensors can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.methods.post_training.omega import Omega
from nqcodec.methods.post_training.sensitivity import Meter
from nqcodec.quantization.map_formats import spread_frames
from nqcodec.quantization.settings import CRITERIA
from nqcodec.quantization.transform import tensor_names
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork, Transform, tensor_key


class Criterion(Protocol):
    """Gives the distortion of quantisation."""

    @property
    def device(self) -> torch.device:
        """The device that a transform's tensors must be on."""

    def distortion(self, transform: Transform) -> float:
        """Rise of the loss when the network runs through `transform`."""


@dataclass(frozen=True)
class Substitution:
    """A transform that replaces some tensors, by key."""

    values: Mapping[str, Tensor]

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        return self.values.get(tensor_key(index, name), value)

    def map(self, index: int, value: Tensor) -> Tensor:
        return value


@torch.no_grad()
def changes(network: FloatNetwork, transform: Transform) -> dict[str, Tensor]:
    """The differences that `transform` makes to tensors, by key; of those alone that it changes."""
    result = {}
    for tensor in tensor_names(network.program):
        value = network.tensors[tensor.key]
        new = transform.tensor(tensor.index, tensor.name, value)
        if new is not value:
            result[tensor.key] = new - value
    return result


@dataclass(frozen=True)
class FisherCriterion:
    """The sum of curvature * change^2: the diagonal of the Fisher information, of samples with Gaussian noise.

    That is the Gauss-Newton diagonal, `sensitivity.curvature`. The square of the batch gradient, which NeuroQuant's
    own Fisher option sums, nearly vanishes at the end of a fit and has no units of the loss.

    Attributes:
        curvatures: by tensor key, shaped as the tensors.
    """

    network: FloatNetwork
    curvatures: Mapping[str, Tensor]

    @property
    def device(self) -> torch.device:
        first: Tensor = next(iter(self.network.tensors.values()))
        return first.device

    def distortion(self, transform: Transform) -> float:
        parts = changes(self.network, transform)
        return sum(float((self.curvatures[key] * change.square()).sum()) for key, change in parts.items())


@dataclass(frozen=True)
class OmegaCriterion:
    """Half of change' H change by a Hessian-vector product (`Omega`), terms between tensors included."""

    omega: Omega

    @property
    def device(self) -> torch.device:
        return self.omega.clip.device

    def distortion(self, transform: Transform) -> float:
        return self.omega.of(changes(self.omega.network, transform))


def make_criterion(
    name: str, network: FloatNetwork, clip: PackedClip, *, frames: int, loss: str, curvatures: Mapping[str, Tensor]
) -> Criterion:
    """A criterion by its name in `CRITERIA`, on `frames` frames; `curvatures` serve fisher. Raises UsageError."""
    chosen = spread_frames(clip.frames, frames)
    if name == "measured":
        return Meter.of(network, clip, chosen, loss)
    if name == "omega":
        return OmegaCriterion(Omega(network, clip, chosen, loss))
    if name == "fisher":
        return FisherCriterion(network, curvatures)
    raise UsageError(f"there is no sensitivity by {name}: choose one of {', '.join(CRITERIA)}")
