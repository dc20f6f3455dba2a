"""The network program <-> bytes (formats/nq.md, 5)."""

from __future__ import annotations

from typing import Any

from nqcodec.bitstream.reader import Reader, write_integer, write_uv
from nqcodec.errors import UnsupportedError
from nqcodec.program import OPERATIONS, Activation, Conv, Grid, Operation, Planes, Program, Shuffle, operation_code
from nqcodec.video import Video

MAX_OPERATIONS = 4096
MAX_PLANES_RATIO = 16

FIELDS: dict[type[Operation], tuple[tuple[str, str], ...]] = {
    Grid: (("times", "uv"), ("channels", "uv"), ("height", "uv"), ("width", "uv")),
    Conv: (("out_channels", "uv"), ("kernel", "u8"), ("depthwise", "u8"), ("activation", "u8")),
    Shuffle: (("ratio", "uv"),),
    Planes: (("ratio", "u8"),),
}
"""Fields of each operation in file order, by the names of the dataclasses."""


def pack_program(program: Program) -> bytes:
    """The bytes of a program."""
    out = bytearray(write_uv(len(program.operations)))
    for index, op in enumerate(program.operations):
        out.append(operation_code(op))
        for source in op.inputs:
            out += write_uv(index - source)
        for name, kind in FIELDS[type(op)]:
            out += write_integer(kind, int(getattr(op, name)))
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
    operations = [_parse_operation(reader, index) for index in range(count)]
    try:
        return Program.of(operations, video)
    except ValueError as error:
        raise reader.error(f"the program is not legal: {error}", start) from error


def _parse_operation(reader: Reader, index: int) -> Operation:
    code = reader.fixed("u8", "operation code")
    if code not in OPERATIONS:
        raise UnsupportedError(f"{reader.path}: operation code {code} is not of this format version: update nqcodec")
    kind = OPERATIONS[code]
    inputs = []
    for _ in range(kind.arity):
        distance = reader.uv("input distance")
        if not 1 <= distance <= index:
            raise reader.error(f"operation {index} reads {distance} places back")
        inputs.append(index - distance)
    values: dict[str, Any] = {name: reader.integer(field, name) for name, field in FIELDS[kind]}
    if kind is Conv:
        if values["depthwise"] > 1:
            raise reader.error(f"depthwise is {values['depthwise']}, not 0 or 1")
        if values["activation"] not in list(Activation):
            raise UnsupportedError(f"{reader.path}: activation {values['activation']} is not of this format version")
        values["depthwise"], values["activation"] = bool(values["depthwise"]), Activation(values["activation"])
    if kind is Planes and not 1 <= values["ratio"] <= MAX_PLANES_RATIO:
        raise reader.error(f"planes ratio {values['ratio']} is outside 1..{MAX_PLANES_RATIO}")
    return kind(inputs=tuple(inputs), **values)
