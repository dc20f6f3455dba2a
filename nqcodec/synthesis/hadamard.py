"""The transform by libnq on memory of the host and by libnq_cuda on memory of a device (csrc/include/nq/hadamard.h)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from nqcodec.errors import UnsupportedError
from nqcodec.native.cpu import cpu_levels, level_number
from nqcodec.native.loading import load_libnq, load_libnq_cuda, why_absent
from nqcodec.native.status import check_status, device_error
from nqcodec.network import hadamard as definition
from nqcodec.network.hadamard import Int32, Transform, block_sizes

TYPES = {"float32": 0, "float16": 1, "bfloat16": 2, "int32": 3}
"""NqHadamardType by the name of a type."""


class _Descriptor(ctypes.Structure):
    """NqHadamard. `held` has the arrays that it points to: they live as long as it does."""

    held: tuple[Int32, npt.NDArray[np.float32]]

    _fields_ = (
        ("rows", ctypes.c_int64),
        ("length", ctypes.c_int64),
        ("blocks", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("block_count", ctypes.c_int32),
        ("type", ctypes.c_int32),
    )


@dataclass(frozen=True)
class Rows:
    """Rows to transform: contiguous rows [rows, length] of one type, cut into `block_sizes(length)`.

    Attributes:
        rows: 0 or more.
        length: values of a row, at least 1.
        type: one of `TYPES`; the 16-bit floats are computed in float32 and rounded once, to nearest even.
        orthonormal: divide a block of n by sqrt(n), floats only: the transform is then its own inverse.
    """

    rows: int
    length: int
    type: str
    orthonormal: bool


@cache
def _block_arrays(length: int) -> tuple[Int32, npt.NDArray[np.float32]]:
    """(sizes, 1 / sqrt(sizes)) of an axis's blocks."""
    sizes = np.array(block_sizes(length), np.int32)
    return sizes, (1 / np.sqrt(sizes.astype(np.float64))).astype(np.float32)


def _describe(rows: Rows) -> _Descriptor:
    sizes, scales = _block_arrays(rows.length)
    pointer = scales.ctypes.data if rows.orthonormal else None
    descriptor = _Descriptor(rows.rows, rows.length, sizes.ctypes.data, pointer, sizes.size, TYPES[rows.type])
    # Of two threads that meet an empty cache, one has arrays that the cache then forgets.
    descriptor.held = sizes, scales
    return descriptor


def available() -> bool:
    """Whether libnq is there."""
    return load_libnq() is not None


def transform_memory(rows: Rows, source: int, target: int, *, threads: int = 1, cpu: str | None = None) -> None:
    """Transform rows at address `source` into those at `target`, which may be the same but not overlap otherwise.

    Every level and number of threads gives the same bits.

    Args:
        rows: their shape and type.
        source: address of the first value.
        target: address of the first result.
        threads: CPU threads at most, the caller's included.
        cpu: one of `nqcodec.native.cpu.CPU_LEVELS`; None takes the best that the CPU has.

    Raises:
        UnsupportedError: no libnq, or a level that the CPU does not have.
        ValueError: an orthonormal transform of integers, or no threads.
    """
    library = load_libnq()
    if library is None:
        raise UnsupportedError(f"Hadamard transform: {why_absent('libnq')}")
    level = level_number(cpu, cpu_levels())
    descriptor = _describe(rows)
    arguments = (ctypes.byref(descriptor), ctypes.c_void_p(source), ctypes.c_void_p(target))
    check_status(library.nq_hadamard(*arguments, threads, level), "Hadamard transform")


def transform_device_memory(rows: Rows, source: int, target: int, stream: int) -> None:
    """The same for addresses on the current CUDA device: started on a stream (a cudaStream_t), not awaited.

    Raises:
        UnsupportedError: no libnq_cuda.
        NqError: an error of the device, in its own words.
    """
    library = load_libnq_cuda()
    if library is None:
        raise UnsupportedError(f"Hadamard transform: {why_absent('libnq_cuda')}")
    descriptor = _describe(rows)
    addresses = (ctypes.c_void_p(address) for address in (source, target, stream))
    status = library.nq_cuda_hadamard(ctypes.byref(descriptor), *addresses)
    check_status(status, "Hadamard transform on CUDA", device_error(library, status))


def transform(values: Int32, threads: int = 1, cpu: str | None = None) -> Int32:
    """`definition.transform` by libnq; raises UnsupportedError without it."""
    out = np.array(values, np.int32, order="C")
    rows = Rows(out.size // out.shape[-1], out.shape[-1], "int32", orthonormal=False)
    transform_memory(rows, out.ctypes.data, out.ctypes.data, threads=threads, cpu=cpu)
    return out


def fastest() -> Transform:
    """libnq's transform where it is there, else the definition: the same integers."""
    return transform if available() else definition.transform
