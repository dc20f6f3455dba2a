"""What an iteration does with each tensor besides the frames, by libnq (csrc/include/nq/tensor_steps.h): all tensors in
one call, because most are small, and between torch's operations on them most of the time is lost.

`Quantizers.sample`, `gradients.rate` and `gradients.combine` have the definitions, which are used without libnq and on
other devices.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from nqcodec.methods.rate_aware.likelihood import STATIC_VARIANCE
from nqcodec.native.cpu import cpu_levels, level_number
from nqcodec.native.loading import load_libnq
from nqcodec.native.status import check_status
from nqcodec.training.native_arrays import empty_like

ROUNDED, UNIFORM, SOFT = 0, 1, 2
"""NqSampling."""


class Sampled(ctypes.Structure):
    """NqSampled."""

    _fields_ = (
        ("values", ctypes.c_void_p),
        ("numbers", ctypes.c_void_p),
        ("symbols", ctypes.c_void_p),
        ("slopes", ctypes.c_void_p),
        ("used", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("step_size", ctypes.c_float),
        ("low", ctypes.c_float),
        ("high", ctypes.c_float),
        ("temperature", ctypes.c_float),
        ("peak", ctypes.c_float),
        ("dead_zone", ctypes.c_float),
        ("sampling", ctypes.c_int32),
    )


class _StaticRate(ctypes.Structure):
    """NqStaticRate."""

    _fields_ = (
        ("symbols", ctypes.c_void_p),
        ("gradient", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("bits", ctypes.c_double),
    )


class Combined(ctypes.Structure):
    """NqCombined."""

    _fields_ = (
        ("values", ctypes.c_void_p),
        ("used", ctypes.c_void_p),
        ("by_used", ctypes.c_void_p),
        ("by_symbol", ctypes.c_void_p),
        ("slopes", ctypes.c_void_p),
        ("by_value", ctypes.c_void_p),
        ("size", ctypes.c_int64),
        ("step_size", ctypes.c_float),
        ("by_step_index", ctypes.c_float),
    )


def sample(tensors: Sequence[Sampled], threads: int = 1, *, cpu: str | None = None) -> None:
    """Fill symbols, slopes and used values.

    Args:
        threads: CPU threads, here and below; the result does not depend on it.
        cpu: one of `nqcodec.native.cpu.CPU_LEVELS` for libnq to use, here and below; None takes the best that the CPU
            has, and another than it has raises UnsupportedError.
    """
    level = level_number(cpu, cpu_levels())
    _run("nq_sample", (Sampled * len(tensors))(*tensors), level, threads)


def static_rate(symbols: Sequence[Tensor], *, cpu: str | None = None) -> tuple[float, list[Tensor]]:
    """Bits of tensors, each under a static Gaussian of its own variance, all together, and their gradients."""
    gradients = empty_like(symbols)
    items = (_StaticRate * len(symbols))(
        *(
            _StaticRate(symbols=one.data_ptr(), gradient=gradient.data_ptr(), size=one.numel())
            for one, gradient in zip(symbols, gradients, strict=True)
        )
    )
    _run("nq_static_rate", items, ctypes.c_float(STATIC_VARIANCE), level_number(cpu, cpu_levels()))
    return sum(item.bits for item in items), gradients


def combine(tensors: Sequence[Combined], lmbda: float, threads: int = 1, *, cpu: str | None = None) -> list[float]:
    """Fill the gradients of J = D + lambda R by values, and give those by step indices."""
    items = (Combined * len(tensors))(*tensors)
    _run("nq_combine", items, ctypes.c_float(lmbda), level_number(cpu, cpu_levels()), threads)
    return [item.by_step_index for item in items]


def _run(function: str, items: ctypes.Array[Any], *arguments: Any) -> None:
    library = load_libnq()
    assert library is not None
    check_status(getattr(library, function)(items, len(items), *arguments), function)
