"""The base class of all operations of a network program (formats/nq.md, 5 and 6)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, get_args, get_type_hints

from nqcodec.network.operations.wire import NativeValue, Wire, WireField

Shape = tuple[int, int, int]
"""A feature map's (channels, height, width)."""


@dataclass(frozen=True)
class Operation(ABC):
    """One operation of a program. Its dataclass fields are annotated with their kinds in the file, in file order.

    Attributes:
        inputs: indices of the earlier operations whose maps it reads.
        code: in the file; 0 for one that the format does not hold.
        name: in messages, `--info` and saved fits.
        arity: number of inputs, None where it varies.
        minor_version: least minor version of the format that has it.
        is_positionwise: True if it computes a position from the same position of each of its inputs alone.
        has_format: True if its map has a width and fractional bits of its own rather than its first input's.
    """

    inputs: tuple[int, ...]
    code: ClassVar[int] = 0
    name: ClassVar[str] = ""
    arity: ClassVar[int | None] = 1
    minor_version: ClassVar[int] = 0
    is_positionwise: ClassVar[bool] = False
    has_format: ClassVar[bool] = False

    @abstractmethod
    def shape(self, inputs: list[Shape]) -> Shape:
        """Output shape for input shapes; raises ValueError where they do not fit together."""

    def tensors(self, inputs: list[Shape]) -> dict[str, tuple[int, ...]]:
        """Shapes of the operation's integer tensors, in file order."""
        return {}

    def macs(self, inputs: list[Shape]) -> int:
        """Multiply-accumulates for one frame (formats/nq.md, 8)."""
        return 0

    def native(self) -> dict[str, NativeValue]:
        """Its fields of the native descriptor `NqOp` beyond shape, format and tensors, by name."""
        return {}

    def check_fields(self) -> None:
        """Raise ValueError for a field outside the limits that its annotation declares."""
        for field in wire_fields(type(self)):
            field.check(self.name, getattr(self, field.name))


@cache
def wire_fields(kind: type[Operation]) -> tuple[WireField, ...]:
    """The fields of an operation in file order."""
    found = []
    for name, hint in get_type_hints(kind, include_extras=True).items():
        value_type, *notes = get_args(hint) or (hint,)
        found += [WireField(name, note, value_type) for note in notes if isinstance(note, Wire)]
    return tuple(found)
