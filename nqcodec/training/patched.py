"""A float network on a part of the picture: the same values as in the whole frame, with no more computed than they
need.

Each operation is computed on the region of its map that the part needs (`nqcodec.training.regions`). Only at the
picture's own border a convolution finds zeros beyond its input; elsewhere it reads the values around the part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nqcodec.network.operations import Conv, Fold, Frequency, Grid, Operation, Shuffle, Tile, Upsample, Warp, Window
from nqcodec.training.network import FloatNetwork, Identity, Transform, tensor_key
from nqcodec.training.operations import apply, blend_window, grid_position, upsample_weights, window_fractions
from nqcodec.training.regions import POSITIONWISE, Asked, Region, Spans, infer, whole, window_starts


def part_of_frames(
    network: FloatNetwork,
    times: Sequence[int],
    patch: Region,
    transform: Transform | None = None,
    latents: Mapping[int, Tensor] | None = None,
) -> Tensor:
    """The output of `network` for a patch of each of the frames `times` [B]: [B, C, h, w] as packed samples.

    Args:
        patch: places of the map that `planes` reads.
        latents: replaces whole outputs of grids by operation index, [B, C, H, W], as in `FloatNetwork.forward`.
    """
    return _Part(network, times, patch, transform or Identity(), latents or {}).output()


def take(x: Tensor, have: Region, want: Region) -> Tensor:
    """Places `want` of maps x [B, C, h, w] that hold places `have`; zeros where there are none."""
    columns, rows = _margins(have.columns, want.columns), _margins(have.rows, want.rows)
    pads = [(*left_right, *top_bottom) for left_right, top_bottom in zip(columns, rows, strict=True)]
    if len(set(pads)) > 1:
        return torch.cat([F.pad(sample, pad) for sample, pad in zip(x.split(1), pads, strict=True)])
    return F.pad(x, pads[0]) if any(pads[0]) else x


def _margins(have: Spans, want: Spans) -> list[tuple[int, int]]:
    """Places to add before and after `have` to get `want`, for each sample; below 0 for places to take away."""
    starts = [a - b for a, b in zip(have.firsts, want.firsts, strict=True)]
    return [(start, want.length - have.length - start) for start in starts]


class _Part:
    """One evaluation of a network on a patch."""

    def __init__(
        self,
        network: FloatNetwork,
        times: Sequence[int],
        patch: Region,
        how: Transform,
        latents: Mapping[int, Tensor],
    ):
        self._network, self._how, self._latents = network, how, latents
        self._device = next(iter(network.tensors.values())).device
        self._hosted = times
        self._times = torch.tensor(times).to(self._device, non_blocking=True)
        self._regions = infer(network.program, patch, times)
        self._maps: dict[int, Tensor] = {}

    def output(self) -> Tensor:
        """The patch."""
        operations = self._network.program.operations
        for index, op in enumerate(operations):
            region = self._regions[index]
            if region is not None:
                self._maps[index] = self._map(index, op, region)
        return self._maps[len(operations) - 1]

    def _map(self, index: int, op: Operation, region: Region) -> Tensor:
        network, how = self._network, self._how
        if isinstance(op, Grid):
            return how.map(index, self._grid(index, op, region))
        if isinstance(op, Conv):
            x = self._input(op.inputs[0], region.grown(op.kernel // 2))
            return network.convolve(index, op, x, how, padding=0)
        value = self._value(op, region).to(network.dtype)
        return how.map(index, value) if op.has_format else value

    def _input(self, source: int, want: Region) -> Tensor:
        """Places `want` of a map that was computed, with zeros beyond its borders."""
        have = self._regions[source]
        assert have is not None
        return take(self._maps[source], have, want)

    def _value(self, op: Operation, region: Region) -> Tensor:
        """The map of an operation without tensors."""
        return PARTS[type(op)](self, op, region)

    def same_positions(self, op: Operation, region: Region) -> Tensor:
        """Of operations that read the region itself of each input, or have none."""
        return apply(op, [self._input(source, region) for source in op.inputs], self._times)

    def folded(self, op: Shuffle | Fold, region: Region) -> Tensor:
        """The output of whole input places, of which the region is taken."""
        source = self._regions[op.inputs[0]]
        assert source is not None
        rows, columns = (op.ratio, op.ratio) if isinstance(op, Shuffle) else (op.rows, op.columns)
        enlarged = Region(source.rows.scaled(rows), source.columns.scaled(columns))
        return take(apply(op, [self._maps[op.inputs[0]]], self._times), enlarged, region)

    def warped(self, op: Warp, region: Region) -> Tensor:
        """Vectors may point anywhere: all of the map is computed, and the region taken of it."""
        _, height, width = self._network.program.shapes[op.inputs[0]]
        warped = apply(op, [self._maps[source] for source in op.inputs], self._times)
        return take(warped, whole(height, width, len(self._hosted)), region)

    def _grid(self, index: int, op: Grid, region: Region) -> Tensor:
        """Latents of the region, read at the samples' frames."""
        if index in self._latents:
            everything = whole(op.height, op.width, len(self._hosted))
            value = take(self._latents[index], everything, region)
        else:
            latent = self._how.tensor(index, "latent", self._network.tensors[tensor_key(index, "latent")])
            rows, columns = (places_of(spans, self._device) for spans in (region.rows, region.columns))
            first, fraction = grid_position(op.times, self._times, self._network.frames)
            value = _cut(latent, first, rows, columns)
            if fraction is not None:
                after = (first + 1).clamp(max=op.times - 1)
                value = torch.lerp(value, _cut(latent, after, rows, columns), fraction.to(value))
        return value.to(self._network.dtype, memory_format=torch.channels_last)

    def upsampled(self, op: Upsample, region: Region) -> Tensor:
        """Both axes by the rows of their weights that the region needs."""
        source, (_, height, width) = self._regions[op.inputs[0]], self._network.program.shapes[op.inputs[0]]
        assert source is not None
        x = self._maps[op.inputs[0]]
        rows = _weights(op.ratio, (height, op.height), source.rows, region.rows).to(x, non_blocking=True)
        columns = _weights(op.ratio, (width, op.width), source.columns, region.columns).to(x, non_blocking=True)
        enlarged = rows @ x.contiguous() @ columns.transpose(2, 3)
        return enlarged.contiguous(memory_format=torch.channels_last)

    def tiled(self, op: Tile, region: Region) -> Tensor:
        """As many repetitions as hold the region wherever it begins in the first of them."""
        _, height, width = self._network.program.shapes[op.inputs[0]]
        starts = [
            Spans(tuple(first % n for first in spans.firsts), spans.length)
            for spans, n in ((region.rows, height), (region.columns, width))
        ]
        reach = [max(spans.firsts) + spans.length for spans in starts]
        tiles = apply(Tile(op.inputs, reach[0], reach[1]), [self._maps[op.inputs[0]]], self._times)
        return take(tiles, whole(reach[0], reach[1], len(self._hosted)), Region(*starts))

    def window(self, op: Window, region: Region) -> Tensor:
        """The region of the camera's window. A place beyond the map is read as zero, and its weight is zero too."""
        _, *sizes = self._network.program.shapes[op.inputs[0]]
        wanted = [
            Spans(tuple(window_starts(op, Asked(axis, spans, size, self._hosted))), spans.length * op.ratio + 1)
            for axis, (spans, size) in enumerate(zip((region.rows, region.columns), sizes, strict=True))
        ]
        window = self._input(op.inputs[0], Region(*wanted))
        return blend_window(window, window_fractions(op, self._times, window), op.ratio)


