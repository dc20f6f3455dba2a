"""The passes of a rate-aware fit over its frames, divided among threads: gradients of a batch, and the PSNR of all.

libnq computes frames where it can (`nqcodec.training.native_frames`), and torch otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from nqcodec.methods.rate_aware.gradients import (
    Distortion,
    Rate,
    distortion,
    mean_distortion,
    native_distortion,
    rate,
)
from nqcodec.methods.rate_aware.likelihood import ContextWeights
from nqcodec.methods.rate_aware.quantizer import FixedTensors, QuantizedSample
from nqcodec.methods.rate_aware.settings import RateAwareSettings
from nqcodec.training.clip import PackedClip
from nqcodec.training.evaluation import evaluate, mean_quality
from nqcodec.training.native_frames import NativeFrames, can_compute
from nqcodec.training.network import FloatNetwork

MOST_PASS_FRAMES, MOST_PASS_SAMPLES = 4, 1_000_000
"""Most frames that torch computes at once on a CPU, and most luma samples of them together: four at 320x180 take 0.65
of the time of four single ones; eight at 1280x720 do not fit the caches and take 1.8 times that of eight single
ones."""


Part = TypeVar("Part")
Found = TypeVar("Found")


class Passes:
    """Threads, each with frames of its own, and what they compute with.

    For a small network a second thread within each operation gains next to nothing, but one for other frames nearly
    doubles the speed.

    Args:
        network, clip: of the fit.
        settings: its settings.
    """

    def __init__(self, network: FloatNetwork, clip: PackedClip, settings: RateAwareSettings):
        self._network, self._clip, self._settings = network, clip, settings
        # The number of threads within an operation is set for each thread of the pool.
        each = ThreadPoolExecutor(settings.threads, initializer=torch.set_num_threads, initargs=(1,))
        self._pool = each if settings.threads > 1 else None
        self._frames: NativeFrames | None = None
        if can_compute(network.program, clip, settings.loss):
            is_rounded = settings.dtype != "float32"
            self._frames = NativeFrames(network.program, clip, settings.loss, bfloat16=is_rounded)

    def close(self) -> None:
        """End the threads; whatever is asked afterwards is computed in the caller's."""
        if self._pool:
            self._pool.shutdown()
            self._pool = None

    def gradients(
        self, times: Tensor, sample: QuantizedSample, contexts: dict[str, ContextWeights]
    ) -> tuple[Distortion, Rate]:
        """The distortion of frames `times` [B] and the rate of the sampled values, with their gradients.

        Frames come first, because they are the longest pieces of work: what remains of the rate fills the gaps.
        """
        parts = times.split(self._pass_frames(len(times)))
        found = self._map(partial(self._distortion, sample=sample), parts)
        charged = rate(sample, contexts, self._map)
        return mean_distortion(list(found), [len(part) for part in parts]), charged

    def psnr(self, sample: QuantizedSample) -> float:
        """PSNR-YUV in dB of the values used, the mean over all frames, in samples as the decoder rounds and clips
        them."""
        if self._frames is None:
            return evaluate(self._network, self._clip, FixedTensors(sample.used), as_samples=True).yuv
        errors = partial(
            self._frames.errors,
            values=sample.used,
            rounds_vectors=self._network.rounds_vectors,
            as_samples=True,
        )
        parts = torch.arange(self._clip.frames).split(self._pass_frames(self._clip.frames))
        return mean_quality(torch.cat(list(self._map(lambda part: errors(part.tolist()), parts))), self._clip).yuv

    def _map(self, run: Callable[[Part], Found], parts: Iterable[Part]) -> Iterator[Found]:
        return self._pool.map(run, parts) if self._pool else map(run, parts)

    def _distortion(self, times: Tensor, sample: QuantizedSample) -> Distortion:
        if self._frames is None:
            return distortion(self._network, self._clip, times, sample=sample, loss=self._settings.loss)
        rounds = self._network.rounds_vectors
        return native_distortion(
            self._frames, self._clip, times, sample=sample, loss=self._settings.loss, rounds_vectors=rounds
        )

    def _pass_frames(self, frames: int) -> int:
        """How many frames of a batch each thread computes at once."""
        if self._clip.device.type != "cpu":
            return frames
        each = -(-frames // self._settings.threads)
        if self._frames is not None:
            return each
        video = self._clip.video
        return min(each, max(1, min(MOST_PASS_FRAMES, MOST_PASS_SAMPLES // (video.width * video.height))))
