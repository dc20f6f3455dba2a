"""The two halves of an iteration: gradients of the distortion and of the rate, which share only the sampled values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nqcodec.methods.rate_aware import native_tensors as native
from nqcodec.methods.rate_aware.likelihood import STATIC_VARIANCE, ContextWeights, gaussian_bits
from nqcodec.methods.rate_aware.native import ContextGradients, context_gradients
from nqcodec.methods.rate_aware.native_tensors import Combined, static_rate
from nqcodec.methods.rate_aware.quantizer import FixedTensors, QuantizedSample
from nqcodec.training.clip import PackedClip
from nqcodec.training.losses import LOSSES, plane_errors, psnr
from nqcodec.training.native_arrays import empty_like, has_native
from nqcodec.training.native_frames import NativeFrames
from nqcodec.training.network import FloatNetwork

Over = Callable[[Callable[[str], ContextGradients], Iterable[str]], Iterable[ContextGradients]]
"""As `map`, which may run several at once."""


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


def native_distortion(
    frames: NativeFrames, clip: PackedClip, times: Tensor, *, sample: QuantizedSample, loss: str, rounds_vectors: bool
) -> Distortion:
    """`distortion` by libnq, for the loss that `frames` was made for."""
    found = frames.gradients(times.tolist(), sample.used, rounds_vectors=rounds_vectors)
    quality = (psnr(found.errors, clip.video.depth) @ clip.weights).mean()
    return Distortion(LOSSES[loss](found.errors, clip.weights), quality, found.tensors)


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


def rate(sample: QuantizedSample, contexts: dict[str, ContextWeights], over: Over = map) -> Rate:
    """Bits of the sampled symbols under the file's models, and their gradients.

    Args:
        over: computes the latents, which have a model of their own each.
    """
    # The longest come first, so that none is left over at the end.
    keys = sorted(contexts, key=lambda key: (-sample.symbols[key].numel(), key))
    latents = over(lambda key: context_gradients(sample.symbols[key], contexts[key]), keys)
    static = {key: symbol for key, symbol in sample.symbols.items() if key not in contexts}
    is_native, models = has_native(static.values()), dict[str, tuple[Tensor, Tensor, Tensor]]()
    total, gradients = (static_rate if is_native else _static)(list(static.values()))
    symbols = dict(zip(static, gradients, strict=True))
    for key, found in zip(keys, latents, strict=True):
        total = total + found.bits
        symbols[key], models[key] = found.values, (found.base, found.mean, found.scale)
    return Rate(torch.as_tensor(total), symbols, models)


def _static(symbols: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Bits of tensors, each under a static Gaussian of its own variance, and their gradients. They share one
    expression, because for a small tensor alone the overhead would exceed the work."""
    sizes = [symbol.numel() for symbol in symbols]
    flat = torch.cat([symbol.reshape(-1) for symbol in symbols]).requires_grad_(True)
    counts = torch.tensor(sizes, device=flat.device)
    owner = torch.repeat_interleave(torch.arange(len(symbols), device=flat.device), counts)
    squares = torch.zeros(len(symbols), device=flat.device).index_add(0, owner, flat.square())
    scale = (squares / counts + STATIC_VARIANCE).sqrt()
    bits = gaussian_bits(flat, scale[owner]).sum()
    (gradient,) = torch.autograd.grad(bits, flat)
    return bits.detach(), [part.view_as(one) for part, one in zip(gradient.split(sizes), symbols, strict=True)]


@torch.no_grad()
def combine(
    values: dict[str, Tensor],
    sample: QuantizedSample,
    pixels_gradient: dict[str, Tensor],
    bits: Rate,
    lmbda: float,
    threads: int = 1,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Gradients of J = D + lambda R with respect to the values and, [1] each, to their step indices, by tensor key.

    With x = v / 2^(i/8), s(x) the symbol sampled and u = s(x) 2^(i/8) used:
    dJ/dv = s'(x) (dD/du + lambda dR/ds / 2^(i/8)), dR/di = -ln(2)/8 <dR/ds, s'(x) x> and
    dD/di = ln(2)/8 <dD/du, u - s'(x) v>, for s'(x) = 1 the gradient of LSQ (Esser et al., ICLR 2020).
    """
    if has_native([*values.values(), *pixels_gradient.values()]):
        return _combine_natively(values, sample, pixels_gradient, bits, lmbda, threads)
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


def _combine_natively(
    values: dict[str, Tensor],
    sample: QuantizedSample,
    pixels_gradient: dict[str, Tensor],
    bits: Rate,
    lmbda: float,
    threads: int,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """`combine` by libnq."""
    by_value = dict(zip(values, empty_like(list(values.values())), strict=True))
    sizes = torch.cat([sample.sizes[key] for key in values]).tolist()
    items = [
        Combined(
            values=value.data_ptr(),
            used=sample.used[key].data_ptr(),
            by_used=pixels_gradient[key].data_ptr(),
            by_symbol=bits.symbols[key].data_ptr(),
            slopes=sample.slopes[key].data_ptr() if key in sample.slopes else None,
            by_value=by_value[key].data_ptr(),
            size=value.numel(),
            step_size=size,
        )
        for (key, value), size in zip(values.items(), sizes, strict=True)
    ]
    by_step_index = torch.tensor(native.combine(items, lmbda, threads)).split(1)
    return by_value, dict(zip(values, by_step_index, strict=True))
