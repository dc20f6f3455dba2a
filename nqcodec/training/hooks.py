"""Where an option of the plain fit joins in, so that the fit itself reads without it."""

from __future__ import annotations

from torch import Tensor

from nqcodec.training.checkpoint import State
from nqcodec.training.network import Transform


class Hook:
    """What an option does at the points of an iteration; nothing where it does not say."""

    def begin(self, stage: str) -> None:
        """Before the first iteration of a stage (`nqcodec.training.stages`)."""

    def transform(self, stage: str, iteration: int) -> Transform | None:
        """What the network's tensors and maps go through in an iteration of a stage; None for no change."""
        return None

    def before_update(self) -> None:
        """Once the gradients are there."""

    def after_update(self, iteration: int) -> None:
        """Once the parameters have changed; `iteration` counts from the stage's first."""

    def finish(self) -> None:
        """After the last iteration."""

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps of it, by names of its own."""
        return {}

    def restore(self, state: State) -> None:
        """The inverse of `tensors`."""
