"""Frames by libnq_cuda, the library for CUDA devices (csrc/cuda/synthesis.cu): the same integers as `reference`."""

from __future__ import annotations

import ctypes
import weakref
from functools import cache
from types import TracebackType

from nqcodec._native import load_libnq_cuda, why_absent
from nqcodec.errors import UnsupportedError
from nqcodec.network import IntegerNetwork
from nqcodec.synthesis.descriptors import DEVICE_ERROR, FlatProgram, check_status, empty_frame, plane_arguments
from nqcodec.video import Frame, Video


@cache
def why_no_device() -> str:
    """Why CUDA cannot be used here: no library, no driver or no device. Empty if it can."""
    library = load_libnq_cuda()
    if library is None:
        return why_absent("libnq_cuda")
    return "" if library.nq_cuda_device_count() > 0 else "no CUDA device found"


def _error_text(library: ctypes.CDLL) -> str:
    library.nq_cuda_error.restype = ctypes.c_char_p
    return bytes(library.nq_cuda_error()).decode(errors="replace")


class CudaSynthesizer:
    """Synthesizes frames on the current CUDA device; only finished planes come back to the host.

    Args:
        network: any that `validate` accepts.
        video: the picture's size, chroma format and depth.
        frames: T of formats/nq.md 6.2, the frames of the segment.
        threads: taken as the other backends take it; the device schedules its own.

    Raises:
        UnsupportedError: no libnq_cuda or no device.
        ValueError: a network that breaks a rule of formats/nq.md 6.
        MemoryError: device memory that is not there.
        NqError: any other error of the device, in its own words.
    """

    def __init__(self, network: IntegerNetwork, video: Video, frames: int, threads: int = 1):
        library, reason = load_libnq_cuda(), why_no_device()
        if library is None or reason:
            raise UnsupportedError(f"backend cuda: {reason}")
        self._library, self._video = library, video
        flat = FlatProgram(network, video, frames)
        self._handle = ctypes.c_void_p()
        self._check(library.nq_cuda_synth_create(ctypes.byref(flat.descriptor), ctypes.byref(self._handle)))
        self._release = weakref.finalize(self, library.nq_cuda_synth_destroy, self._handle)

    def _check(self, status: int) -> None:
        check_status(status, "backend cuda", _error_text(self._library) if status == DEVICE_ERROR else "")

    def frame(self, t: int) -> Frame:
        """Planes of frame t, 0 <= t < frames; raises ValueError outside."""
        if not self._release.alive:
            raise ValueError("the synthesizer is closed")
        planes = empty_frame(self._video)
        pointers, strides = plane_arguments(planes, self._video)
        self._check(self._library.nq_cuda_synth_frame(self._handle, ctypes.c_int64(t), pointers, strides))
        return planes

    def close(self) -> None:
        """Free the device's memory; may be called again."""
        self._release()

    def __enter__(self) -> CudaSynthesizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
