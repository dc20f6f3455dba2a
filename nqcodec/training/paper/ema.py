"""Exponential moving average of a fit's parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nqcodec.training.checkpoint import State
from nqcodec.training.hooks import Hook


class Average(Hook):
    """Averages of parameters, updated once an iteration, which are then the result of a fit.

    Early in a stage the decay is that of a shorter average, (1 + n) / (10 + n) after iteration n: its start is soon
    forgotten, and a short stage is averaged over about a tenth of its iterations whatever the decay. Each stage begins
    a new average, as the old one is of other weights.

    Attributes:
        values: the averages, in the parameters' order.
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float):
        self._parameters, self._decay = list(parameters), decay
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def begin(self, stage: str) -> None:
        torch._foreach_copy_(self.values, self._parameters)

    @torch.no_grad()
    def after_update(self, iteration: int) -> None:
        decay = min(self._decay, (1 + iteration) / (10 + iteration))
        torch._foreach_lerp_(self.values, self._parameters, 1 - decay)

    @torch.no_grad()
    def finish(self) -> None:
        torch._foreach_copy_(self._parameters, self.values)

    def tensors(self) -> dict[str, Tensor]:
        return {f"average.{number}": value for number, value in enumerate(self.values)}

    def restore(self, state: State) -> None:
        for number, value in state.within("average").items():
            self.values[int(number)].copy_(value)
