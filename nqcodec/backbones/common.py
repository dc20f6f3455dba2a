"""Shared by the backbones: assembling a program, solving its width for a budget, and checks of presets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import log2, prod
from typing import TypeVar

from nqcodec.errors import LimitError, RateError, UsageError
from nqcodec.media.video import Chroma, Video
from nqcodec.network.operations import Concat, Operation, Window
from nqcodec.network.program import Limits, Program

Plan = TypeVar("Plan")
"""What a network is but for its width: the settings of a backbone."""

HALF_RESOLUTION = 2
"""Planes ratio of our own networks: the trunk ends at half the picture's resolution."""

LEAST_WIDTH = 2
"""Narrowest stem that a `build` makes."""

LARGEST_SIZE = 1 << 30
"""A size above that of every program that decoders accept."""

CELL_PENALTY = 0.05
"""Penalty for twice or half the cells aimed at, in the unit of padding: a part of the picture."""


class ProgramBuilder(list[Operation]):
    """Builds a program: a list to which operations are appended."""

    def add(self, operation: Operation) -> int:
        """Append `operation` and give its index, which later operations take as an input."""
        self.append(operation)
        return len(self) - 1

    def stack(self, maps: Sequence[int]) -> int:
        """Index of one map with all channels of `maps`: a `Concat` is appended if there are several."""
        return maps[0] if len(maps) == 1 else self.add(Concat(tuple(maps)))

    def space_to_depth(self, index: int, height: int, width: int, ratio: int) -> int:
        """Index of the map of `height` x `width` cells whose channels are the `ratio`^2 places of each in map `index`:
        a window that stands still."""
        return self.add(Window((index,), height, width, ratio, 0, ((0, 0, 0),)))


def within_limits(program: Program, video: Video) -> bool:
    """True if decoders accept a program for `video` (formats/nq.md, 8)."""
    try:
        program.check_limits(video, Limits())
    except LimitError:
        return False
    return True


def fits(program: Program, video: Video, parameters: int) -> bool:
    """True if a program is within a budget, and within what decoders accept for `video` (formats/nq.md, 8)."""
    return program.parameters <= parameters and within_limits(program, video)


def widest(make: Callable[[int], Program], least: int, video: Video, parameters: int, most: int = LARGEST_SIZE) -> int:
    """The largest size up to `most` whose program fits, by doubling the distance from `least` and then bisection.

    `make` gives a program that grows with its size; the one of `least` fits.
    """
    low, stride = least, 1
    while low + stride <= most and fits(make(low + stride), video, parameters):
        low, stride = low + stride, 2 * stride
    high = min(low + stride, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(make(middle), video, parameters) else (low, middle)
    return low


def widest_program(
    plans: Iterable[Plan], make: Callable[[Plan, int], Program], video: Video, parameters: int
) -> Program:
    """Of the widest programs of several plans the one of most parameters, which uses the budget best.

    Args:
        plans: the first serves only if no other fits, because it is the smallest network that there is.
        make: gives the program of a plan at a width, `LEAST_WIDTH` or more.
    """
    fitting = [plan for plan in plans if fits(make(plan, LEAST_WIDTH), video, parameters)]
    makers = [partial(make, plan) for plan in fitting]
    programs = [make_one(widest(make_one, LEAST_WIDTH, video, parameters)) for make_one in makers]
    return max(programs[1:] or programs, key=lambda program: program.parameters)


def check_budget(parameters: int, least: int, video: Video) -> None:
    """Raise RateError if a budget is below the `least` parameters that a network for `video` has."""
    if parameters < least:
        raise RateError(
            f"a network of {parameters} parameters is too small for {video.width}x{video.height}: "
            f"the smallest has {least}"
        )


def cells(video: Video, ratio: int) -> tuple[int, int]:
    """First map's (height, width) that covers the picture when a half-resolution trunk enlarges by `ratio`."""
    scale = ratio * HALF_RESOLUTION
    return -(-video.height // scale), -(-video.width // scale)


def ratios(video: Video) -> list[int]:
    """Products of 2, 3 and 5 up to the one that leaves a single cell."""
    longest = -(-max(video.width, video.height) // HALF_RESOLUTION)
    powers = range(longest.bit_length() + 1)
    every = sorted(2**a * 3**b * 5**c for a in powers for b in powers for c in powers if 3**b * 5**c <= 2 * longest)
    last = next(ratio for ratio in every if ratio >= longest)
    return [ratio for ratio in every if ratio <= last]


def factors(ratio: int) -> tuple[int, ...]:
    """Strides of a ratio: its prime factors, the largest first, where maps are smallest.

    Prime strides take the fewest parameters, and measured better than HNeRV's 4 and 5 at equal size and time.
    """
    found = []
    for prime in (5, 3, 2):
        while ratio % prime == 0:
            found.append(prime)
            ratio //= prime
    return tuple(found)


def best_ratio(video: Video, aim: float) -> int:
    """The ratio between half the picture and its first map with little padding and about `aim` cells.

    Padding costs time and bits, and so do too many or too few cells: the sum of both penalties is minimised.
    """

    def score(ratio: int) -> float:
        height, width = cells(video, ratio)
        padding = height * width * (ratio * HALF_RESOLUTION) ** 2 / (video.height * video.width) - 1
        return padding + CELL_PENALTY * abs(log2(height * width / aim))

    return min(ratios(video), key=score)


def check_preset(family: str, name: str, names: Iterable[str], video: Video) -> None:
    """Raise UsageError for an unknown network, or a clip that is not 4:4:4 (published heads give three full planes)."""
    if name not in (known := list(names)):
        raise UsageError(f"there is no {family} network {name}: choose one of {', '.join(known)}")
    if video.chroma is not Chroma.C444:
        raise UsageError(f"network {name} makes three full planes: convert the clip from {video.chroma.label} to 4:4:4")


def paper_cells(name: str, video: Video, sizes: Mapping[tuple[int, int], tuple[int, ...]]) -> tuple[int, int]:
    """First map's (height, width) of a network published for pictures of `sizes`, given with their strides.

    Raises:
        UsageError: if the clip has another size.
    """
    strides = sizes.get((video.width, video.height))
    if strides is None:
        served = " or ".join(f"{width}x{height}" for width, height in sizes)
        raise UsageError(
            f"network {name} is for {served}, not {video.width}x{video.height}: crop or scale the clip, "
            "or give a size with --params"
        )
    return video.height // prod(strides), video.width // prod(strides)
