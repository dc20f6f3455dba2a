"""The warp of four taps that fits compute, by libnq and by torch in turns (`nqtool bench kernels --fit`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.benchmarks.timing import best, in_turns, timed
from nqcodec.errors import UnsupportedError
from nqcodec.native.loading import load_libnq, why_absent
from nqcodec.network.operations import CUBIC_TAPS, Warp
from nqcodec.training.operations import warp, warp_by_torch

SHAPES = ((2, 1, 180, 320), (2, 4, 90, 160), (2, 3, 45, 80), (2, 1, 720, 1280))
"""Maps [B, C, H, W]: of the grids that a fit of the sample displaces, and of one at 1280x720."""

OPERATION = Warp((0, 1), 0, CUBIC_TAPS)

WAYS: dict[str, Callable[[Tensor, Tensor, Warp], Tensor]] = {"torch": warp_by_torch, "libnq": warp}

COLUMNS = (
    Column("maps", "maps"),
    Column("torch", "torch", "ms", 2),
    Column("libnq", "libnq", "ms", 2),
    Column("torch_gradients", "torch with gradients", "ms", 2),
    Column("libnq_gradients", "libnq with gradients", "ms", 2),
)


def run(rounds: int, seed: int) -> Measurement:
    """A row for each shape: milliseconds of a warp, and of one with both of its gradients, on one thread.

    Raises:
        UnsupportedError: without libnq.
    """
    if load_libnq() is None:
        raise UnsupportedError(f"kernels: {why_absent('libnq')}")
    note = "Maps are channels last, and vectors change slowly; the times are the best of all rounds, on one thread."
    return Measurement("float-warps", "The warp of four taps in fits against torch", COLUMNS, _rows(rounds, seed), note)


def _rows(rounds: int, seed: int) -> Iterator[Cells]:
    torch.set_num_threads(1)
    for shape in SHAPES:
        maps, vectors, by_warped = _tensors(shape, seed)
        turns = {name: timed(partial(way, maps.detach(), vectors.detach(), OPERATION)) for name, way in WAYS.items()}
        for name, way in WAYS.items():
            turns[f"{name}_gradients"] = timed(partial(_differentiate, way, (maps, vectors), by_warped))
        times = {name: 1000 * seconds for name, seconds in best(in_turns(turns, rounds)).items()}
        yield {"maps": "x".join(map(str, shape)), **times}


def _differentiate(
    way: Callable[[Tensor, Tensor, Warp], Tensor], leaves: tuple[Tensor, Tensor], by_warped: Tensor
) -> None:
    torch.autograd.grad(way(*leaves, OPERATION), leaves, by_warped)


def _tensors(shape: tuple[int, int, int, int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random maps, vectors of up to three cells that change slowly, as those of motion do, and a random gradient."""
    generator = torch.Generator().manual_seed(seed)
    batch, _, height, width = shape
    phases = (torch.arange(height)[:, None] + torch.arange(width)) / 60
    vectors = 3 * torch.stack([phases.sin(), phases.cos()]).repeat(batch, 1, 1, 1)
    maps, by_warped = (torch.randn(shape, generator=generator) for _ in range(2))
    laid = [tensor.contiguous(memory_format=torch.channels_last) for tensor in (maps, vectors, by_warped)]
    return laid[0].requires_grad_(), laid[1].requires_grad_(), laid[2]
