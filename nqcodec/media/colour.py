"""Conversions between pictures of one size: RGB and YUV, chroma formats, depths and ranges. Integers throughout.

The arithmetic is section 9 of formats/nq.md, which this file follows name by name: matrices of 16 fractional bits made
from BT.601, BT.709 or BT.2020, chroma replicated on the way up and box-averaged on the way down, whatever its sample
location says, so that down after up is the identity.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt

from nqcodec.errors import UnsupportedError
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Frame, Plane, Video

Wide = npt.NDArray[np.int32]
Matrix = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]

MATRIX_BT709, MATRIX_BT601 = 1, 6
"""Code points of ITU-T H.273 for matrix coefficients."""

_FRACTION = 16
_KR_KB = {1: (2126, 722), 4: (3000, 1100), 5: (2990, 1140), 6: (2990, 1140), 7: (2120, 870), 9: (2627, 593)}
"""Weights of R and B in luma, in 1/10000, by matrix code point."""


def matrix_of(video: Video) -> int:
    """The matrix code point that a YUV clip is converted by.

    Unspecified and reserved ones (2, 3, and 0 where the planes are not G, B, R) count as BT.709 from 720 lines up,
    else as BT.601.

    Raises:
        UnsupportedError: the matrix is known but not a linear one of luma weights (YCgCo, constant luminance, ICtCp).
    """
    matrix = video.colour.matrix
    if matrix in {0, 2, 3}:
        return MATRIX_BT709 if video.height >= 720 else MATRIX_BT601
    if matrix not in _KR_KB:
        raise UnsupportedError(
            f"matrix coefficients {matrix} cannot be converted to or from RGB; write .yuv or .y4m, which need none"
        )
    return matrix


def as_rgb(video: Video, depth: int | None = None) -> Video:
    """The clip's description once converted to full-range R'G'B', planes G, B, R, at `depth` (default: its own)."""
    colour = replace(video.colour, matrix=MATRIX_IDENTITY, full_range=True, chroma_location=0)
    return replace(video, chroma=Chroma.C444, depth=depth or video.depth, colour=colour)


def as_yuv(video: Video) -> Video:
    """The clip's description once an RGB clip is converted to limited-range 4:4:4 by the rule of `matrix_of`."""
    if not video.is_rgb:
        return video
    colour = replace(video.colour, matrix=2, full_range=False)
    return replace(video, colour=replace(colour, matrix=matrix_of(replace(video, colour=colour))))


def to_rgb(frame: Frame, video: Video, depth: int | None = None) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """A frame as full-range R'G'B' [H, W, 3], uint8 at depth 8 and uint16 above; `depth` defaults to the clip's."""
    green, blue, red = convert(frame, video, as_rgb(video, depth))
    return cast(Plane, np.stack((red, green, blue), axis=-1))


def convert(frame: Frame, source: Video, target: Video) -> Frame:
    """A frame of `source` as a frame of `target`: chroma format, depth, range, matrix, RGB or YUV.

    Raises:
        ValueError: the two differ in picture size, which nothing here changes.
        UnsupportedError: see `matrix_of`.
    """
    if (source.width, source.height) != (target.width, target.height):
        raise ValueError(f"{source.width}x{source.height} cannot be converted to {target.width}x{target.height}")
    if _same_samples(source, target):
        return frame
    if not (source.is_rgb or target.is_rgb) and not _matrices_differ(source, target):
        return _yuv_to_yuv(frame, source, target)
    levels = _Levels(target.depth, target.colour.full_range if target.is_rgb else True)
    red, green, blue = _rgb_planes(frame, source, levels)
    if target.is_rgb:
        return _store((green, blue, red), target)
    return _store(_from_rgb((red, green, blue), target), target)


def relevel(plane: Plane, source: Colour, depth_in: int, depth_out: int) -> npt.NDArray[np.uint16]:
    """A luma plane [H, W] of `source`'s range at `depth_in` bits as full range at `depth_out` (8 to 16) bits,
    uint16.
    """
    level = _Levels(depth_in, source.full_range)
    return _move(plane.astype(np.int32), level.luma, _Levels(depth_out, full=True).luma, depth_out).astype(np.uint16)


