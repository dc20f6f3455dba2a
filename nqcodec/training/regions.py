"""Which rows and columns of every map of a program a patch of the picture needs (formats/nq.md, 6); no torch here.

Rows and columns never mix, so each axis is followed on its own: from the patch back through the operations, each of
which names what it reads of its inputs. What it would read beyond a map's border is not needed: padding replaces it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nqcodec.network.operations import (
    OPERATIONS,
    Conv,
    Fold,
    Operation,
    Shuffle,
    Tile,
    Upsample,
    Warp,
    Window,
)
from nqcodec.network.program import Program

Extent = tuple[int, int]
"""Places from the first up to, and without, the second."""


@dataclass(frozen=True)
class Spans:
    """Rows or columns of a map, for each sample of a batch: `length` of them from its entry of `firsts` on."""

    firsts: tuple[int, ...]
    length: int

    @staticmethod
    def covering(extents: Sequence[Extent], size: int) -> Spans:
        """The shortest spans of one length, within a map of `size`, that hold the parts of `extents` within it."""
        inside = [(max(first, 0), min(end, size)) for first, end in extents]
        length = max(end - first for first, end in inside)
        return Spans(tuple(min(first, size - length) for first, _ in inside), length)

    @property
    def extents(self) -> list[Extent]:
        """Of each sample."""
        return [(first, first + self.length) for first in self.firsts]

    def grown(self, margin: int) -> Spans:
        """`margin` more at both ends, even beyond the map."""
        return Spans(tuple(first - margin for first in self.firsts), self.length + 2 * margin)

    def scaled(self, ratio: int) -> Spans:
        """The same places of a map that is `ratio` times as large."""
        return Spans(tuple(ratio * first for first in self.firsts), ratio * self.length)


@dataclass(frozen=True)
class Region:
    """A rectangle of a map for each sample of a batch, all of one size."""

    rows: Spans
    columns: Spans

    def grown(self, margin: int) -> Region:
        """`margin` more on all four sides."""
        return Region(self.rows.grown(margin), self.columns.grown(margin))


@dataclass(frozen=True)
class Asked:
    """The spans of an operation's map that are needed along an axis, for each sample.

    Attributes:
        axis: 0 for rows and 1 for columns.
        spans: rows or columns that are needed.
        size: of the input along the axis.
        times: frame of each sample.
    """

    axis: int
    spans: Spans
    size: int
    times: Sequence[int]


def whole(height: int, width: int, samples: int) -> Region:
    """All of a map."""
    return Region(Spans((0,) * samples, height), Spans((0,) * samples, width))


def infer(program: Program, patch: Region, times: Sequence[int]) -> list[Region | None]:
    """The region of each operation's map that `patch` needs, None for maps that it does not need at all.

    Args:
        patch: places of the map that `planes` reads, within that map.
        times: frame of each sample; only windows use it.
    """
    extents: list[tuple[list[list[Extent]], list[list[Extent]]]] = [([], []) for _ in program.operations]
    regions: list[Region | None] = [None] * len(program.operations)
    regions[-1] = patch
    for index in reversed(range(len(program.operations))):
        op = program.operations[index]
        if extents[index][0]:
            _, *size = program.shapes[index]
            regions[index] = Region(*(_union(axis, n) for axis, n in zip(extents[index], size, strict=True)))
        region = regions[index]
        if region is None:
            continue
        for source in op.inputs:
            for axis, spans in enumerate((region.rows, region.columns)):
                asked = Asked(axis, spans, program.shapes[source][1 + axis], times)
                extents[source][axis].append(read(op, asked))
    return regions


def _union(readers: list[list[Extent]], size: int) -> Spans:
    """The spans of one axis of a map that all of its readers need."""
    pairs = [(min(first for first, _ in each), max(end for _, end in each)) for each in zip(*readers, strict=True)]
    return Spans.covering(pairs, size)


def window_starts(op: Window, asked: Asked) -> list[int]:
    """First row or column of its input that a window's spans lie in, for each sample (formats/nq.md, 6.13)."""
    places = zip(asked.spans.firsts, asked.times, strict=True)
    return [(op.position(t)[asked.axis] >> op.bits) + op.ratio * first for first, t in places]


def _cells(extent: Extent, ratio: int) -> Extent:
    """Places of a map `ratio` times smaller."""
    return extent[0] // ratio, -(-extent[1] // ratio)


def _taps(extent: Extent, ratio: int, size: int) -> Extent:
    """Input places that enlarged ones are computed from."""
    first, end = extent
    return _tap(first, ratio, size), _tap(end - 1, ratio, size, 1) + 1


def _tap(place: int, ratio: int, size: int, more: int = 0) -> int:
    """The first of the two input places that an enlarged one is between, or the second (formats/nq.md, 6.8)."""
    return min(max((2 * place + 1 - ratio) // (2 * ratio) + more, 0), size - 1)


POSITIONWISE = tuple(kind for kind in OPERATIONS.values() if kind.is_positionwise)
"""Operations that compute a position from the same position of each of their inputs."""

READS: dict[type[Operation], Callable[[Any, Asked], list[Extent]]] = {
    # Extents reach beyond the map where the padding does.
    Conv: lambda op, a: a.spans.grown(op.kernel // 2).extents,
    Shuffle: lambda op, a: [_cells(extent, op.ratio) for extent in a.spans.extents],
    Fold: lambda op, a: [_cells(extent, (op.rows, op.columns)[a.axis]) for extent in a.spans.extents],
    Upsample: lambda op, a: [_taps(extent, op.ratio, a.size) for extent in a.spans.extents],
    Tile: lambda op, a: [(0, a.size)] * len(a.spans.firsts),
    Warp: lambda op, a: [(0, a.size)] * len(a.spans.firsts),
    Window: lambda op, a: [(first, first + op.ratio * a.spans.length + 1) for first in window_starts(op, a)],
    **dict.fromkeys(POSITIONWISE, lambda op, a: a.spans.extents),
}
"""The extents that each operation with inputs reads of one of them."""


def read(op: Operation, asked: Asked) -> list[Extent]:
    """What is read of an input of `op`, on the same axis, for each sample; raises ValueError if that is not known."""
    reader = READS.get(type(op))
    if reader is None:
        raise ValueError(f"operation {op.name} does not say what it reads")
    return reader(op, asked)
