"""Fast backends against the reference; output planes lie inside guard values, so that a write outside shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from emulated_cuda import emulated

from nqcodec.media.video import Frame, Video
from nqcodec.native.cpu import synthesis_levels
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.synthesis.cuda import CudaSynthesizer
from nqcodec.synthesis.native import NativeSynthesizer
from nqcodec.synthesis.reference import ReferenceSynthesizer

GUARD = 3


def guarded_planes(video: Video) -> Iterator[tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]]:
    """(whole array, plane in its middle) for each plane; the guard differs from row to row."""
    for height, width in video.plane_shapes:
        whole = np.empty((height + 2 * GUARD, width + 2 * GUARD), video.dtype)
        whole[:] = np.arange(whole.size).reshape(whole.shape) % 251
        yield whole, whole[GUARD : GUARD + height, GUARD : GUARD + width]


def native_frame(network: IntegerNetwork, video: Video, t: int, cpu: str, threads: int) -> Frame:
    """Frame t by libnq into guarded planes, which must come back with their guards whole."""
    arrays = list(guarded_planes(video))
    before = [whole.copy() for whole, _ in arrays]
    with NativeSynthesizer(network, video, video.frames, threads, cpu=cpu) as synthesizer:
        synthesizer.frame_into(t, [plane for _, plane in arrays])
    planes = tuple(plane.copy() for _, plane in arrays)
    for (whole, plane), untouched in zip(arrays, before, strict=True):
        plane[:] = untouched[GUARD:-GUARD, GUARD:-GUARD]
        assert np.array_equal(whole, untouched), "a sample outside the plane was written"
    return planes  # type: ignore[return-value]


def assert_same(got: Frame, expected: Frame, what: str) -> None:
    for index, (plane, wanted) in enumerate(zip(got, expected, strict=True)):
        assert plane.dtype == wanted.dtype
        assert np.array_equal(plane, wanted), f"{what}: plane {index}, {np.sum(plane != wanted)} samples differ"


def check_native(network: IntegerNetwork, video: Video) -> None:
    expected = [ReferenceSynthesizer(network, video, video.frames).frame(t) for t in (0, video.frames - 1)]
    for cpu in synthesis_levels():
        for threads in (1, 2, 3):
            for t, frame in zip((0, video.frames - 1), expected, strict=True):
                assert_same(
                    native_frame(network, video, t, cpu, threads), frame, f"{cpu}, {threads} threads, frame {t}"
                )


def check_cuda(network: IntegerNetwork, video: Video) -> None:
    reference = ReferenceSynthesizer(network, video, video.frames)
    expected = [reference.frame(t) for t in range(video.frames)]
    with CudaSynthesizer(network, video, video.frames, batch=3) as synthesizer:
        assert_same(synthesizer.frame(video.frames - 1), expected[-1], "cuda, the last frame alone")
        for t, frame in enumerate(synthesizer.frames(0, video.frames)):
            assert_same(frame, expected[t], f"cuda, frame {t} of all")


def check_emulated(network: IntegerNetwork, video: Video) -> None:
    with emulated():
        check_cuda(network, video)
