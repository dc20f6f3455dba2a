"""What can be chosen about quantisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nqcodec.network.integer_network import IntegerNetwork

CRITERIA = ("measured", "omega", "fisher")
"""Where the distortion of a candidate comes from: the network's own output, the full Hessian, or the diagonal Fisher
information."""

ALLOCATIONS = (*CRITERIA, "omega-genetic", "uniform")
"""How bits are shared out among tensors: by the exact search over one of `CRITERIA`, by the genetic search over Omega
with the terms between tensors, or evenly."""

HADAMARD = ("off", "auto", "all")
"""Weights that are quantised in the Hadamard domain of their input channels: none, those where it costs less, all."""

SizeOf = Callable[[IntegerNetwork], int]
"""Bytes of the whole file that holds a network."""


CALIBRATIONS = ("tune-adaround", "tune", "adaround", "layer", "block")
"""How values are chosen for their steps: fine-tuned straight-through (`nqcodec.methods.post_training.finetune`), or by
learned rounding (`nqcodec.methods.post_training.calibrate`) of the whole network, of each layer or of each block; or
first one, then the other. The order of the first two by measured quality at equal steps and bytes."""


@dataclass(frozen=True)
class QuantSettings:
    """How to quantise. Equal settings, fit, clip and machine give an equal network.

    Attributes:
        finetune_iterations: optimizer steps with rounding in the loop; 0 rounds to nearest.
        batch: frames a step.
        lr: peak rate of weights, biases and latents, in quantisation steps of each tensor.
        step_lr: peak rate of step indices, in eighths of an octave.
        freeze: part of the calibration "tune" after which steps and map formats stay as they are, and maps are rounded
            too; part of learned rounding after which they are, at the latest.
        dtype: type of the maps before that: "float32", "bfloat16", or "auto" for `nqcodec.training.compute.auto_dtype`,
            but float32 where the network is very good. A step in bfloat16 takes two thirds of the time.
        loss: a name of `nqcodec.training.losses.LOSSES`.
        calibration: a name of `CALIBRATIONS`; all take `finetune_iterations`.
        rate_term: whether the calibration counts bits; without, it keeps the allocation's steps and the landing alone
            meets the size. Layers and blocks have none.
        rounding_share: part of the steps of "tune-adaround" that learns rounding.
        rounding_weight: weight of learned rounding's regulariser, as a mean over values. Once it sets in it decides
            alone where nothing else is at stake: a weak one leaves values between levels to be torn away at the end.
        norm: p of the L_p losses of learned rounding.
        input_mix: part of a layer's or block's inputs that is the float network's.
        seed: of the order of frames and of the curvature's probes.
        map_width, head_width: signed bits of inner maps and of the one that `planes` reads (formats/nq.md, 6.1).
        min_ratio: size, as a part of the largest, below which steps become finer where training follows or none was.
        aim: the size steered to, as a part of the largest.
        allocation: a name of `ALLOCATIONS`.
        search: how a step is found for a bit width that clamps, a name of `nqcodec.quantization.quantizers.SEARCHES`.
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
        """Steps of the straight-through fine-tune."""
        shares = {"tune": 1.0, "tune-adaround": 1 - self.rounding_share}
        return round(shares.get(self.calibration, 0.0) * self.finetune_iterations)
