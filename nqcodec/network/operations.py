"""Operations of a network program: their fields, output shapes, tensors and costs (formats/nq.md, 5 and 6).

One dataclass an operation; each has one float expression (`nqcodec.training.network`), one definition in integers
(`nqcodec.synthesis.reference`) and one kernel a device. Nothing here computes samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from nqcodec.errors import UnsupportedError
from nqcodec.network.camera_path import Knot, extent, place_at

Shape = tuple[int, int, int]
"""A feature map's (channels, height, width)."""

MOST_INPUTS = 16
"""Most maps that one `concat` stacks."""

MOST_RATIO = 16
"""Largest ratio of an `upsample` or a `window`."""

MOST_WARP_BITS = 8
"""Most bits that a `warp` divides vectors by, beyond their map's own fraction."""

MOST_WINDOW_BITS = 8
"""Most fractional bits of a `window`'s positions: its sums stay within 32 bits."""

MOST_NORM_CHANNELS = 1 << 16
"""Most channels of a `norm`: its sums of squares stay within 64 bits."""


class Activation(IntEnum):
    """What follows a convolution's rescale (formats/nq.md, 6.5)."""

    NONE = 0
    RELU = 1
    GELU = 2
    SILU = 3
    HALF_TANH = 4
    """tanh(x) / 2: with the 0.5 that `Planes` adds, the papers' (tanh + 1) / 2 head."""


@dataclass(frozen=True)
class Operation(ABC):
    """One step of a program; `inputs` are indices of earlier operations.

    Class attributes: `name`; `arity`, the number of inputs, None where it varies.
    """

    inputs: tuple[int, ...]
    name: ClassVar[str] = ""
    arity: ClassVar[int | None] = 1

    @abstractmethod
    def shape(self, inputs: list[Shape]) -> Shape:
        """Output shape for input shapes; raises ValueError where they do not fit together."""

    def tensors(self, inputs: list[Shape]) -> dict[str, tuple[int, ...]]:
        """Shapes of the operation's integer tensors, in file order."""
        return {}

    def macs(self, inputs: list[Shape]) -> int:
        """Multiply-accumulates for one frame (formats/nq.md, 8)."""
        return 0

    @property
    def has_format(self) -> bool:
        """True if the output map has a width and format of its own rather than its input's."""
        return False


@dataclass(frozen=True)
class Grid(Operation):
    """Learned latents [times, C, h, w], read at frame t and linear between neighbours (formats/nq.md, 6.2)."""

    times: int
    channels: int
    height: int
    width: int
    name: ClassVar[str] = "grid"
    arity: ClassVar[int | None] = 0

    def shape(self, inputs: list[Shape]) -> Shape:
        if min(self.times, self.channels, self.height, self.width) < 1:
            raise ValueError("a grid has at least one time, channel, row and column")
        return self.channels, self.height, self.width

    def tensors(self, inputs: list[Shape]) -> dict[str, tuple[int, ...]]:
        return {"latent": (self.times, self.channels, self.height, self.width)}

    def macs(self, inputs: list[Shape]) -> int:
        return 2 * self.channels * self.height * self.width

    @property
    def has_format(self) -> bool:
        return True


@dataclass(frozen=True)
class Frequency(Operation):
    """Sine and cosine of frame t at given angular steps: [2 n, 1, 1], sine first in each pair (formats/nq.md, 6.7).

    `steps` and `phases` are in turns / 2^32, n of each: the angle at t is phase + t step.
    """

    steps: tuple[int, ...]
    phases: tuple[int, ...]
    name: ClassVar[str] = "frequency"
    arity: ClassVar[int | None] = 0

    def shape(self, inputs: list[Shape]) -> Shape:
        if not self.steps or len(self.steps) != len(self.phases):
            raise ValueError("a frequency operation has a step and a phase for each of its sines, and at least one")
        if not all(0 <= value < 1 << 32 for value in (*self.steps, *self.phases)):
            raise ValueError("steps and phases of a frequency operation are 32-bit parts of a turn")
        return 2 * len(self.steps), 1, 1

    @property
    def has_format(self) -> bool:
        return True


