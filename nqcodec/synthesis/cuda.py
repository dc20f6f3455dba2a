"""Frames by libnq_cuda, the library for CUDA devices (csrc/cuda/synthesis.cu): the same integers as `reference`."""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from nqcodec.errors import UnsupportedError
from nqcodec.media.video import Frame, Video
from nqcodec.native.loading import load_libnq_cuda, why_absent
from nqcodec.native.status import check_status, device_error
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Limits
from nqcodec.synthesis.closing import Closing
from nqcodec.synthesis.descriptors import FlatProgram, PlaneArguments, empty_frame, plane_arguments

IN_FLIGHT = 2
"""Batches that may have begun without being finished (kSlots)."""


class CudaOptions(ctypes.Structure):
    """NqCudaOptions."""

    _fields_ = (("most_bytes", ctypes.c_int64), ("batch", ctypes.c_int32))


@dataclass(frozen=True)
class CudaWork:
    """The work of operations for a frame, int64 [operations] each: 0 for those that run with another or once for all.

    Attributes:
        macs: multiply-accumulates of convolutions, as the format counts them.
        products: products of bytes in the matrix instructions for them, idle lanes included.
        bytes: bytes of maps, tensors and planes, each read or written once.
    """

    macs: npt.NDArray[np.int64]
    products: npt.NDArray[np.int64]
    bytes: npt.NDArray[np.int64]


@cache
def why_no_device() -> str:
    """Why CUDA cannot be used here: no library, no driver or no device. Empty if it can."""
    library = load_libnq_cuda()
    if library is None:
        return why_absent("libnq_cuda")
    return "" if library.nq_cuda_device_count() > 0 else "no CUDA device found"


def _present_library() -> ctypes.CDLL:
    library, reason = load_libnq_cuda(), why_no_device()
    if library is None or reason:
        raise UnsupportedError(f"backend cuda: {reason}")
    return library


def _check(library: ctypes.CDLL, status: int, what: str = "backend cuda") -> None:
    check_status(status, what, device_error(library, status))


def ceilings(rounds: int = 1 << 14, size: int = 1 << 28) -> tuple[float, float]:
    """(products of bytes, bytes copied) a second that the device does at best, measured now.

    Args:
        rounds: of matrix instructions on registers alone.
        size: bytes that are copied within the device's memory; by default more than caches hold.

    Raises:
        UnsupportedError: no libnq_cuda or no device.
        NqError: any other error of the device, in its own words.
    """
    library = _present_library()
    products, copied = ctypes.c_double(), ctypes.c_double()
    _check(library, library.nq_cuda_ceilings(rounds, ctypes.c_int64(size), *map(ctypes.byref, (products, copied))))
    return products.value, copied.value


def _joined(frames: Sequence[Frame], video: Video) -> PlaneArguments:
    """Addresses and strides of the planes of several frames, one after the other."""
    each = [plane_arguments(planes, video) for planes in frames]
    count = len(each) * video.chroma.planes
    pointers = (ctypes.c_void_p * count)(*(pointer for pointers, _ in each for pointer in pointers))
    strides = (ctypes.c_int64 * count)(*(stride for _, strides in each for stride in strides))
    return pointers, strides


