"""A short fine-tune with rounding in the loop: J = D + lambda R, with lambda steered to the size of the file.

Weights, biases and latents are rounded from the first iteration on, straight-through, and their step sizes are learned
with them (LSQ, Esser et al., ICLR 2020). At the freeze step indices become whole and maps are rounded too; the values
then adapt to both, by further iterations or by learned rounding (`nqcodec.methods.post_training.calibrate`). R is the
entropy under the file's Gaussian model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nqcodec.network.integer_network import STEP_INDEX_RANGE, Hadamard, IntTensor
from nqcodec.quantization.export import export, fix_formats
from nqcodec.quantization.map_formats import MapFormat, spread_frames
from nqcodec.quantization.quantizers import OCTAVE, along_channels, dequantize, quantize
from nqcodec.quantization.rate import gaussian_rate, total_bits
from nqcodec.quantization.settings import QuantSettings, SizeOf
from nqcodec.quantization.transform import QuantTransform, TensorName, Unrounded, tensor_names
from nqcodec.training.checkpoint import (
    State,
    network_tensors,
    optimizer_tensors,
    restore_network,
    restore_optimizer,
)
from nqcodec.training.clip import PackedClip
from nqcodec.training.compute import auto_dtype
from nqcodec.training.losses import LOSSES, plane_errors, psnr
from nqcodec.training.network import FloatNetwork
from nqcodec.training.rate_control import Gains, LambdaController
from nqcodec.training.schedule import cosine, warm_up
from nqcodec.training.session import Measured, Report, TrainingSession
from nqcodec.training.start import batch_frames

CONTROL_ITERATIONS = 8
"""Iterations between two looks at the size, and at `stop`."""

GAINS = Gains(proportional=30.0, proportional_limit=6.0, integral=6.0, learned_limit=32.0, ratio_limit=2.0)
"""Gains of lambda: a size 2 % above the target multiplies it by 1.8 at once, and lastingly by 1.13 at every look."""

WARMUP = 0.05
"""Part of a fine-tune over which learning rates rise; without it Adam's first updates would undo the allocation."""

SETTLING = 0.2
"""Part of a fine-tune after which lambda is learned: before, the size swings while values adapt to their step sizes."""

SHIFTS = 3
"""Corrections of the size when step indices are frozen; each makes the remaining error a few times smaller."""

FINE_PSNR = 40.0
"""PSNR-YUV in dB of a float network from which on maps are float32: its errors are so small that the noise of bfloat16
matters. That cost 1.3 dB at 46 dB, and nothing at 36 dB and below."""

RECOVERY, RECOVERY_RATE = 0.05, 0.1
"""Iterations of one recovery, as a part of all, and their part of the peak learning rates."""


def learning_rate(iteration: int, iterations: int) -> float:
    """Part of the peak learning rate at an iteration: a linear warm-up, then a cosine down to 0."""
    return warm_up(iteration, WARMUP * iterations) * cosine(iteration, iterations)