PARTS: dict[type[Operation], Callable[[_Part, Any, Region], Tensor]] = {
    Shuffle: _Part.folded,
    Fold: _Part.folded,
    Upsample: _Part.upsampled,
    Tile: _Part.tiled,
    Window: _Part.window,
    Warp: _Part.warped,
    **dict.fromkeys((Frequency, *POSITIONWISE), _Part.same_positions),
}
"""How each operation without tensors is computed on a region."""


def places_of(spans: Spans, device: torch.device) -> Tensor:
    """Indices [B, n] of spans within a map."""
    places = torch.tensor(spans.firsts)[:, None] + torch.arange(spans.length)
    return places.to(device, non_blocking=True)


def _cut(latent: Tensor, times: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[B, C, h, w] of latents [Tg, C, H, W] at times [B], rows [B, h] and columns [B, w]."""
    return latent[times[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _weights(ratio: int, sizes: tuple[int, int], have: Spans, want: Spans) -> Tensor:
    """Interpolation weights [B or 1, 1, `want.length`, `have.length`] of one axis from a size to a larger one."""
    every = upsample_weights(sizes[0], ratio, sizes[1])
    places = sorted(set(pairs := list(zip(want.firsts, have.firsts, strict=True))))
    parts = {(a, b): every[a : a + want.length, b : b + have.length] for a, b in places}
    first = parts[places[0]]
    if all(torch.equal(part, first) for part in parts.values()):
        return first[None, None]
    return torch.stack([parts[pair] for pair in pairs])[:, None]
