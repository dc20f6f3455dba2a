"""A short fine-tune with rounding in the loop: J = D + lambda R, with lambda steered to the size of the file.

Weights, biases and latents are rounded from the first step on, straight-through, and their steps are learned along
(LSQ, Esser et al., ICLR 2020). When frozen, steps become whole indices and maps are rounded too; what follows, more of
the same or learned rounding (`nqcodec.quantize.calibrate`), makes the best of both. R is the entropy that the file's
Gaussian model sees: values move where they are cheap.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nqcodec.fit.clip import PackedClip
from nqcodec.fit.losses import LOSSES, plane_errors, psnr
from nqcodec.fit.network import FloatNetwork
from nqcodec.fit.train import batch_frames
from nqcodec.network import IntTensor
from nqcodec.quantize.control import RateControl
from nqcodec.quantize.export import export, settle_formats
from nqcodec.quantize.quantizers import OCTAVE, along_channels, dequantise, quantise
from nqcodec.quantize.rate import gaussian_rate, total_bits
from nqcodec.quantize.settings import Progress, QuantProgress, QuantSettings, SizeOf
from nqcodec.quantize.transform import QuantTransform, TensorName, tensor_names

CONTROL_STEPS = 8
"""Steps between two looks at the size, and at `stop`."""

WARMUP = 0.05
"""Part of a fine-tune over which rates rise: Adam's first steps would undo the allocation."""

SETTLING = 0.2
"""Part of a fine-tune after which the price is learned: before, the size swings as values find their steps."""

SHIFTS = 3
"""Corrections of the size when steps are fixed; each makes what is left of the error a few times smaller."""

RECOVERY, RECOVERY_RATE = 0.05, 0.1
"""Steps of one recovery, as a part of all, and their part of the peak rates."""


def learning_rate(step: int, steps: int) -> float:
    """Part of the peak rate at a step: a linear warm-up, then a cosine down to 0."""
    warmup = min(1.0, (step + 1) / max(1.0, WARMUP * steps))
    return warmup * (0.5 + 0.5 * math.cos(math.pi * step / steps))


