"""The compute settings of a fit: threads, the type of maps, deterministic kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch

from nqcodec.training.network import FloatNetwork


class ComputeSettings(Protocol):
    """The settings of any training that concern the machine: CPU threads, the device's name, and the type of maps, a
    name of torch's or "auto" for `auto_dtype`."""

    @property
    def threads(self) -> int: ...

    @property
    def device(self) -> str: ...

    @property
    def dtype(self) -> str: ...


def auto_dtype(device: str) -> torch.dtype:
    """bfloat16 where the processor has instructions for it, else float32: a choice by hardware, never by the clock."""
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if native and torch.backends.mkldnn.is_available() else torch.float32


@contextmanager
def compute_settings(network: FloatNetwork, settings: ComputeSettings) -> Iterator[None]:
    """Threads, map type and deterministic kernels for a fit; the previous settings are restored afterwards."""
    threads, dtype = torch.get_num_threads(), network.dtype
    deterministic, benchmark = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.set_num_threads(settings.threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    network.dtype = auto_dtype(settings.device) if settings.dtype == "auto" else getattr(torch, settings.dtype)
    try:
        yield
    finally:
        network.dtype = dtype
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, benchmark
        torch.set_num_threads(threads)