class _Levels:
    """Black, neutral chroma and the ends of the ranges at a depth (section 9.1)."""

    def __init__(self, depth: int, full: bool) -> None:
        self.depth, self.peak, self.neutral = depth, (1 << depth) - 1, 1 << (depth - 1)
        up = depth - 8
        self.luma = (0, self.peak) if full else (16 << up, 219 << up)
        self.chroma = (self.neutral, self.peak if full else 224 << up)

    def plane(self, index: int) -> tuple[int, int]:
        """(offset, scale) of plane `index` of a YUV picture."""
        return self.luma if index == 0 else self.chroma


def _same_samples(source: Video, target: Video) -> bool:
    """Whether a frame of one is a frame of the other as it stands."""
    same = (source.chroma, source.depth, source.is_rgb) == (target.chroma, target.depth, target.is_rgb)
    return same and source.colour.full_range == target.colour.full_range and not _matrices_differ(source, target)


def _matrices_differ(source: Video, target: Video) -> bool:
    """Whether two YUV clips need another matrix; grey has none, and equal code points need not be known."""
    if source.is_rgb or target.is_rgb or Chroma.C400 in {source.chroma, target.chroma}:
        return False
    return source.colour.matrix != target.colour.matrix and matrix_of(source) != matrix_of(target)


