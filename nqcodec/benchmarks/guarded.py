"""Arrays that end where memory ends: reading or writing past them stops the process, so that no
access beyond them goes unnoticed."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.errors import UnsupportedError

PROT_NONE, PROT_READ_WRITE = 0, mmap.PROT_READ | mmap.PROT_WRITE if hasattr(mmap, "PROT_READ") else 3
CANARY = 0xA5


class GuardedArray:
    """An array between two pages that no access survives, flush with the second; bytes before it hold a canary.

    Attributes:
        array: numpy view of the values, which lives as long as this object.

    Raises:
        UnsupportedError: where the system cannot protect pages.
        MemoryError: where it refuses to.
    """

    def __init__(self, shape: tuple[int, ...], dtype: npt.DTypeLike):
        if not hasattr(mmap, "PROT_READ"):
            raise UnsupportedError("kernels are checked between protected pages, which this system does not have")
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        self._inner = max(1, -(-size // mmap.PAGESIZE)) * mmap.PAGESIZE
        mapping = mmap.mmap(-1, self._inner + 2 * mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(mapping))
        self._before = self._inner - size
        everything: npt.NDArray[np.uint8] = np.frombuffer(mapping, np.uint8)
        self._canary = everything[mmap.PAGESIZE : mmap.PAGESIZE + self._before]
        everything[mmap.PAGESIZE : mmap.PAGESIZE + self._inner] = CANARY
        view = everything[mmap.PAGESIZE + self._before : mmap.PAGESIZE + self._inner]
        self.array: npt.NDArray[Any] = view.view(kind).reshape(shape)
        for page in (start, start + mmap.PAGESIZE + self._inner):
            _protect(page, PROT_NONE)
        # The mapping is freed only once no view is left; its pages must be whole again by then.
        weakref.finalize(self, _unprotect, start, start + mmap.PAGESIZE + self._inner, mapping)

    @property
    def is_whole(self) -> bool:
        """True if nothing has written to the bytes before the array."""
        return bool((self._canary == CANARY).all())


def _protect(address: int, protection: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), ctypes.c_int(protection)):
        raise MemoryError("the system refuses to protect a page")


def _unprotect(first: int, last: int, mapping: mmap.mmap) -> None:
    for page in (first, last):
        _protect(page, PROT_READ_WRITE)
    del mapping


def guarded_copy(values: npt.NDArray[Any]) -> GuardedArray:
    """The same values in a guarded array."""
    guarded = GuardedArray(values.shape, values.dtype)
    guarded.array[...] = values
    return guarded
