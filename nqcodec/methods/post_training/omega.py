"""Omega: the rise of the loss that the Hessian predicts, with the terms between tensors (NeuroQuant, section on mixed
precision: Omega = dw' H dw, where dw is the change of the weights by quantisation).

H is the full Hessian of the objective over all tensors, weights, biases and latents alike, applied by Hessian-vector
products; it is never formed, and no diagonal or block structure is assumed. The objective is the loss to first order in
the plane errors, as `Meter` measures it: for `mse` the loss itself. The factor 1/2 of the second-order term is kept, so
that predictions compare with measurements; the first-order term, which a finished fit makes small, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nqcodec.methods.post_training.sensitivity import loss_slopes
from nqcodec.quantization.quantizers import Float64
from nqcodec.training.clip import PackedClip
from nqcodec.training.losses import plane_errors
from nqcodec.training.network import FloatNetwork

Change = tuple[str, Tensor]
"""A tensor's key, and the change of that tensor."""


@dataclass(frozen=True)
class Omega:
    """Second-order distortion of a float network on a few frames.

    Attributes:
        frames: frame numbers [n] int64.
        loss: a name of `nqcodec.training.losses.LOSSES`.
    """

    network: FloatNetwork
    clip: PackedClip
    frames: Tensor
    loss: str

    def of(self, changes: Mapping[str, Tensor]) -> float:
        """dw' H dw / 2 for tensors changed together, by key."""
        total = 0.0
        for gradients in self._gradients():
            along = torch.stack([(gradients[key] * change).sum() for key, change in changes.items()]).sum()
            products = torch.autograd.grad(along, [self.network.tensors[key] for key in changes])
            total += sum(
                float((product * change).sum()) for product, change in zip(products, changes.values(), strict=True)
            )
        return total / 2

    def pairs(self, changes: Sequence[Change], report: Callable[[int, int], None] | None = None) -> Float64:
        """dw_i' H dw_j / 2 for all pairs of single changes, [n, n] and symmetric.

        The distortion of several changes together is the sum over all of their pairs. Each change and frame takes one
        Hessian-vector product; `report` is called with (products done, all products).
        """
        places: dict[str, list[int]] = {}
        for place, (key, _) in enumerate(changes):
            places.setdefault(key, []).append(place)
        stacks = {key: torch.stack([changes[i][1].flatten() for i in members]) for key, members in places.items()}
        tensors = [self.network.tensors[key] for key in places]
        total = np.zeros((len(changes), len(changes)))
        for frame, gradients in enumerate(self._gradients()):
            for row, (key, change) in enumerate(changes):
                products = torch.autograd.grad((gradients[key] * change).sum(), tensors, retain_graph=True)
                for other, product in zip(places, products, strict=True):
                    total[row, places[other]] += (stacks[other] @ product.flatten()).double().cpu().numpy()
                if report:
                    report(frame * len(changes) + row + 1, len(self.frames) * len(changes))
        return (total + total.T) / 4

    def _gradients(self) -> Iterator[dict[str, Tensor]]:
        """The objective's gradient by tensor key for one frame at a time, differentiable once more.

        The sum over frames is the gradient of the mean loss.
        """
        tensors = dict(self.network.tensors.items())
        for time in self.frames.to(self.clip.device).split(1):
            errors = plane_errors(self.network(time), self.clip.batch(time), self.clip)
            objective = (errors * loss_slopes(errors, self.clip, self.loss)).sum() / len(self.frames)
            yield dict(
                zip(tensors, torch.autograd.grad(objective, list(tensors.values()), create_graph=True), strict=True)
            )
