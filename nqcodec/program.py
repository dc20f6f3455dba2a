"""The network as data: a list of operations on feature maps, with what each one costs (formats/nq.md, 5).

A program says only what is computed; the integers it computes with are in `nqcodec.network`. Nothing here knows
torch, files or devices, so encoder, decoder and tools share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from nqcodec.errors import LimitError, UnsupportedError
from nqcodec.video import Chroma, Video

Shape = tuple[int, int, int]
"""A feature map's (channels, height, width)."""


class Activation(IntEnum):
    """What follows a convolution's rescale (formats/nq.md, 6.5)."""

    NONE = 0
    RELU = 1
    GELU = 2
    SILU = 3
    HALF_TANH = 4
    """tanh(x) / 2: with the 0.5 that `Planes` adds, the papers' (tanh + 1) / 2 head."""


@dataclass(frozen=True)
class Operation:
    """One step of a program; `inputs` are indices of earlier operations."""

    inputs: tuple[int, ...]
    name: ClassVar[str] = ""
    arity: ClassVar[int] = 1

    def shape(self, inputs: list[Shape]) -> Shape:
        """Output shape for input shapes; raises ValueError where they do not fit together."""
        raise NotImplementedError

    def tensors(self, inputs: list[Shape]) -> dict[str, tuple[int, ...]]:
        """Shapes of the operation's integer tensors, in file order."""
        return {}

    def macs(self, inputs: list[Shape]) -> int:
        """Multiply-accumulates for one frame."""
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
    arity: ClassVar[int] = 0

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


def head_channels(chroma: Chroma, ratio: int) -> int:
    """Channels that `Planes(ratio)` takes for a chroma format; raises ValueError if the ratio does not suit it."""
    total = 0
    for index in range(chroma.planes):
        sx, sy = chroma.plane_sub(index)
        if ratio < 1 or ratio % sx or ratio % sy:
            raise ValueError(f"planes at ratio {ratio} cannot hold {chroma.label}")
        total += (ratio // sx) * (ratio // sy)
    return total


@dataclass(frozen=True)
class Limits:
    """What a decoder agrees to before it allocates anything (formats/nq.md, 8)."""

    parameters: int = 1 << 26
    macs_per_pixel: int = 1 << 22
    map_bytes: int = 1 << 31
    picture_pixels: int = 1 << 26
    frames: int = 1 << 24


@dataclass(frozen=True)
class Program:
    """A checked list of operations that ends in `Planes`.

    Attributes:
        operations: in order; each one's inputs come earlier.
        shapes: output shape of each operation, inferred.
    """

    operations: tuple[Operation, ...]
    shapes: tuple[Shape, ...]

    @staticmethod
    def of(operations: list[Operation], video: Video) -> Program:
        """Check and infer; raises ValueError for operations that do not fit together or do not cover `video`."""
        shapes: list[Shape] = []
        for index, op in enumerate(operations):
            if len(op.inputs) != op.arity or any(not 0 <= i < index for i in op.inputs):
                raise ValueError(f"operation {index} ({op.name}) needs {op.arity} earlier operations as inputs")
            if isinstance(op, Planes) != (index == len(operations) - 1):
                raise ValueError("a program has one planes operation, its last")
            if any(isinstance(operations[i], Planes) for i in op.inputs):
                raise ValueError("planes are no input")
            shapes.append(op.shape([shapes[i] for i in op.inputs]))
        if not shapes:
            raise ValueError("a program has at least one operation")
        head = operations[-1]
        assert isinstance(head, Planes)
        channels, height, width = shapes[-1]
        if channels != head_channels(video.chroma, head.ratio):
            raise ValueError(f"{channels} channels do not make {video.chroma.label} planes at ratio {head.ratio}")
        if height < video.height or width < video.width:
            raise ValueError(f"the program's {width}x{height} does not cover {video.width}x{video.height}")
        return Program(tuple(operations), tuple(shapes))

    def input_shapes(self, index: int) -> list[Shape]:
        """Shapes of the inputs of operation `index`."""
        return [self.shapes[i] for i in self.operations[index].inputs]

    def tensors(self, index: int) -> dict[str, tuple[int, ...]]:
        """Tensor shapes of operation `index`, in file order."""
        return self.operations[index].tensors(self.input_shapes(index))

    @property
    def parameters(self) -> int:
        """Integers in all tensors, latents included."""
        total = 0
        for index in range(len(self.operations)):
            for shape in self.tensors(index).values():
                size = 1
                for extent in shape:
                    size *= extent
                total += size
        return total

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one frame."""
        return sum(op.macs(self.input_shapes(i)) for i, op in enumerate(self.operations))

    @property
    def map_bytes(self) -> int:
        """Bytes of all feature maps of one frame as int16: an upper bound of what a decoder keeps at once."""
        return sum(2 * c * h * w for c, h, w in self.shapes)

    @property
    def coded_size(self) -> tuple[int, int]:
        """(width, height) before the crop."""
        _, height, width = self.shapes[-1]
        return width, height

    def check_limits(self, video: Video, limits: Limits) -> None:
        """Raise LimitError if anything exceeds `limits`; allocates nothing."""
        width, height = self.coded_size
        claims = (
            ("parameters", self.parameters, limits.parameters),
            ("multiply-accumulates a pixel", self.macs // (video.width * video.height), limits.macs_per_pixel),
            ("bytes of feature maps", self.map_bytes, limits.map_bytes),
            ("pixels a picture", width * height, limits.picture_pixels),
            ("frames", video.frames, limits.frames),
        )
        for what, asked, allowed in claims:
            if asked > allowed:
                raise LimitError(f"the file asks for {asked} {what}, and the limit is {allowed}")


OPERATIONS: dict[int, type[Operation]] = {1: Grid, 2: Conv, 3: Shuffle, 4: Planes}
"""Operation codes in the file (formats/nq.md, 5)."""


def operation_code(op: Operation) -> int:
    """The file's code of an operation; raises UnsupportedError for one that the format does not hold."""
    for code, kind in OPERATIONS.items():
        if type(op) is kind:
            return code
    raise UnsupportedError(f"operation {op.name} has no code in this format version")