def _round(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _move(plane: Wide, source: tuple[int, int], target: tuple[int, int], depth: int) -> Wide:
    """Samples from one (offset, scale) to another, rounded, clipped to `depth` bits."""
    (black_in, scale_in), (black_out, scale_out) = source, target
    moved = (2 * scale_out * (plane - black_in) + scale_in) // (2 * scale_in) + black_out
    clipped: Wide = np.clip(moved, 0, (1 << depth) - 1)
    return clipped


def yuv_to_rgb_matrix(matrix: int, full_range: bool, depth_in: int, depth_out: int) -> Matrix:
    """Rows R, G, B by columns Y, U, V with 16 fractional bits: offset-free samples to full-range R'G'B' (section
    9.2).
    """
    kr, kb = _KR_KB[matrix]
    kg = 10000 - kr - kb
    levels, one = _Levels(depth_in, full_range), ((1 << depth_out) - 1) << _FRACTION
    luma, chroma = levels.luma[1], levels.chroma[1]
    y = _round(one, luma)
    red_v = _round(2 * (10000 - kr) * one, 10000 * chroma)
    blue_u = _round(2 * (10000 - kb) * one, 10000 * chroma)
    green_u = -_round(2 * kb * (10000 - kb) * one, 10000 * kg * chroma)
    green_v = -_round(2 * kr * (10000 - kr) * one, 10000 * kg * chroma)
    return (y, 0, red_v), (y, green_u, green_v), (y, blue_u, 0)


def rgb_to_yuv_matrix(matrix: int, full_range: bool, depth_in: int, depth_out: int) -> Matrix:
    """Rows Y, U, V by columns R, G, B with 16 fractional bits; rows of chroma sum to zero, so grey is neutral
    (9.3).
    """
    kr, kb = _KR_KB[matrix]
    levels, peak = _Levels(depth_out, full_range), (1 << depth_in) - 1
    luma, chroma = levels.luma[1] << _FRACTION, levels.chroma[1] << _FRACTION
    y_r, y_b = _round(kr * luma, 10000 * peak), _round(kb * luma, 10000 * peak)
    half = _round(chroma, 2 * peak)
    u_r = -_round(kr * chroma, 2 * (10000 - kb) * peak)
    v_b = -_round(kb * chroma, 2 * (10000 - kr) * peak)
    return (y_r, _round(luma, peak) - y_r - y_b, y_b), (u_r, -half - u_r, half), (half, -half - v_b, v_b)


def _rgb_planes(frame: Frame, source: Video, target: _Levels) -> tuple[Wide, Wide, Wide]:
    """A frame as planes R, G, B with the levels of `target`."""
    if source.is_rgb or source.chroma is Chroma.C400:
        level = _Levels(source.depth, source.colour.full_range).luma
        moved = [_move(plane.astype(np.int32), level, target.luma, target.depth) for plane in frame]
        green, blue, red = moved if source.is_rgb else moved * 3
        return red, green, blue
    levels = _Levels(source.depth, source.colour.full_range)
    full = [_resample(plane, source, Chroma.C444, index) for index, plane in enumerate(frame)]
    y, u, v = full[0] - levels.luma[0], full[1] - levels.neutral, full[2] - levels.neutral
    rows = yuv_to_rgb_matrix(matrix_of(source), source.colour.full_range, source.depth, target.depth)
    red, green, blue = (_multiply(row, (y, u, v), 0, target.depth) for row in rows)
    if target.luma[0]:
        wide = _Levels(target.depth, full=True).luma
        red, green, blue = (_move(plane, wide, target.luma, target.depth) for plane in (red, green, blue))
    return red, green, blue


def _from_rgb(planes: tuple[Wide, Wide, Wide], target: Video) -> tuple[Wide, ...]:
    """Full-range planes R, G, B of the target's depth as its Y, U, V (or Y)."""
    levels = _Levels(target.depth, target.colour.full_range)
    rows = rgb_to_yuv_matrix(matrix_of(target), target.colour.full_range, target.depth, target.depth)
    offsets = (levels.luma[0], levels.neutral, levels.neutral)
    full = replace(target, chroma=Chroma.C444)
    return tuple(
        _resample(_multiply(rows[index], planes, offsets[index], target.depth), full, target.chroma, index)
        for index in range(target.chroma.planes)
    )


def _multiply(row: tuple[int, int, int], planes: tuple[Wide, Wide, Wide], offset: int, depth: int) -> Wide:
    """One row of a matrix times three planes; sums stay below 2^31 for depths up to 12."""
    total = np.full_like(planes[0], 1 << (_FRACTION - 1))
    for weight, plane in zip(row, planes, strict=True):
        if weight:
            total += weight * plane
    clipped: Wide = np.clip((total >> _FRACTION) + offset, 0, (1 << depth) - 1)
    return clipped


def _yuv_to_yuv(frame: Frame, source: Video, target: Video) -> Frame:
    """Chroma format, depth and range changed under one matrix; grey gains neutral chroma or loses its chroma."""
    levels_in = _Levels(source.depth, source.colour.full_range)
    levels_out = _Levels(target.depth, target.colour.full_range)
    planes = []
    for index, shape in enumerate(target.plane_shapes):
        if index >= source.chroma.planes:
            planes.append(np.full(shape, levels_out.neutral, np.int32))
            continue
        plane = _resample(frame[index], source, target.chroma, index)
        levels = levels_in.plane(index), levels_out.plane(index)
        planes.append(_move(plane, *levels, target.depth))
    return _store(tuple(planes), target)


def _resample(plane: npt.NDArray[np.integer], source: Video, chroma: Chroma, index: int) -> Wide:
    """Plane `index` at the subsampling that `chroma` gives it: replication up, box average down (section 9.4)."""
    (x_in, y_in), (x_out, y_out) = source.chroma.plane_sub(index), chroma.plane_sub(index)
    wide: Wide = plane.astype(np.int32)
    if x_in > x_out:
        wide = np.repeat(wide, x_in // x_out, axis=1)[:, : source.width]
    if y_in > y_out:
        wide = np.repeat(wide, y_in // y_out, axis=0)[: source.height]
    step_x, step_y = max(1, x_out // x_in), max(1, y_out // y_in)
    if step_x * step_y == 1:
        return wide
    wide = np.pad(wide, ((0, -wide.shape[0] % step_y), (0, -wide.shape[1] % step_x)), mode="edge")
    height, width = wide.shape[0] // step_y, wide.shape[1] // step_x
    count = step_x * step_y
    total = wide.reshape(height, step_y, width, step_x).sum(axis=(1, 3), dtype=np.int32)
    mean: Wide = (total + count // 2) // count
    return mean


def _store(planes: tuple[Wide, ...], video: Video) -> Frame:
    """Planes in the clip's sample type."""
    return tuple(plane.astype(np.uint8) if video.depth == 8 else plane.astype(np.uint16) for plane in planes)
