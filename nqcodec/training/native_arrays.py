"""Tensors as libnq takes them: dense, float32 and in the machine's own memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from nqcodec.native.loading import load_libnq


def has_native(tensors: Iterable[Tensor]) -> bool:
    """Whether libnq is installed and takes these tensors: contiguous float32 on the CPU, none empty."""
    if load_libnq() is None:
        return False
    return all(
        tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.is_contiguous() and tensor.numel() > 0
        for tensor in tensors
    )


def empty_like(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Uninitialised float32 tensors of the same shapes, one after the other in one piece of memory."""
    sizes = [tensor.numel() for tensor in tensors]
    return [part.view_as(one) for part, one in zip(torch.empty(sum(sizes)).split(sizes), tensors, strict=True)]
