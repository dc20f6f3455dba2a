"""The best rounded network that a fit has come by, so that nothing which its last iterations do can spoil the file.

Rounded networks grow by 1 to 4 % until a fit ends, weights that flip between two whole numbers cost up to a decibel at
times, and step sizes that are changed to meet a size up to three (docs/experiments.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nqcodec.methods.rate_aware.control import RoundedFile
from nqcodec.methods.rate_aware.quantizer import Quantizers
from nqcodec.training.checkpoint import State, network_tensors, restore_network
from nqcodec.training.network import FloatNetwork

_PREFIX = "best"


@dataclass(frozen=True)
class BestState(RoundedFile):
    """The tensors of a rounded network and its quantizers.

    Attributes:
        dead_zone: that of its quantizers.
        tensors: copies, by the names that a checkpoint has for them.
    """

    dead_zone: float
    tensors: dict[str, Tensor]

    @staticmethod
    def of(network: FloatNetwork, quantizers: Quantizers, file: RoundedFile) -> BestState:
        """A copy of what a fit has now."""
        tensors = network_tensors(network) | quantizers.tensors()
        copies = {name: value.detach().clone() for name, value in tensors.items()}
        return BestState(file.psnr, file.size, quantizers.dead_zone, copies)

    def take(self, network: FloatNetwork, quantizers: Quantizers) -> None:
        """Set both to this state."""
        restore_network(network, State(self.tensors, {}))
        quantizers.load(self.tensors)
        quantizers.dead_zone = self.dead_zone

    def state(self) -> State:
        """Its part of a checkpoint."""
        tensors = {f"{_PREFIX}.{name}": value for name, value in self.tensors.items()}
        return State(tensors, {_PREFIX: [self.psnr, self.size, self.dead_zone]})

    @staticmethod
    def restored(state: State) -> BestState | None:
        """The inverse of `state`; None if the checkpoint has none."""
        if _PREFIX not in state.facts:
            return None
        psnr, size, dead_zone = state.facts[_PREFIX]
        return BestState(psnr, size, dead_zone, state.within(_PREFIX))
