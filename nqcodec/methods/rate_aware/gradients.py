"""The two halves of an iteration: gradients of the distortion and of the rate, which share only the sampled values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nqcodec.methods.rate_aware.likelihood import STATIC_VARIANCE, ContextWeights, gaussian_bits
from nqcodec.methods.rate_aware.native import context_gradients
from nqcodec.methods.rate_aware.quantizer import FixedTensors, QuantizedSample
from nqcodec.training.clip import PackedClip
from nqcodec.training.losses import LOSSES, plane_errors, psnr
from nqcodec.training.network import FloatNetwork


@dataclass(frozen=True)
class Distortion:
    """Loss of a batch and its gradients with respect to the values used, by tensor key; PSNR-YUV in dB. Scalars
    stay on the device."""

    loss: Tensor
    psnr: Tensor
    gradients: dict[str, Tensor]


@dataclass(frozen=True)
class Rate:
    """Bits of all tensors and their gradients.

    Attributes:
        bits: float32 scalar.
        symbols: with respect to the symbols, by tensor key.
        contexts: with respect to (base, mean, scale) of each latent's context model, by tensor key.
    """

    bits: Tensor
    symbols: dict[str, Tensor]
    contexts: dict[str, tuple[Tensor, Tensor, Tensor]]


def distortion(
    network: FloatNetwork, clip: PackedClip, times: Tensor, *, sample: QuantizedSample, loss: str
) -> Distortion:
    """The distortion of frames `times` [B] with the sampled values, and its gradients."""
    # Each call has leaves of its own, because several threads may compute with the same sampled values.
    leaves = {key: value.detach().requires_grad_(True) for key, value in sample.used.items()}
    errors = plane_errors(network(times, FixedTensors(leaves)), clip.batch(times), clip)
    value = LOSSES[loss](errors, clip.weights)
    gradients = torch.autograd.grad(value, list(leaves.values()))
    with torch.no_grad():
        quality = (psnr(errors, clip.video.depth) @ clip.weights).mean()
    return Distortion(value.detach(), quality, dict(zip(leaves, gradients, strict=True)))


def mean_distortion(parts: Sequence[Distortion], frames: Sequence[int]) -> Distortion:
    """The distortion of several batches as one; `frames` are their sizes."""
    if len(parts) == 1:
        return parts[0]
    shares = [count / sum(frames) for count in frames]

    def mean(values: list[Tensor]) -> Tensor:
        total = values[0] * shares[0]
        for value, share in zip(values[1:], shares[1:], strict=True):
            total.add_(value, alpha=share)
        return total

    gradients = {key: mean([part.gradients[key] for part in parts]) for key in parts[0].gradients}
    return Distortion(mean([part.loss for part in parts]), mean([part.psnr for part in parts]), gradients)


def rate(sample: QuantizedSample, contexts: dict[str, ContextWeights]) -> Rate:
    """Bits of the sampled symbols under the file's models, and their gradients."""
    total, symbols, models = _static(sample, [key for key in sample.symbols if key not in contexts])
    for key, weights in contexts.items():
        bits, values, base, mean, scale = context_gradients(sample.symbols[key], weights)
        total = total + bits
        symbols[key], models[key] = values, (base, mean, scale)
    return Rate(total, symbols, models)


def _static(
    sample: QuantizedSample, keys: list[str]
) -> tuple[Tensor, dict[str, Tensor], dict[str, tuple[Tensor, Tensor, Tensor]]]:
    """Bits of tensors, each under a static Gaussian of its own variance, and gradients as `rate` gives them. They
    share one expression, because for a small tensor alone the overhead would exceed the work."""
    parts = [sample.symbols[key].reshape(-1) for key in keys]
    sizes = [part.numel() for part in parts]
    flat = torch.cat(parts).requires_grad_(True)
    counts = torch.tensor(sizes, device=flat.device)
    owner = torch.repeat_interleave(torch.arange(len(keys), device=flat.device), counts)
    squares = torch.zeros(len(keys), device=flat.device).index_add(0, owner, flat.square())
    scale = (squares / counts + STATIC_VARIANCE).sqrt()
    bits = gaussian_bits(flat, scale[owner]).sum()
    (gradient,) = torch.autograd.grad(bits, flat)
    shaped = {key: part.view_as(sample.symbols[key]) for key, part in zip(keys, gradient.split(sizes), strict=True)}
    return bits.detach(), shaped, {}


@torch.no_grad()
def combine(
    values: dict[str, Tensor], sample: QuantizedSample, pixels_gradient: dict[str, Tensor], bits: Rate, lmbda: float
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of J = D + lambda R with respect to the values and, [1] each, to their step indices, by tensor key.

    With x = v / 2^(i/8), s(x) the symbol sampled and u = s(x) 2^(i/8) used:
    dJ/dv = s'(x) (dD/du + lambda dR/ds / 2^(i/8)), dR/di = -ln(2)/8 <dR/ds, s'(x) x> and
    dD/di = ln(2)/8 <dD/du, u - s'(x) v>, for s'(x) = 1 the gradient of LSQ (Esser et al., ICLR 2020).
    """
    octave = math.log(2) / 8
    by_value, by_step_index = {}, {}
    for key, value in values.items():
        exact, size = value.detach(), sample.sizes[key]
        of_used, of_symbol = pixels_gradient[key], bits.symbols[key]
        by_value[key] = torch.addcdiv(of_used, of_symbol, size, value=lmbda)
        if key in sample.slopes:
            by_value[key] *= sample.slopes[key]
            exact = exact * sample.slopes[key]
        moved = torch.dot(of_used.reshape(-1), (sample.used[key].detach() - exact).reshape(-1))
        charged = torch.dot(of_symbol.reshape(-1), exact.reshape(-1)) / size
        by_step_index[key] = (octave * (moved - lmbda * charged)).reshape(1)
    return by_value, by_step_index