class CudaSynthesizer(Closing):
    """Synthesizes frames on the current CUDA device, in batches; only finished planes come back to the host.

    Args:
        network: any that `validate` accepts.
        video: the picture's size, chroma format and depth.
        frames: T of formats/nq.md 6.2, the frames of the segment.
        threads: unused; here because the other backends have it.
        limits: its `memory` bounds what is allocated on the device, so the batch too; None for no bound.
        batch: frames at once, at most 1024; 0 chooses a fast number that fits the memory.

    Raises:
        LimitError: a network that needs more memory for a single frame.
        UnsupportedError: no libnq_cuda or no device.
        ValueError: a network that breaks a rule of formats/nq.md 6.
        MemoryError: not enough device memory.
        NqError: any other error of the device, in its own words.
    """

    def __init__(
        self,
        network: IntegerNetwork,
        video: Video,
        frames: int,
        threads: int = 1,
        limits: Limits | None = None,
        *,
        batch: int = 0,
    ):
        self._library, self._video, self._frames = _present_library(), video, frames
        self._operations, self._is_iterating = len(network.program.operations), False
        flat = FlatProgram(network, video, frames)
        if limits is not None:
            self._library.nq_cuda_program_bytes.restype = ctypes.c_int64
            limits.check(memory=int(self._library.nq_cuda_program_bytes(ctypes.byref(flat.descriptor), 1)))
        how = CudaOptions(0 if limits is None else limits.memory, batch)
        self._handle = ctypes.c_void_p()
        self._check(
            self._library.nq_cuda_synth_create(
                ctypes.byref(flat.descriptor), ctypes.byref(how), ctypes.byref(self._handle)
            )
        )
        self._release = weakref.finalize(self, self._library.nq_cuda_synth_destroy, self._handle)

    def _check(self, status: int) -> None:
        _check(self._library, status)

    def _check_open(self) -> None:
        if not self._release.alive:
            raise ValueError("the synthesizer is closed")

    def frame(self, t: int) -> Frame:
        """Planes of frame t, 0 <= t < frames; raises ValueError outside."""
        self._check_open()
        planes = empty_frame(self._video)
        pointers, strides = plane_arguments(planes, self._video)
        self._check(self._library.nq_cuda_synth_frame(self._handle, ctypes.c_int64(t), pointers, strides))
        return planes

    def frames(self, start: int, stop: int) -> Iterator[Frame]:
        """Planes of frames start..stop-1, computed in batches ahead of their use.

        One such iteration at a time; single frames may be asked for meanwhile. Raises ValueError for frames outside the
        segment, and while another iteration is under way.
        """
        if not 0 <= start <= stop <= self._frames:
            raise ValueError(f"frames {start}:{stop} are not within 0:{self._frames}")
        if self._is_iterating:
            raise ValueError("another iteration over frames is under way: end or close it first")
        begun: deque[int] = deque()
        ahead, self._is_iterating = start, True
        try:
            while begun or ahead < stop:
                self._check_open()
                while ahead < stop and len(begun) < IN_FLIGHT:
                    count = min(self.batch, stop - ahead)
                    self._check(self._library.nq_cuda_synth_begin(self._handle, ctypes.c_int64(ahead), count))
                    begun.append(count)
                    ahead += count
                yield from self._finish(begun.popleft())
        finally:
            self._is_iterating = False
            while begun and self._release.alive:
                self._finish(begun.popleft())

    def _finish(self, count: int) -> list[Frame]:
        frames = [empty_frame(self._video) for _ in range(count)]
        self._check(self._library.nq_cuda_synth_finish(self._handle, count, *_joined(frames, self._video)))
        return frames

    @property
    def batch(self) -> int:
        """Frames in a batch."""
        self._check_open()
        return int(self._library.nq_cuda_synth_batch(self._handle))

    @property
    def planned_bytes(self) -> int:
        """Bytes of device memory that the library holds for it."""
        self._check_open()
        self._library.nq_cuda_synth_bytes.restype = ctypes.c_int64
        return int(self._library.nq_cuda_synth_bytes(self._handle))

    def repeat(self, batches: int) -> float:
        """Seconds that the device takes for batches of frames one after the other that stay in its memory."""
        self._check_open()
        seconds = ctypes.c_double()
        self._check(self._library.nq_cuda_synth_repeat(self._handle, batches, ctypes.byref(seconds)))
        return seconds.value

    def seconds(self) -> npt.NDArray[np.float64]:
        """Seconds of each operation for a batch, launched one by one, float64 [operations]."""
        self._check_open()
        values = np.zeros(self._operations)
        self._check(self._library.nq_cuda_synth_seconds(self._handle, ctypes.c_void_p(values.ctypes.data)))
        return values

    def work(self) -> CudaWork:
        """The work of each operation for a frame."""
        self._check_open()
        values = np.zeros((self._operations, 3), np.int64)
        self._library.nq_cuda_synth_work(self._handle, ctypes.c_void_p(values.ctypes.data))
        return CudaWork(*values.T)

    def close(self) -> None:
        """Free the device's memory; may be called again."""
        self._release()
