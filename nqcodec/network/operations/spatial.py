"""Operations that move values within a map: depth to space, enlargement, repetition, windows, warps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from nqcodec.network.camera_path import extent, position_at
from nqcodec.network.operations.base import Operation, Shape
from nqcodec.network.operations.wire import UV, KnotPath, NativeValue, Size, Wire

MOST_RATIO = 16
"""Largest ratio of an `upsample` or a `window`."""

WARP_BITS = 5
"""Fractional bits of the places that a `warp` reads at (formats/nq.md, 6.14)."""

MOST_WARP_SIDE = 1 << 16
"""Most rows and columns of a warp: its places, in 1/32, fit 32 bits (formats/nq.md, 6.14)."""

MOST_WARP_BITS = 8
"""Most bits that a `warp` divides vectors by, beyond their map's own fraction."""

LINEAR_TAPS, CUBIC_TAPS = 2, 4
"""Cells along an axis that a `warp` interpolates between."""

WARP_MACS = {LINEAR_TAPS: 4, CUBIC_TAPS: 20}
"""Multiply-accumulates of a `warp`'s value by its taps: four cells, or four rows of four and then the rows."""

TAP_BITS = 6
"""The weights of a cubic `warp` sum to 2^6 along an axis (formats/nq.md, 6.14)."""

MOST_WINDOW_BITS = 8
"""Most fractional bits of a `window`'s positions: its sums stay within 32 bits."""

Ratio = Annotated[int, Wire("u8", 1, MOST_RATIO)]
"""Ratio of an `upsample` or a `window`."""


@dataclass(frozen=True)
class Fold(Operation):
    """Depth to space by `rows` and `columns`: [C rows columns, H, W] to [C, H rows, W columns] (formats/nq.md, 6.4)."""

    rows: Size
    columns: Size
    code: ClassVar[int] = 11
    name: ClassVar[str] = "fold"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if channels % (self.rows * self.columns):
            raise ValueError(f"{channels} channels cannot be folded into {self.rows} x {self.columns}")
        return channels // (self.rows * self.columns), height * self.rows, width * self.columns

    def native(self) -> dict[str, NativeValue]:
        return {"rows": self.rows, "columns": self.columns}


@dataclass(frozen=True)
class Shuffle(Operation):
    """Depth to space by `ratio`: [C r r, H, W] to [C, H r, W r] (formats/nq.md, 6.4)."""

    ratio: Size
    code: ClassVar[int] = 3
    name: ClassVar[str] = "shuffle"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if channels % self.ratio**2:
            raise ValueError(f"{channels} channels cannot be shuffled by {self.ratio}")
        return channels // self.ratio**2, height * self.ratio, width * self.ratio

    def native(self) -> dict[str, NativeValue]:
        return {"rows": self.ratio, "columns": self.ratio}


@dataclass(frozen=True)
class Upsample(Operation):
    """Bilinear enlargement by `ratio`, half-pixel centres, cropped to `height` x `width` (formats/nq.md, 6.8)."""

    ratio: Ratio
    height: UV
    width: UV
    code: ClassVar[int] = 5
    name: ClassVar[str] = "upsample"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if not (1 <= self.height <= height * self.ratio and 1 <= self.width <= width * self.ratio):
            raise ValueError(f"{width}x{height} enlarged by {self.ratio} does not cover {self.width}x{self.height}")
        return channels, self.height, self.width

    def macs(self, inputs: list[Shape]) -> int:
        return 4 * inputs[0][0] * self.height * self.width

    def native(self) -> dict[str, NativeValue]:
        return {"ratio": self.ratio}


@dataclass(frozen=True)
class Tile(Operation):
    """The input repeated over `height` x `width` from the top left corner on (formats/nq.md, 6.9)."""

    height: Size
    width: Size
    code: ClassVar[int] = 12
    name: ClassVar[str] = "tile"

    def shape(self, inputs: list[Shape]) -> Shape:
        return inputs[0][0], self.height, self.width


@dataclass(frozen=True)
class Window(Operation):
    """The window of the input that a moving camera sees, as cells of `ratio` x `ratio` (formats/nq.md, 6.13).

    The map has `height` x `width` cells, and a channel for each place within a cell: with `ratio` 1 it is the
    window itself. `knots` are the corners of the camera's path, in the order of their frames: positions of the window's
    top left corner in the input, in 2^-`bits` of the input's cells. Between two knots the window moves evenly; before
    the first and after the last it stands still.
    """

    height: UV
    width: UV
    ratio: Ratio
    bits: Annotated[int, Wire("u8", high=MOST_WINDOW_BITS)]
    knots: KnotPath
    code: ClassVar[int] = 13
    name: ClassVar[str] = "window"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        window_rows, window_columns = self.height * self.ratio, self.width * self.ratio
        if not (1 <= window_rows <= height and 1 <= window_columns <= width):
            raise ValueError(f"a window of {window_columns}x{window_rows} does not fit into {width}x{height}")
        low, high = extent(self.knots)
        rows, columns = (height - window_rows) << self.bits, (width - window_columns) << self.bits
        if min(low) < 0 or high[0] > rows or high[1] > columns:
            raise ValueError(f"a window's path leaves its map of {width}x{height}")
        return channels * self.ratio**2, self.height, self.width

    def macs(self, inputs: list[Shape]) -> int:
        return 4 * inputs[0][0] * self.ratio**2 * self.height * self.width

    def native(self) -> dict[str, NativeValue]:
        return {
            "ratio": self.ratio,
            "bits": self.bits,
            "knot_count": len(self.knots),
            "knots": self.knots,
        }

    def position(self, t: int) -> tuple[int, int]:
        """(row, column) of the top left corner at frame t, in 2^-`bits` of a cell."""
        return position_at(self.knots, t)


@dataclass(frozen=True)
class Warp(Operation):
    """The first input at places that the second displaces: row and column vectors (formats/nq.md, 6.14).

    A vector of 2^`bits` is one cell of the map. Between cells a value is interpolated by `taps` of them along each
    axis: 2 (bilinear) or 4 (cubic).
    """

    bits: Annotated[int, Wire("u8", high=MOST_WARP_BITS)]
    taps: Annotated[int, Wire("u8", LINEAR_TAPS, CUBIC_TAPS)] = LINEAR_TAPS
    code: ClassVar[int] = 14
    name: ClassVar[str] = "warp"
    arity: ClassVar[int | None] = 2

    def shape(self, inputs: list[Shape]) -> Shape:
        if self.taps not in (LINEAR_TAPS, CUBIC_TAPS):
            raise ValueError(f"a warp has {LINEAR_TAPS} or {CUBIC_TAPS} taps, not {self.taps}")
        if inputs[1] != (2, *inputs[0][1:]):
            raise ValueError(f"a warp of {inputs[0]} needs vectors of {(2, *inputs[0][1:])}, not {inputs[1]}")
        if max(inputs[0][1:]) > MOST_WARP_SIDE:
            raise ValueError(f"a warp of {inputs[0][2]}x{inputs[0][1]} is larger than {MOST_WARP_SIDE}")
        return inputs[0]

    def macs(self, inputs: list[Shape]) -> int:
        channels, height, width = inputs[0]
        return WARP_MACS[self.taps] * channels * height * width

    def native(self) -> dict[str, NativeValue]:
        return {"bits": self.bits, "taps": self.taps}
