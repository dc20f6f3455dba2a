"""One torch expression for each operation without tensors of its own, and for reading a grid (formats/nq.md, 6).

Maps are [B, C, H, W]. These are the float twins of `nqcodec.synthesis.reference`: real numbers instead of formats.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nqcodec.network import tables
from nqcodec.network.operations import (
    CUBIC_TAPS,
    LINEAR_TAPS,
    WARP_BITS,
    Activation,
    Add,
    Concat,
    Fold,
    Frequency,
    Mul,
    Norm,
    Operation,
    Planes,
    Shuffle,
    Tile,
    Upsample,
    Warp,
    Window,
)
from nqcodec.training.native_warp import can_warp, warp_cubic

Twin = Callable[[Any, Sequence[Tensor], Tensor], Tensor]
"""The map of an operation of one class, from its inputs' maps, for frames `times` [B]."""

NORM_EPSILON = 1e-6
"""Added to a variance before its root: the integer definition has the square of 2^-8 of a map's unit instead."""


def activate(x: Tensor, activation: Activation) -> Tensor:
    """The float activation (formats/nq.md, 6.5)."""
    if activation is Activation.RELU:
        return F.relu(x)
    if activation is Activation.GELU:
        return F.gelu(x)
    if activation is Activation.SILU:
        return F.silu(x)
    if activation is Activation.HALF_TANH:
        return torch.tanh(x) * 0.5
    return x


def read_grid(latent: Tensor, times: Tensor, frames: int) -> Tensor:
    """Latents [Tg, C, h, w] at frames `times` [B], linear in time with clamped ends (formats/nq.md, 6.2)."""
    count = latent.shape[0]
    if count == 1:
        return latent.expand(len(times), -1, -1, -1)
    first, fraction = grid_position(count, times, frames)
    if fraction is None:
        return latent[first]
    return torch.lerp(latent[first], latent[(first + 1).clamp(max=count - 1)], fraction.to(latent))


def grid_position(count: int, times: Tensor, frames: int) -> tuple[Tensor, Tensor | None]:
    """Where frames `times` [B] lie between the times of a grid of `count`: the one before [B], and how far it is to
    the one after [B, 1, 1, 1] float32; None for the latter if no frame lies between two."""
    if count == frames:
        return times, None
    if count == 1:
        return torch.zeros_like(times), None
    numerator = ((2 * times + 1) * count - frames) << 16
    position = torch.div(numerator, 2 * frames, rounding_mode="floor").clamp(0, (count - 1) << 16)
    return position >> 16, ((position & 65535).float() / 65536).view(-1, 1, 1, 1)


def upsample(x: Tensor, op: Upsample) -> Tensor:
    """Bilinear enlargement with the decoder's own weights, cropped (formats/nq.md, 6.8)."""
    if op.ratio & (op.ratio - 1) == 0 and op.ratio <= 64:
        whole = F.interpolate(x, scale_factor=op.ratio, mode="bilinear", align_corners=False)
        return whole[:, :, : op.height, : op.width]
    rows = _weights_like(x.shape[2], op.ratio, op.height, x.device, x.dtype)
    columns = _weights_like(x.shape[3], op.ratio, op.width, x.device, x.dtype)
    return torch.einsum("yh,bchw,xw->bcyx", rows, x, columns)


