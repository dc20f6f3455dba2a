"""What can be chosen about quantisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nqcodec.network.integer_network import IntegerNetwork

CRITERIA = ("measured", "omega", "fisher")
"""How the distortion of a candidate is found: measured on the network's own output, or predicted by the full Hessian
or the diagonal Fisher information."""

ALLOCATIONS = (*CRITERIA, "omega-genetic", "uniform")
"""How bits are shared out among tensors: by the exact search over one of `CRITERIA`, by the genetic search over Omega
with the terms between tensors, or evenly."""

HADAMARD = ("off", "auto", "all")
"""Weights that are quantised in the Hadamard domain of their input channels: none, those for which it takes fewer bits,
or all."""

SizeOf = Callable[[IntegerNetwork], int]
"""Bytes of the whole file that holds a network."""


CALIBRATIONS = ("tune-adaround", "tune", "adaround", "layer", "block")
"""How values are chosen for their step sizes: fine-tuned straight-through (`nqcodec.methods.post_training.finetune`),
or by learned rounding (`nqcodec.methods.post_training.calibrate`) of the whole network, of each layer or of each block;
or first one, then the other. They are ordered by measured quality at equal iterations and bytes."""


@dataclass(frozen=True)
class QuantSettings:
    """How to quantise. Equal settings, fit, clip and machine give an equal network.

    Attributes:
        finetune_iterations: iterations with rounding in the loop; 0 rounds to nearest.
        batch: frames an iteration.
        lr: peak rate of weights, biases and latents, in step sizes of each tensor.
        step_index_lr: peak rate of step indices, in eighths of an octave.
        freeze: part of the calibration "tune" after which step sizes and map formats are frozen and maps are
            rounded too; part of learned rounding after which maps are rounded, at the latest.
        dtype: type of the maps before that: "float32", "bfloat16", or "auto" for `nqcodec.training.compute.auto_dtype`,
            but float32 where the network is very good. An iteration in bfloat16 takes two thirds of the time.
        loss: a name of `nqcodec.training.losses.LOSSES`.
        calibration: a name of `CALIBRATIONS`; all take `finetune_iterations`.
        rate_term: whether the calibration's loss has a rate term; without one, it keeps the allocation's step sizes,
            and the size search alone meets the size. Calibration of layers and blocks has none.
        rounding_share: part of the iterations of "tune-adaround" that learns rounding.
        rounding_weight: weight of learned rounding's regulariser, as a mean over values. With a weak one, values that
            hardly matter to the loss stay between two levels, and all change at once when they are rounded at the end.
        norm: p of the L_p losses of learned rounding.
        input_mix: part of a layer's or block's inputs that is the float network's.
        seed: of the order of frames and of the curvature's probes.
        map_width, head_width: signed bits of inner maps and of the one that `planes` reads (formats/nq.md, 6.1).
        min_ratio: size, as a part of the largest, below which step sizes become finer, if training follows or there was
            none.
        aim: the size steered to, as a part of the largest.
        allocation: a name of `ALLOCATIONS`.
        search: how a step size is found for a bit width that clamps, a name of
            `nqcodec.quantization.quantizers.SEARCHES`.
        hadamard: a name of `HADAMARD`.
        frames: frames on which sensitivities and map ranges are measured, spread evenly over the clip.
        evaluations: most passes over those frames that sensitivity may take.
        threads: CPU threads; sums may depend on it, so it is part of what makes a result.
    """

    finetune_iterations: int = 800
    batch: int = 2
    lr: float = 0.06
    step_index_lr: float = 0.1
    freeze: float = 0.8
    dtype: str = "auto"
    loss: str = "log-mse"
    calibration: str = "tune-adaround"
    rate_term: bool = True
    rounding_share: float = 0.7
    rounding_weight: float = 1000.0
    norm: float = 2.0
    input_mix: float = 0.0
    seed: int = 0
    map_width: int = 14
    head_width: int = 14
    min_ratio: float = 0.98
    aim: float = 0.995
    allocation: str = "fisher"
    search: str = "mse"
    hadamard: str = "off"
    frames: int = 4
    evaluations: int = 400
    threads: int = 1

    @property
    def straight_iterations(self) -> int:
        """Iterations of the straight-through fine-tune."""
        shares = {"tune": 1.0, "tune-adaround": 1 - self.rounding_share}
        return round(shares.get(self.calibration, 0.0) * self.finetune_iterations)
