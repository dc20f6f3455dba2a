"""Fixed-point formats of feature maps: how they are chosen, and rounding to them (formats/nq.md, 4 and 6).

A map of signed width w and frac f holds integers in [-2^(w-1), 2^(w-1) - 1], worth 2^-f each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from nqcodec.network.integer_network import FRAC_RANGE
from nqcodec.network.operations import Activation, Conv
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork, Transform
from nqcodec.training.operations import activate

SAMPLE_REACH = 0.5
"""Packed samples beyond this are clipped by `planes`, so a head's map need not hold them."""

MOST_FRAC = 14
"""Finest format used: 2^-14 is a quarter of a 12-bit sample; with a finer one a bias could have no legal rescale."""

FINER = 2
"""Finer formats tried beside the one that clamps nothing: clamping a few values can cost less than rounding all."""


RANGE_FRAMES = 64
"""Most frames from which the largest magnitude of each map is measured."""

RANGE_BATCH = 4
"""Frames that the network computes at once for that measurement."""


@dataclass(frozen=True)
class MapFormat:
    """Signed width in bits and fractional bits of a map."""

    width: int
    frac: int


class _RoundMap(Function):
    """Round and clamp to a format; the gradient passes where nothing was clamped."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, frac: int, low: int, high: int) -> Tensor:
        rounded = (x * 2.0**frac).round_().clamp_(low, high).mul_(2.0**-frac)
        ctx.save_for_backward(rounded)
        ctx.bounds = (low * 2.0**-frac, high * 2.0**-frac)
        return rounded

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (rounded,) = ctx.saved_tensors
        low, high = ctx.bounds
        return gradient.masked_fill((rounded <= low) | (rounded >= high), 0), None, None, None


def round_map(x: Tensor, form: MapFormat) -> Tensor:
    """A map as its format holds it, of any float type with at least `width` significant bits; straight-through.

    The decoder's own rounding differs in two ways that are too small to train for: half of a unit rounds up instead of
    to even, and a gate is read at the nearest 1/256.
    """
    high = (1 << (form.width - 1)) - 1
    rounded: Tensor = _RoundMap.apply(x, form.frac, -high - 1, high)  # type: ignore[no-untyped-call]
    return rounded


def head_index(program: Program) -> int:
    """The operation whose format `planes` reads."""
    index = program.operations[-1].inputs[0]
    while not program.operations[index].has_format:
        index = program.operations[index].inputs[0]
    return index


def spread_frames(frames: int, count: int) -> Tensor:
    """At most `count` frame numbers (int64), in the middles of equal parts of the clip."""
    count = min(count, frames)
    return torch.div((2 * torch.arange(count) + 1) * frames, 2 * count, rounding_mode="floor")


def range_frames(frames: int) -> Tensor:
    """Numbers (int64) of the frames that map ranges are measured on: all of a short clip, else some with both ends.

    A map that exceeds its measured range is clamped, which can cost decibels in that frame. The first and the last
    frame have the most unusual maps, so they are always measured.
    """
    ends = torch.tensor([0, frames - 1])
    times: Tensor = torch.cat([spread_frames(frames, RANGE_FRAMES), ends]).unique()
    return times


@dataclass
class _Ranges:
    """Passes tensors to `inner` and records the largest magnitude of each map."""

    inner: Transform
    largest: dict[int, float] = field(default_factory=dict)

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        return self.inner.tensor(index, name, value)

    def map(self, index: int, value: Tensor) -> Tensor:
        self.largest[index] = max(self.largest.get(index, 0.0), float(value.abs().max()))
        return value


@dataclass
class _Errors:
    """Passes tensors to `inner` and sums the squared error that each candidate format makes of each map.

    The error of a gated map is taken after its gate, and only once: values that a GELU sends to zero may be clamped
    at no cost, and no output is larger than its input.
    """

    inner: Transform
    program: Program
    candidates: dict[int, list[MapFormat]]
    head: int
    errors: dict[int, list[float]] = field(default_factory=dict)
    gated: set[int] = field(default_factory=set)

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        return self.inner.tensor(index, name, value)

    def map(self, index: int, value: Tensor) -> Tensor:
        if index in self.gated:
            self.gated.remove(index)
            return value
        if _has_gate(self.program, index):
            self.gated.add(index)
        sums = self.errors.setdefault(index, [0.0] * len(self.candidates[index]))
        wanted = self._as_used(index, value)
        for place, form in enumerate(self.candidates[index]):
            error = self._as_used(index, round_map(value, form)) - wanted
            sums[place] += float(error.double().square().sum())
        return value

    def _as_used(self, index: int, value: Tensor) -> Tensor:
        op = self.program.operations[index]
        if isinstance(op, Conv) and _has_gate(self.program, index):
            value = activate(value, op.activation)
        return value.clamp(-SAMPLE_REACH, SAMPLE_REACH) if index == self.head else value


def _has_gate(program: Program, index: int) -> bool:
    """Whether an operation's map is clamped before its activation and rounded again after it."""
    op = program.operations[index]
    return isinstance(op, Conv) and op.activation not in (Activation.NONE, Activation.HALF_TANH)


@torch.no_grad()
def choose_formats(
    network: FloatNetwork, clip: PackedClip, transform: Transform, frames: Tensor, width: int, head_width: int
) -> dict[int, MapFormat]:
    """A format for each operation that has one: ranges from `range_frames`, errors from frames `frames` [n].

    Args:
        transform: supplies the tensors, quantised or not; its maps are not used.
        width, head_width: signed widths of inner maps and of the head's.
    """
    head = head_index(network.program)
    ranges = _Ranges(transform)
    for times in range_frames(clip.frames).to(clip.device).split(RANGE_BATCH):
        network(times, ranges)
    candidates = {
        index: _candidates(head_width if index == head else width, largest) for index, largest in ranges.largest.items()
    }
    errors = _Errors(transform, network.program, candidates, head)
    for time in frames.to(clip.device).split(1):
        network(time, errors)
    return {
        index: forms[min(range(len(forms)), key=errors.errors[index].__getitem__)]
        for index, forms in candidates.items()
    }


def _candidates(width: int, largest: float) -> list[MapFormat]:
    """The finest format that clamps nothing within `largest`, and a few finer ones."""
    whole = math.ceil(math.log2(largest)) if largest > 0 else 0
    frac = min(max(width - 1 - whole, FRAC_RANGE[0]), MOST_FRAC)
    return [MapFormat(width, f) for f in range(frac, min(frac + FINER, MOST_FRAC) + 1)]
