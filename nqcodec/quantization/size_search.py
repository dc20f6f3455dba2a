"""The last part of an encode: it fits the file to its size by the changes of least distortion a bit.

Distortion is predicted by the curvature of the loss; rate by a Gaussian of each channel's variance for single values
and by the file's entropy models for whole tensors. Only the real size of the file decides when to stop.

Trained integers keep their step sizes: the floats behind them lie anywhere within a step, so with another step size
they would be rounded to values that training has not used. So a file that is too small after training stays so, unless
more training follows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from nqcodec.errors import RateError
from nqcodec.network.integer_network import BITS_RANGE, Int32, IntegerNetwork, IntTensor, channel_axis
from nqcodec.network.program import Program
from nqcodec.quantization.export import integer_network
from nqcodec.quantization.hadamard import choose_use, input_format_index
from nqcodec.quantization.map_formats import MapFormat
from nqcodec.quantization.quantizers import Float64, bits_needed, quantize_array, step_size
from nqcodec.quantization.rate import ROUNDING_VARIANCE, tensor_bits
from nqcodec.quantization.settings import SizeOf
from nqcodec.quantization.transform import TensorName, tensor_names

LOWERED_SHARE = 0.03
"""Part of a file that moving single values may save; beyond it a coarser step size loses less."""

ROUNDS = 200
"""Most times that the real size is measured before the search gives up; it usually takes a handful."""


class SizeError(RateError):
    """No file of the size asked for can be made of this network; `possible` is the nearest size in bytes."""

    def __init__(self, message: str, possible: int):
        super().__init__(message)
        self.possible = possible

    @staticmethod
    def too_small(asked: int, least: int) -> SizeError:
        """The error for a size below that of the coarsest quantisation."""
        return SizeError(f"{asked} bytes are too few for this network: the least is {least}", least)


@dataclass(frozen=True)
class _StepChange:
    """A change of one tensor's step indices: the new tensor, the bits that it adds or saves, the distortion a bit."""

    tensor: TensorName
    result: IntTensor
    bits: float
    score: float