@functools.lru_cache(maxsize=64)
def _weights_like(size: int, ratio: int, wanted: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """`upsample_weights` on the device of the maps, cached: a captured CUDA graph may not fetch them from the host."""
    with torch.inference_mode(False):
        return upsample_weights(size, ratio, wanted).to(device, dtype)


@functools.lru_cache(maxsize=64)
def upsample_weights(size: int, ratio: int, wanted: int) -> Tensor:
    """Interpolation weights [wanted, size] of one axis (formats/nq.md, 6.8)."""
    place = 2 * torch.arange(wanted) + 1 - ratio
    first = torch.div(place, 2 * ratio, rounding_mode="floor")
    fraction = torch.div(128 * (place - 2 * ratio * first) + ratio, 2 * ratio, rounding_mode="floor")
    weights = torch.zeros(wanted, size)
    rows = torch.arange(wanted)
    weights[rows, first.clamp(0, size - 1)] += (128 - fraction) / 128
    weights[rows, (first + 1).clamp(0, size - 1)] += fraction / 128
    return weights


def norm(x: Tensor) -> Tensor:
    """Channels less their mean, over their standard deviation, at each position (formats/nq.md, 6.12)."""
    last = x.permute(0, 2, 3, 1)
    return F.layer_norm(last, (x.shape[1],), eps=NORM_EPSILON).permute(0, 3, 1, 2)


def frequency(op: Frequency, times: Tensor) -> Tensor:
    """Sines and cosines [B, 2 n, 1, 1] float32 from the decoder's table (formats/nq.md, 6.7)."""
    increments, phases = (
        torch.tensor(values, dtype=torch.int64, device=times.device) for values in (op.increments, op.phases)
    )
    index = ((phases + times[:, None] * increments + (1 << 19)) & 0xFFFFFFFF) >> 20
    table = torch.from_numpy(tables.sine().astype("float32") / 32768).to(times.device)
    pairs = torch.stack([table[index], table[(index + 1024) & 4095]], dim=2)
    return pairs.flatten(1)[:, :, None, None]


def fold(x: Tensor, op: Fold) -> Tensor:
    """Depth to space by two ratios (formats/nq.md, 6.4)."""
    batch, channels, height, width = x.shape
    cells = x.reshape(batch, channels // (op.rows * op.columns), op.rows, op.columns, height, width)
    return cells.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, height * op.rows, width * op.columns)


def tile(x: Tensor, op: Tile) -> Tensor:
    """The map repeated over a larger one (formats/nq.md, 6.9)."""
    rows, columns = -(-op.height // x.shape[2]), -(-op.width // x.shape[3])
    return x.repeat(1, 1, rows, columns)[:, :, : op.height, : op.width]


def window(x: Tensor, op: Window, times: Tensor) -> Tensor:
    """The camera's window of maps [B, C, H, W] at frames `times` [B], at the decoder's own positions (6.13)."""
    if op.bits == 0 and (len(op.knots) == 1 or times.device.type == "cpu"):
        return F.pixel_unshuffle(_whole_cells(x, op, times), op.ratio)
    first = _corners(op, x.device)[times.clamp(max=op.knots[-1][0])] >> op.bits  # [B, 2]
    # One row and one column more than the part, the last ones again where the map ends.
    height, width = x.shape[2:]
    rows = (first[:, :1] + torch.arange(op.height * op.ratio + 1, device=x.device)).clamp(max=height - 1)
    columns = (first[:, 1:] + torch.arange(op.width * op.ratio + 1, device=x.device)).clamp(max=width - 1)
    cells = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)[:, None].expand(-1, x.shape[1], -1)
    windowed = x.flatten(2).gather(2, cells).unflatten(2, (rows.shape[1], columns.shape[1]))
    return blend_window(windowed, window_fractions(op, times, x), op.ratio)


def _whole_cells(x: Tensor, op: Window, times: Tensor) -> Tensor:
    """The cells of `window` where a path has no fractions: nothing is blended."""
    height, width = op.height * op.ratio, op.width * op.ratio
    if len(op.knots) == 1:
        _, row, column = op.knots[0]
        return x[:, :, row : row + height, column : column + width]
    corners = [op.position(t) for t in times.tolist()]
    parts = [one[:, row : row + height, column : column + width] for one, (row, column) in zip(x, corners, strict=True)]
    return torch.stack(parts)


def window_fractions(op: Window, times: Tensor, x: Tensor) -> Tensor:
    """How far beyond a place of its input a window's corner is [B, 2], down and right, in the type of maps `x`."""
    corners = _corners(op, x.device)[times.clamp(max=op.knots[-1][0])]
    return (corners & ((1 << op.bits) - 1)).to(x) / (1 << op.bits)


def blend_window(windowed: Tensor, fractions: Tensor, ratio: int) -> Tensor:
    """Cells from the places [B, C, h + 1, w + 1] that a window reads, which lie `fractions` [B, 2] before its own."""
    down, right = (part.view(-1, 1, 1, 1) for part in fractions.unbind(1))
    lines = torch.lerp(windowed[:, :, :-1], windowed[:, :, 1:], down)
    return F.pixel_unshuffle(torch.lerp(lines[..., :-1], lines[..., 1:], right), ratio)


def round_vectors(vectors: Tensor, op: Warp) -> Tensor:
    """Vectors [B, 2, H, W] of a warp, float32, at the places that the decoder can read at (formats/nq.md, 6.14).

    The gradient passes straight through. Rounded from the first iteration on they cost 0.2 to 0.4 dB, so a fit rounds
    them with its values; without, a fit of 51 dB lost 0.5 dB in the file.
    """
    exact, unit = vectors.float(), 2.0 ** (op.bits - WARP_BITS)
    return exact + (torch.floor(exact / unit + 0.5) * unit - exact).detach()


GRID_MODES = {LINEAR_TAPS: "bilinear", CUBIC_TAPS: "bicubic"}
"""torch's names of the interpolations of a warp by its taps; its bicubic has the kernel of formats/nq.md, 6.14."""


def warp(x: Tensor, vectors: Tensor, op: Warp) -> Tensor:
    """Maps [B, C, H, W] at places displaced by vectors [B, 2, H, W], down and right (formats/nq.md, 6.14).

    Places are computed in float32 whatever the maps are: bfloat16 would round them to whole cells. With four taps the
    weights are those before rounding to 1/64, so a value may differ from the decoder's by more than its rounding.
    libnq computes these where it can; `warp_by_torch` is the definition.
    """
    if op.taps == CUBIC_TAPS:
        maps, displacements = x.float(), vectors.float()
        if can_warp(maps, displacements):
            return warp_cubic(maps, displacements, 2.0**-op.bits).to(x.dtype)
    return warp_by_torch(x, vectors, op)


def warp_by_torch(x: Tensor, vectors: Tensor, op: Warp) -> Tensor:
    """`warp` in torch's operations, for any device."""
    _, _, height, width = x.shape
    down, right = (vectors.float() * 2.0**-op.bits).unbind(1)
    rows = torch.arange(height, device=x.device)[:, None] + down
    columns = torch.arange(width, device=x.device) + right
    if op.taps == CUBIC_TAPS:
        # torch clamps each cell to the map, but not the place, beyond which the decoder has no fractions.
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    grid = torch.stack([columns * (2 / max(width - 1, 1)) - 1, rows * (2 / max(height - 1, 1)) - 1], dim=3)
    warped = F.grid_sample(x.float(), grid, mode=GRID_MODES[op.taps], padding_mode="border", align_corners=True)
    return warped.to(x.dtype, memory_format=torch.channels_last)


@functools.lru_cache(maxsize=64)
def _corners(op: Window, device: torch.device) -> Tensor:
    """Positions [T, 2] of a window, row and column, for frames up to its last knot; int64."""
    return torch.tensor([op.position(t) for t in range(op.knots[-1][0] + 1)], device=device)


TWINS: dict[type[Operation], Twin] = {
    Shuffle: lambda op, inputs, times: F.pixel_shuffle(inputs[0], op.ratio),
    Fold: lambda op, inputs, times: fold(inputs[0], op),
    Upsample: lambda op, inputs, times: upsample(inputs[0], op),
    Tile: lambda op, inputs, times: tile(inputs[0], op),
    Window: lambda op, inputs, times: window(inputs[0], op, times),
    Warp: lambda op, inputs, times: warp(inputs[0], inputs[1], op),
    Concat: lambda op, inputs, times: torch.cat(list(inputs), dim=1),
    Add: lambda op, inputs, times: inputs[0] + inputs[1],
    Mul: lambda op, inputs, times: inputs[0] * inputs[1],
    Norm: lambda op, inputs, times: norm(inputs[0]),
    Frequency: lambda op, inputs, times: frequency(op, times),
    Planes: lambda op, inputs, times: inputs[0],
}
"""The twin of each operation that has no tensors."""


def apply(op: Operation, inputs: Sequence[Tensor], times: Tensor) -> Tensor:
    """The map of an operation that has no tensors, from its inputs' maps, for frames `times` [B].

    Raises:
        ValueError: an operation without a twin here.
    """
    twin = TWINS.get(type(op))
    if twin is None:
        raise ValueError(f"operation {op.name} has no float expression")
    return twin(op, inputs, times)
