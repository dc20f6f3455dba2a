"""A path of knots: where a camera is over its scene at each frame (formats/nq.md, 5 and 6.13). Integers only.

Operations are built on it; what a whole program says of its camera is in `nqcodec.network.motion`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter

MOST_KNOTS, MOST_KNOT_TIME = 4096, (1 << 24) - 1
"""Most knots of a `window`'s path, and the last frame that one can be at."""

Knot = tuple[int, int, int]
"""A point of a path: (frame, row, column)."""


@lru_cache(maxsize=64)
def extent(knots: tuple[Knot, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Least and largest (row, column) of a path that many windows may share; raises ValueError for one that is none."""
    if not 1 <= len(knots) <= MOST_KNOTS:
        raise ValueError(f"a window's path of {len(knots)} knots is outside 1..{MOST_KNOTS}")
    times, rows, columns = zip(*knots, strict=True)
    if times[0] < 0 or times[-1] > MOST_KNOT_TIME or any(a >= b for a, b in pairwise(times)):
        raise ValueError(f"the knots of a window's path are not in order at frames 0..{MOST_KNOT_TIME}")
    return (min(rows), min(columns)), (max(rows), max(columns))


def position_at(knots: tuple[Knot, ...], t: int) -> tuple[int, int]:
    """(row, column) at frame t: between two knots it moves evenly; outside them it stands still."""
    after = bisect_right(knots, t, key=itemgetter(0))
    if after in (0, len(knots)):
        return knots[max(after - 1, 0)][1:]
    (first, *begin), (last, *end) = knots[after - 1 : after + 1]
    length, since = last - first, t - first
    row, column = (a + (2 * (b - a) * since + length) // (2 * length) for a, b in zip(begin, end, strict=True))
    return row, column


PATH_BITS = 3
"""Fractional bits of a path's positions in pixels: an eighth, about what registration is accurate to."""


@dataclass(frozen=True)
class Path:
    """A camera's path: positions of the picture's top left corner in the scene.

    Attributes:
        knots: corners of the path (frame, row, column) in 2^-`bits` pixels, the least row and column 0.
    """

    knots: tuple[Knot, ...]
    bits: int = PATH_BITS

    @property
    def rows(self) -> int:
        """Largest row."""
        return max(row for _, row, _ in self.knots)

    @property
    def columns(self) -> int:
        """Largest column."""
        return max(column for _, _, column in self.knots)

    def coarser(self, bits: int) -> Path:
        """The same path with `bits` fractional bits, or itself if it has no more."""
        drop = self.bits - bits
        if drop <= 0:
            return self
        knots = tuple((time, *((v + (1 << (drop - 1))) >> drop for v in place)) for time, *place in self.knots)
        return Path(knots, bits)  # type: ignore[arg-type]
