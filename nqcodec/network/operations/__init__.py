"""Operations of a network program: all that Python says of each is declared with its dataclass (formats/nq.md, 5, 6).

Nothing here computes samples. Each layer that does has one table by these classes: the definition in integers
(`nqcodec.synthesis.reference`), its float twin (`nqcodec.training.operations`), what it reads of its inputs
(`nqcodec.training.regions`). tests/network/test_operations.py checks that none of them lacks an operation.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from nqcodec.errors import UnsupportedError
from nqcodec.network.operations.base import Operation, Shape, wire_fields
from nqcodec.network.operations.convolution import Activation, Conv
from nqcodec.network.operations.ends import Frequency, Grid, Planes
from nqcodec.network.operations.positionwise import MOST_INPUTS, MOST_NORM_CHANNELS, Add, Concat, Mul, Norm
from nqcodec.network.operations.spatial import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    MOST_RATIO,
    MOST_WARP_BITS,
    MOST_WARP_SIDE,
    MOST_WINDOW_BITS,
    TAP_BITS,
    WARP_BITS,
    Fold,
    Shuffle,
    Tile,
    Upsample,
    Warp,
    Window,
)

__all__ = [
    "CUBIC_TAPS",
    "LINEAR_TAPS",
    "MOST_INPUTS",
    "MOST_NORM_CHANNELS",
    "MOST_RATIO",
    "MOST_WARP_BITS",
    "MOST_WARP_SIDE",
    "MOST_WINDOW_BITS",
    "OPERATIONS",
    "TAP_BITS",
    "WARP_BITS",
    "Activation",
    "Add",
    "Concat",
    "Conv",
    "Fold",
    "Frequency",
    "Grid",
    "Mul",
    "Norm",
    "Operation",
    "Planes",
    "Shape",
    "Shuffle",
    "Tile",
    "Upsample",
    "Warp",
    "Window",
    "operation_code",
    "operation_from_dict",
    "operation_to_dict",
    "wire_fields",
]

OPERATIONS: dict[int, type[Operation]] = {
    kind.code: kind
    for kind in (
        Grid,
        Conv,
        Shuffle,
        Planes,
        Upsample,
        Concat,
        Add,
        Mul,
        Norm,
        Frequency,
        Fold,
        Tile,
        Window,
        Warp,
    )
}
"""Operations by their codes in the file (formats/nq.md, 5)."""


def operation_code(op: Operation) -> int:
    """The file's code of an operation; raises UnsupportedError for one that the format does not hold."""
    if OPERATIONS.get(op.code) is not type(op):
        raise UnsupportedError(f"operation {op.name} has no code in this format version")
    return op.code


def operation_to_dict(op: Operation) -> dict[str, Any]:
    """An operation as JSON values: its name, inputs and fields."""
    return {"name": op.name, **asdict(op)}


def operation_from_dict(values: dict[str, Any]) -> Operation:
    """The inverse of `operation_to_dict`; raises KeyError, TypeError or ValueError for values that are no operation."""
    kinds = {kind.name: kind for kind in OPERATIONS.values()}
    kind = kinds[values["name"]]
    fields = {field.name: field for field in wire_fields(kind)}
    given = {name: value for name, value in values.items() if name not in ("name", "inputs")}
    arguments = {name: fields[name].from_json(value) for name, value in given.items()}
    return kind(inputs=tuple(values["inputs"]), **arguments)
