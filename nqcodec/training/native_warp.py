"""The float warp of four taps and its gradients by libnq (csrc/include/nq/warp_gradient.h); `warp_by_torch` of
`nqcodec.training.operations` is the definition.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nqcodec.native.cpu import cpu_levels, level_number
from nqcodec.native.loading import load_libnq
from nqcodec.native.status import check_status

LEAST_SIZE = 4
"""Rows and columns of a map that libnq warps, at least: as many as it reads around a place."""


class _Descriptor(ctypes.Structure):
    """NqFloatWarp."""

    _fields_ = (
        ("maps", ctypes.c_void_p),
        ("vectors", ctypes.c_void_p),
        ("vector_strides", ctypes.c_int64 * 4),
        ("shape", ctypes.c_int32 * 4),
        ("unit", ctypes.c_float),
    )


def can_warp(maps: Tensor, vectors: Tensor) -> bool:
    """Whether libnq is installed and warps these maps by these vectors: float32 on the CPU, [B, C, H, W] and
    [B, 2, H, W], H and W at least `LEAST_SIZE`.

    Compiled code keeps torch's operations, which a compiler can fuse.
    """
    if any(tensor.dtype != torch.float32 or tensor.device.type != "cpu" for tensor in (maps, vectors)):
        return False
    if maps.numel() == 0 or min(maps.shape[2:]) < LEAST_SIZE or vectors.shape != (len(maps), 2, *maps.shape[2:]):
        return False
    return not torch.compiler.is_compiling() and load_libnq() is not None


def warp_cubic(maps: Tensor, vectors: Tensor, unit: float) -> Tensor:
    """Maps at places displaced by vectors, as `warp_by_torch` with four taps, once differentiable.

    One thread, which holds no Python lock meanwhile. The same input gives the same bits on every machine and level.

    Args:
        maps: [B, C, H, W].
        vectors: [B, 2, H, W], down and right, such that `can_warp`.
        unit: of vectors, in cells.

    Returns:
        [B, C, H, W], channels last.
    """
    warped: Tensor = _WarpCubic.apply(maps, vectors, unit)  # type: ignore[no-untyped-call]
    return warped


class _WarpCubic(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, vectors: Tensor, unit: float) -> Tensor:
        ctx.save_for_backward(maps, vectors)
        ctx.unit = unit
        return warped_maps(maps, vectors, unit)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *by_warped: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        maps, vectors = ctx.saved_tensors
        return *warp_gradients(maps, vectors, ctx.unit, by_warped[0], ctx.needs_input_grad[:2]), None


def warped_maps(maps: Tensor, vectors: Tensor, unit: float, *, cpu: str | None = None) -> Tensor:
    """`warp_cubic` outside autograd.

    Args:
        cpu: one of `nqcodec.native.cpu.CPU_LEVELS` for libnq to use; None takes the best that the CPU has.

    Raises:
        UnsupportedError: a level that the CPU does not have.
    """
    maps, vectors = _channels_last(maps), _dense(vectors)
    # Not like the maps: those of one channel may be of either memory format, and what follows keeps this one.
    warped = torch.empty(maps.shape, memory_format=torch.channels_last)
    _run("nq_float_warp", _descriptor(maps, vectors, unit), warped.data_ptr(), cpu=cpu)
    return warped


def warp_gradients(
    maps: Tensor,
    vectors: Tensor,
    unit: float,
    by_warped: Tensor,
    wanted: tuple[bool, bool] = (True, True),
    *,
    cpu: str | None = None,
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of a warp with respect to maps and vectors, each None unless `wanted`.

    Args:
        by_warped: gradient with respect to the warped maps, [B, C, H, W] float32.
        cpu: as in `warped_maps`.

    Raises:
        UnsupportedError: a level that the CPU does not have.
    """
    maps, vectors, by_warped = _channels_last(maps), _dense(vectors), _channels_last(by_warped)
    gradients = [torch.empty_like(x) if want else None for x, want in zip((maps, vectors), wanted, strict=True)]
    addresses = [None if gradient is None else gradient.data_ptr() for gradient in gradients]
    _run("nq_float_warp_gradients", _descriptor(maps, vectors, unit), by_warped.data_ptr(), *addresses, cpu=cpu)
    return gradients[0], gradients[1]


def _descriptor(maps: Tensor, vectors: Tensor, unit: float) -> _Descriptor:
    return _Descriptor(
        maps=maps.data_ptr(),
        vectors=vectors.data_ptr(),
        vector_strides=(ctypes.c_int64 * 4)(*vectors.stride()),
        shape=(ctypes.c_int32 * 4)(*maps.shape),
        unit=unit,
    )


def _run(function: str, descriptor: _Descriptor, *addresses: int | None, cpu: str | None) -> None:
    library = load_libnq()
    assert library is not None
    level = level_number(cpu, cpu_levels())
    pointers = [ctypes.c_void_p(address) for address in addresses]
    check_status(getattr(library, function)(ctypes.byref(descriptor), *pointers, level), "warp")


def _channels_last(maps: Tensor) -> Tensor:
    return maps.detach().contiguous(memory_format=torch.channels_last)


def _dense(vectors: Tensor) -> Tensor:
    """Vectors without gaps, which an `empty_like` lies as in memory."""
    dense = vectors.is_contiguous() or vectors.is_contiguous(memory_format=torch.channels_last)
    return vectors.detach() if dense else vectors.detach().contiguous()
