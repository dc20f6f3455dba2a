"""The network program <-> bytes (formats/nq.md, 5)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from nqcodec.bitstream import LEAST_MINOR
from nqcodec.bitstream.reader import SIZES, Reader, write_integer, write_sv, write_uv
from nqcodec.errors import UnsupportedError
from nqcodec.media.video import Video
from nqcodec.network.camera_path import MOST_KNOTS, Knot
from nqcodec.network.operations import MOST_INPUTS, OPERATIONS, Operation, Window, operation_code, wire_fields
from nqcodec.network.operations.wire import LIST, PATH, WireField
from nqcodec.network.program import Program

MAX_OPERATIONS = 4096

KNOT_BYTES = 3
"""Fewest bytes of a knot."""


def minor_version(program: Program) -> int:
    """The least minor version of the format that has all of a program's operations."""
    return max(LEAST_MINOR, *(op.minor_version for op in program.operations))


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
    fields = [(field.wire.kind, getattr(op, field.name)) for field in wire_fields(type(op))]
    lists = [value for kind, value in fields if kind == LIST]
    out = bytearray(write_uv(len(lists[0])) if lists else b"")
    for kind, value in fields:
        if kind == LIST:
            out += b"".join(write_integer("u32", number) for number in value)
        elif kind == PATH:
            out += _pack_path(value, path)
        else:
            out += write_integer(kind, int(value))
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
    return kind(inputs=inputs, **_parse_fields(reader, kind, path))


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
    fields = wire_fields(kind)
    lists = sum(field.wire.kind == LIST for field in fields)
    count = reader.uv("length of lists") if lists else 0
    if count * lists * SIZES["u32"] > reader.left:
        raise reader.error(f"{lists} lists of {count} values do not fit the {reader.left} bytes left")
    values: dict[str, Any] = {}
    for field in fields:
        if field.wire.kind == LIST:
            values[field.name] = tuple(reader.fixed("u32", field.name) for _ in range(count))
        elif field.wire.kind == PATH:
            values[field.name] = _parse_path(reader, path)
        else:
            values[field.name] = _parse_integer(reader, kind.name, field)
    return values


def _parse_integer(reader: Reader, operation: str, field: WireField) -> Any:
    """A field's integer as the type that its operation holds."""
    start = reader.position
    value = reader.integer(field.wire.kind, field.name)
    if issubclass(field.type, IntEnum) and value not in list(field.type):
        raise UnsupportedError(f"{reader.path}: {field.name} {value} is not of this format version")
    try:
        field.check(operation, value)
    except ValueError as error:
        raise reader.error(str(error), start) from error
    return field.type(value)


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