@dataclass(frozen=True)
class Conv(Operation):
    """k x k convolution, stride 1, zero "same" padding, then rescale and activation (formats/nq.md, 6.3)."""

    out_channels: int
    kernel: int
    depthwise: bool = False
    activation: Activation = Activation.NONE
    name: ClassVar[str] = "conv"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if self.kernel % 2 == 0 or self.kernel < 1:
            raise ValueError(f"a convolution's kernel is odd, not {self.kernel}")
        if self.out_channels < 1 or (self.depthwise and self.out_channels != channels):
            raise ValueError(f"a convolution cannot give {self.out_channels} channels from {channels}")
        return self.out_channels, height, width

    def tensors(self, inputs: list[Shape]) -> dict[str, tuple[int, ...]]:
        fan_in = 1 if self.depthwise else inputs[0][0]
        return {"weight": (self.out_channels, fan_in, self.kernel, self.kernel), "bias": (self.out_channels,)}

    def macs(self, inputs: list[Shape]) -> int:
        fan_in = 1 if self.depthwise else inputs[0][0]
        _, height, width = inputs[0]
        return self.out_channels * fan_in * self.kernel**2 * height * width

    @property
    def has_format(self) -> bool:
        return True


@dataclass(frozen=True)
class Fold(Operation):
    """Depth to space by `rows` and `columns`: [C rows columns, H, W] to [C, H rows, W columns] (formats/nq.md, 6.4)."""

    rows: int
    columns: int
    name: ClassVar[str] = "fold"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if min(self.rows, self.columns) < 1 or channels % (self.rows * self.columns):
            raise ValueError(f"{channels} channels cannot be folded into {self.rows} x {self.columns}")
        return channels // (self.rows * self.columns), height * self.rows, width * self.columns


@dataclass(frozen=True)
class Shuffle(Operation):
    """Depth to space by `ratio`: [C r r, H, W] to [C, H r, W r] (formats/nq.md, 6.4)."""

    ratio: int
    name: ClassVar[str] = "shuffle"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if self.ratio < 1 or channels % self.ratio**2:
            raise ValueError(f"{channels} channels cannot be shuffled by {self.ratio}")
        return channels // self.ratio**2, height * self.ratio, width * self.ratio


@dataclass(frozen=True)
class Upsample(Operation):
    """Bilinear enlargement by `ratio`, half-pixel centres, cropped to `height` x `width` (formats/nq.md, 6.8)."""

    ratio: int
    height: int
    width: int
    name: ClassVar[str] = "upsample"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if not 1 <= self.ratio <= MOST_RATIO:
            raise ValueError(f"upsampling by {self.ratio} is outside 1..{MOST_RATIO}")
        if not (1 <= self.height <= height * self.ratio and 1 <= self.width <= width * self.ratio):
            raise ValueError(f"{width}x{height} enlarged by {self.ratio} does not cover {self.width}x{self.height}")
        return channels, self.height, self.width

    def macs(self, inputs: list[Shape]) -> int:
        return 4 * inputs[0][0] * self.height * self.width


@dataclass(frozen=True)
class Tile(Operation):
    """The input repeated over `height` x `width` from the top left corner on (formats/nq.md, 6.9)."""

    height: int
    width: int
    name: ClassVar[str] = "tile"

    def shape(self, inputs: list[Shape]) -> Shape:
        if min(self.height, self.width) < 1:
            raise ValueError("a tiled map has at least one row and one column")
        return inputs[0][0], self.height, self.width


@dataclass(frozen=True)
class Window(Operation):
    """The part of the input that a camera sees on its way over it, as cells of `ratio` x `ratio` (formats/nq.md, 6.13).

    The map has `height` x `width` cells, and a channel for each place within a cell: with `ratio` 1 it is the part
    itself. `knots` are the way's corners, in the order of their frames: where the part's top left corner is in the
    input, in 2^-`bits` of its own cells. Between two it moves evenly; before the first and after the last it rests.
    """

    height: int
    width: int
    ratio: int
    bits: int
    knots: tuple[Knot, ...]
    name: ClassVar[str] = "window"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        if not 0 <= self.bits <= MOST_WINDOW_BITS:
            raise ValueError(f"{self.bits} fractional bits of a window are outside 0..{MOST_WINDOW_BITS}")
        if not 1 <= self.ratio <= MOST_RATIO:
            raise ValueError(f"a window's ratio of {self.ratio} is outside 1..{MOST_RATIO}")
        seen_rows, seen_columns = self.height * self.ratio, self.width * self.ratio
        if not (1 <= seen_rows <= height and 1 <= seen_columns <= width):
            raise ValueError(f"a window of {seen_columns}x{seen_rows} does not fit into {width}x{height}")
        low, high = extent(self.knots)
        rows, columns = (height - seen_rows) << self.bits, (width - seen_columns) << self.bits
        if min(low) < 0 or high[0] > rows or high[1] > columns:
            raise ValueError(f"a window's path leaves its map of {width}x{height}")
        return channels * self.ratio**2, self.height, self.width

    def macs(self, inputs: list[Shape]) -> int:
        return 4 * inputs[0][0] * self.ratio**2 * self.height * self.width

    def position(self, t: int) -> tuple[int, int]:
        """(row, column) of the top left corner at frame t, in 2^-`bits` of a cell."""
        return place_at(self.knots, t)


