"""Which backend synthesizes: the best present, or the one that --backend or the environment names.

Environment, read here and nowhere else:
    NQCODEC_BACKEND   cuda, native or reference
    NQCODEC_CPU       scalar, avx2, avx512 or vnni: the native backend's instruction set
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from nqcodec.errors import UnsupportedError
from nqcodec.media.video import Frame, Video
from nqcodec.native.cpu import available_cores
from nqcodec.native.loading import why_absent
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import PARAMETER_BYTES, Limits
from nqcodec.synthesis.cuda import CudaSynthesizer, why_no_device
from nqcodec.synthesis.descriptors import FlatProgram
from nqcodec.synthesis.frame_parallel import MOST_BYTES, FrameParallelSynthesizer, workers_for
from nqcodec.synthesis.native import LOW_MEMORY_BANDS, NativeSynthesizer, needed_bytes
from nqcodec.synthesis.reference import ReferenceSynthesizer, reference_bytes

BACKENDS = ("cuda", "native", "reference")
"""All backends, the fastest first."""


class Synthesizer(Protocol):
    """Computes a segment's frames, in any order; a context manager that closes itself."""

    def frame(self, t: int) -> Frame:
        """Planes of frame t of the segment; raises ValueError outside it."""

    def close(self) -> None:
        """Free its memory; may be called again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def frames_of(synthesizer: Synthesizer | FrameParallelSynthesizer, start: int, stop: int) -> Iterator[Frame]:
    """Frames start..stop-1 in order; in batches or in parallel if the synthesizer can do that."""
    if isinstance(synthesizer, CudaSynthesizer | FrameParallelSynthesizer):
        return synthesizer.frames(start, stop)
    return (synthesizer.frame(t) for t in range(start, stop))


def _why_absent(name: str) -> str:
    if name == "cuda":
        return why_no_device()
    return why_absent("libnq") if name == "native" else ""


def available() -> dict[str, str]:
    """Each backend with the reason why it is absent; the reason is empty where it is present."""
    return {name: _why_absent(name) for name in BACKENDS}


def choose(name: str | None = None) -> str:
    """The backend to use: `name`, else NQCODEC_BACKEND, else the best present.

    Raises:
        UnsupportedError: a backend that does not exist or is absent, with the reason.
    """
    asked = name or os.environ.get("NQCODEC_BACKEND")
    if not asked:
        return next(backend for backend in BACKENDS if not _why_absent(backend))
    if asked not in BACKENDS:
        raise UnsupportedError(f"backend {asked!r} does not exist; there are {', '.join(BACKENDS)}")
    reason = _why_absent(asked)
    if reason:
        raise UnsupportedError(f"backend {asked}: {reason}")
    return asked


def open_synthesizer(
    network: IntegerNetwork,
    video: Video,
    frames: int,
    backend: str | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    *,
    low_memory: bool = False,
) -> Synthesizer:
    """A synthesizer for a segment of `frames` frames by the chosen backend.

    Args:
        network: any that `validate` accepts.
        video: the picture's size, chroma format and depth.
        frames: T of formats/nq.md 6.2.
        backend: one of `BACKENDS`, or None as `choose` says.
        threads: CPU threads; None takes all.
        limits: its `memory` bounds what the backend takes, of the device's memory with CUDA, and is checked before it
            allocates; None for the defaults.
        low_memory: cut frames into bands of rows; of the native backend alone, others take no notice.

    Raises:
        LimitError: a network that this backend needs more memory for.
        UnsupportedError: a backend or CPU level that is not here.
        ValueError: a network that breaks a rule of formats/nq.md 6.
        MemoryError: memory or threads that the system refuses.
    """
    chosen, count = choose(backend), threads or available_cores()
    agreed = limits or Limits()
    if chosen == "cuda":
        return CudaSynthesizer(network, video, frames, count, agreed)
    if chosen == "native":
        cpu, bands = os.environ.get("NQCODEC_CPU") or None, LOW_MEMORY_BANDS if low_memory else 1
        return NativeSynthesizer(network, video, frames, count, agreed, cpu=cpu, bands=bands)
    agreed.check(memory=reference_bytes(network.program))
    return ReferenceSynthesizer(network, video, frames, count)


def open_frames(
    network: IntegerNetwork,
    video: Video,
    frames: int,
    count: int,
    backend: str | None = None,
    threads: int | None = None,
    limits: Limits | None = None,
    *,
    low_memory: bool = False,
) -> Synthesizer | FrameParallelSynthesizer:
    """The best synthesizer for `count` frames in order: several synthesizers on threads of their own if maps are small.

    Only the native backend has such, without `low_memory`; otherwise this is `open_synthesizer`. Arguments and errors
    are those of `open_synthesizer`.
    """
    total, agreed = threads or available_cores(), limits or Limits()
    if choose(backend) == "native" and not low_memory and min(total, count) > 1:
        flat, cpu = FlatProgram(network, video, frames), os.environ.get("NQCODEC_CPU") or None
        most = min(MOST_BYTES, agreed.memory - PARAMETER_BYTES * network.program.parameters)
        workers = workers_for(total, count, lambda each: needed_bytes(flat, each), most)
        if workers > 1:
            each = total // workers
            made = [NativeSynthesizer(network, video, frames, each, cpu=cpu, flat=flat) for _ in range(workers)]
            return FrameParallelSynthesizer(made)
    return open_synthesizer(network, video, frames, backend, threads, limits, low_memory=low_memory)
