"""The network program <-> bytes (formats/nq.md, 5)."""

from __future__ import annotations

from typing import Any

from nqcodec.bitstream import LEAST_MINOR
from nqcodec.bitstream.reader import SIZES, Reader, write_integer, write_sv, write_uv
from nqcodec.errors import UnsupportedError
from nqcodec.media.video import Video
from nqcodec.network.camera_path import MOST_KNOTS, Knot
from nqcodec.network.operations import (
    MOST_INPUTS,
    OPERATIONS,
    Activation,
    Add,
    Concat,
    Conv,
    Fold,
    Frequency,
    Grid,
    Mul,
    Norm,
    Operation,
    Planes,
    Shuffle,
    Tile,
    Upsample,
    Warp,
    Window,
    operation_code,
)
from nqcodec.network.program import Program

MAX_OPERATIONS = 4096
MAX_PLANES_RATIO = 16
LIST = "u32 list"
"""Kind of a field that is a list of u32; the lists of an operation are of one length, which precedes them."""

PATH = "path"
"""Kind of a field that is the path of a window, given once for windows in a row that have the same."""

KNOT_BYTES = 3
"""Fewest bytes of a knot."""

FIELDS: dict[type[Operation], tuple[tuple[str, str], ...]] = {
    Grid: (("times", "uv"), ("channels", "uv"), ("height", "uv"), ("width", "uv")),
    Conv: (("out_channels", "uv"), ("kernel", "u8"), ("depthwise", "u8"), ("activation", "u8")),
    Shuffle: (("ratio", "uv"),),
    Planes: (("ratio", "u8"),),
    Upsample: (("ratio", "u8"), ("height", "uv"), ("width", "uv")),
    Concat: (),
    Add: (),
    Mul: (),
    Norm: (),
    Frequency: (("steps", LIST), ("phases", LIST)),
    Fold: (("rows", "uv"), ("columns", "uv")),
    Tile: (("height", "uv"), ("width", "uv")),
    Window: (("height", "uv"), ("width", "uv"), ("ratio", "u8"), ("bits", "u8"), ("knots", PATH)),
    Warp: (("bits", "u8"),),
}
"""Fields of each operation in file order, by the names of the dataclasses."""


MINORS: dict[type[Operation], int] = {Window: 2, Warp: 3}
"""Minor versions that brought operations, where they are not the least that is written."""


def minor_version(program: Program) -> int:
    """The least minor version of the format that has all of a program's operations."""
    return max(MINORS.get(type(op), LEAST_MINOR) for op in program.operations)


def pack_program(program: Program) -> bytes:
    """The bytes of a program."""
    out, path = bytearray(write_uv(len(program.operations))), None
    for index, op in enumerate(program.operations):
        out.append(operation_code(op))
        if op.arity is None:
            out.append(len(op.inputs))
        for source in op.inputs:
            out += write_uv(index - source)
        out += _pack_fields(op, path)
        path = op.knots if isinstance(op, Window) else path
    return bytes(out)


def _pack_fields(op: Operation, path: tuple[Knot, ...] | None) -> bytes:
    """Fields of an operation; `path` is that of the window before it."""
    fields = FIELDS[type(op)]
    lists = [getattr(op, name) for name, kind in fields if kind == LIST]
    out = bytearray(write_uv(len(lists[0])) if lists else b"")
    for name, kind in fields:
        if kind == LIST:
            out += b"".join(write_integer("u32", value) for value in getattr(op, name))
        elif kind == PATH:
            out += _pack_path(getattr(op, name), path)
        else:
            out += write_integer(kind, int(getattr(op, name)))
    return bytes(out)


def _pack_path(knots: tuple[Knot, ...], before: tuple[Knot, ...] | None) -> bytes:
    if knots == before:
        return write_uv(0)
    out = bytearray(write_uv(len(knots)))
    for knot, last in zip(knots, ((0, 0, 0), *knots), strict=False):
        time, row, column = (a - b for a, b in zip(knot, last, strict=True))
        out += write_uv(time) + write_sv(row) + write_sv(column)
    return bytes(out)