@dataclass(frozen=True)
class Warp(Operation):
    """The first input at places that the second displaces: row and column vectors (formats/nq.md, 6.14).

    A vector of 2^`bits` is one cell of the map.
    """

    bits: int
    name: ClassVar[str] = "warp"
    arity: ClassVar[int | None] = 2

    def shape(self, inputs: list[Shape]) -> Shape:
        if not 0 <= self.bits <= MOST_WARP_BITS:
            raise ValueError(f"{self.bits} bits of a warp are outside 0..{MOST_WARP_BITS}")
        if inputs[1] != (2, *inputs[0][1:]):
            raise ValueError(f"a warp of {inputs[0]} needs vectors of {(2, *inputs[0][1:])}, not {inputs[1]}")
        return inputs[0]

    def macs(self, inputs: list[Shape]) -> int:
        channels, height, width = inputs[0]
        return 4 * channels * height * width


@dataclass(frozen=True)
class Concat(Operation):
    """Maps of one size stacked along channels, in a format of their own (formats/nq.md, 6.10)."""

    name: ClassVar[str] = "concat"
    arity: ClassVar[int | None] = None

    def shape(self, inputs: list[Shape]) -> Shape:
        if not 1 <= len(inputs) <= MOST_INPUTS:
            raise ValueError(f"a concat of {len(inputs)} maps is outside 1..{MOST_INPUTS}")
        if len({shape[1:] for shape in inputs}) > 1:
            raise ValueError("a concat needs maps of one height and width")
        return sum(channels for channels, _, _ in inputs), inputs[0][1], inputs[0][2]

    @property
    def has_format(self) -> bool:
        return True


@dataclass(frozen=True)
class _Pairwise(Operation):
    """Two maps of one shape, value by value, in a format of their own."""

    arity: ClassVar[int | None] = 2

    def shape(self, inputs: list[Shape]) -> Shape:
        if inputs[0] != inputs[1]:
            raise ValueError(f"{self.name} needs two maps of one shape, not {inputs[0]} and {inputs[1]}")
        return inputs[0]

    def macs(self, inputs: list[Shape]) -> int:
        channels, height, width = inputs[0]
        return channels * height * width

    @property
    def has_format(self) -> bool:
        return True


@dataclass(frozen=True)
class Add(_Pairwise):
    """Sum of two maps (formats/nq.md, 6.11)."""

    name: ClassVar[str] = "add"


@dataclass(frozen=True)
class Mul(_Pairwise):
    """Product of two maps (formats/nq.md, 6.11)."""

    name: ClassVar[str] = "mul"


@dataclass(frozen=True)
class Norm(Operation):
    """Each position's channels less their mean, over their standard deviation (formats/nq.md, 6.12)."""

    name: ClassVar[str] = "norm"

    def shape(self, inputs: list[Shape]) -> Shape:
        if inputs[0][0] > MOST_NORM_CHANNELS:
            raise ValueError(f"a norm over {inputs[0][0]} channels is over {MOST_NORM_CHANNELS}")
        return inputs[0]

    def macs(self, inputs: list[Shape]) -> int:
        channels, height, width = inputs[0]
        return 4 * channels * height * width

    @property
    def has_format(self) -> bool:
        return True


@dataclass(frozen=True)
class Planes(Operation):
    """Feature map to picture planes, cropped and clipped; always the last operation (formats/nq.md, 6.6).

    With `ratio` r, a plane subsampled by (sx, sy) takes (r / sx) (r / sy) channels, one for each of its samples at
    a map position. So 4:2:0 at r = 2 is six channels: four luma sub-pixels, U, V.
    """

    ratio: int
    name: ClassVar[str] = "planes"

    def shape(self, inputs: list[Shape]) -> Shape:
        channels, height, width = inputs[0]
        return channels, height * self.ratio, width * self.ratio


OPERATIONS: dict[int, type[Operation]] = {
    1: Grid,
    2: Conv,
    3: Shuffle,
    4: Planes,
    5: Upsample,
    6: Concat,
    7: Add,
    8: Mul,
    9: Norm,
    10: Frequency,
    11: Fold,
    12: Tile,
    13: Window,
    14: Warp,
}
"""Operation codes in the file (formats/nq.md, 5)."""


def operation_code(op: Operation) -> int:
    """The file's code of an operation; raises UnsupportedError for one that the format does not hold."""
    for code, kind in OPERATIONS.items():
        if type(op) is kind:
            return code
    raise UnsupportedError(f"operation {op.name} has no code in this format version")
