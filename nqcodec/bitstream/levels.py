"""What a program costs, and the levels by which a file says so before the program (formats/nq.md, 8 and 8.1)."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from nqcodec.bitstream.reader import Reader
from nqcodec.media.video import Video
from nqcodec.network.program import Program

NAMES = ("size", "MACs", "maps")
"""Of the levels, in their order."""

LEVELS_BYTES = len(NAMES)
MOST_LEVEL = 255


@dataclass(frozen=True)
class Cost:
    """What a program costs.

    Attributes:
        parameters: integers in all tensors.
        macs_per_pixel: multiply-accumulates a frame, divided by the picture's pixels.
        map_bytes: most bytes of the maps that live at once.
    """

    parameters: int
    macs_per_pixel: int
    map_bytes: int

    @staticmethod
    def of(program: Program, video: Video) -> Cost:
        """The cost of a program for pictures of `video`."""
        return Cost(program.parameters, program.macs // (video.width * video.height), program.map_bytes)


def level_bound(level: int) -> int:
    """The most that a level stands for."""
    return (4 + (level & 3)) << (level >> 2)


def level_of(quantity: int) -> int:
    """The least level that stands for a quantity; raises ValueError where there is none."""
    level = max(0, 4 * (quantity.bit_length() - 3))  # at most the bound of a power of two
    while level_bound(level) < quantity:
        level += 1
    if level > MOST_LEVEL:
        raise ValueError(f"{quantity} is beyond all levels")
    return level


def pack_levels(cost: Cost) -> bytes:
    """The levels of a cost, as they stand before a program."""
    return bytes(level_of(quantity) for quantity in astuple(cost))


def parse_levels(reader: Reader) -> bytes:
    """The levels before a program, not yet compared with it."""
    return bytes(reader.fixed("u8", f"level of {name}") for name in NAMES)


def check_levels(reader: Reader, start: int, levels: bytes, cost: Cost) -> None:
    """Raise FormatError unless the levels at `start` of the payload are those of the program after them."""
    expected = pack_levels(cost)
    for position, (name, stated, right) in enumerate(zip(NAMES, levels, expected, strict=True)):
        if stated != right:
            text = f"the level of {name} is {stated}, and that of the program {right}"
            raise reader.error(text, start + position)
