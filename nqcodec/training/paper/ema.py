"""Exponential moving average of a fit's parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nqcodec.training.checkpoint import State
from nqcodec.training.hooks import Hook


class Average:
    """Averages of parameters, updated once a step.

    Early in a stage the decay is that of a shorter average, (1 + step) / (10 + step): its start is soon forgotten, and
    a short stage is averaged over about a tenth of its steps whatever the decay.

    Attributes:
        values: the averages, in the parameters' order.
    """

    def __init__(self, parameters: Sequence[Tensor], decay: float):
        self._parameters, self._decay = list(parameters), decay
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the parameters as they are after step number `step` of a stage."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, self._parameters, 1 - decay)

    @torch.no_grad()
    def restart(self) -> None:
        """Make the averages what the parameters are now."""
        torch._foreach_copy_(self.values, self._parameters)

    @torch.no_grad()
    def put(self) -> None:
        """Make the parameters their averages."""
        torch._foreach_copy_(self._parameters, self.values)


class AverageHook(Hook):
    """A fit that ends with the average of its parameters, begun anew in each stage, as the old one is of other
    weights."""

    def __init__(self, parameters: Sequence[Tensor], decay: float):
        self._average = Average(parameters, decay)

    def begin(self, stage: str) -> None:
        self._average.restart()

    def after_update(self, iteration: int) -> None:
        self._average.update(iteration)

    def finish(self) -> None:
        self._average.put()

    def tensors(self) -> dict[str, Tensor]:
        return {f"average.{number}": value for number, value in enumerate(self._average.values)}

    def restore(self, state: State) -> None:
        for number, value in state.within("average").items():
            self._average.values[int(number)].copy_(value)
