"""An integer network as the flat structures that libnq and libnq_cuda take (csrc/include/nq/synthesis.h)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nqcodec.media.video import Frame, Video
from nqcodec.network import tables
from nqcodec.network.integer_network import IntegerNetwork, Rescaled, validate
from nqcodec.network.operations import Planes, operation_code
from nqcodec.synthesis import hadamard

PlaneArguments: TypeAlias = "tuple[ctypes.Array[ctypes.c_void_p], ctypes.Array[ctypes.c_int64]]"


class OpDescriptor(ctypes.Structure):
    """NqOp."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("code", "input_count")),
        ("inputs", ctypes.c_void_p),
        *((name, ctypes.c_int32) for name in ("channels", "height", "width", "map_width", "frac", "ratio")),
        *((name, ctypes.c_int32) for name in ("rows", "columns", "times", "kernel", "depthwise", "activation")),
        *((name, ctypes.c_void_p) for name in ("values", "bias", "multiplier", "shift", "increments", "phases")),
        *((name, ctypes.c_int32) for name in ("bits", "knot_count", "taps")),
        ("knots", ctypes.c_void_p),
    )


ARRAY_TYPES = {"increments": np.uint32, "phases": np.uint32, "knots": np.int64}
"""Types of what the pointers among an operation's own fields (`Operation.native`) lead to."""


class PlaneDescriptor(ctypes.Structure):
    """NqPlane."""

    _fields_ = tuple((name, ctypes.c_int32) for name in ("height", "width", "sub_x", "sub_y"))


class TableDescriptor(ctypes.Structure):
    """NqTables."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("gelu", "silu", "half_tanh", "sine"))


class ProgramDescriptor(ctypes.Structure):
    """NqProgram."""

    _fields_ = (
        ("ops", ctypes.POINTER(OpDescriptor)),
        *((name, ctypes.c_int32) for name in ("op_count", "frames", "depth", "plane_count")),
        ("planes", PlaneDescriptor * 3),
        ("tables", TableDescriptor),
    )


class FlatProgram:
    """A `ProgramDescriptor` and the arrays that it points to; needed only until a library's create function returns.

    Raises ValueError for a network that breaks a rule of formats/nq.md 6.
    """

    def __init__(self, network: IntegerNetwork, video: Video, frames: int):
        self._arrays: list[npt.NDArray[np.generic]] = []
        operations = network.program.operations
        factors = validate(network, hadamard.fastest())
        ops = (OpDescriptor * len(operations))()
        for index, derived in enumerate(factors):
            self._describe(ops[index], network, index)
            if derived is not None:
                self._describe_tensors(ops[index], derived)
        self.descriptor = ProgramDescriptor(ops, len(operations), frames, video.depth, video.chroma.planes)
        for index, (height, width) in enumerate(video.plane_shapes):
            self.descriptor.planes[index] = PlaneDescriptor(height, width, *video.chroma.plane_sub(index))
        table = tables.activations()
        every = (table.gelu, table.silu, table.half_tanh, tables.sine())
        self.descriptor.tables = TableDescriptor(*(self._pointer(values, np.int32) for values in every))

    def _describe(self, entry: OpDescriptor, network: IntegerNetwork, index: int) -> None:
        op = network.program.operations[index]
        entry.code, entry.input_count = operation_code(op), len(op.inputs)
        if op.inputs:
            entry.inputs = self._pointer(np.array(op.inputs), np.int32)
        # Planes' own shape is the picture's; the libraries want the map that it reads.
        source = op.inputs[0] if isinstance(op, Planes) else index
        entry.channels, entry.height, entry.width = network.program.shapes[source]
        entry.map_width, entry.frac = network.map_format(index)
        for name, value in op.native().items():
            setattr(entry, name, value if isinstance(value, int) else self._pointer(np.array(value), ARRAY_TYPES[name]))

    def _describe_tensors(self, entry: OpDescriptor, derived: Rescaled) -> None:
        entry.values = self._pointer(derived.values, np.int16)
        entry.bias = self._pointer(derived.bias, np.int32)
        entry.multiplier = self._pointer(derived.multiplier, np.int32)
        entry.shift = self._pointer(derived.shift, np.int32)

    def _pointer(self, values: npt.NDArray[np.generic], dtype: npt.DTypeLike) -> int:
        array = np.ascontiguousarray(values, dtype)
        self._arrays.append(array)
        return array.ctypes.data


def plane_arguments(planes: Sequence[npt.NDArray[np.generic]], video: Video) -> PlaneArguments:
    """(pointers, row strides in bytes) of output planes [H, W], whose rows may lie apart.

    Raises:
        ValueError: shapes or types other than the video's, or samples of a row that do not follow one another.
    """
    if tuple(plane.shape for plane in planes) != video.plane_shapes:
        raise ValueError(f"planes of {[plane.shape for plane in planes]} instead of {list(video.plane_shapes)}")
    if any(plane.dtype != video.dtype or plane.strides[1] != plane.itemsize for plane in planes):
        raise ValueError(f"planes must be {video.dtype} with contiguous rows")
    pointers = (ctypes.c_void_p * len(planes))(*(plane.ctypes.data for plane in planes))
    strides = (ctypes.c_int64 * len(planes))(*(plane.strides[0] for plane in planes))
    return pointers, strides


def empty_frame(video: Video) -> Frame:
    """Unfilled planes of a picture."""
    return tuple(np.empty(shape, video.dtype) for shape in video.plane_shapes)
