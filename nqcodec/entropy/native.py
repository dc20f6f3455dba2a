"""libnq's arithmetic coder through ctypes (csrc/include/nq/coder.h). Same bytes and values as `coder`, `models`,
`context`.

Every function takes one piece, or in context a whole latent, but for `decode_parts`, which takes many of both. All need
`available()`, let other Python threads run while they work, and may be called from any number of them at once.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from threading import Lock

import numpy as np
import numpy.typing as npt

from nqcodec.entropy.models import Events, Int32
from nqcodec.errors import UnsupportedError
from nqcodec.native.loading import load_libnq
from nqcodec.native.status import TEXT, Status, check_status
from nqcodec.network import tables
from nqcodec.network.integer_network import CONTEXT_NEIGHBOURS, Context

UInt8 = npt.NDArray[np.uint8]

BYTES_PER_EVENT = 3
BYTES_PER_VALUE = 12
"""Room enough: an event shifts by at most 18 bits; a value is an event and at most 48 bypass bits of one bit each."""


class _Table(ctypes.Structure):
    """NqFrequencyTable. `held` has the arrays that it points to: they live as long as it does."""

    held: tuple[tables.FrequencyTable, UInt8]

    _fields_ = (("half_width", ctypes.c_void_p), ("cumulative", ctypes.c_void_p), ("first", ctypes.c_void_p))


class _Scales(ctypes.Structure):
    _fields_ = (
        ("scales", ctypes.c_void_p),
        ("channels", ctypes.c_int64),
        ("inner", ctypes.c_int64),
        ("start", ctypes.c_int64),
    )


class _Context(ctypes.Structure):
    _fields_ = (
        ("shape", ctypes.c_int64 * 4),
        ("piece", ctypes.c_int64),
        ("bits", ctypes.c_int32),
        ("base", ctypes.c_int32),
        ("mean", ctypes.c_int32 * CONTEXT_NEIGHBOURS),
        ("scale", ctypes.c_int32 * CONTEXT_NEIGHBOURS),
    )


class _Part(ctypes.Structure):
    """NqCodedPart."""

    _fields_ = (
        ("data", ctypes.c_char_p),
        ("sizes", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("pieces", ctypes.c_int64),
        ("context", _Context),
        ("scales", _Scales),
        ("offset", ctypes.c_int32),
        ("model", ctypes.c_int32),
        ("status", ctypes.c_int32),
        ("failed", ctypes.c_int64),
    )


GAUSSIAN, ADAPTIVE, IN_CONTEXT = range(3)
"""NqCoderModel."""


@dataclass(frozen=True)
class PieceScales:
    """Scale indices of the values of a piece: value j has scales[(start + j) // inner % channels].

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


_DECLARING = Lock()
"""Held while functions are declared: a thread that came between would call one without its types."""


@cache
def _library() -> ctypes.CDLL:
    library = load_libnq()
    if library is None:
        raise UnsupportedError("the native coder needs libnq, which was not built: use --coder python")
    with _DECLARING:
        _declare(library)
    return library


def _declare(library: ctypes.CDLL) -> None:
    pointer, i32, i64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    size, table, scales = ctypes.POINTER(i64), ctypes.POINTER(_Table), ctypes.POINTER(_Scales)
    context = ctypes.POINTER(_Context)
    signatures = {
        "nq_encode_events": [pointer, pointer, i64, pointer, i64, size],
        "nq_gaussian_encode": [table, pointer, i64, scales, i32, pointer, i64, size],
        "nq_adaptive_encode": [pointer, i64, i32, pointer, i64, size],
        "nq_adaptive_events": [pointer, i64, i32, pointer, pointer],
        "nq_gaussian_decode": [table, pointer, i64, scales, i32, pointer, i64],
        "nq_adaptive_decode": [pointer, i64, i32, pointer, i64],
        "nq_context_encode": [table, context, pointer, pointer, i64, pointer],
        "nq_context_bits": [table, context, pointer, ctypes.POINTER(ctypes.c_double)],
        "nq_context_decode": [table, context, pointer, pointer, pointer, size],
        "nq_decode_parts": [table, table, ctypes.POINTER(_Part), i64, i32],
    }
    for name, argtypes in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = argtypes, i32


def available() -> bool:
    """True if libnq is there."""
    return load_libnq() is not None


_BUILDING = Lock()
"""Held while a table is built, so that threads that meet an empty cache do not each build one."""


@cache
def _build(name: str) -> _Table:
    table = tables.gaussian() if name == "gaussian" else tables.logistic()
    starts = np.arange(0, tables.TOTAL, 256)
    first = np.stack([np.searchsorted(row, starts, side="right") - 1 for row in table.cumulative]).astype(np.uint8)
    struct = _Table(table.half_width.ctypes.data, table.cumulative.ctypes.data, first.ctypes.data)
    struct.held = table, first
    return struct


def _gaussian_table() -> _Table:
    with _BUILDING:
        return _build("gaussian")


def _logistic_table() -> _Table:
    with _BUILDING:
        return _build("logistic")


def status_text(status: int, bits: int) -> str:
    """The message of a status other than OK for values of `bits`; raises MemoryError if that is the status."""
    if status == Status.NO_RESOURCES:
        check_status(status, "context model")
    if status == Status.OUT_OF_RANGE:
        return f"a value is outside {bits} bits ({-(1 << (bits - 1))}..{(1 << (bits - 1)) - 1})"
    return TEXT[Status(status)]


def _contiguous(values: Int32) -> Int32:
    return np.ascontiguousarray(values, np.int32)


def encode_events(events: Events) -> bytes:
    """The piece of any events; raises ValueError for an interval that is none."""
    low, high = (np.ascontiguousarray(part, np.uint32) for part in events)
    if low.shape != high.shape:
        raise ValueError(f"{low.size} lower and {high.size} upper bounds")
    out, size = np.empty(16 + BYTES_PER_EVENT * low.size, np.uint8), ctypes.c_int64()
    encode = _library().nq_encode_events
    check_status(encode(low.ctypes.data, high.ctypes.data, low.size, out.ctypes.data, out.size, ctypes.byref(size)))
    return out[: size.value].tobytes()


def gaussian_encode(values: Int32, scales: PieceScales, offset: int) -> bytes:
    """The piece of int32 values [n] under the Gaussian model; raises ValueError for values that it cannot code."""
    values = _contiguous(values)
    out, size = np.empty(16 + BYTES_PER_VALUE * values.size, np.uint8), ctypes.c_int64()
    table, where, count = ctypes.byref(_gaussian_table()), ctypes.byref(scales.struct()), ctypes.byref(size)
    encode = _library().nq_gaussian_encode
    check_status(encode(table, values.ctypes.data, values.size, where, offset, out.ctypes.data, out.size, count))
    return out[: size.value].tobytes()


def gaussian_decode(data: bytes, count: int, scales: PieceScales, offset: int) -> Int32:
    """`count` values of a piece, int32; raises ValueError for a damaged piece."""
    values = np.empty(count, np.int32)
    table, where = ctypes.byref(_gaussian_table()), ctypes.byref(scales.struct())
    check_status(_library().nq_gaussian_decode(table, data, len(data), where, offset, values.ctypes.data, count))
    return values


def adaptive_encode(values: Int32, bits: int) -> bytes:
    """The piece of int32 values [n] under the adaptive model; raises ValueError for values outside `bits`."""
    values = _contiguous(values)
    out, size = np.empty(16 + 2 * BYTES_PER_EVENT * values.size, np.uint8), ctypes.c_int64()
    encode = _library().nq_adaptive_encode
    check_status(encode(values.ctypes.data, values.size, bits, out.ctypes.data, out.size, ctypes.byref(size)))
    return out[: size.value].tobytes()


def adaptive_events(values: Int32, bits: int) -> Events:
    """Events of a piece under the adaptive model, as `models.adaptive_events` gives them."""
    values = _contiguous(values)
    low, high = np.empty((2, values.size * (2 if bits > 4 else 1)), np.uint32)
    find = _library().nq_adaptive_events
    check_status(find(values.ctypes.data, values.size, bits, low.ctypes.data, high.ctypes.data))
    return low, high


def adaptive_decode(data: bytes, count: int, bits: int) -> Int32:
    """`count` values of a piece, int32; raises ValueError for a damaged piece."""
    values = np.empty(count, np.int32)
    check_status(_library().nq_adaptive_decode(data, len(data), bits, values.ctypes.data, count))
    return values


def _context_struct(shape: tuple[int, ...], bits: int, context: Context, piece: int) -> _Context:
    weights = ctypes.c_int32 * CONTEXT_NEIGHBOURS
    sizes = (ctypes.c_int64 * 4)(*shape)
    return _Context(sizes, piece, bits, context.base, weights(*context.mean), weights(*context.scale))


def _context_arguments(shape: tuple[int, ...], bits: int, context: Context, piece: int) -> tuple[_Table, _Context]:
    return _logistic_table(), _context_struct(shape, bits, context, piece)


def context_encode(values: Int32, bits: int, context: Context, piece: int) -> list[bytes]:
    """The pieces, of `piece` values each, of a latent [T, C, H, W]; raises ValueError for values outside `bits`."""
    values = _contiguous(values)
    sizes = np.zeros(-(-values.size // piece), np.int64)
    out = np.empty(16 * sizes.size + BYTES_PER_VALUE * values.size, np.uint8)
    table, model = _context_arguments(values.shape, bits, context, piece)
    encode = _library().nq_context_encode
    check_status(encode(table, model, values.ctypes.data, out.ctypes.data, out.size, sizes.ctypes.data))
    return [out[start:end].tobytes() for start, end in pairwise(accumulate(sizes.tolist(), initial=0))]


def context_bits(values: Int32, bits: int, context: Context) -> float:
    """Cross-entropy of a latent [T, C, H, W] in bits; raises ValueError for values outside `bits`."""
    values, total = _contiguous(values), ctypes.c_double()
    table, model = _context_arguments(values.shape, bits, context, max(1, values.size))
    check_status(_library().nq_context_bits(table, model, values.ctypes.data, ctypes.byref(total)))
    return total.value


def context_decode(pieces: list[bytes], shape: tuple[int, ...], bits: int, context: Context, piece: int) -> Int32:
    """A latent, int32 [T, C, H, W], from its pieces of `piece` values each.

    Raises:
        ValueError: for damaged pieces.
        MemoryError: where the system has none for the rows and their residuals.
    """
    values, failed = np.empty(shape, np.int32), ctypes.c_int64()
    sizes = np.array([len(data) for data in pieces], np.int64)
    table, model = _context_arguments(shape, bits, context, piece)
    decode = _library().nq_context_decode
    status = decode(table, model, b"".join(pieces), sizes.ctypes.data, values.ctypes.data, ctypes.byref(failed))
    try:
        check_status(status)
    except ValueError as error:
        raise ValueError(f"piece {failed.value} of {len(pieces)}: {error}") from error
    return values


@dataclass(frozen=True, eq=False)
class Part:
    """An independent part: a Gaussian piece, one or two adaptive ones, or all pieces of a latent in context.

    Attributes:
        pieces: the coded bytes.
        values: int32, contiguous, of the shape that a latent in context has; where the values go.
        bits: their width.
        model: GAUSSIAN, ADAPTIVE or IN_CONTEXT.
        scales: scale indices of a Gaussian piece.
        offset: offset of a Gaussian piece.
        context: weights of the context model.
        piece: values of a piece, where there are several.
    """

    pieces: list[bytes]
    values: Int32
    bits: int
    model: int
    scales: PieceScales | None = None
    offset: int = 0
    context: Context | None = None
    piece: int = 0

    def struct(self, sizes: npt.NDArray[np.int64]) -> _Part:
        """The C structure, valid as long as this object and `sizes` live."""
        part = _Part(b"".join(self.pieces), sizes.ctypes.data, self.values.ctypes.data, self.values.size)
        part.pieces, part.offset, part.model = len(self.pieces), self.offset, self.model
        if self.context is not None:
            part.context = _context_struct(self.values.shape, self.bits, self.context, self.piece)
        part.context.bits, part.context.piece = self.bits, self.piece
        if self.scales is not None:
            part.scales = self.scales.struct()
        return part


def decode_parts(parts: list[Part], threads: int) -> list[tuple[int, int]]:
    """Decode all parts into their values on up to `threads` threads, beside one another.

    Returns:
        (status, number of the piece that failed) of each, status 0 where all is well; the same for any `threads`.

    Raises:
        MemoryError: where the system has none to begin with.
    """
    sizes = [np.array([len(data) for data in part.pieces], np.int64) for part in parts]
    structs = [part.struct(each) for part, each in zip(parts, sizes, strict=True)]
    array = (_Part * len(parts))(*structs)
    check_status(_library().nq_decode_parts(_gaussian_table(), _logistic_table(), array, len(parts), threads))
    return [(part.status, part.failed) for part in array]
