"""The interface by which options change a plain fit, so that the code of the fit does not contain them."""

from __future__ import annotations

from torch import Tensor

from nqcodec.training.checkpoint import State
from nqcodec.training.network import Transform


class Hook:
    """An option's actions at the points of an iteration; by default it does nothing."""

    def begin(self, stage: str) -> None:
        """Called before the first iteration of a stage (`nqcodec.training.stages`)."""

    def transform(self, stage: str, iteration: int) -> Transform | None:
        """The transform of the network's tensors and maps in an iteration of a stage; None for no change."""
        return None

    def before_update(self) -> None:
        """Called when the gradients have been computed."""

    def after_update(self, iteration: int) -> None:
        """Called when the parameters have changed; `iteration` counts from the stage's first."""

    def finish(self) -> None:
        """Called after the last iteration."""

    def tensors(self) -> dict[str, Tensor]:
        """The state for a checkpoint, by names of the option's own."""
        return {}

    def restore(self, state: State) -> None:
        """The inverse of `tensors`."""
