"""libnq's arithmetic coder through ctypes (csrc/nq_coder.h). Same bytes and values as `coder` and `models`.

Every function takes one piece, needs `available()`, and lets other Python threads run while it works.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from nqcodec._native import load_libnq
from nqcodec.entropy.models import Events, Int32
from nqcodec.errors import UnsupportedError
from nqcodec.formats import tables

UInt8 = npt.NDArray[np.uint8]

STATUS_TEXT = {
    1: "the coded piece is larger than its buffer",
    2: "an event's interval is empty or leaves 0..65536",
    3: "a value that its model cannot code",
    4: "a piece of more or fewer bytes than its symbols take",
    5: "an escape of more than 20 bits",
    6: "a scale index or bit width outside the model's range",
}

BYTES_PER_EVENT = 3
BYTES_PER_VALUE = 12
"""Room enough: an event shifts by at most 18 bits; a value is an event and at most 48 bypass bits of one bit each."""


class _Table(ctypes.Structure):
    _fields_ = (("half_width", ctypes.c_void_p), ("cumulative", ctypes.c_void_p), ("first", ctypes.c_void_p))


class _Scales(ctypes.Structure):
    _fields_ = (
        ("scales", ctypes.c_void_p),
        ("channels", ctypes.c_int64),
        ("inner", ctypes.c_int64),
        ("start", ctypes.c_int64),
    )


@dataclass(frozen=True)
class PieceScales:
    """Which scale index each value of a piece has: value j has scales[(start + j) // inner % channels].

    Attributes:
        scales: uint8 [channels], contiguous.
        inner: values in a row that share a channel.
        start: position of the piece in its tensor.
    """

    scales: UInt8
    inner: int
    start: int

    def struct(self) -> _Scales:
        """The C structure, valid as long as this object lives."""
        return _Scales(self.scales.ctypes.data, self.scales.size, self.inner, self.start)


@cache
def _library() -> ctypes.CDLL:
    library = load_libnq()
    if library is None:
        raise UnsupportedError("the native coder needs libnq, which was not built: use --coder python")
    pointer, i32, i64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    size, table, scales = ctypes.POINTER(i64), ctypes.POINTER(_Table), ctypes.POINTER(_Scales)
    signatures = {
        "nq_encode_events": [pointer, pointer, i64, pointer, i64, size],
        "nq_gaussian_encode": [table, pointer, i64, scales, i32, pointer, i64, size],
        "nq_adaptive_encode": [pointer, i64, i32, pointer, i64, size],
        "nq_adaptive_events": [pointer, i64, i32, pointer, pointer],
        "nq_gaussian_decode": [table, pointer, i64, scales, i32, pointer, i64],
        "nq_adaptive_decode": [pointer, i64, i32, pointer, i64],
    }
    for name, argtypes in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = argtypes, i32
    return library


def available() -> bool:
    """True if libnq is there."""
    return load_libnq() is not None


@cache
def _gaussian_table() -> tuple[_Table, tables.GaussianTable, UInt8]:
    """The C structure, with the arrays that it points to so that they live as long."""
    table = tables.gaussian()
    starts = np.arange(0, tables.TOTAL, 256)
    first = np.stack([np.searchsorted(row, starts, side="right") - 1 for row in table.cumulative]).astype(np.uint8)
    return _Table(table.half_width.ctypes.data, table.cumulative.ctypes.data, first.ctypes.data), table, first


def _check(status: int) -> None:
    if status:
        raise ValueError(STATUS_TEXT[status])


def _contiguous(values: Int32) -> Int32:
    return np.ascontiguousarray(values, np.int32)


def encode_events(events: Events) -> bytes:
    """The piece of any events; raises ValueError for an interval that is none."""
    low, high = (np.ascontiguousarray(part, np.uint32) for part in events)
    if low.shape != high.shape:
        raise ValueError(f"{low.size} lower and {high.size} upper bounds")
    out, size = np.empty(16 + BYTES_PER_EVENT * low.size, np.uint8), ctypes.c_int64()
    encode = _library().nq_encode_events
    _check(encode(low.ctypes.data, high.ctypes.data, low.size, out.ctypes.data, out.size, ctypes.byref(size)))
    return out[: size.value].tobytes()


def gaussian_encode(values: Int32, scales: PieceScales, offset: int) -> bytes:
    """The piece of int32 values [n] under the Gaussian model; raises ValueError for values that it cannot code."""
    values = _contiguous(values)
    out, size = np.empty(16 + BYTES_PER_VALUE * values.size, np.uint8), ctypes.c_int64()
    table, where, count = ctypes.byref(_gaussian_table()[0]), ctypes.byref(scales.struct()), ctypes.byref(size)
    encode = _library().nq_gaussian_encode
    _check(encode(table, values.ctypes.data, values.size, where, offset, out.ctypes.data, out.size, count))
    return out[: size.value].tobytes()


def gaussian_decode(data: bytes, count: int, scales: PieceScales, offset: int) -> Int32:
    """`count` values of a piece, int32; raises ValueError for a damaged piece."""
    values = np.empty(count, np.int32)
    table, where = ctypes.byref(_gaussian_table()[0]), ctypes.byref(scales.struct())
    _check(_library().nq_gaussian_decode(table, data, len(data), where, offset, values.ctypes.data, count))
    return values


def adaptive_encode(values: Int32, bits: int) -> bytes:
    """The piece of int32 values [n] under the adaptive model; raises ValueError for values outside `bits`."""
    values = _contiguous(values)
    out, size = np.empty(16 + 2 * BYTES_PER_EVENT * values.size, np.uint8), ctypes.c_int64()
    encode = _library().nq_adaptive_encode
    _check(encode(values.ctypes.data, values.size, bits, out.ctypes.data, out.size, ctypes.byref(size)))
    return out[: size.value].tobytes()


def adaptive_events(values: Int32, bits: int) -> Events:
    """Events of a piece under the adaptive model, as `models.adaptive_events` gives them."""
    values = _contiguous(values)
    low, high = np.empty((2, values.size * (2 if bits > 4 else 1)), np.uint32)
    find = _library().nq_adaptive_events
    _check(find(values.ctypes.data, values.size, bits, low.ctypes.data, high.ctypes.data))
    return low, high


def adaptive_decode(data: bytes, count: int, bits: int) -> Int32:
    """`count` values of a piece, int32; raises ValueError for a damaged piece."""
    values = np.empty(count, np.int32)
    _check(_library().nq_adaptive_decode(data, len(data), bits, values.ctypes.data, count))
    return values
