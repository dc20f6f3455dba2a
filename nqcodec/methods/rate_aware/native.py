"""The context rate with its gradients in one pass of libnq (csrc/include/nq/context_rate.h); `likelihood` is the
definition.

Without libnq, on other devices and for other types the definition itself is used.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nqcodec.entropy.context import NEIGHBOURS
from nqcodec.methods.rate_aware import likelihood
from nqcodec.methods.rate_aware.likelihood import LEAST_SCALE, ContextWeights
from nqcodec.native.cpu import cpu_levels, level_number
from nqcodec.native.loading import load_libnq
from nqcodec.native.status import check_status

_PLACES = np.array(NEIGHBOURS, np.int32)


class _Descriptor(ctypes.Structure):
    """NqContextRate."""

    _fields_ = (
        ("values", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("scale", ctypes.c_void_p),
        ("values_gradient", ctypes.c_void_p),
        ("mean_gradient", ctypes.c_void_p),
        ("scale_gradient", ctypes.c_void_p),
        ("bits", ctypes.c_double),
        ("base_gradient", ctypes.c_double),
        ("base", ctypes.c_float),
        ("least_scale", ctypes.c_float),
        ("shape", ctypes.c_int32 * 4),
        ("neighbours", ctypes.c_int32),
    )


class ContextGradients(NamedTuple):
    """Bits of a latent under a context model, and its gradients, each of the type of its variable.

    Attributes:
        bits: of the whole latent.
        values: [T, C, H, W].
        base: [1].
        mean: [14].
        scale: [14].
    """

    bits: float
    values: Tensor
    base: Tensor
    mean: Tensor
    scale: Tensor


def _fits(values: Tensor, weights: ContextWeights) -> bool:
    """Whether libnq is installed and supports these tensors."""
    tensors = [values, *weights.parameters()]
    if any(tensor.dtype != torch.float32 or tensor.device.type != "cpu" for tensor in tensors):
        return False
    return values.dim() == 4 and values.numel() > 0 and load_libnq() is not None


def _by_definition(values: Tensor, weights: ContextWeights) -> ContextGradients:
    leaves = [tensor.detach().requires_grad_(True) for tensor in (values, *weights.parameters())]
    with torch.enable_grad():
        bits = likelihood.context_bits(leaves[0], ContextWeights(*leaves[1:]))
    # A latent of one value has no neighbours, so their weights are not used and have no gradients otherwise.
    return ContextGradients(float(bits.detach()), *torch.autograd.grad(bits, leaves, materialize_grads=True))


def context_gradients(values: Tensor, weights: ContextWeights, *, cpu: str | None = None) -> ContextGradients:
    """Bits of a latent and all their gradients, outside autograd.

    One thread, which holds no Python lock meanwhile. With libnq the same input gives the same bits on every machine
    and level.

    Args:
        values: [T, C, H, W] in units of the latent's step size.
        weights: the context model's.
        cpu: one of `nqcodec.native.cpu.CPU_LEVELS` for libnq to use; None takes the best that the CPU has.

    Raises:
        UnsupportedError: a level that the CPU does not have.
        MemoryError: not enough of it.
    """
    library = load_libnq()
    if library is None or not _fits(values, weights):
        return _by_definition(values, weights)
    values, base, mean, scale = (t.detach().contiguous() for t in (values, *weights.parameters()))
    gradients = torch.empty_like(values), torch.empty_like(mean), torch.empty_like(scale)
    descriptor = _Descriptor(
        values=values.data_ptr(),
        places=_PLACES.ctypes.data,
        mean=mean.data_ptr(),
        scale=scale.data_ptr(),
        values_gradient=gradients[0].data_ptr(),
        mean_gradient=gradients[1].data_ptr(),
        scale_gradient=gradients[2].data_ptr(),
        base=float(base),
        least_scale=LEAST_SCALE,
        shape=(ctypes.c_int32 * 4)(*values.shape),
        neighbours=len(_PLACES),
    )
    level = level_number(cpu, cpu_levels())
    check_status(library.nq_context_rate(ctypes.byref(descriptor), level), "context rate")
    by_base = torch.full_like(base, descriptor.base_gradient)
    return ContextGradients(descriptor.bits, gradients[0], by_base, gradients[1], gradients[2])


class _ContextBits(torch.autograd.Function):
    """Gradients come with the value, so that backward only scales them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, base: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        bits, *gradients = context_gradients(values, ContextWeights(base, mean, scale))
        ctx.save_for_backward(*gradients)
        return values.new_tensor(bits)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *by_bits: Tensor) -> tuple[Tensor, ...]:
        return tuple(gradient * by_bits[0] for gradient in ctx.saved_tensors)


def context_bits(values: Tensor, weights: ContextWeights) -> Tensor:
    """`likelihood.context_bits`, once differentiable where libnq computes it."""
    if not _fits(values, weights):
        return likelihood.context_bits(values, weights)
    bits: Tensor = _ContextBits.apply(values, *weights.parameters())  # type: ignore[no-untyped-call]
    return bits
