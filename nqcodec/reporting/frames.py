"""Where a decoded clip is wrong: PSNR by frame, and maps of the error by place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.media.metrics import QualityMeter
from nqcodec.media.video import Frame, Video
from nqcodec.reporting.finding import Finding, Table

Float64 = npt.NDArray[np.float64]

FRAMES, ERRORS = "frames", "errors"
"""Kinds of finding."""

CELLS = 80
"""Cells of an error map along the longer side at most."""

SHOWN = 12
"""Frames whose maps are kept, spread over the clip."""


def measure_frames(
    originals: Iterable[Frame], decoded: Iterable[Frame], video: Video, starts: Sequence[int], subject: str
) -> tuple[Finding, Finding]:
    """(PSNR by frame, error maps) of a decoded clip.

    Args:
        video: what both clips are.
        starts: first frame of each segment.
        subject: what was decoded, for titles.

    Raises:
        ValueError: one clip is shorter than the other.
    """
    meter = QualityMeter(video)
    cell = -(-max(video.width, video.height) // CELLS)
    numbers = {round(n * (video.frames - 1) / max(1, SHOWN - 1)) for n in range(SHOWN)}
    total = np.zeros((-(-video.height // cell), -(-video.width // cell)))
    maps: dict[int, Float64] = {}
    scale = 255 / ((1 << video.depth) - 1)
    for number, (original, shown) in enumerate(zip(originals, decoded, strict=True)):
        meter.add(original, shown)
        squares = cell_means(np.square((original[0].astype(np.float64) - shown[0]) * scale), cell)
        total += squares
        if number in numbers:
            maps[number] = squares
    rows = [{name: round(value, 4) for name, value in row.items()} for row in meter.rows]
    psnr = {"rows": rows, "starts": list(starts), "means": meter.means(), "fps": float(video.fps)}
    errors = {
        "cell": cell,
        "mean": _rounded(total / len(rows)),
        "frames": [{"frame": number, "map": _rounded(squares)} for number, squares in maps.items()],
    }
    return (
        Finding(FRAMES, f"PSNR by frame: {subject}", psnr),
        Finding(ERRORS, f"Error by place: {subject}", errors),
    )


def cell_means(values: Float64, cell: int) -> Float64:
    """Means of [H, W] over cells of `cell` x `cell` pixels; those at the end may be smaller."""
    rows, columns = np.arange(0, values.shape[0], cell), np.arange(0, values.shape[1], cell)
    sums: Float64 = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    heights, widths = np.diff([*rows, values.shape[0]]), np.diff([*columns, values.shape[1]])
    means: Float64 = sums / np.outer(heights, widths)
    return means


def _rounded(squares: Float64) -> list[list[float]]:
    """Root mean squares to a hundredth of a level."""
    rounded: list[list[float]] = np.sqrt(squares).round(2).tolist()
    return rounded


def frame_table(data: dict[str, Any]) -> Table:
    """One row a frame: PSNR in dB by plane and together."""
    names = list(data["rows"][0])
    return Table(["frame", *names], [[number, *row.values()] for number, row in enumerate(data["rows"])])


def error_table(data: dict[str, Any]) -> Table:
    """One row a cell: root mean square error of luma in 8-bit levels, of the whole clip and of the frames kept."""
    maps = [data["mean"], *(one["map"] for one in data["frames"])]
    names = ["y", "x", "clip", *(f"frame_{one['frame']}" for one in data["frames"])]
    cell = data["cell"]
    height, width = len(maps[0]), len(maps[0][0])
    rows = [[cell * y, cell * x, *(one[y][x] for one in maps)] for y in range(height) for x in range(width)]
    return Table(names, rows)
