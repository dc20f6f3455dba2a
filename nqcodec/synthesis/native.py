"""Frames by libnq, the C library for CPUs (csrc/synthesis/synthesis.cpp): the same integers as `reference`."""

from __future__ import annotations

import ctypes
import enum
import weakref
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nqcodec.errors import UnsupportedError
from nqcodec.media.video import Frame, Video
from nqcodec.native.cpu import level_number, synthesis_levels
from nqcodec.native.loading import load_libnq, why_absent
from nqcodec.native.status import check_status
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import PARAMETER_BYTES, Limits
from nqcodec.synthesis.closing import Closing
from nqcodec.synthesis.descriptors import FlatProgram, empty_frame, plane_arguments

LOW_MEMORY_BANDS = 8
"""Bands of rows that a frame is cut into to save memory: maps are about an eighth as large, work a third more."""


class OptionFlag(enum.IntFlag):
    """NqOptionFlag."""

    UNFUSED = 1
    GUARDED = 2


class Options(ctypes.Structure):
    """NqOptions."""

    _fields_ = tuple((name, ctypes.c_int32) for name in ("threads", "level", "bands", "flags"))


def options(cpu: str | None, threads: int = 1, bands: int = 1, flags: int = 0) -> Options:
    """The structure for one of `SYNTHESIS_LEVELS`, or the best for None; raises UnsupportedError for one not here."""
    return Options(threads, level_number(cpu, synthesis_levels()), bands, flags)


def needed_bytes(flat: FlatProgram, threads: int = 1, *, bands: int = 1, flags: int = 0) -> int:
    """Bytes of maps, scratch and tensors that a `NativeSynthesizer` of a program would hold, without making one.

    Raises:
        UnsupportedError: no libnq.
    """
    library = load_libnq()
    if library is None:
        raise UnsupportedError(f"backend native: {why_absent('libnq')}")
    library.nq_program_bytes.restype = ctypes.c_int64
    how = options(None, threads, bands, flags)
    return int(library.nq_program_bytes(ctypes.byref(flat.descriptor), ctypes.byref(how)))


class NativeSynthesizer(Closing):
    """Synthesizes frames with libnq. One thread at a time may use it; other Python threads run meanwhile.

    Args:
        network: any that `validate` accepts.
        video: the picture's size, chroma format and depth.
        frames: T of formats/nq.md 6.2, the frames of the segment.
        threads: CPU threads, the caller's included.
        limits: its `memory` bounds what libnq allocates; None for no bound.
        cpu: one of `nqcodec.native.cpu.SYNTHESIS_LEVELS`; None takes the best that the CPU has.
        bands: how many bands of rows a frame is cut into: less memory for more work.
        flags: how it is run, for tests.
        flat: `network` in the library's form, where it is there already.

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
        bands: int = 1,
        flags: int = 0,
        flat: FlatProgram | None = None,
    ):
        library = load_libnq()
        if library is None:
            raise UnsupportedError(f"backend native: {why_absent('libnq')}")
        how = options(cpu, threads, bands, flags)
        self._library, self._video, self._operations = library, video, len(network.program.operations)
        flat = flat or FlatProgram(network, video, frames)
        if limits is not None:
            needed = needed_bytes(flat, threads, bands=bands, flags=flags)
            limits.check(memory=needed + PARAMETER_BYTES * network.program.parameters)
        self._handle = ctypes.c_void_p()
        status = library.nq_synth_create(ctypes.byref(flat.descriptor), ctypes.byref(how), ctypes.byref(self._handle))
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

    def seconds(self) -> npt.NDArray[np.float64]:
        """Seconds spent in each operation so far, float64 [operations]; those of all threads added up."""
        values = np.zeros(self._operations)
        if self._release.alive:
            self._library.nq_synth_seconds(self._handle, ctypes.c_void_p(values.ctypes.data))
        return values

    @property
    def planned_bytes(self) -> int:
        """Bytes of maps, scratch and tensors that the library holds for it."""
        self._library.nq_synth_bytes.restype = ctypes.c_int64
        return int(self._library.nq_synth_bytes(self._handle)) if self._release.alive else 0

    def peak(self, rounds: int) -> int:
        """Multiply-accumulates done by `rounds` rounds of dot products on registers alone on every thread."""
        self._library.nq_synth_peak.restype = ctypes.c_int64
        return int(self._library.nq_synth_peak(self._handle, ctypes.c_int64(rounds)))

    def close(self) -> None:
        """Free the library's memory and threads; may be called again."""
        self._release()
