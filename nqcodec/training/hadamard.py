"""The orthonormal block Walsh-Hadamard transform of torch tensors, with a gradient.

Along an axis of any length C it is block-diagonal, in the powers of two that sum to C (formats/nq.md, 6.3.1): nothing
is padded. Each block is symmetric and orthonormal, so the transform is its own inverse and its own gradient.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from nqcodec.native.loading import load_libnq_cuda
from nqcodec.network.hadamard import block_sizes
from nqcodec.synthesis.hadamard import Rows, available, transform_device_memory, transform_memory

TYPE_NAMES = {torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}
"""The types that the libraries know; others (float64) take torch's own operations."""


def hadamard(x: Tensor, dim: int) -> Tensor:
    """Transform along `dim`: floats of any shape, same shape, type and device; differentiable any number of times.

    libnq computes it for CPU tensors and libnq_cuda for CUDA tensors, 16-bit floats in float32 within; torch does
    where the library is absent or the type is another. `dim` moves to the end in memory, so a weight [out, in, k, k]
    transformed along `in` comes back channels-last.

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: an axis of length 0.
    """
    if not x.is_floating_point():
        raise TypeError(f"the orthonormal Hadamard transform takes floating-point tensors, not {x.dtype}")
    result: Tensor = _Hadamard.apply(x, dim)  # type: ignore[no-untyped-call]
    return result


class _Hadamard(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        ctx.dim = dim
        moved = x.movedim(dim, -1)
        rows = moved.contiguous()
        # `contiguous` copies unless there is nothing to do, and a copy may be overwritten.
        out = torch.empty_like(rows) if rows.data_ptr() == x.data_ptr() else rows
        return transform_rows(rows, out).movedim(-1, dim)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return hadamard(gradients[0], ctx.dim), None


def transform_rows(rows: Tensor, out: Tensor) -> Tensor:
    """Transform contiguous `rows` [..., C] along the last axis into `out`, which may be `rows`; returns `out`."""
    length = rows.shape[-1]
    block_sizes(length)  # refuses a length of 0 on every path
    name = TYPE_NAMES.get(rows.dtype, "")
    shape = Rows(rows.numel() // length, length, name, orthonormal=True)
    if name and rows.device.type == "cpu" and available():
        transform_memory(shape, rows.data_ptr(), out.data_ptr(), threads=torch.get_num_threads())
    elif name and rows.device.type == "cuda" and load_libnq_cuda() is not None:
        with torch.cuda.device(rows.device):
            stream = torch.cuda.current_stream().cuda_stream
            transform_device_memory(shape, rows.data_ptr(), out.data_ptr(), stream)
    else:
        out.copy_(butterfly(rows))
    return out


def butterfly(x: Tensor) -> Tensor:
    """The transform along the last axis in torch operations, for any floating-point type and device; a copy.

    16-bit floats are computed in float32 and rounded once, as the libraries do.
    """
    work = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return torch.cat([_block(block) for block in work.split(block_sizes(x.shape[-1]), dim=-1)], dim=-1).to(x.dtype)


def _block(x: Tensor) -> Tensor:
    size, distance = x.shape[-1], 1
    out = x
    while distance < size:
        a, b = out.unflatten(-1, (size // (2 * distance), 2, distance)).unbind(-2)
        out = torch.stack([a + b, a - b], dim=-2).flatten(-3)
        distance *= 2
    return out / math.sqrt(size)