@dataclass
class SizeSearch:
    """A search for integer tensors whose file has a given size.

    Attributes:
        values: the float tensors that the integers stand for, float64 by key.
        curvatures: rise of the loss with the squared error of each parameter, float64 by key.
        bounds: (finest, coarsest) base step index by key.
        tensors: the integers, changed in place.
        tuned: whether the integers were trained; then they are the optimum that distortion is counted from, and not
            the floats that they were rounded from.
        refines: whether step sizes may become finer if the file is smaller than it should be.
        moved: whether anything had to be changed.
    """

    program: Program
    values: dict[str, Float64]
    curvatures: dict[str, Float64]
    bounds: dict[str, tuple[int, int]]
    tensors: dict[str, IntTensor]
    formats: dict[int, MapFormat]
    size_of: SizeOf
    tuned: bool
    refines: bool
    moved: bool = False
    names: list[TensorName] = field(init=False)

    def __post_init__(self) -> None:
        self.names = list(tensor_names(self.program))

    def run(self, least: int, most: int) -> IntegerNetwork:
        """The network whose file has at most `most` bytes, and at least `least` if finer step sizes can give that.

        Raises:
            SizeError: if there is none; it holds the least size in bytes.
        """
        refined = False
        for _ in range(ROUNDS):
            network = integer_network(self.program, self.tensors, self.formats)
            size = self.size_of(network)
            if size <= most and (size >= least or not self._refine(8.0 * (least - size))):
                return network
            self.moved = True
            if size < least:
                refined = True
            else:
                # After a refinement only single values are lowered: coarser step sizes would undo it, and so on for
                # ever.
                excess = 8.0 * (size - most)
                remaining = excess - LOWERED_SHARE * 8 * size
                coarser = not refined and self.refines and remaining > 0 and self._change_steps(1, remaining)
                if not coarser and not self._lower_symbols(excess):
                    raise SizeError.too_small(most, size)
        raise SizeError.too_small(most, size)

    def _refine(self, bits: float) -> bool:
        """Add about `bits` bits by finer step sizes; False if that is not allowed, or if all are at their bounds."""
        return self.refines and self._change_steps(-1, bits)

    def _change_steps(self, by: int, bits: float) -> bool:
        """Make step sizes finer (`by` -1) or coarser (1) in order of distortion over rate, until about `bits` bits have
        been added or saved; False if all are at their bounds."""
        changed = 0.0
        moves = {t.key: move for t in self.names if (move := self._step_change(t, by))}
        moved = bool(moves)
        while changed < bits and moves:
            key, move = (min if by > 0 else max)(moves.items(), key=lambda item: item[1].score)
            self.tensors[key] = move.result
            changed += move.bits
            following = self._step_change(move.tensor, by)
            if following:
                moves[key] = following
            else:
                del moves[key]
        return moved

    def _step_change(self, tensor: TensorName, by: int) -> _StepChange | None:
        """The change of a tensor's step indices by `by`; None if that would leave its bounds."""
        old = self.tensors[tensor.key]
        step_indices = old.step_indices + np.int32(by)
        low, high = self.bounds[tensor.key]
        if int(step_indices.min()) < low or int(step_indices.max()) > high:
            return None
        values = quantize_array(self.values[tensor.key], _shaped(step_indices, tensor, old), BITS_RANGE[tensor.name][1])
        new = IntTensor(values, bits_needed(values), step_indices, context=old.context)
        if old.hadamard is not None:
            source = input_format_index(self.program, tensor.index)
            new.hadamard = choose_use(values, self.formats[source].width)
        bits = max(abs(tensor_bits(new, tensor.name) - tensor_bits(old, tensor.name)), 1.0)
        # Rounding errors have a variance of step size^2 / 12; the 1/12 is common to all changes and left out.
        squared = np.broadcast_to(step_size(_shaped(old.step_indices, tensor, old)) ** 2, old.values.shape)
        return _StepChange(tensor, new, bits, float((self.curvatures[tensor.key] * squared).sum()) / bits)

    def _lower_symbols(self, bits: float) -> bool:
        """Move values one integer towards their tensor's mean, in order of distortion over bits saved, to save about
        `bits` bits; False if none is left to move."""
        moves = [self._value_moves(tensor) for tensor in self.names]
        score = np.concatenate([distortion / saved for _, distortion, saved, _ in moves])
        savings = np.concatenate([saved for _, _, saved, _ in moves])
        order = np.argsort(score, kind="stable")
        enough = int(np.searchsorted(np.cumsum(savings[order]), bits)) + 1
        taken = np.zeros(score.size, bool)
        taken[order[:enough]] = True
        start = 0
        for tensor, (places, _, _, moved) in zip(self.names, moves, strict=True):
            mine = taken[start : start + places.size]
            start += places.size
            values = self.tensors[tensor.key].values.copy()
            values.reshape(-1)[places[mine]] = moved[mine]
            old = self.tensors[tensor.key]
            self.tensors[tensor.key] = replace(old, values=values, bits=min(bits_needed(values), old.bits))
        return bool(taken.any())

    def _value_moves(self, tensor: TensorName) -> tuple[Int32, Float64, Float64, Int32]:
        """(flat places, distortion, bits saved, new integers) of all single moves that a tensor allows."""
        old = self.tensors[tensor.key]
        values: Float64 = old.values.astype(np.float64)
        size = np.broadcast_to(step_size(_shaped(old.step_indices, tensor, old)), values.shape)
        centre = float(np.rint(values.mean()))
        towards = values - np.sign(values - centre)
        axes = tuple(d for d in range(values.ndim) if d != channel_axis(tensor.name)) if values.ndim > 1 else (0,)
        squares = (values - centre) ** 2
        variance = squares.mean(axis=axes, keepdims=True) + ROUNDING_VARIANCE
        saved = (squares - (towards - centre) ** 2) / (2 * math.log(2) * variance)
        exact = values if self.tuned else self.values[tensor.key] / size
        rise = self.curvatures[tensor.key] * size**2 * ((exact - towards) ** 2 - (exact - values) ** 2)
        places = np.flatnonzero(values != centre).astype(np.int32)
        distortion, saving, moved = (array.reshape(-1)[places] for array in (np.maximum(rise, 0), saved, towards))
        return places, distortion, saving, moved.astype(np.int32)


def _shaped(step_indices: Int32, tensor: TensorName, like: IntTensor) -> Int32:
    """Step indices [1] or [channels] shaped to broadcast with a tensor's values."""
    if step_indices.size == 1:
        return step_indices.reshape((1,) * like.values.ndim)
    shape = [1] * like.values.ndim
    shape[channel_axis(tensor.name)] = -1
    return step_indices.reshape(shape)
