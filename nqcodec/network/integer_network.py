"""The integer network: a program and its integer tensors. Encoder and decoder meet in it (formats/nq.md, 6).

The encoder ends by building one and writing it; a decoder reads one and runs it. Everything a backend needs beyond
the file's own integers (accumulator biases, multipliers, shifts) is derived here, once, for all backends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nqcodec.network import hadamard as definition
from nqcodec.network.operations import Activation, Conv, Grid, Operation
from nqcodec.network.program import Program

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

MANTISSAS: tuple[int, ...] = (32768, 35734, 38968, 42495, 46341, 50535, 55109, 60097)
"""round(2^(15 + j/8)), j = 0..7: the mantissas of rescales (formats/nq.md, 6.1)."""

WIDTH_RANGE = (8, 14)
FRAC_RANGE = (0, 20)
STEP_INDEX_RANGE = (-320, 320)
WEIGHT_BITS = (2, 8)
BIAS_BITS = (2, 16)
LATENT_BITS = (2, 12)
USED_WIDTH_RANGE = (8, 12)
GAIN_RANGE = (0, 6)
BITS_RANGE = {"weight": WEIGHT_BITS, "bias": BIAS_BITS, "latent": LATENT_BITS}
CONTEXT_NEIGHBOURS = 14
CONTEXT_BASE_RANGE = (1, 65535)
CONTEXT_MEAN_RANGE = (-256, 255)
CONTEXT_SCALE_RANGE = (0, 255)
GRID_FRACTION_BITS = 16
HALF_TANH_FRAC = 12
"""Fractional bits of what goes into the half_tanh table (formats/nq.md, 6.5)."""


@dataclass(frozen=True)
class Hadamard:
    """How a weight coded in the Hadamard domain of its input channels is used (formats/nq.md, 6.3.1).

    Attributes:
        used_width: signed width in bits that the weights as used are clamped to.
        gain: the weights as used are in units of 2^-gain of the tensor's step size.
    """

    used_width: int
    gain: int


@dataclass(frozen=True)
class Context:
    """Weights by which a latent's values are predicted from the ones before them (formats/nq.md, 3.6).

    Attributes:
        base: scale of a value whose neighbours were all predicted exactly, in 1/512.
        mean: weight of each of the 14 neighbours in the prediction, in 1/64.
        scale: weight of the residual of each of the 14 neighbours in the scale, in 1/64.

    A neighbour whose two weights are 0 is not used.
    """

    base: int
    mean: tuple[int, ...]
    scale: tuple[int, ...]


@dataclass
class IntTensor:
    """One integer tensor.

    Attributes:
        values: int32, in [-2^(bits-1), 2^(bits-1) - 1].
        bits: alphabet's width.
        step_indices: int32 step indices, one, or one a channel (weights: output channels; latents: channels);
            value = integer * 2^(step index / 8).
        hadamard: for a weight [out, in, k, k] whose values are its orthonormal transform along `in`, else None.
        context: for a latent, the weights of the context model, which codes it where that is smaller; else None.
    """

    values: Int32
    bits: int
    step_indices: Int32
    hadamard: Hadamard | None = None
    context: Context | None = None

    @property
    def low(self) -> int:
        """Smallest legal value."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest legal value."""
        return (1 << (self.bits - 1)) - 1


@dataclass
class Layer:
    """The file's data of one operation: its output map's format and its tensors, by name in file order.

    `width` is the signed width in bits that the map is clamped to; its value is integer * 2^-frac.
    Both are 0 for operations that keep their input's format.
    """

    width: int = 0
    frac: int = 0
    tensors: dict[str, IntTensor] = field(default_factory=dict)


@dataclass
class IntegerNetwork:
    """A program with a layer for each operation."""

    program: Program
    layers: list[Layer]

    def map_format(self, index: int) -> tuple[int, int]:
        """(width, frac) of operation `index`'s output, inherited where the operation has none of its own."""
        while not self.program.operations[index].has_format:
            index = self.program.operations[index].inputs[0]
        return self.layers[index].width, self.layers[index].frac