def parse_program(reader: Reader, video: Video) -> Program:
    """Read and check a program.

    Raises:
        FormatError: fields that make no legal program.
        UnsupportedError: an operation or activation that this version does not know.
    """
    start = reader.position
    count = reader.uv("number of operations")
    if not 1 <= count <= MAX_OPERATIONS:
        raise reader.error(f"{count} operations are outside 1..{MAX_OPERATIONS}", start)
    operations: list[Operation] = []
    path: tuple[Knot, ...] = ()
    for index in range(count):
        op = _parse_operation(reader, index, path)
        path = op.knots if isinstance(op, Window) else path
        operations.append(op)
    try:
        return Program.of(operations, video)
    except ValueError as error:
        raise reader.error(f"the program is not legal: {error}", start) from error


def _parse_operation(reader: Reader, index: int, path: tuple[Knot, ...]) -> Operation:
    code = reader.fixed("u8", "operation code")
    if code not in OPERATIONS:
        raise UnsupportedError(f"{reader.path}: operation code {code} is not of this format version: update nqcodec")
    kind = OPERATIONS[code]
    inputs = _parse_inputs(reader, index, kind)
    values = _parse_fields(reader, kind, path)
    if kind is Conv:
        if values["depthwise"] > 1:
            raise reader.error(f"depthwise is {values['depthwise']}, not 0 or 1")
        if values["activation"] not in list(Activation):
            raise UnsupportedError(f"{reader.path}: activation {values['activation']} is not of this format version")
        values["depthwise"], values["activation"] = bool(values["depthwise"]), Activation(values["activation"])
    if kind is Planes and not 1 <= values["ratio"] <= MAX_PLANES_RATIO:
        raise reader.error(f"planes ratio {values['ratio']} is outside 1..{MAX_PLANES_RATIO}")
    return kind(inputs=inputs, **values)


def _parse_inputs(reader: Reader, index: int, kind: type[Operation]) -> tuple[int, ...]:
    count = kind.arity
    if count is None:
        count = reader.fixed("u8", "number of inputs")
        if not 1 <= count <= MOST_INPUTS:
            raise reader.error(f"operation {index} has {count} inputs, outside 1..{MOST_INPUTS}")
    inputs = []
    for _ in range(count):
        distance = reader.uv("input distance")
        if not 1 <= distance <= index:
            raise reader.error(f"operation {index} reads {distance} places back")
        inputs.append(index - distance)
    return tuple(inputs)


def _parse_fields(reader: Reader, kind: type[Operation], path: tuple[Knot, ...]) -> dict[str, Any]:
    fields = FIELDS[kind]
    lists = sum(field == LIST for _, field in fields)
    count = reader.uv("length of lists") if lists else 0
    if count * lists * SIZES["u32"] > reader.left:
        raise reader.error(f"{lists} lists of {count} values do not fit the {reader.left} bytes left")
    values: dict[str, Any] = {}
    for name, field in fields:
        if field == LIST:
            values[name] = tuple(reader.fixed("u32", name) for _ in range(count))
        elif field == PATH:
            values[name] = _parse_path(reader, path)
        else:
            values[name] = reader.integer(field, name)
    return values


def _parse_path(reader: Reader, before: tuple[Knot, ...]) -> tuple[Knot, ...]:
    """The knots of a window's path; `before` are those of the window before it, empty if there is none."""
    count = reader.uv("number of knots")
    if not count and not before:
        raise reader.error("a window takes the path of the one before it, and there is none")
    if count > MOST_KNOTS:
        raise reader.error(f"a path of {count} knots has more than {MOST_KNOTS}")
    if count * KNOT_BYTES > reader.left:
        raise reader.error(f"a path of {count} knots does not fit the {reader.left} bytes left")
    knots, time, row, column = list[Knot](), 0, 0, 0
    for _ in range(count):
        time += reader.uv("frame of a knot")
        row += reader.sv("row of a knot")
        column += reader.sv("column of a knot")
        knots.append((time, row, column))
    return tuple(knots) or before
