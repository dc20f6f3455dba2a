"""The network as data: a checked list of operations (`nqcodec.network.operations`) and what it costs (formats/nq.md,
5).

A program says only what is computed; the integers it computes with are in `nqcodec.network.integer_network`. Nothing
here knows torch, files or devices, so encoder, decoder and tools share it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nqcodec.errors import LimitError, UsageError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Operation, Planes, Shape


def head_channels(chroma: Chroma, ratio: int) -> int:
    """Channels that `Planes(ratio)` takes for a chroma format; raises ValueError if the ratio does not suit it."""
    total = 0
    for index in range(chroma.planes):
        sx, sy = chroma.plane_sub(index)
        if ratio < 1 or ratio % sx or ratio % sy:
            raise ValueError(f"planes at ratio {ratio} cannot hold {chroma.label}")
        total += (ratio // sx) * (ratio // sy)
    return total


PARAMETER_BYTES = 40
"""Most bytes that an integer of a tensor takes while a network is decoded and checked (measured: 28 for a weight in
the Hadamard domain, 20 for any other, 8 for a latent)."""


@dataclass(frozen=True)
class Limits:
    """The limits that a decoder checks before it allocates anything (formats/nq.md, 8).

    `memory` is in bytes, and bounds what tensors and maps take in this implementation, working space included.
    """

    parameters: int = 1 << 26
    macs_per_pixel: int = 1 << 22
    map_bytes: int = 1 << 31
    picture_pixels: int = 1 << 26
    frames: int = 1 << 24
    memory: int = 1 << 33

    @staticmethod
    def parse(texts: Iterable[str]) -> Limits:
        """The default limits, changed by texts such as "frames=100,memory=4G" (K, M, G, T are powers of 1024).

        Raises:
            UsageError: a name, number or value that is none; says which there are.
        """
        values: dict[str, int] = {}
        for entry in (entry.strip() for text in texts for entry in text.split(",")):
            name, _, number = entry.partition("=")
            match = re.fullmatch(r"(\d{1,18})([KMGT]?)", number.strip(), re.ASCII)
            if name not in LIMITS or match is None:
                raise UsageError(f"--limits {entry}: write NAME=NUMBER, the names being {', '.join(LIMITS)}")
            values[name] = int(match[1]) << 10 * (" KMGT".index(match[2] or " "))
            if not 1 <= values[name] <= LIMITS[name].most:
                raise UsageError(f"--limits {entry}: from 1 to {LIMITS[name].most}, more cannot be decoded")
        return Limits(**values)

    def check(self, **claims: int) -> None:
        """Raise LimitError, which says how to lift it, for the first of `claims`, by field name, that is too large."""
        for name, asked in claims.items():
            allowed: int = getattr(self, name)
            if asked > allowed:
                way = f"nqdec --limits {name}={asked} lifts it, for a file that you trust"
                if asked > LIMITS[name].most:
                    way = f"{LIMITS[name].most} is the most that can be decoded at all"
                raise LimitError(f"the file asks for {asked} {LIMITS[name].what}, and the limit is {allowed}: {way}")


@dataclass(frozen=True)
class LimitKind:
    """What a limit counts, and the most that it can be raised to; above it, numbers overflow the decoders' integers."""

    what: str
    most: int


LIMITS = {
    "parameters": LimitKind("parameters", 1 << 28),
    "macs_per_pixel": LimitKind("multiply-accumulates a pixel", 1 << 40),
    "map_bytes": LimitKind("bytes of feature maps", 1 << 40),
    "picture_pixels": LimitKind("pixels a picture", 1 << 30),
    "frames": LimitKind("frames", (1 << 31) - 1),
    "memory": LimitKind("bytes of memory", 1 << 44),
}
"""Kind of each field of `Limits`."""


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
            arity = len(op.inputs) if op.arity is None else op.arity
            if len(op.inputs) != arity or any(not 0 <= i < index for i in op.inputs):
                raise ValueError(f"operation {index} ({op.name}) needs {arity} earlier operations as inputs")
            if isinstance(op, Planes) != (index == len(operations) - 1):
                raise ValueError("a program has one planes operation, its last")
            if any(isinstance(operations[i], Planes) for i in op.inputs):
                raise ValueError("planes are no input")
            op.check_fields()
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
        """Most bytes of feature maps that live at once, as int16: a map lives until its last reader has run."""
        sizes = [2 * channels * height * width for channels, height, width in self.shapes[:-1]]
        last = {i: reader for reader, op in enumerate(self.operations) for i in op.inputs}
        live, most = 0, 0
        ending: dict[int, list[int]] = {}
        for index, size in enumerate(sizes):
            ending.setdefault(last.get(index, index), []).append(size)
        for index in range(len(self.operations)):
            live += sizes[index] if index < len(sizes) else 0
            most = max(most, live)
            live -= sum(ending.get(index, ()))
        return most

    @property
    def coded_size(self) -> tuple[int, int]:
        """(width, height) before the crop."""
        _, height, width = self.shapes[-1]
        return width, height

    def check_limits(self, video: Video, limits: Limits) -> None:
        """Raise LimitError if anything exceeds `limits`; allocates nothing.

        A backend may need more `memory` than is known here, and checks that itself (`synthesis.backends`).
        """
        width, height = self.coded_size
        limits.check(
            parameters=self.parameters,
            macs_per_pixel=self.macs // (video.width * video.height),
            map_bytes=self.map_bytes,
            picture_pixels=width * height,
            frames=video.frames,
            memory=PARAMETER_BYTES * self.parameters + self.map_bytes,
        )
