"""Speed of the Walsh-Hadamard transform against a dense matrix product and a plain copy, in one run.

Times are the best of several rounds in which the tasks take turns, on float32 values out of place into memory that has
been written before; the matrix product and the copy are torch's, with the same threads. `memory_ratio` is the
transform's bytes a second, read and written, over those of the copy.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nqcodec.errors import UnsupportedError
from nqcodec.native.cpu import available_cores, cpu_levels
from nqcodec.native.loading import why_absent
from nqcodec.synthesis.cuda import why_no_device
from nqcodec.synthesis.hadamard import Rows, transform_device_memory, transform_memory

if TYPE_CHECKING:
    from torch import Tensor

CPU_VALUES, DEVICE_VALUES = 1 << 22, 1 << 28
SIZES, DEVICE_SIZES = (64, 256, 1024, 4096), (64, 128, 256, 512, 1024, 4096)
DENSE_SIZES = (256, 1024)
"""Where the dense product is measured: at 4096 it takes seconds and says nothing new."""

Tasks = dict[str, Callable[[], object]]


def _best_seconds(tasks: Tasks, rounds: int, wait: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Least seconds of each task over `rounds` rounds; `wait` ends what a task has started."""
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            wait()
            start = time.perf_counter()
            task()
            wait()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def sign_matrix(size: int) -> Tensor:
    """The dense orthonormal matrix [size, size], float32."""
    import torch

    matrix = torch.ones(1, 1)
    while matrix.shape[0] < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / math.sqrt(size)


def _figures(seconds: dict[str, float], ours: str, values: int) -> dict[str, Any]:
    """Milliseconds by task, and `ours` against the others; bytes are 8 a float32 value, read and written."""
    result: dict[str, Any] = {f"{name} ms": 1e3 * taken for name, taken in seconds.items()}
    result["GB/s"] = 8e-9 * values / seconds[ours]
    result["memory_ratio"] = seconds["torch copy"] / seconds[ours]
    if "torch dense" in seconds:
        result["dense_ratio"] = seconds["torch dense"] / seconds[ours]
    return result


def _measure_cpu(size: int, threads: int, rounds: int) -> dict[str, Any]:
    import torch

    x = torch.randn(CPU_VALUES // size, size, generator=torch.Generator().manual_seed(0))
    y = torch.zeros_like(x)
    rows = Rows(x.shape[0], size, "float32", orthonormal=True)
    present = cpu_levels()
    tasks: Tasks = {"torch copy": lambda: y.copy_(x)}
    for level in present:
        tasks[f"libnq {level}"] = lambda level=level: transform_memory(  # type: ignore[misc]
            rows, x.data_ptr(), y.data_ptr(), threads=threads, cpu=level
        )
    if size in DENSE_SIZES:
        matrix = sign_matrix(size)
        tasks["torch dense"] = lambda: torch.mm(x, matrix, out=y)
    return _figures(_best_seconds(tasks, rounds), f"libnq {present[-1]}", CPU_VALUES)


def _measure_cuda(size: int, rounds: int) -> dict[str, Any]:
    """The same on the current device; fast_hadamard_transform takes part where it is installed."""
    import torch

    x = torch.randn(DEVICE_VALUES // size, size, device="cuda")
    y = torch.zeros_like(x)
    rows, stream = Rows(x.shape[0], size, "float32", orthonormal=True), torch.cuda.current_stream().cuda_stream
    tasks: Tasks = {
        "torch copy": lambda: y.copy_(x),
        "libnq_cuda": lambda: transform_device_memory(rows, x.data_ptr(), y.data_ptr(), stream),
    }
    try:
        peer = importlib.import_module("fast_hadamard_transform")
        tasks["fast_hadamard_transform"] = lambda: peer.hadamard_transform(x, scale=size**-0.5)
    except ImportError:
        pass
    _best_seconds(tasks, 2, torch.cuda.synchronize)
    return _figures(_best_seconds(tasks, rounds, torch.cuda.synchronize), "libnq_cuda", DEVICE_VALUES)


def run(threads: int | None = None, rounds: int = 30) -> dict[str, Any]:
    """Measure libnq, and libnq_cuda where a device is: {method, cpu: {n: figures}, cuda: {n: figures}}.

    Raises:
        UnsupportedError: without libnq.
    """
    import torch

    if not cpu_levels():
        raise UnsupportedError(f"Hadamard transform: {why_absent('libnq')}")
    count, before = threads or available_cores(), torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        result: dict[str, Any] = {
            "method": (
                f"{CPU_VALUES} float32 values (on CUDA {DEVICE_VALUES}), {count} threads for all, best of {rounds} "
                "rounds in turns, out of place"
            ),
            "cpu": {str(size): _measure_cpu(size, count, rounds) for size in SIZES},
        }
        if not why_no_device() and torch.cuda.is_available():
            result["cuda"] = {str(size): _measure_cuda(size, rounds) for size in DEVICE_SIZES}
    finally:
        torch.set_num_threads(before)
    return result