@dataclass
class FineTune:
    """One fine-tune; `network` and `transform` are changed in place.

    Attributes:
        bounds: (finest, coarsest) base step index by tensor key.
        control: lambda and target size.
        overhead: bits of the file beyond its tensors.
        size_of: real size of the file.
        done: iterations of the whole calibration that were taken.
        frozen: whether step indices are whole and maps rounded.
    """

    network: FloatNetwork
    clip: PackedClip
    transform: QuantTransform
    bounds: dict[str, tuple[int, int]]
    control: LambdaController
    overhead: float
    size_of: SizeOf
    settings: QuantSettings
    done: int = 0
    frozen: bool = False
    optimizer: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        values, indices = [], []
        step_index_lr = (
            self.settings.step_index_lr if self.settings.rate_term else 0.0
        )  # without a rate term step sizes would vanish
        for key, step_indices in self.transform.step_indices.items():
            size = float(torch.exp2(step_indices / OCTAVE).mean())
            values.append({"params": [self.network.tensors[key]], "lr": self.settings.lr * size})
            indices.append(step_indices.requires_grad_(True))
        self.optimizer = torch.optim.Adam([*values, {"params": indices, "lr": step_index_lr}])
        self._peaks = [group["lr"] for group in self.optimizer.param_groups]
        name = self.settings.dtype
        self._dtype = self._fast_dtype() if name == "auto" else getattr(torch, name)

    @torch.no_grad()
    def _fast_dtype(self) -> torch.dtype:
        """The fast type for maps if the network is not too good for it (`FINE_PSNR`); else float32."""
        clip, fast = self.clip, auto_dtype(self.clip.device.type)
        errors = [
            plane_errors(self.network(time, Unrounded(self.transform)), clip.batch(time), clip)
            for time in spread_frames(clip.frames, self.settings.frames).to(clip.device).split(1)
        ]
        quality = float((psnr(torch.cat(errors), clip.video.depth) @ clip.weights).mean())
        return fast if quality < FINE_PSNR else torch.float32

    def run(self, session: TrainingSession) -> None:
        """All straight-through iterations, or fewer if `session` stops; either way everything is frozen afterwards."""
        settings, count = self.settings, self.settings.straight_iterations
        freeze = round(settings.freeze * count) if settings.calibration == "tune" else count
        session.run(StraightThrough(self, count, freeze), count)
        self.freeze()

    def learn_step_indices(self, session: TrainingSession, count: int) -> None:
        """Learn step indices alone, for `count` iterations before `freeze`; values stay as they are."""
        session.run(StraightThrough(self, count, count, values=False), count)

    def steer(self, size: float, *, learn: bool) -> Report:
        """Set lambda for a file of `size` bytes, and report; see `LambdaController.update`."""
        self.control.update(8 * size, learn=learn)
        return self.report(size)

    def report(self, size: float) -> Report:
        """The report for a file of `size` bytes."""
        return Report(size, self.control.lmbda, self.transform.step_indices)

    def state(self) -> State:
        """All that iterations have changed."""
        tensors = network_tensors(self.network) | optimizer_tensors(self.optimizer)
        tensors |= {f"steps.{key}": value for key, value in self.transform.step_indices.items()}
        facts = {
            "done": self.done,
            "frozen": self.frozen,
            "formats": [[index, form.width, form.frac] for index, form in self.transform.formats.items()],
            "hadamard": {key: [how.used_width, how.gain] for key, how in self.transform.hadamard.items()},
        }
        return State(tensors, facts | self.control.facts())

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Go back to a state of the same fine-tune."""
        facts, transform = state.facts, self.transform
        restore_network(self.network, state)
        for key, value in state.within("steps").items():
            transform.step_indices[key].copy_(value)
            transform.step_indices[key].requires_grad_(not facts["frozen"])
        restore_optimizer(self.optimizer, state.tensors)
        self.control.restore(facts)
        transform.formats = {index: MapFormat(width, frac) for index, width, frac in facts["formats"]}
        transform.hadamard = {key: Hadamard(*how) for key, how in facts["hadamard"].items()}
        self.done, self.frozen, transform.round_maps = facts["done"], facts["frozen"], facts["frozen"]

    def size(self) -> int:
        """Bytes of the file as it is now; its step indices must be frozen."""
        return self.size_of(export(self.network, self.transform))

    @torch.no_grad()
    def coarsen(self, step_indices: Mapping[str, Tensor], shift: float) -> None:
        """Set whole step indices: `step_indices`, by tensor key, all made coarser alike by `shift` on average."""
        for key, value in self.transform.step_indices.items():
            value.copy_((step_indices[key] + shift).clamp(*STEP_INDEX_RANGE))
        self.transform.snap({key: value.numel() for key, value in self.network.tensors.items()})

    def recover(self, found: dict[str, IntTensor]) -> None:
        """Run a few iterations from integers that the size search changed, so that other values make up for the
        change."""
        for tensor in tensor_names(self.network.program):
            self._adopt(tensor, found[tensor.key])
        iterations = self.settings.finetune_iterations
        for extra in range(round(RECOVERY * iterations)):
            self.iterate(iterations + extra, RECOVERY_RATE)

    @torch.no_grad()
    def _adopt(self, tensor: TensorName, found: IntTensor) -> None:
        """Make a tensor round to `found`; values that already do stay, so that they can still change over."""
        value, bits = self.network.tensors[tensor.key], max(found.bits, self.transform.bits[tensor.key])
        self.transform.set_tensor(tensor.key, found.step_indices, bits, value.device)
        if found.hadamard is not None:
            self.transform.hadamard[tensor.key] = found.hadamard
        step_indices = along_channels(self.transform.step_indices[tensor.key], tensor.name, value.dim())
        wanted = torch.from_numpy(found.values).to(value)
        value.copy_(torch.where(quantize(value, step_indices, bits) == wanted, value, dequantize(wanted, step_indices)))

    def iterate(self, number: int, rate: float, *, values: bool = True) -> Measured:
        """Run one iteration at a part `rate` of the peak learning rates, of step indices alone without `values`;
        `number` decides its frames."""
        settings, clip = self.settings, self.clip
        # The order of frames differs from the fit's, because the end of the fit favoured the frames that came last.
        times = batch_frames(clip.frames, settings.batch, number, settings.seed + 1).to(clip.device)
        *of_values, of_step_indices = self._peaks
        peaks = self._peaks if values else [*[0.0 for _ in of_values], of_step_indices]
        for group, peak in zip(self.optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * rate
        self.optimizer.zero_grad(set_to_none=True)
        with self.computing(exact=self.frozen):
            output = self.network(times, self.transform)
        errors = plane_errors(output, clip.batch(times), clip)
        distortion = LOSSES[settings.loss](errors, clip.weights)
        loss = distortion + self.control.lmbda * self._rate()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        with torch.no_grad():
            for key, step_indices in self.transform.step_indices.items():
                step_indices.clamp_(*self.bounds[key])
            return Measured(distortion.detach(), (psnr(errors, clip.video.depth) @ clip.weights).mean())

    @contextmanager
    def computing(self, exact: bool) -> Iterator[None]:
        """Compute maps as `settings.dtype` says, rounded only if that is float32; `exact`: in float32."""
        network, transform = self.network, self.transform
        dtype, rounded = network.dtype, transform.round_maps
        if not exact:
            network.dtype = self._dtype
        transform.round_maps = rounded and network.dtype == torch.float32
        try:
            yield
        finally:
            network.dtype, transform.round_maps = dtype, rounded

    def _rate(self) -> Tensor:
        """Smooth bits of all tensors, a scalar."""
        tensors, step_indices = self.network.tensors, self.transform.step_indices
        parts = [gaussian_rate(tensors[t.key], step_indices[t.key], t.name) for t in tensor_names(self.network.program)]
        return torch.stack(parts).sum()

    def size_now(self) -> float:
        """Bytes of the file as it is now: the real size once step indices are frozen, an estimate before."""
        if self.frozen:
            return self.size()
        integers = self.transform.integers(self.network)
        bits = total_bits((t.name, integers[t.key]) for t in tensor_names(self.network.program))
        return (bits + self.overhead) / 8

    def freeze(self) -> None:
        """Make step indices whole and fixed from here on, and round maps to formats that suit the tensors."""
        if self.frozen:
            return
        settings = self.settings
        if (
            settings.rate_term
            and settings.finetune_iterations
            and settings.calibration in ("tune-adaround", "adaround")
        ):
            self._meet_target()
        self.frozen = True
        self.transform.snap({key: value.numel() for key, value in self.network.tensors.items()})
        for step_indices in self.transform.step_indices.values():
            step_indices.requires_grad_(False)
            step_indices.grad = None
        fix_formats(self.network, self.clip, self.transform, self.settings)
        self.transform.round_maps = True

    @torch.no_grad()
    def _meet_target(self) -> None:
        """Shift all step indices alike so that the size meets the target: learned rounding can hardly change it
        later."""
        values = sum(value.numel() for value in self.network.tensors.values())
        for _ in range(SHIFTS):
            shift = OCTAVE * (8 * self.size_now() - self.control.target) / values
            for key, step_indices in self.transform.step_indices.items():
                step_indices.add_(shift).clamp_(*self.bounds[key])


@dataclass(frozen=True)
class StraightThrough:
    """The first `count` iterations of a calibration, with straight-through gradients.

    Attributes:
        freeze: the iteration before which step indices are frozen, if it is one of these.
        values: whether values are learned beside their step indices.
    """

    tuning: FineTune
    count: int
    freeze: int
    values: bool = True

    @property
    def done(self) -> int:
        return self.tuning.done

    def iterate(self) -> Measured:
        tuning = self.tuning
        if tuning.done == self.freeze:
            tuning.freeze()
        rate = learning_rate(tuning.done, self.count)
        measured = tuning.iterate(tuning.done, rate, values=self.values)
        tuning.done += 1
        return measured

    def look(self) -> Report:
        learn = self.values and self.tuning.done - 1 >= SETTLING * self.count
        return self.tuning.steer(self.tuning.size_now(), learn=learn)

    def state(self) -> State:
        return self.tuning.state()
