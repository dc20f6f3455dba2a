"""Random float warps of four taps, and what they are by their definition, in float64 where it matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from nqcodec.network.operations import CUBIC_TAPS, Warp


class Case(NamedTuple):
    """Maps and the gradient with respect to warped ones [B, C, H, W]; vectors [B, 2, H, W], in cells / 2^bits."""

    maps: Tensor
    vectors: Tensor
    by_warped: Tensor
    bits: int = 0

    @property
    def operation(self) -> Warp:
        return Warp((0, 1), self.bits, CUBIC_TAPS)

    @property
    def unit(self) -> float:
        """Of the vectors, in cells."""
        return 2.0**-self.bits


class Results(NamedTuple):
    """Warped maps, and the gradients with respect to maps and vectors."""

    warped: Tensor
    maps: Tensor
    vectors: Tensor


def random_case(shape: tuple[int, int, int, int], spread: float, bits: int = 0, seed: int = 0) -> Case:
    source = torch.Generator().manual_seed(seed)
    batch, _, height, width = shape
    vectors = torch.randn(batch, 2, height, width, generator=source) * spread * 2**bits
    return Case(torch.randn(shape, generator=source), vectors, torch.randn(shape, generator=source), bits)


def smooth_case(shape: tuple[int, int, int, int], amplitude: float = 3.0) -> Case:
    """Vectors that change slowly: cells follow one another, skip one here and there, or come twice."""
    batch, _, height, width = shape
    phases = (torch.arange(height)[:, None] * 1.3 + torch.arange(width)) / 40
    ways = torch.stack([phases.sin(), (phases + 1).sin()]) * amplitude
    return random_case(shape, 0.0)._replace(vectors=ways.expand(batch, -1, -1, -1).contiguous())


def exact_values(maps: Tensor, vectors: Tensor, op: Warp) -> Tensor:
    """The definition of formats/nq.md 6.14 by real weights: places in the vectors' type, and all else in float64."""
    _, _, height, width = maps.shape
    down, right = (vectors * 2.0**-op.bits).unbind(1)
    rows = (torch.arange(height)[:, None] + down).clamp(0, height - 1).double()
    columns = (torch.arange(width) + right).clamp(0, width - 1).double()
    batch, total = torch.arange(len(maps))[:, None, None], torch.zeros(*maps.shape, dtype=torch.float64)
    for tap_row in range(-1, 3):
        for tap_column in range(-1, 3):
            row, column = rows.detach().floor().long() + tap_row, columns.detach().floor().long() + tap_column
            weight = cubic_kernel(rows - row) * cubic_kernel(columns - column)
            cells = maps.double()[batch, :, row.clamp(0, height - 1), column.clamp(0, width - 1)]
            total = total + weight[:, None] * cells.permute(0, 3, 1, 2)
    return total


def cubic_kernel(distance: Tensor) -> Tensor:
    """Weights of cells at distances of up to two (Keys 1981, a = -3/4)."""
    a, d = -0.75, distance.abs()
    near, far = (a + 2) * d**3 - (a + 3) * d**2 + 1, a * (d**3 - 5 * d**2 + 8 * d - 4)
    return torch.where(d <= 1, near, far)


def differentiated(warp: Callable[[Tensor, Tensor, Warp], Tensor], case: Case) -> Results:
    """A warp and what autograd makes of it."""
    leaves = [tensor.detach().clone().requires_grad_(True) for tensor in (case.maps, case.vectors)]
    warped = warp(*leaves, case.operation)
    return Results(warped.detach(), *torch.autograd.grad(warped, leaves, case.by_warped.to(warped)))
