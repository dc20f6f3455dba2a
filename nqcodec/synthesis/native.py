"""Frames by libnq, the C library for CPUs (csrc/synthesis.cpp): the same integers as `reference`."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from types import TracebackType

import numpy as np
import numpy.typing as npt

from nqcodec._native import load_libnq, why_absent
from nqcodec.errors import UnsupportedError
from nqcodec.network import IntegerNetwork
from nqcodec.program import PARAMETER_BYTES, Limits
from nqcodec.synthesis.descriptors import FlatProgram, check_status, empty_frame, plane_arguments
from nqcodec.video import Frame, Video

CPU_LEVELS = ("scalar", "avx2", "avx512")
"""Instruction sets with kernels of their own, in the order of `nq_cpu_level`."""


def cpu_levels() -> tuple[str, ...]:
    """The levels that this CPU runs, the best last; empty without libnq."""
    library = load_libnq()
    return () if library is None else CPU_LEVELS[: int(library.nq_cpu_level()) + 1]


class NativeSynthesizer:
    """Synthesizes frames with libnq. One thread at a time may use it; other Python threads run meanwhile.

    Args:
        network: any that `validate` accepts.
        video: the picture's size, chroma format and depth.
        frames: T of formats/nq.md 6.2, the frames of the segment.
        threads: CPU threads, the caller's included.
        limits: its `memory` bounds what libnq allocates; None for no bound.
        cpu: one of `CPU_LEVELS`; None takes the best that the CPU has.

    Raises:
        LimitError: a network that needs more memory.
        UnsupportedError: no libnq, or a level that it or the CPU does not know.
        ValueError: a network that breaks a rule of formats/nq.md 6.
        MemoryError: memory or threads that the system refuses.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        video: Video,
        frames: int,
        threads: int = 1,
        limits: Limits | None = None,
        *,
        cpu: str | None = None,
    ):
        library = load_libnq()
        if library is None:
            raise UnsupportedError(f"backend native: {why_absent('libnq')}")
        present = cpu_levels()
        level = cpu or present[-1]
        if level not in present:
            raise UnsupportedError(f"CPU level {level!r} is not one of this machine's: {', '.join(present)}")
        library.nq_synth_bytes.restype = ctypes.c_int64
        self._library, self._video = library, video
        flat = FlatProgram(network, video, frames)
        if limits is not None:
            needed = int(library.nq_synth_bytes(ctypes.byref(flat.descriptor)))
            limits.check(memory=needed + PARAMETER_BYTES * network.program.parameters)
        self._handle = ctypes.c_void_p()
        status = library.nq_synth_create(
            ctypes.byref(flat.descriptor), threads, CPU_LEVELS.index(level), ctypes.byref(self._handle)
        )
        check_status(status, "backend native")
        self._release = weakref.finalize(self, library.nq_synth_destroy, self._handle)

    def frame(self, t: int) -> Frame:
        """Planes of frame t, 0 <= t < frames; raises ValueError outside."""
        planes = empty_frame(self._video)
        self.frame_into(t, planes)
        return planes

    def frame_into(self, t: int, planes: Sequence[npt.NDArray[np.generic]]) -> None:
        """Frame t into the caller's planes, whose rows may lie apart; raises ValueError if they do not fit."""
        if not self._release.alive:
            raise ValueError("the synthesizer is closed")
        pointers, strides = plane_arguments(planes, self._video)
        status = self._library.nq_synth_frame(self._handle, ctypes.c_int64(t), pointers, strides)
        check_status(status, f"backend native, frame {t}")

    def close(self) -> None:
        """Free the library's memory and threads; may be called again."""
        self._release()

    def __enter__(self) -> NativeSynthesizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
