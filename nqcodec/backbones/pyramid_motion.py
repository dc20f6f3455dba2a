"""How the levels of a pyramid read their grids where something moves: through the camera's window, displaced by
vectors, or both, where a place in the scene is the camera's plus a vector.

Displaced levels can have key grids beside those that all frames share: latents of their own for parts of the segment,
stacked in one map of which a window shows each frame the one of its part, displaced by vectors of their own. What a
scene shows only for a while is then in a grid that was made for it, and vectors have less far to reach.
"""

from __future__ import annotations

from math import log2
from typing import Protocol

from nqcodec.backbones.common import ProgramBuilder
from nqcodec.media.video import Video
from nqcodec.network.camera_path import Knot, Path
from nqcodec.network.operations import CUBIC_TAPS, Grid, Upsample, Warp, Window

VECTOR_BITS = 2
"""Fractional bits of vectors in cells of the finest level."""

KEY_VECTOR_RATIO = 64
"""Ratio between the picture and the vectors of key grids. At 32, three clips were 0.5 dB worse on average."""


class GridReader(Protocol):
    """Appends the operations that read grids (times, channels) of `cells` x `cells` to a cell of a level's map, whose
    ratio to the picture is `ratio`; gives the index of one map of `height` x `width` cells."""

    def __call__(self, grids: list[tuple[int, int]], ratio: int, cells: int, height: int, width: int) -> int: ...


def stacked_grids(builder: ProgramBuilder, grids: list[tuple[int, int]], rows: int, columns: int) -> int:
    """Grids (times, channels) of one size as one map."""
    return builder.stack([builder.add(Grid((), *grid, rows, columns)) for grid in grids])


def windowed(builder: ProgramBuilder, path: Path) -> GridReader:
    """Reads grids of the whole scene through the camera's window."""

    def read(grids: list[tuple[int, int]], ratio: int, cells: int, height: int, width: int) -> int:
        # The same path serves every level: a coarser level divides it by its ratio, by more fractional bits.
        bits = path.bits + round(log2(ratio // cells))
        rows, columns = (
            size * cells + -(-extent >> bits) for size, extent in ((height, path.rows), (width, path.columns))
        )
        scene = stacked_grids(builder, grids, rows, columns)
        return builder.add(Window((scene,), height, width, cells, bits, path.knots))

    return read


class Displacement:
    """Reads grids displaced by a grid of vectors, which is made once and enlarged for every level.

    Args:
        video: with the segment's frames.
        finest: ratio between the picture and the finest level's map.
        vector_ratio: that between the picture and the grid of vectors.
        path: of the camera, through whose window the displaced grids are seen; None if these are as large as a picture.
    """

    def __init__(self, builder: ProgramBuilder, video: Video, finest: int, vector_ratio: int, path: Path | None = None):
        self._builder, self._frames, self._finest, self._ratio = builder, video.frames, finest, vector_ratio
        self._window = windowed(builder, path) if path else None
        self._vectors = dict[int, int]()

    def read(self, grids: list[tuple[int, int]], ratio: int, cells: int, height: int, width: int) -> int:
        """The `GridReader`."""
        rows, columns = height * cells, width * cells
        vectors = self._vectors_at(ratio // cells, rows, columns)
        if self._window:
            source = self._window(grids, ratio // cells, 1, rows, columns)
        else:
            source = stacked_grids(self._builder, grids, rows, columns)
        return self._displaced(source, vectors, ratio, cells, height, width)

    def read_keys(self, keys: int, ratio: int, cells: int, height: int, width: int) -> int:
        """As `read`, one of `keys` grids of one channel, each of which serves a part of the frames."""
        rows, columns = height * cells, width * cells
        vectors = self._vectors_at(ratio // cells, rows, columns)
        grids = self._builder.add(Grid((), 1, 1, keys * rows, columns))
        shown = self._builder.add(Window((grids,), rows, columns, 1, 0, path_over_key_grids(keys, self._frames, rows)))
        return self._displaced(shown, vectors, ratio, cells, height, width)

    def _displaced(self, source: int, vectors: int, ratio: int, cells: int, height: int, width: int) -> int:
        # The same vectors serve every level: a coarser one divides them by its ratio, by more fractional bits.
        bits = VECTOR_BITS + round(log2(ratio // cells)) - round(log2(self._finest))
        warped = self._builder.add(Warp((source, vectors), bits, CUBIC_TAPS))
        return warped if cells == 1 else self._builder.space_to_depth(warped, height, width, cells)

    def _vectors_at(self, ratio: int, rows: int, columns: int) -> int:
        """The vectors for maps at `ratio`: their grid, or those for twice the ratio, enlarged."""
        if ratio not in self._vectors:
            if ratio == self._ratio:
                made = self._builder.add(Grid((), self._frames, 2, rows, columns))
            else:
                coarser = self._vectors_at(2 * ratio, -(-rows // 2), -(-columns // 2))
                made = self._builder.add(Upsample((coarser,), 2, rows, columns))
            self._vectors[ratio] = made
        return self._vectors[ratio]


def path_over_key_grids(keys: int, frames: int, rows: int) -> tuple[Knot, ...]:
    """The path of a window over `keys` maps of `rows` rows, one below the other: it stays on each for its part of the
    frames, and is on the next one in the frame after. Given as its keyframes (frame, row, column)."""
    starts = [-(-key * frames // keys) for key in range(keys + 1)]
    rows_by_frame = dict[int, int]()
    for key in range(keys):
        rows_by_frame[starts[key]] = rows_by_frame[starts[key + 1] - 1] = key * rows
    return tuple((t, row, 0) for t, row in rows_by_frame.items())
