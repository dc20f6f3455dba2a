"""Speed of the Walsh-Hadamard transform against a dense matrix product and a plain copy, in one run.

Times are the best of several rounds in which the tasks take turns, on float32 values out of place into memory that has
been written before. The matrix product and the copy are torch's, with the same threads.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from nqcodec.benchmarks.results import Cells, Column, Measurement
from nqcodec.benchmarks.timing import best, in_turns, timed
from nqcodec.errors import UnsupportedError
from nqcodec.media.text import counted
from nqcodec.native.loading import why_absent
from nqcodec.synthesis.backends import default_threads
from nqcodec.synthesis.cuda import why_no_device
from nqcodec.synthesis.hadamard import Rows, transform_device_memory, transform_memory
from nqcodec.synthesis.native import cpu_levels

if TYPE_CHECKING:
    from torch import Tensor

CPU_VALUES, DEVICE_VALUES = 1 << 22, 1 << 28
SIZES, DEVICE_SIZES = (64, 256, 1024, 4096), (64, 128, 256, 512, 1024, 4096)
DENSE_SIZES = (256, 1024)
"""Where the dense product is measured: at 4096 it takes seconds and says nothing new."""

COLUMNS = (
    Column("device", "device"),
    Column("size", "transform's size"),
    Column("task", "task"),
    Column("ms", "time", "ms", 3),
    Column("gb_per_s", "memory read and written", "GB/s", 1),
    Column("over_copy", "over a copy's speed", "", 2),
    Column("over_dense", "over a matrix product's speed", "", 2),
)

COPY, DENSE = "torch copy", "torch dense"
Tasks = dict[str, Callable[[], object]]


def sign_matrix(size: int) -> Tensor:
    """The dense orthonormal matrix [size, size], float32."""
    import torch

    matrix = torch.ones(1, 1)
    while matrix.shape[0] < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / math.sqrt(size)


def _rows(device: str, size: int, values: int, seconds: dict[str, float]) -> Iterator[Cells]:
    """A row for each task, which reads and writes 8 bytes for each float32 value."""
    for task, taken in seconds.items():
        yield {
            "device": device,
            "size": size,
            "task": task,
            "ms": 1e3 * taken,
            "gb_per_s": 8e-9 * values / taken,
            "over_copy": seconds[COPY] / taken,
            "over_dense": seconds[DENSE] / taken if DENSE in seconds else None,
        }


def _measure_cpu(size: int, threads: int, rounds: int) -> Iterator[Cells]:
    import torch

    x = torch.randn(CPU_VALUES // size, size, generator=torch.Generator().manual_seed(0))
    y = torch.zeros_like(x)
    rows = Rows(x.shape[0], size, "float32", orthonormal=True)
    tasks: Tasks = {COPY: lambda: y.copy_(x)}
    for level in cpu_levels():
        tasks[f"libnq {level}"] = partial(
            transform_memory, rows, x.data_ptr(), y.data_ptr(), threads=threads, cpu=level
        )
    if size in DENSE_SIZES:
        matrix = sign_matrix(size)
        tasks[DENSE] = lambda: torch.mm(x, matrix, out=y)
    return _rows("cpu", size, CPU_VALUES, best(in_turns({name: timed(task) for name, task in tasks.items()}, rounds)))


def _measure_cuda(size: int, rounds: int) -> Iterator[Cells]:
    """The same on the current device; fast_hadamard_transform takes part where it is installed."""
    import torch

    x = torch.randn(DEVICE_VALUES // size, size, device="cuda")
    y = torch.zeros_like(x)
    rows, stream = Rows(x.shape[0], size, "float32", orthonormal=True), torch.cuda.current_stream().cuda_stream
    tasks: Tasks = {
        COPY: lambda: y.copy_(x),
        "libnq_cuda": lambda: transform_device_memory(rows, x.data_ptr(), y.data_ptr(), stream),
    }
    try:
        peer = importlib.import_module("fast_hadamard_transform")
        tasks["fast_hadamard_transform"] = lambda: peer.hadamard_transform(x, scale=size**-0.5)
    except ImportError:
        pass
    turns = {name: timed(task, torch.cuda.synchronize) for name, task in tasks.items()}
    in_turns(turns, 2)  # warms up
    return _rows("cuda", size, DEVICE_VALUES, best(in_turns(turns, rounds)))


def run(threads: int | None = None, rounds: int = 30) -> Measurement:
    """libnq, and libnq_cuda where a device is, a row for each size and task.

    Raises:
        UnsupportedError: without libnq.
    """
    if not cpu_levels():
        raise UnsupportedError(f"Hadamard transform: {why_absent('libnq')}")
    count = threads or default_threads()
    note = (
        f"Each task takes {CPU_VALUES:,} float32 values on the CPU and {DEVICE_VALUES:,} on CUDA, out of place, with "
        f"{counted(count, 'thread')}. The best of {rounds} rounds counts."
    )
    rows = _all_rows(count, rounds)
    return Measurement("hadamard", "Speed of the Walsh-Hadamard transform", COLUMNS, rows, note)


def _all_rows(threads: int, rounds: int) -> Iterator[Cells]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for size in SIZES:
            yield from _measure_cpu(size, threads, rounds)
        if not why_no_device() and torch.cuda.is_available():
            for size in DEVICE_SIZES:
                yield from _measure_cuda(size, rounds)
    finally:
        torch.set_num_threads(before)
