"""Operations that compute each position of a map from the same position of their inputs alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nqcodec.network.operations.base import Operation, Shape

MOST_INPUTS = 16
"""Most maps that one `concat` stacks."""

MOST_NORM_CHANNELS = 1 << 16
"""Most channels of a `norm`: its sums of squares stay within 64 bits."""


@dataclass(frozen=True)
class Concat(Operation):
    """Maps of one size stacked along channels, in a format of their own (formats/nq.md, 6.10)."""

    code: ClassVar[int] = 6
    name: ClassVar[str] = "concat"
    arity: ClassVar[int | None] = None
    is_positionwise: ClassVar[bool] = True
    has_format: ClassVar[bool] = True

    def shape(self, inputs: list[Shape]) -> Shape:
        if not 1 <= len(inputs) <= MOST_INPUTS:
            raise ValueError(f"a concat of {len(inputs)} maps is outside 1..{MOST_INPUTS}")
        if len({shape[1:] for shape in inputs}) > 1:
            raise ValueError("a concat needs maps of one height and width")
        return sum(channels for channels, _, _ in inputs), inputs[0][1], inputs[0][2]


@dataclass(frozen=True)
class _Pairwise(Operation):
    """Two maps of one shape, value by value, in a format of their own."""

    arity: ClassVar[int | None] = 2
    is_positionwise: ClassVar[bool] = True
    has_format: ClassVar[bool] = True

    def shape(self, inputs: list[Shape]) -> Shape:
        if inputs[0] != inputs[1]:
            raise ValueError(f"{self.name} needs two maps of one shape, not {inputs[0]} and {inputs[1]}")
        return inputs[0]

    def macs(self, inputs: list[Shape]) -> int:
        channels, height, width = inputs[0]
        return channels * height * width


@dataclass(frozen=True)
class Add(_Pairwise):
    """Sum of two maps (formats/nq.md, 6.11)."""

    code: ClassVar[int] = 7
    name: ClassVar[str] = "add"


@dataclass(frozen=True)
class Mul(_Pairwise):
    """Product of two maps (formats/nq.md, 6.11)."""

    code: ClassVar[int] = 8
    name: ClassVar[str] = "mul"


@dataclass(frozen=True)
class Norm(Operation):
    """Each position's channels less their mean, over their standard deviation (formats/nq.md, 6.12)."""

    code: ClassVar[int] = 9
    name: ClassVar[str] = "norm"
    is_positionwise: ClassVar[bool] = True
    has_format: ClassVar[bool] = True

    def shape(self, inputs: list[Shape]) -> Shape:
        if inputs[0][0] > MOST_NORM_CHANNELS:
            raise ValueError(f"a norm over {inputs[0][0]} channels is over {MOST_NORM_CHANNELS}")
        return inputs[0]

    def macs(self, inputs: list[Shape]) -> int:
        channels, height, width = inputs[0]
        return 4 * channels * height * width
