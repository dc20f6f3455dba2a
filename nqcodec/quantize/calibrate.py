"""Calibration by learned rounding: with the frames themselves as the target, or layer by layer, or block by block.

Steps are the allocation's. Network-wise calibration is NeuroQuant's: all tensors at once, against the original frames.
Layer- and block-wise reconstruct what the float network has there (BRECQ, Li et al., ICLR 2021) with every earlier
layer already rounded; part of the inputs may be the float network's (QDrop, Wei et al., ICLR 2022).
Biases and latents take part like weights, maps are rounded, and at the end of a unit every value is on its level.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nqcodec.fit.losses import LOSSES, plane_errors, psnr
from nqcodec.fit.network import FloatNetwork, tensor_key
from nqcodec.fit.train import batch_frames
from nqcodec.program import Conv, Grid, Program
from nqcodec.quantize.export import export
from nqcodec.quantize.finetune import CONTROL_STEPS, SETTLING, FineTune
from nqcodec.quantize.quantizers import OCTAVE, along_channels, limits
from nqcodec.quantize.rate import gaussian_rate
from nqcodec.quantize.rounding import Annealing, LearnedRounding, Levels, regulariser, rounding_rate
from nqcodec.quantize.settings import Progress, QuantProgress
from nqcodec.quantize.transform import QuantTransform, TensorName, Unrounded, tensor_names

STEPS_SHARE = 0.05
"""Part of a network-wise calibration that learns steps alone, as NeuroQuant's first stage."""


@dataclass
class RoundingTransform:
    """`inner`, but with learned rounding of the tensors that have it, by key."""

    inner: QuantTransform
    rounding: dict[str, LearnedRounding] = field(default_factory=dict)

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        key = tensor_key(index, name)
        learned = self.rounding.get(key)
        return self.inner.tensor(index, name, value) if learned is None else self.inner.spatial(key, learned.soft())

    def map(self, index: int, value: Tensor) -> Tensor:
        return self.inner.map(index, value)


def calibration_units(program: Program, calibration: str) -> list[range]:
    """Operations that are calibrated together, in order.

    "layer": up to and including each operation with tensors. "block": up to the last operation before each that reads
    a larger map, so a stage of the trunk. Others: all.
    """
    count = len(program.operations)
    if calibration not in ("layer", "block"):
        return [range(count)]
    ends = []
    for index, op in enumerate(program.operations):
        if not isinstance(op, Grid | Conv):
            continue
        following = program.shapes[min(index + 1, count - 1)]
        if calibration == "layer" or following[1:] != program.shapes[index][1:]:
            ends.append(index + 1)
    ends[-1:] = [count]
    return [range(first, end) for first, end in zip([0, *ends[:-1]], ends, strict=True)]


@dataclass
class Calibration:
    """Learned rounding of everything that `tuning` holds, in place; it lands and exports the same way afterwards."""

    tuning: FineTune

    def run(self, progress: Progress | None = None, stop: Callable[[], bool] | None = None) -> None:
        """All units in turn, or fewer steps if `stop` says so; in any case every value ends on a level."""
        tuning, settings = self.tuning, self.tuning.settings
        first = settings.straight_steps
        # Only a price keeps steps from becoming ever finer, and reconstructions have none.
        if settings.calibration == "adaround" and settings.rate_term:
            first = round(STEPS_SHARE * settings.finetune_steps)
            tuning.learn_steps(first)
        tuning.freeze()
        units = calibration_units(tuning.network.program, settings.calibration)
        reference = copy.deepcopy(tuning.network) if settings.calibration in ("layer", "block") else None
        each = (settings.finetune_steps - first) // len(units)
        report = _Report(tuning, first + each * len(units), first, progress, stop)
        for unit in units:
            _Unit(tuning, unit, reference, each).run(report)


@dataclass
class _Report:
    """Counts steps, and looks at size and `stop` every few."""

    tuning: FineTune
    steps: int
    done: int
    progress: Progress | None
    stop: Callable[[], bool] | None
    stopped: bool = False
    first: int = field(init=False)
    begin: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.first = self.done

    def step(self, level: Tensor | None, size: Callable[[], float]) -> None:
        """One more step, with the PSNR of its frames if it has one; `size` gives the file's bytes."""
        self.done += 1
        if self.done % CONTROL_STEPS and self.done < self.steps:
            return
        now = size()
        self.tuning.control.update(8 * now, learn=self.done >= SETTLING * self.steps)
        if self.progress:
            elapsed = time.monotonic() - self.begin
            mean = None if level is None else float(level)
            eta = elapsed / (self.done - self.first) * (self.steps - self.done)
            self.progress(QuantProgress("finetune", self.done, self.steps, mean, round(now), elapsed, eta))
        self.stopped = self.stopped or (self.stop is not None and self.stop())