def rescale_factors(exponents: Int32 | Int64) -> tuple[Int32, Int32]:
    """(M, S) such that rescale multiplies by 2^(exponent/8) (formats/nq.md, 6.1).

    Raises:
        ValueError: S leaves 1..46.
    """
    e = np.asarray(exponents, dtype=np.int64)
    multiplier = np.array(MANTISSAS, dtype=np.int32)[e & 7]
    shift = (15 - (e >> 3)).astype(np.int32)
    if shift.size and (int(shift.min()) < 1 or int(shift.max()) > 46):
        raise ValueError(f"a rescale by 2^({int(e.max())}/8) .. 2^({int(e.min())}/8) needs a shift outside 1..46")
    return multiplier, shift


def rescale(values: npt.NDArray[np.integer], multiplier: npt.ArrayLike, shift: npt.ArrayLike) -> Int64:
    """(value * M + 2^(S-1)) >> S with a 64-bit product and an arithmetic shift (formats/nq.md, 6.1)."""
    m = np.asarray(multiplier, dtype=np.int64)
    s = np.asarray(shift, dtype=np.int64)
    return (np.asarray(values, dtype=np.int64) * m + (np.int64(1) << (s - 1))) >> s


@dataclass(frozen=True)
class Rescaled:
    """Derived constants of one operation with tensors: what every backend computes with.

    `multiplier` and `shift` have one entry a channel; `bias` is in accumulator units (zero for grids); `values` are
    a convolution's weights as used, [out, in, k, k], or a grid's latents, [times, C, h, w].
    """

    multiplier: Int32
    shift: Int32
    bias: Int32
    values: Int32


def used_weight(weight: IntTensor, transform: definition.Transform = definition.transform) -> Int32:
    """The weights that a convolution multiplies by, int32 [out, in, k, k] (formats/nq.md, 6.3.1).

    `transform` does what `definition.transform` does.
    """
    if weight.hadamard is None:
        return weight.values
    sums = transform(np.ascontiguousarray(np.moveaxis(weight.values, 1, -1)))
    stages = definition.block_stages(weight.values.shape[1])
    used = rescale(sums, *rescale_factors(8 * weight.hadamard.gain - 4 * stages))
    high = (1 << (weight.hadamard.used_width - 1)) - 1
    return np.ascontiguousarray(np.moveaxis(np.clip(used, -high - 1, high), -1, 1).astype(np.int32))


def used_step_indices(weight: IntTensor) -> Int32:
    """Step indices of the weights as used: one, or one an output channel (formats/nq.md, 6.3.1)."""
    return weight.step_indices if weight.hadamard is None else weight.step_indices - 8 * weight.hadamard.gain


def derive(network: IntegerNetwork, index: int, transform: definition.Transform = definition.transform) -> Rescaled:
    """Rescale factors, accumulator biases and weights as used of operation `index`.

    Raises:
        ValueError: a rescale or accumulator that leaves its range.
    """
    op = network.program.operations[index]
    if isinstance(op, Grid):
        return _derive_grid(network, index)
    if isinstance(op, Conv):
        return _derive_conv(network, index, op, transform)
    raise ValueError(f"operation {index} ({op.name}) has no rescale")


def _derive_grid(network: IntegerNetwork, index: int) -> Rescaled:
    layer, channels = network.layers[index], network.program.shapes[index][0]
    latent = layer.tensors["latent"]
    step_indices = np.broadcast_to(latent.step_indices, (channels,))
    multiplier, shift = rescale_factors(step_indices + 8 * (layer.frac - GRID_FRACTION_BITS))
    return Rescaled(multiplier, shift, np.zeros(channels, np.int32), latent.values)


def _derive_conv(network: IntegerNetwork, index: int, op: Conv, transform: definition.Transform) -> Rescaled:
    layer, channels = network.layers[index], network.program.shapes[index][0]
    width_in, frac_in = network.map_format(op.inputs[0])
    weight, bias = layer.tensors["weight"], layer.tensors["bias"]
    step_indices, used = np.broadcast_to(used_step_indices(weight), (channels,)), used_weight(weight, transform)
    frac_out = HALF_TANH_FRAC if op.activation is Activation.HALF_TANH else layer.frac
    multiplier, shift = rescale_factors(step_indices + 8 * (frac_out - frac_in))
    bias_factors = rescale_factors(bias.step_indices - step_indices + 8 * frac_in)
    acc_bias = rescale(bias.values, *bias_factors)
    largest = np.abs(used.astype(np.int64)).sum(axis=(1, 2, 3)) << (width_in - 1)
    if int((largest + np.abs(acc_bias)).max()) >= 1 << 31:
        raise ValueError(f"operation {index} (conv) can overflow its 32-bit accumulator")
    return Rescaled(multiplier, shift, acc_bias.astype(np.int32), used)


