"""How the file codes the fields of operations: kinds of integers and their limits (formats/nq.md, 5).

An operation annotates its dataclass fields with these kinds. Writer, reader, checks, `--info` and saved fits follow
from the annotations, so that a field is declared once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from nqcodec.network.camera_path import Knot

LIST = "u32 list"
"""Kind of a field that is a list of u32; the lists of an operation are of one length, which precedes them."""

PATH = "path"
"""Kind of a field that is the path of a window, given once for windows in a row that have the same."""

LARGEST = {"u8": (1 << 8) - 1, "uv": (1 << 32) - 1, LIST: (1 << 32) - 1}
"""Largest integer of each kind of field that holds integers."""


@dataclass(frozen=True)
class Wire:
    """The annotation of a field.

    Attributes:
        kind: "u8", "uv", `LIST` or `PATH`.
        low, high: least and largest legal value; `high` is None where the kind itself bounds it.
    """

    kind: str
    low: int = 0
    high: int | None = None


@dataclass(frozen=True)
class WireField:
    """A field of an operation in the file.

    Attributes:
        name: of the dataclass field.
        wire: its annotation.
        type: what the dataclass holds: int, bool, an enumeration or a tuple.
    """

    name: str
    wire: Wire
    type: type[Any]

    @property
    def high(self) -> int:
        """Largest legal integer."""
        return LARGEST[self.wire.kind] if self.wire.high is None else self.wire.high

    def check(self, operation: str, value: Any) -> None:
        """Raise ValueError for integers outside the limits; a path is checked with the map that it leads over."""
        if self.wire.kind == PATH:
            return
        for number in value if self.wire.kind == LIST else (int(value),):
            if not self.wire.low <= number <= self.high:
                raise ValueError(f"{operation} {self.name} {number} is outside {self.wire.low}..{self.high}")

    def from_json(self, value: Any) -> Any:
        """The field's value from what JSON keeps of it; raises TypeError or ValueError for anything else."""
        if self.wire.kind == PATH:
            return tuple((time, row, column) for time, row, column in value)
        return tuple(value) if self.wire.kind == LIST else self.type(value)


U8 = Annotated[int, Wire("u8")]
"""An integer of one byte."""

UV = Annotated[int, Wire("uv")]
"""An integer of variable length."""

Size = Annotated[int, Wire("uv", low=1)]
"""A count of at least one, of variable length."""

Flag = Annotated[bool, Wire("u8", high=1)]
"""A byte that is 0 or 1."""

U32List = Annotated[tuple[int, ...], Wire(LIST)]
"""A list of u32."""

KnotPath = Annotated[tuple[Knot, ...], Wire(PATH)]
"""The knots of a window's path."""

NativeValue = int | Sequence[int] | Sequence[Knot]
"""A value of a field of a native descriptor: an integer, or what becomes an array."""
