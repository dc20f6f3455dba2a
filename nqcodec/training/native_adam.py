"""Adam's update by libnq (csrc/include/nq/tensor_steps.h) for all parameters of a group in one call; `MuonAdam` of
`nqcodec.training.optim` is the definition."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from torch import Tensor

from nqcodec.native.cpu import cpu_levels, level_number
from nqcodec.native.loading import load_libnq
from nqcodec.native.status import check_status


class _Adam(ctypes.Structure):
    """NqAdam."""

    _fields_ = (
        ("values", ctypes.c_void_p),
        ("gradient", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("square", ctypes.c_void_p),
        ("size", ctypes.c_int64),
    )


def update(
    tensors: Sequence[tuple[Tensor, Tensor, Tensor, Tensor]],
    mean_decay: float,
    square_decay: float,
    rate: float,
    epsilon: float,
    threads: int = 1,
    *,
    cpu: str | None = None,
) -> None:
    """One update in place: value - rate mean / (sqrt(square) + epsilon), after both moments have decayed.

    Args:
        tensors: value, gradient, mean and square of each parameter, such that `native_arrays.has_native`.
        threads: CPU threads; the result does not depend on it.
        cpu: one of `nqcodec.native.cpu.CPU_LEVELS` for libnq to use; None takes the best that the CPU has.

    Raises:
        UnsupportedError: a level that the CPU does not have.
    """
    library = load_libnq()
    assert library is not None
    items = (_Adam * len(tensors))(*(_Adam(*(t.data_ptr() for t in four), four[0].numel()) for four in tensors))
    numbers = [ctypes.c_float(number) for number in (mean_decay, square_decay, rate, epsilon)]
    check_status(library.nq_adam(items, len(items), *numbers, level_number(cpu, cpu_levels()), threads), "nq_adam")