@dataclass
class _Unit:
    """One unit under calibration.

    Attributes:
        operations: those whose tensors are rounded together.
        reference: the float network to reconstruct; None for the original frames.
        steps: optimizer steps.
    """

    tuning: FineTune
    operations: range
    reference: FloatNetwork | None
    steps: int
    tensors: list[TensorName] = field(init=False)
    how: RoundingTransform = field(init=False)

    def __post_init__(self) -> None:
        network, transform = self.tuning.network, self.tuning.transform
        self.tensors = [tensor for tensor in tensor_names(network.program) if tensor.index in self.operations]
        self.how = RoundingTransform(transform)
        for tensor in self.tensors:
            value = network.tensors[tensor.key].detach()
            steps = along_channels(transform.steps[tensor.key], tensor.name, value.dim())
            low, high = torch.tensor(limits(transform.bits[tensor.key])).to(value)
            levels = Levels(torch.exp2(steps / OCTAVE), low, high)
            self.how.rounding[tensor.key] = LearnedRounding.of(value, levels)

    def run(self, report: _Report) -> None:
        """All steps, then every value of the unit's tensors onto its level."""
        variables = [learned.alpha for learned in self.how.rounding.values()]
        optimizer = torch.optim.Adam(variables, lr=rounding_rate(self.steps))
        for step in range(self.steps):
            if report.stopped:
                break
            optimizer.zero_grad(set_to_none=True)
            loss, level = self._loss(report.done, Annealing().power(step, self.steps))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            report.step(level, self._size)
        with torch.no_grad():
            for key, learned in self.how.rounding.items():
                self.tuning.network.tensors[key].copy_(learned.hard())

    def _loss(self, step: int, power: float | None) -> tuple[Tensor, Tensor | None]:
        """(distortion + price of the rate + regulariser, PSNR where frames are the target) of one batch."""
        tuning, settings, clip = self.tuning, self.tuning.settings, self.tuning.clip
        times = batch_frames(clip.frames, settings.batch, step, settings.seed + 1).to(clip.device)
        level = None
        if self.reference is None:
            output, target = tuning.network(times, self.how), clip.batch(times)
            loss = LOSSES[settings.loss](plane_errors(output, target, clip, settings.norm), clip.weights)
            loss = loss + tuning.control.price * self._rate()
            with torch.no_grad():
                level = (psnr(plane_errors(output, target, clip), clip.video.depth) @ clip.weights).mean()
        else:
            loss = self._reconstruction(self.reference, times, step)
        if power is not None:
            pressure = torch.stack([regulariser(learned.h, power) for learned in self.how.rounding.values()]).sum()
            count = sum(learned.alpha.numel() for learned in self.how.rounding.values())
            loss = loss + settings.rounding_weight / count * pressure
        return loss, level

    def _reconstruction(self, reference: FloatNetwork, times: Tensor, step: int) -> Tensor:
        """Mean |error|^norm of the unit's output against the float network's, relative to that output's own."""
        settings, (first, stop) = self.tuning.settings, (self.operations.start, self.operations.stop)
        with torch.no_grad():
            exact = reference.maps(times, Unrounded(self.tuning.transform), stop=stop)
            given = self.tuning.network.maps(times, self.tuning.transform, stop=first)
            generator = torch.Generator().manual_seed((settings.seed * 0x9E3779B1 + step) & 0xFFFFFFFF)
            for place, value in enumerate(given):
                floats = torch.rand(value.shape, generator=generator).to(value.device) < settings.input_mix
                given[place] = torch.where(floats, exact[place], value)
        output = self.tuning.network.maps(times, self.how, given=given, stop=stop)[-1]
        error = (output - exact[-1]).abs().pow(settings.norm).mean()
        return error / exact[-1].abs().pow(settings.norm).mean()

    def _rate(self) -> Tensor:
        """Smooth bits of the unit's tensors, a scalar."""
        steps, rounding = self.tuning.transform.steps, self.how.rounding
        parts = [gaussian_rate(rounding[t.key].soft(), steps[t.key], t.name) for t in self.tensors]
        return torch.stack(parts).sum()

    @torch.no_grad()
    def _size(self) -> float:
        """Bytes of the file if calibration ended here."""
        tuning = self.tuning
        kept = {key: tuning.network.tensors[key].clone() for key in self.how.rounding}
        for key, learned in self.how.rounding.items():
            tuning.network.tensors[key].copy_(learned.hard())
        size = tuning.size_of(export(tuning.network, tuning.transform))
        for key, value in kept.items():
            tuning.network.tensors[key].copy_(value)
        return size
