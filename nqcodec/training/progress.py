"""What training tells while it runs, whatever the method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """Where training stands; None where something is not known, or does not apply.

    Attributes:
        stage: "fit", "sensitivity" or "finetune".
        iteration, iterations: those taken, and all of them.
        seconds, eta: since the start, and left.
        loss: the distortion's mean since the last report.
        psnr: mean PSNR-YUV in dB of the frames trained on since the last report, of all frames in the last one.
        size: bytes of the file as estimated.
        lmbda: lambda in J = D + lambda R, in units of the loss a bit.
        step_indices: each tensor's mean step index by tensor key, an eighth of an octave each.
    """

    stage: str
    iteration: int
    iterations: int
    seconds: float
    eta: float
    loss: float | None = None
    psnr: float | None = None
    size: int | None = None
    lmbda: float | None = None
    step_indices: Mapping[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        """Loss, lambda and step indices, as far as they are known, by the names that users read them under."""
        known = {"loss": self.loss, "lambda": self.lmbda}
        indices = {f"step_index {key}": index for key, index in self.step_indices.items()}
        return {name: value for name, value in known.items() if value is not None} | indices


Listener = Callable[[Progress], None]
"""Whoever wants to know."""
