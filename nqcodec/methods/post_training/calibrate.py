"""Calibration by learned rounding: with the frames themselves as the target, or layer by layer, or block by block.

Step sizes are the allocation's. Network-wise calibration is NeuroQuant's: all tensors at once, against the original
frames. Layer- and block-wise reconstruct what the float network has there (BRECQ, Li et al., ICLR 2021) with every
earlier layer already rounded; part of the inputs may be the float network's (QDrop, Wei et al., ICLR 2022).
Biases and latents are rounded like weights, and so are maps. At the end of a unit every value is on a quantisation
level.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nqcodec.methods.post_training.finetune import FineTune
from nqcodec.methods.post_training.rounding import Annealing, LearnedRounding, Levels, regulariser, rounding_lr
from nqcodec.network.operations import Conv, Grid
from nqcodec.network.program import Program
from nqcodec.quantization.export import export
from nqcodec.quantization.quantizers import OCTAVE, along_channels, limits
from nqcodec.quantization.rate import gaussian_rate
from nqcodec.quantization.transform import QuantTransform, TensorName, Unrounded, tensor_names
from nqcodec.training.checkpoint import State, optimizer_tensors, restore_optimizer
from nqcodec.training.losses import LOSSES, plane_errors, psnr
from nqcodec.training.network import FloatNetwork, tensor_key
from nqcodec.training.session import Measured, Report, TrainingSession
from nqcodec.training.start import batch_frames

REPEAT_AIM = 0.985
"""Size that a repeated learned rounding is steered to, as a part of the largest; it ends within 2 % of that."""

REPEATS, MOST_COARSER = 4, 3.0
"""Most times that learned rounding is repeated for a file that is too large, because lowering single values instead
costs up to 9 decibels; and the largest factor by which each repetition increases the change of step indices."""

ITERATIONS_SHARE = 0.05
"""Part of a network-wise calibration that learns step sizes alone, as NeuroQuant's first stage."""


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

    With "layer" a unit ends with each operation that has tensors; with "block" it ends before each operation that reads
    a larger map, so it is a stage of the trunk. Otherwise all operations are one unit.
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
    """Runs the calibrations that `settings.calibration` names on all tensors of `tuning`, in place; `tuning` is the
    result.

    The session counts the iterations of the fine-tune and of every unit's learned rounding.
    """

    tuning: FineTune
    most: int

    def run(self, session: TrainingSession, saved: State | None) -> None:
        """Run all units in turn from the `saved` state on, or fewer iterations if `session` stops; in any case every
        value ends on a quantisation level.

        If the file is larger than `most` bytes after learned rounding, that is repeated with coarser step sizes.
        """
        tuning, settings = self.tuning, self.tuning.settings
        reference = copy.deepcopy(tuning.network) if settings.calibration in ("layer", "block") else None
        if session.checkpoint and saved:
            session.checkpoint.restore(tuning.restore, saved)
            if saved.facts.get("finished"):
                return
        if settings.straight_iterations or not settings.finetune_iterations:
            tuning.run(session)
        elif settings.calibration == "adaround" and settings.rate_term:
            # Without a rate term step sizes would become ever finer, and reconstructions have none.
            tuning.learn_step_indices(session, self.first)
        tuning.freeze()
        for place, operations in enumerate(self.units):
            first = self.first + place * self.each
            # A state saved after a unit already has its values on their levels.
            if tuning.done <= first + self.each:
                floats = {key: value.detach().clone() for key, value in tuning.network.tensors.items()}
                unit = _Unit(tuning, operations, reference, first, self.each)
                if session.checkpoint and saved and tuning.done > first:
                    session.checkpoint.restore(unit.restore, saved)
                unit.run(session)
                # Without a rate term the step sizes stay those of the allocation.
                if len(self.units) == 1 and settings.rate_term:
                    self._repeat_under(floats, session)
        if not session.stopped:
            session.save(tuning.state() | State({}, {"finished": True}))

    def _repeat_under(self, floats: dict[str, Tensor], session: TrainingSession) -> None:
        """Repeat learned rounding of `floats` with ever coarser step sizes while the file is larger than `most`
        bytes."""
        tuning, (unit,) = self.tuning, self.units
        step_indices = {key: value.clone() for key, value in tuning.transform.step_indices.items()}
        first, goal = tuning.size(), REPEAT_AIM * self.most
        size = first
        # An octave saves a bit a value if values are much larger than their step sizes, else less: each turn measures
        # it.
        shift = OCTAVE * 8 * (first - goal) / sum(value.numel() for value in floats.values())
        for _ in range(REPEATS):
            if size <= self.most or session.stopped:
                return
            tuning.coarsen(step_indices, shift)
            for key, value in floats.items():
                tuning.network.tensors[key].data.copy_(value)
            # It is neither reported nor saved: a resume starts from the first rounding and gives the same result.
            tuning.done = self.first
            again = replace(session, progress=None, checkpoint=None)
            _Unit(tuning, unit, None, self.first, self.each).run(again)
            session.stopped, size = again.stopped, tuning.size()
            shift *= min(max((first - goal) / max(first - size, 1.0), 1.2), MOST_COARSER)

    @property
    def units(self) -> list[range]:
        """Operations whose rounding is learned together; none if no iterations are left for learned rounding."""
        settings = self.tuning.settings
        if settings.straight_iterations >= settings.finetune_iterations:
            return []
        return calibration_units(self.tuning.network.program, settings.calibration)

    @property
    def first(self) -> int:
        """Iterations before the first unit's."""
        settings = self.tuning.settings
        if settings.calibration == "adaround" and settings.rate_term:
            return round(ITERATIONS_SHARE * settings.finetune_iterations)
        return settings.straight_iterations

    @property
    def each(self) -> int:
        """Iterations of a unit."""
        return (self.tuning.settings.finetune_iterations - self.first) // max(len(self.units), 1)

    @property
    def iterations(self) -> int:
        """All iterations."""
        return self.first + self.each * len(self.units)


