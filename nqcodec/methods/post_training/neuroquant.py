"""NeuroQuant's method on one of our float networks, for comparison: fixed bit widths, no entropy coding.

It follows the published code: asymmetric quantizers per output channel, one for each bias, with step sizes from the
range. Then step sizes are learned straight-through, then rounding is learned, for weights and biases, against the
original frames. With `hadamard`, weights are transformed along input channels, which are padded with zeros to a power
of two. As in the code, which favours it, biases stay between levels, latents stay floats (counted at `LATENT_BITS`),
and maps are not rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from nqcodec.methods.post_training.rounding import Annealing, LearnedRounding, Levels, regulariser, rounding_lr
from nqcodec.network.integer_network import WEIGHT_BITS
from nqcodec.network.operations import Conv
from nqcodec.network.program import Program
from nqcodec.quantization.quantizers import straight_round
from nqcodec.training.clip import PackedClip
from nqcodec.training.evaluation import evaluate
from nqcodec.training.hadamard import hadamard
from nqcodec.training.losses import mse, plane_errors
from nqcodec.training.network import FloatNetwork, tensor_key
from nqcodec.training.start import batch_frames

BITS_PATTERN = (6, 5, 4, 5, 5, 6, 6)
"""Bit widths that it chose for the seven layers of its HNeRV network."""

ITERATIONS_SHARE = 0.05
"""Part of the calibration that learns step sizes."""

STEP_SIZE_LR, ROUNDING_TRAVEL = 1e-4, 60.0
"""Adam's learning rate for step sizes; and for rounding the product of learning rate and iterations, as published (3e-3
and 20,000), for any number of iterations. The published 1e-3 for step sizes was 0.07 dB worse on small networks."""

REGULARISER = 0.01
"""Weight of the sum over all weights of the rounding's regulariser."""

SQUARES = 3.0
"""Factor of its loss against `mse`: it sums squared errors over three planes, of which `mse` takes the mean."""

LATENT_BITS, RECORD_BITS = 6, 32
"""Bits of a latent as its authors count them, and of a quantizer's step size and zero point in half precision."""


@dataclass(frozen=True)
class NeuroQuantSettings:
    """How to run it. `extra` bits are added to each of `BITS_PATTERN`, which is stretched over the network's layers."""

    extra: int = 0
    hadamard: bool = False
    iterations: int = 800
    batch: int = 2
    seed: int = 0


@dataclass(frozen=True)
class NeuroQuantResult:
    """The quality and size that it reaches; no file could hold its floats.

    Attributes:
        bits: width of each convolution's tensors.
        nominal: bits a parameter of the convolutions as NeuroQuant counts them, without padding and quantizers.
        size: bytes with padding, quantizers and latents, without any header.
        rounded, calibrated: PSNR-YUV in dB after rounding to nearest and after calibration.
        hardened: the same with biases on levels too and latents rounded to the bits they are counted at, as a file of
            `size` bytes could hold them.
    """

    bits: tuple[int, ...]
    nominal: float
    size: int
    rounded: float
    calibrated: float
    hardened: float


def layer_bits(program: Program, extra: int) -> dict[int, int]:
    """Bit width by index of each convolution: the pattern, stretched over their number."""
    convolutions = [index for index, op in enumerate(program.operations) if isinstance(op, Conv)]
    last = max(len(convolutions) - 1, 1)
    low, high = WEIGHT_BITS
    return {
        index: min(max(BITS_PATTERN[round(place * (len(BITS_PATTERN) - 1) / last)] + extra, low), high)
        for place, index in enumerate(convolutions)
    }


def padded(channels: int) -> int:
    """The power of two that `channels` are padded to."""
    return 1 << (channels - 1).bit_length()


@dataclass
class AffineTensor:
    """A tensor with codes 0 .. 2^bits - 1: value = (code - zero) * step_size.

    Attributes:
        step_size, zero: [O, 1, 1, 1] for a weight, scalars for others.
        transformed: whether its input channels are padded and transformed.
        rounding: learned rounding, once step sizes are fixed.
    """

    step_size: Tensor
    zero: Tensor
    bits: int
    transformed: bool
    rounding: LearnedRounding | None = None

    @staticmethod
    def of(x: Tensor, bits: int, transformed: bool) -> AffineTensor:
        """Codes that span the range of each output channel of a weight `x`, or of all of a flat `x`, 0 included."""
        tensor = AffineTensor(torch.zeros(()), torch.zeros(()), bits, transformed)
        values = tensor.coefficients(x.detach())
        axes = tuple(range(1, values.dim())) or (0,)
        low = values.amin(axes, keepdim=values.dim() > 1).clamp(max=0)
        high = values.amax(axes, keepdim=values.dim() > 1).clamp(min=0)
        tensor.step_size = ((high - low) / (2**bits - 1)).clamp(min=1e-8)
        tensor.zero = (-low / tensor.step_size).round()
        return tensor

    def coefficients(self, x: Tensor) -> Tensor:
        """`x` as it is quantised: [O, C, k, k] to [O, padded C, k, k] if `transformed`."""
        if not self.transformed:
            return x
        return hadamard(F.pad(x, (0, 0, 0, 0, 0, padded(x.shape[1]) - x.shape[1])), 1)

    def value(self, x: Tensor) -> Tensor:
        """The tensor that the network shall use for `x`; gradients pass to the step size or the rounding."""
        if self.rounding is not None:
            result = self.rounding.soft()
        else:
            codes = straight_round(self.coefficients(x) / self.step_size).clamp(
                -self.zero, 2**self.bits - 1 - self.zero
            )
            result = codes * self.step_size
        return hadamard(result, 1)[:, : x.shape[1]] if self.transformed else result

    def learn_rounding(self, x: Tensor) -> None:
        """Fix the step size in half precision and let rounding be learned from here on."""
        self.step_size = self.step_size.detach().half().float()
        levels = Levels(self.step_size, -self.zero, 2**self.bits - 1 - self.zero)
        self.rounding = LearnedRounding.of(self.coefficients(x.detach()), levels)


