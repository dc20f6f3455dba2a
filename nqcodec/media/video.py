"""Description of a clip: size, chroma format, bit depth, rate, colour, and its planes. Reads and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Frame = tuple[Plane, ...]
"""One picture: Y (4:0:0) or Y, U, V (or G, B, R), each [H, W], uint8 at depth 8 and uint16 above."""

MATRIX_IDENTITY = 0
"""CICP matrix coefficient 0 (H.273): the three planes are G, B, R."""


class Chroma(IntEnum):
    """Chroma format, numbered as chroma_format_idc in H.264, HEVC and VVC."""

    C400 = 0
    C420 = 1
    C422 = 2
    C444 = 3

    @property
    def planes(self) -> int:
        """Number of planes: 1 or 3."""
        return 1 if self is Chroma.C400 else 3

    @property
    def sub(self) -> tuple[int, int]:
        """Chroma subsampling (horizontal, vertical)."""
        return {Chroma.C420: (2, 2), Chroma.C422: (2, 1)}.get(self, (1, 1))

    def plane_sub(self, index: int) -> tuple[int, int]:
        """Subsampling (horizontal, vertical) of plane `index`."""
        return (1, 1) if index == 0 else self.sub

    @property
    def label(self) -> str:
        """The name used in tables: 4:2:0."""
        return ":".join(self.name[1:])


@dataclass(frozen=True)
class Colour:
    """Colour description by CICP code points (ITU-T H.273); 2 means unspecified."""

    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    full_range: bool = False
    chroma_location: int = 0
    """Chroma sample location type of HEVC (0 left, 1 centre, 2 top-left, ...)."""


@dataclass(frozen=True)
class Video:
    """A clip's description. `frames` is 0 while a stream's length is not known yet."""

    width: int
    height: int
    frames: int = 0
    fps: Fraction = Fraction(25)
    chroma: Chroma = Chroma.C420
    depth: int = 8
    colour: Colour = field(default_factory=Colour)
    sar: Fraction = Fraction(1)

    @property
    def is_rgb(self) -> bool:
        """True when the planes are G, B, R."""
        return self.chroma is Chroma.C444 and self.colour.matrix == MATRIX_IDENTITY

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """Sample type in memory."""
        return np.dtype(np.uint8) if self.depth == 8 else np.dtype(np.uint16)

    @property
    def plane_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each plane; chroma of odd sizes is rounded up."""
        shapes = []
        for index in range(self.chroma.planes):
            sx, sy = self.chroma.plane_sub(index)
            shapes.append((-(-self.height // sy), -(-self.width // sx)))
        return tuple(shapes)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one raw planar frame (16-bit little-endian samples above depth 8)."""
        return sum(h * w for h, w in self.plane_shapes) * self.dtype.itemsize

    @property
    def pixels(self) -> int:
        """Luma pixels of the clip, the denominator of bpp."""
        return self.width * self.height * self.frames

    def with_frames(self, frames: int) -> Video:
        """The same clip with another number of frames."""
        return replace(self, frames=frames)


def frame_bytes(frame: Frame) -> bytes:
    """A frame's samples as they are hashed and written raw: planes in order, rows in order, little-endian."""
    return b"".join(np.ascontiguousarray(p, dtype=p.dtype.newbyteorder("<")).tobytes() for p in frame)