@dataclass
class FineTune:
    """One fine-tune; `network` and `transform` are changed in place.

    Attributes:
        bounds: (finest, coarsest) base step index by tensor key.
        control: price of a bit and target size.
        overhead: bits of the file beyond its tensors.
        size_of: real size of the file.
        frozen: whether steps are whole and maps rounded.
        stopped: whether `stop` ended it early.
    """

    network: FloatNetwork
    clip: PackedClip
    transform: QuantTransform
    bounds: dict[str, tuple[int, int]]
    control: RateControl
    overhead: float
    size_of: SizeOf
    settings: QuantSettings
    frozen: bool = False
    stopped: bool = False
    optimizer: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        values, indices = [], []
        step_lr = self.settings.step_lr if self.settings.rate_term else 0.0  # a price keeps steps from vanishing
        for key, steps in self.transform.steps.items():
            size = float(torch.exp2(steps / OCTAVE).mean())
            values.append({"params": [self.network.tensors[key]], "lr": self.settings.lr * size})
            indices.append(steps.requires_grad_(True))
        self.optimizer = torch.optim.Adam([*values, {"params": indices, "lr": step_lr}])
        self._peaks = [group["lr"] for group in self.optimizer.param_groups]

    def run(self, progress: Progress | None = None, stop: Callable[[], bool] | None = None) -> None:
        """All steps, or fewer if `stop` says so; either way steps are whole and formats settled afterwards."""
        settings, steps = self.settings, self.settings.straight_steps
        begin, levels = time.monotonic(), []
        freeze = round(settings.freeze * steps) if settings.calibration == "tune" else steps
        for step in range(steps):
            if step == freeze:
                self.freeze()
            levels.append(self._step(step, learning_rate(step, steps)))
            if (step + 1) % CONTROL_STEPS and step + 1 < steps:
                continue
            size = self._size()
            self.control.update(8 * size, learn=step >= SETTLING * steps)
            if progress:
                elapsed, mean = time.monotonic() - begin, float(torch.stack(levels).mean())
                eta = elapsed / (step + 1) * (settings.finetune_steps - step - 1)
                progress(QuantProgress("finetune", step + 1, settings.finetune_steps, mean, round(size), elapsed, eta))
            levels = []
            if stop is not None and stop():
                self.stopped = True
                break
        self.freeze()

    def learn_steps(self, count: int) -> None:
        """Learn steps alone, for `count` steps before `freeze`; values stay as they are."""
        peaks, self._peaks = self._peaks, [0.0] * (len(self._peaks) - 1) + self._peaks[-1:]
        for step in range(count):
            self._step(step, learning_rate(step, count))
            if (step + 1) % CONTROL_STEPS == 0:
                self.control.update(8 * self._size(), learn=False)
        self._peaks = peaks

    def recover(self, landed: dict[str, IntTensor]) -> None:
        """A few steps from integers that were moved into the window: the values around them make up for the move."""
        for tensor in tensor_names(self.network.program):
            self._adopt(tensor, landed[tensor.key])
        steps = self.settings.finetune_steps
        for extra in range(round(RECOVERY * steps)):
            self._step(steps + extra, RECOVERY_RATE)

    @torch.no_grad()
    def _adopt(self, tensor: TensorName, landed: IntTensor) -> None:
        """Make a tensor round to `landed`; values that already do stay as they are, free to cross over again."""
        value, bits = self.network.tensors[tensor.key], max(landed.bits, self.transform.bits[tensor.key])
        self.transform.set_tensor(tensor.key, landed.steps, bits, value.device)
        if landed.hadamard is not None:
            self.transform.hadamard[tensor.key] = landed.hadamard
        steps = along_channels(self.transform.steps[tensor.key], tensor.name, value.dim())
        wanted = torch.from_numpy(landed.values).to(value)
        value.copy_(torch.where(quantise(value, steps, bits) == wanted, value, dequantise(wanted, steps)))

    def _step(self, step: int, rate: float) -> Tensor:
        """One optimizer step at a part `rate` of the peak rates; the mean PSNR of its frames, a scalar."""
        settings, clip = self.settings, self.clip
        # Frames of another order than the fit's, whose last epochs favoured its own last frames.
        times = batch_frames(clip.frames, settings.batch, step, settings.seed + 1).to(clip.device)
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * rate
        self.optimizer.zero_grad(set_to_none=True)
        errors = plane_errors(self.network(times, self.transform), clip.batch(times), clip)
        loss = LOSSES[settings.loss](errors, clip.weights) + self.control.price * self._rate()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        with torch.no_grad():
            for key, steps in self.transform.steps.items():
                steps.clamp_(*self.bounds[key])
            return (psnr(errors, clip.video.depth) @ clip.weights).mean()

    def _rate(self) -> Tensor:
        """Smooth bits of all tensors, a scalar."""
        tensors, steps = self.network.tensors, self.transform.steps
        parts = [gaussian_rate(tensors[t.key], steps[t.key], t.name) for t in tensor_names(self.network.program)]
        return torch.stack(parts).sum()

    def _size(self) -> float:
        """Bytes of the file as it is now: real ones once steps are whole, estimated before."""
        if self.frozen:
            return self.size_of(export(self.network, self.transform))
        integers = self.transform.integers(self.network)
        bits = total_bits((t.name, integers[t.key]) for t in tensor_names(self.network.program))
        return (bits + self.overhead) / 8

    def freeze(self) -> None:
        """From here on steps are whole indices and stay, and maps are rounded in formats that suit the tensors."""
        if self.frozen:
            return
        settings = self.settings
        if settings.rate_term and settings.finetune_steps and settings.calibration in ("tune-adaround", "adaround"):
            self._meet_target()
        self.frozen = True
        self.transform.snap({key: value.numel() for key, value in self.network.tensors.items()})
        for steps in self.transform.steps.values():
            steps.requires_grad_(False)
            steps.grad = None
        settle_formats(self.network, self.clip, self.transform, self.settings)
        self.transform.round_maps = True

    @torch.no_grad()
    def _meet_target(self) -> None:
        """Shift all steps alike to where the size is the target: learned rounding can hardly move it afterwards."""
        values = sum(value.numel() for value in self.network.tensors.values())
        for _ in range(SHIFTS):
            shift = OCTAVE * (8 * self._size() - self.control.target) / values
            for key, steps in self.transform.steps.items():
                steps.add_(shift).clamp_(*self.bounds[key])