@dataclass
class AffineTransform:
    """Quantises the tensors in `tensors`, by key; latents and maps stay floats."""

    tensors: dict[str, AffineTensor] = field(default_factory=dict)

    def tensor(self, index: int, name: str, value: Tensor) -> Tensor:
        quantized = self.tensors.get(tensor_key(index, name))
        return value if quantized is None else quantized.value(value)

    def map(self, index: int, value: Tensor) -> Tensor:
        return value

    def roundings(self, name: str) -> Iterator[LearnedRounding]:
        """Learned roundings of all weights or of all biases."""
        for key, tensor in self.tensors.items():
            if tensor.rounding is not None and key.endswith(name):
                yield tensor.rounding


def neuroquant(network: FloatNetwork, clip: PackedClip, settings: NeuroQuantSettings) -> NeuroQuantResult:
    """Calibrate `network`, which stays as it is, to `clip`."""
    bits = layer_bits(network.program, settings.extra)
    transform = AffineTransform()
    for index, width in bits.items():
        for name in ("weight", "bias"):
            key, transformed = tensor_key(index, name), settings.hadamard and name == "weight"
            transform.tensors[key] = AffineTensor.of(network.tensors[key], width, transformed)
    rounded = evaluate(network, clip, transform).yuv
    first = round(ITERATIONS_SHARE * settings.iterations)
    _learn_step_sizes(network, clip, transform, settings, first)
    for key, tensor in transform.tensors.items():
        tensor.learn_rounding(network.tensors[key])
    _learn_rounding(network, clip, transform, settings, range(first, settings.iterations))
    _harden(transform, "weight")
    calibrated = evaluate(network, clip, transform).yuv
    _harden(transform, "bias")
    for key, value in network.tensors.items():
        if key not in transform.tensors:
            transform.tensors[key] = AffineTensor.of(value.flatten(), LATENT_BITS, transformed=False)
    hardened = evaluate(network, clip, transform).yuv
    nominal, size = _cost(network.program, bits, settings.hadamard)
    return NeuroQuantResult(tuple(bits.values()), nominal, size, rounded, calibrated, hardened)


@torch.no_grad()
def _harden(transform: AffineTransform, name: str) -> None:
    """Round every weight, or every bias, to the nearer of its two levels."""
    for rounding in transform.roundings(name):
        rounding.alpha.copy_(torch.where(rounding.alpha >= 0, math.inf, -math.inf))


def _learn_step_sizes(
    network: FloatNetwork, clip: PackedClip, transform: AffineTransform, settings: NeuroQuantSettings, count: int
) -> None:
    step_sizes = [tensor.step_size.requires_grad_(True) for tensor in transform.tensors.values()]
    optimizer = torch.optim.Adam(step_sizes, lr=STEP_SIZE_LR)
    for iteration in range(count):
        optimizer.zero_grad(set_to_none=True)
        _loss(network, clip, transform, settings, iteration).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _learn_rounding(
    network: FloatNetwork, clip: PackedClip, transform: AffineTransform, settings: NeuroQuantSettings, iterations: range
) -> None:
    weights, biases = list(transform.roundings("weight")), list(transform.roundings("bias"))
    optimizer = torch.optim.Adam(
        [each.alpha for each in weights + biases], lr=rounding_lr(len(iterations), ROUNDING_TRAVEL)
    )
    for place, iteration in enumerate(iterations):
        optimizer.zero_grad(set_to_none=True)
        loss = _loss(network, clip, transform, settings, iteration)
        power = Annealing().power(place, len(iterations))
        if power is not None:
            loss = loss + REGULARISER * torch.stack([regulariser(each.h, power) for each in weights]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def _loss(
    network: FloatNetwork, clip: PackedClip, transform: AffineTransform, settings: NeuroQuantSettings, iteration: int
) -> Tensor:
    times = batch_frames(clip.frames, settings.batch, iteration, settings.seed + 1).to(clip.device)
    return SQUARES * mse(plane_errors(network(times, transform), clip.batch(times), clip), clip.weights)


def _cost(program: Program, bits: dict[int, int], transformed: bool) -> tuple[float, int]:
    """(bits a parameter as NeuroQuant counts them, bytes of everything)."""
    nominal, values, total = 0, 0, 0
    for index in range(len(program.operations)):
        for name, shape in program.tensors(index).items():
            count = math.prod(shape)
            if index not in bits:
                total += LATENT_BITS * count + RECORD_BITS
                continue
            nominal, values = nominal + bits[index] * count, values + count
            coded = count // shape[1] * padded(shape[1]) if transformed and name == "weight" else count
            total += bits[index] * coded + RECORD_BITS * (shape[0] if name == "weight" else 1)
    return nominal / values, -(-total // 8)