@dataclass
class _Unit:
    """One unit under calibration.

    Attributes:
        operations: the operations whose tensors are rounded together.
        reference: the float network to reconstruct; None for the original frames.
        first: number of its first iteration.
        iterations: its iterations.
    """

    tuning: FineTune
    operations: range
    reference: FloatNetwork | None
    first: int
    iterations: int
    tensors: list[TensorName] = field(init=False)
    how: RoundingTransform = field(init=False)
    optimizer: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        network, transform = self.tuning.network, self.tuning.transform
        self.tensors = [tensor for tensor in tensor_names(network.program) if tensor.index in self.operations]
        self.how = RoundingTransform(transform)
        for tensor in self.tensors:
            value = network.tensors[tensor.key].detach()
            step_indices = along_channels(transform.step_indices[tensor.key], tensor.name, value.dim())
            low, high = torch.tensor(limits(transform.bits[tensor.key])).to(value)
            levels = Levels(torch.exp2(step_indices / OCTAVE), low, high)
            self.how.rounding[tensor.key] = LearnedRounding.of(value, levels)
        self.optimizer = torch.optim.Adam(self._variables.values(), lr=rounding_lr(self.iterations))

    @property
    def _variables(self) -> dict[str, Tensor]:
        return {key: learned.alpha for key, learned in self.how.rounding.items()}

    @property
    def done(self) -> int:
        return self.tuning.done

    def run(self, session: TrainingSession) -> None:
        """All iterations, then every value of the unit's tensors onto its quantisation level."""
        session.run(self, self.first + self.iterations)
        with torch.no_grad():
            for key, learned in self.how.rounding.items():
                self.tuning.network.tensors[key].copy_(learned.hard())

    def iterate(self) -> Measured:
        self.optimizer.zero_grad(set_to_none=True)
        power = Annealing().power(self.done - self.first, self.iterations)
        loss, measured = self._loss(self.done, power)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.tuning.done += 1
        return measured

    def look(self) -> Report:
        # The size of values between two levels hardly depends on lambda, so lambda must not learn from it.
        return self.tuning.steer(self._size(), learn=False)

    def state(self) -> State:
        tensors = {f"alpha.{key}": value for key, value in self._variables.items()}
        tensors |= {f"rounding.{name}": value for name, value in optimizer_tensors(self.optimizer).items()}
        return self.tuning.state() | State(tensors, {})

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Go on from a state of this unit, which its tuning has been restored from."""
        for key, value in state.within("alpha").items():
            self._variables[key].copy_(value)
        restore_optimizer(self.optimizer, state.within("rounding"))

    def _loss(self, iteration: int, power: float | None) -> tuple[Tensor, Measured]:
        """J = D + lambda R with the regulariser, of one batch; D alone, and PSNR where frames are the target."""
        tuning, settings, clip = self.tuning, self.tuning.settings, self.tuning.clip
        times = batch_frames(clip.frames, settings.batch, iteration, settings.seed + 1).to(clip.device)
        quality = None
        if self.reference is None:
            with tuning.computing(exact=iteration - self.first >= settings.freeze * self.iterations):
                output, target = tuning.network(times, self.how), clip.batch(times)
            loss = LOSSES[settings.loss](plane_errors(output, target, clip, settings.norm), clip.weights)
            with torch.no_grad():
                quality = (psnr(plane_errors(output, target, clip), clip.video.depth) @ clip.weights).mean()
        else:
            loss = self._reconstruction(self.reference, times, iteration)
        measured = Measured(loss.detach(), quality)
        if self.reference is None:
            loss = loss + tuning.control.lmbda * self._rate()
        if power is not None:
            pressure = torch.stack([regulariser(learned.h, power) for learned in self.how.rounding.values()]).sum()
            count = sum(learned.alpha.numel() for learned in self.how.rounding.values())
            loss = loss + settings.rounding_weight / count * pressure
        return loss, measured

    def _reconstruction(self, reference: FloatNetwork, times: Tensor, iteration: int) -> Tensor:
        """Mean |error|^norm of the unit's output against the float network's, relative to that output's own."""
        settings, (first, stop) = self.tuning.settings, (self.operations.start, self.operations.stop)
        with torch.no_grad():
            exact = reference.maps(times, Unrounded(self.tuning.transform), stop=stop)
            given = self.tuning.network.maps(times, self.tuning.transform, stop=first)
            generator = torch.Generator().manual_seed((settings.seed * 0x9E3779B1 + iteration) & 0xFFFFFFFF)
            for place, value in enumerate(given):
                floats = torch.rand(value.shape, generator=generator).to(value.device) < settings.input_mix
                given[place] = torch.where(floats, exact[place], value)
        output = self.tuning.network.maps(times, self.how, given=given, stop=stop)[-1]
        error = (output - exact[-1]).abs().pow(settings.norm).mean()
        return error / exact[-1].abs().pow(settings.norm).mean()

    def _rate(self) -> Tensor:
        """Smooth bits of the unit's tensors, a scalar."""
        step_indices, rounding = self.tuning.transform.step_indices, self.how.rounding
        parts = [gaussian_rate(rounding[t.key].soft(), step_indices[t.key], t.name) for t in self.tensors]
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
