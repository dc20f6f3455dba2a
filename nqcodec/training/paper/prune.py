"""Magnitude pruning: the convolution weights that matter least are set to zero and stay zero while the others are
tuned.

Pruned weights are exact zeros of the float network. A file has no masks: quantizers are symmetric about zero, so a zero
is rounded to the integer 0, which the entropy coder codes like any other symbol, by its frequency.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.training.checkpoint import State
from nqcodec.training.hooks import Hook
from nqcodec.training.network import FloatNetwork

SCORES = {"magnitude": 0.0, "scaled": 0.5}
"""How weights of different tensors compare, by name: |w| / numel^power. Power 0 is NeRV's (the L1 norm over the whole
network), 0.5 HiNeRV's, which takes more from large tensors."""


@dataclass(frozen=True)
class Pruning:
    """How to prune; the defaults are HiNeRV's (Kwan et al., NeurIPS 2023), as far as they concern pruning.

    Attributes:
        kept: part of all convolution weights that is not pruned.
        score: a name of `SCORES`.
        share: part of a fit's iterations, at its end, for the fine-tune.
        rate: its peak learning rate, as a part of the fit's.
    """

    kept: float = 0.85
    score: str = "scaled"
    share: float = 60 / 390
    rate: float = 1.0

    def __post_init__(self) -> None:
        """Raises UsageError for values that make no sense."""
        if self.score not in SCORES:
            raise UsageError(f"there is no pruning score {self.score}: choose one of {', '.join(SCORES)}")
        if not 0 < self.kept <= 1:
            raise UsageError(f"pruning cannot keep a part of {self.kept:g} of the weights: choose one in (0, 1]")
        if not 0 < self.share < 1:
            raise UsageError(
                f"a fine-tune cannot take a part of {self.share:g} of the iterations: choose one in (0, 1)"
            )


@torch.no_grad()
def masks(network: FloatNetwork, pruning: Pruning) -> dict[str, Tensor]:
    """Masks of the convolution weights by tensor key, float32 of their shapes: 1 where kept, 0 where pruned.

    Biases and latents (HiNeRV's encoding grids) are never pruned. Of equal scores the earlier weight goes first, so
    exactly round((1 - kept) * weights) are pruned; nothing here waits for a GPU.
    """
    weights = {key: value for key, value in network.tensors.items() if key.endswith("_weight")}
    power = SCORES[pruning.score]
    scores = torch.cat([value.abs().flatten() / value.numel() ** power for value in weights.values()])
    flat = torch.ones_like(scores)
    flat[scores.argsort(stable=True)[: round((1 - pruning.kept) * len(scores))]] = 0
    parts = flat.split([value.numel() for value in weights.values()])
    return {key: part.view_as(value) for (key, value), part in zip(weights.items(), parts, strict=True)}


class PruningHook(Hook):
    """Prunes as the fine-tune begins; pruned weights stay zero."""

    def __init__(self, network: FloatNetwork, pruning: Pruning):
        self._network, self._pruning = network, pruning
        self._masks = dict[str, Tensor]()

    def begin(self, stage: str) -> None:
        if stage == "prune":
            self._masks = masks(self._network, self._pruning)
            self._hold([weight.data for weight in self._weights])

    def before_update(self) -> None:
        self._hold([weight.grad for weight in self._weights if weight.grad is not None])

    def after_update(self, iteration: int) -> None:
        self._hold([weight.data for weight in self._weights])

    def tensors(self) -> dict[str, Tensor]:
        return {f"mask.{key}": mask for key, mask in self._masks.items()}

    def restore(self, state: State) -> None:
        self._masks = {key: mask.to(self._network.tensors[key].device) for key, mask in state.within("mask").items()}

    @property
    def _weights(self) -> list[Tensor]:
        return [self._network.tensors[key] for key in self._masks]

    def _hold(self, values: list[Tensor]) -> None:
        """Zero what is pruned in `values`, one tensor for each mask."""
        if values:
            torch._foreach_mul_(values, list(self._masks.values()))