def validate(network: IntegerNetwork, transform: definition.Transform = definition.transform) -> list[Rescaled | None]:
    """Check every rule of formats/nq.md 6 and return each operation's derived constants, None for one without tensors.

    `transform` does what `definition.transform` does, perhaps faster.

    Raises:
        ValueError: naming the operation and the rule.
    """
    derived: list[Rescaled | None] = []
    for index, op in enumerate(network.program.operations):
        layer, shapes = network.layers[index], network.program.tensors(index)
        if op.has_format:
            _check_ranges(index, op, layer)
        for name, shape in shapes.items():
            where = f"operation {index} ({op.name}) {name}"
            _check_tensor(where, layer.tensors[name], name, shape)
            _check_hadamard(where, layer.tensors[name], name, op)
            _check_context(where, layer.tensors[name].context, name)
        derived.append(derive(network, index, transform) if shapes else None)
    return derived


def _check_ranges(index: int, op: Operation, layer: Layer) -> None:
    for what, value, (low, high) in (("width", layer.width, WIDTH_RANGE), ("frac", layer.frac, FRAC_RANGE)):
        if not low <= value <= high:
            raise ValueError(f"operation {index} ({op.name}): {what} {value} is outside {low}..{high}")


def _check_hadamard(where: str, tensor: IntTensor, name: str, op: Operation) -> None:
    if tensor.hadamard is None:
        return
    if name != "weight" or (isinstance(op, Conv) and op.depthwise):
        raise ValueError(f"{where}: only the weight of a dense convolution has a Hadamard domain")
    claims = (("used width", tensor.hadamard.used_width, USED_WIDTH_RANGE), ("gain", tensor.hadamard.gain, GAIN_RANGE))
    for what, value, (low, high) in claims:
        if not low <= value <= high:
            raise ValueError(f"{where}: {what} {value} is outside {low}..{high}")


def check_context(context: Context) -> None:
    """Raise ValueError unless the weights are those of the context model (formats/nq.md, 4)."""
    claims = (
        ("base", (context.base,), 1, CONTEXT_BASE_RANGE),
        ("mean weight", context.mean, CONTEXT_NEIGHBOURS, CONTEXT_MEAN_RANGE),
        ("spread weight", context.scale, CONTEXT_NEIGHBOURS, CONTEXT_SCALE_RANGE),
    )
    for what, values, count, (low, high) in claims:
        if len(values) != count:
            raise ValueError(f"context: {len(values)} {what}s instead of {count}")
        for value in values:
            if not low <= value <= high:
                raise ValueError(f"context: {what} {value} is outside {low}..{high}")


def _check_context(where: str, context: Context | None, name: str) -> None:
    if context is None:
        return
    if name != "latent":
        raise ValueError(f"{where}: only a latent has a context model")
    try:
        check_context(context)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def channel_axis(name: str) -> int:
    """Axis of a tensor that its per-channel step and scale indices follow: 0 for weights and biases, 1 for latents."""
    return 1 if name == "latent" else 0


def _check_tensor(where: str, tensor: IntTensor, name: str, shape: tuple[int, ...]) -> None:
    low, high = BITS_RANGE[name]
    if not low <= tensor.bits <= high:
        raise ValueError(f"{where}: {tensor.bits} bits are outside {low}..{high}")
    if tensor.values.shape != shape:
        raise ValueError(f"{where}: shape {tensor.values.shape} instead of {shape}")
    if tensor.step_indices.size not in (1, shape[channel_axis(name)]) or (
        name == "bias" and tensor.step_indices.size != 1
    ):
        raise ValueError(f"{where}: {tensor.step_indices.size} step indices do not fit {shape}")
    if int(tensor.step_indices.min()) < STEP_INDEX_RANGE[0] or int(tensor.step_indices.max()) > STEP_INDEX_RANGE[1]:
        raise ValueError(f"{where}: a step index is outside {STEP_INDEX_RANGE[0]}..{STEP_INDEX_RANGE[1]}")
    if int(tensor.values.min()) < tensor.low or int(tensor.values.max()) > tensor.high:
        raise ValueError(f"{where}: a value is outside {tensor.bits} bits")
