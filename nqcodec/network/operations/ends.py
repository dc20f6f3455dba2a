"""Operations at the ends of a program: latents, functions of the frame number, picture planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from nqcodec.network.operations.base import Operation, Shape
from nqcodec.network.operations.wire import NativeValue, Size, U32List, Wire

MOST_PLANES_RATIO = 16
"""Largest ratio of `planes`."""

MOST_TIMES = 1 << 22
"""Most times of a grid: frame numbers times these, in 1/65536, fit 64 bits (formats/nq.md, 6.2)."""


@dataclass(frozen=True)
class Grid(Operation):
    """Learned latents [times, C, h, w], read at frame t and linear between neighbours (formats/nq.md, 6.2)."""

    times: Annotated[int, Wire("uv", 1, MOST_TIMES)]
    channels: Size
    height: Size
    width: Size
    code: ClassVar[int] = 1
    name: ClassVar[str] = "grid"
    arity: ClassVar[int | None] = 0
    has_format: ClassVar[bool] = True

    def shape(self, inputs: list[Shape]) -> Shape:
        return self.channels, self.height, self.width

    def tensors(self, inputs: list[Shape]) -> dict[str, tuple[int, ...]]:
        return {"latent": (self.times, self.channels, self.height, self.width)}

    def macs(self, inputs: list[Shape]) -> int:
        return 2 * self.channels * self.height * self.width

    def native(self) -> dict[str, NativeValue]:
        return {"times": self.times}


@dataclass(frozen=True)
class Frequency(Operation):
    """Sine and cosine of frame t at given angular frequencies: [2 n, 1, 1], sine first (formats/nq.md, 6.7).

    `increments` and `phases` are in turns / 2^32, n of each: the angle at t is phase + t increment.
    """

    increments: U32List
    phases: U32List
    code: ClassVar[int] = 10
    name: ClassVar[str] = "frequency"
    arity: ClassVar[int | None] = 0
    has_format: ClassVar[bool] = True

    def shape(self, inputs: list[Shape]) -> Shape:
        if not self.increments or len(self.increments) != len(self.phases):
            raise ValueError("a frequency operation has an increment and a phase for each sine, and at least one")
        return 2 * len(self.increments), 1, 1

    def native(self) -> dict[str, NativeValue]:
        return {"increments": self.increments, "phases": self.phases}


@dataclass(frozen=True)
class Planes(Operation):
    """Feature map to picture planes, cropped and clipped; always the last operation (formats/nq.md, 6.6).

    With `ratio` r, a plane subsampled by (sx, sy) takes (r / sx) (r / sy) channels, one for each of its samples at
    a map position. So 4:2:0 at r = 2 is six channels: four luma sub-pixels, U, V.
    """

    ratio: Annotated[int, Wire("u8", 1, MOST_PLANES_RATIO)]
    code: ClassVar[int] = 4
    name: ClassVar[str] = "planes"
    is_positionwise: ClassVar[bool] = True

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        return channels, height * self.ratio, width * self.ratio

    def native(self) -> dict[str, NativeValue]:
        return {"ratio": self.ratio}
