"""The CPUs that this process has: how many, and which of libnq's kernels they run."""

from __future__ import annotations

import os

from nqcodec.errors import UnsupportedError
from nqcodec.native.loading import load_libnq

CPU_LEVELS = ("scalar", "avx2", "avx512")
"""Instruction sets with kernels of their own, in the order of NqCpuLevel (csrc/include/nq/abi.h)."""

SYNTHESIS_LEVELS = (*CPU_LEVELS, "vnni")
"""Instruction sets for which synthesis has kernels of its own."""


def available_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_levels() -> tuple[str, ...]:
    """The levels that this CPU runs, the best last; empty without libnq."""
    library = load_libnq()
    return () if library is None else CPU_LEVELS[: int(library.nq_cpu_level()) + 1]


def synthesis_levels() -> tuple[str, ...]:
    """The levels of `SYNTHESIS_LEVELS` that this CPU runs, the best last; empty without libnq."""
    library = load_libnq()
    return () if library is None else SYNTHESIS_LEVELS[: int(library.nq_synth_level()) + 1]


def level_number(cpu: str | None, present: tuple[str, ...]) -> int:
    """The number of level `cpu`, or of the best for None; raises UnsupportedError for one that is not `present`."""
    level = cpu or present[-1]
    if level not in present:
        raise UnsupportedError(f"CPU level {level!r} is not one of this machine's: {', '.join(present)}")
    return present.index(level)
