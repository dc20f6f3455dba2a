"""Frames on threads of their own: in order, the same as one thread's, bounded in memory, and closed at any moment."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from random_networks import random_network

from nqcodec.bitstream.file import read_file
from nqcodec.decoder.decoder import Decoder
from nqcodec.errors import LimitError
from nqcodec.media.video import Frame, Video
from nqcodec.native.cpu import synthesis_levels
from nqcodec.network.program import PARAMETER_BYTES, Limits
from nqcodec.synthesis.backends import Synthesizer, open_frames
from nqcodec.synthesis.descriptors import FlatProgram
from nqcodec.synthesis.frame_parallel import MOST_BYTES, FrameParallelSynthesizer, workers_for
from nqcodec.synthesis.native import NativeSynthesizer, needed_bytes

pytestmark = pytest.mark.skipif(not synthesis_levels(), reason="libnq was not built")

VIDEO = Video(64, 48, 12)
NETWORK = random_network(np.random.default_rng(4), VIDEO)


def expected() -> list[Frame]:
    with NativeSynthesizer(NETWORK, VIDEO, VIDEO.frames) as synthesizer:
        return [synthesizer.frame(t) for t in range(VIDEO.frames)]


def same(frame: Frame, other: Frame) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(frame, other, strict=True))


def opened(
    count: int, threads: int, *, low: bool = False, limits: Limits | None = None
) -> Synthesizer | FrameParallelSynthesizer:
    return open_frames(NETWORK, VIDEO, VIDEO.frames, count, "native", threads, limits, low_memory=low)


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_frames_come_in_order_and_are_those_of_one_thread(threads: int) -> None:
    frames = expected()
    for begin, end in ((0, 12), (3, 9), (7, 11)):
        with open_frames(NETWORK, VIDEO, VIDEO.frames, end - begin, "native", threads) as synthesizer:
            assert isinstance(synthesizer, FrameParallelSynthesizer)
            made = list(synthesizer.frames(begin, end))
            assert same(synthesizer.frame(1), frames[1])
        assert len(made) == end - begin
        assert all(same(frame, frames[t]) for t, frame in enumerate(made, begin))


def test_one_thread_few_frames_or_low_memory_have_one_synthesizer() -> None:
    for count, threads, low in ((12, 1, False), (1, 4, False), (3, 4, False), (12, 4, True)):
        with opened(count, threads, low=low) as synthesizer:
            assert isinstance(synthesizer, NativeSynthesizer), (count, threads, low)


def test_workers_fit_their_memory_and_share_the_threads() -> None:
    def needed(threads: int) -> int:
        return 10_000_000 + 100_000 * threads

    assert workers_for(2, 100, needed, MOST_BYTES) == 2
    assert workers_for(16, 100, needed, MOST_BYTES) == 6
    assert workers_for(16, 100, needed, 20_000_000) == 1
    assert workers_for(8, 7, needed, MOST_BYTES) == 3
    assert workers_for(4, 100, lambda threads: MOST_BYTES, MOST_BYTES) == 1


def test_little_memory_is_one_synthesizer_and_too_little_an_error() -> None:
    needed = needed_bytes(FlatProgram(NETWORK, VIDEO, VIDEO.frames), 2)
    least = needed + PARAMETER_BYTES * NETWORK.program.parameters
    with opened(12, 2, limits=Limits(memory=least)) as synthesizer:
        assert isinstance(synthesizer, NativeSynthesizer)
    with pytest.raises(LimitError):
        opened(12, 2, limits=Limits(memory=1000))


def test_no_more_frames_are_made_ahead_than_threads_and_one() -> None:
    begun: list[int] = []

    class Slow(NativeSynthesizer):
        def frame(self, t: int) -> Frame:
            begun.append(t)
            return super().frame(t)

    with FrameParallelSynthesizer([Slow(NETWORK, VIDEO, VIDEO.frames) for _ in range(2)]) as synthesizer:
        frames = synthesizer.frames(0, 12)
        for t in range(6):
            next(frames)
            time.sleep(0.02)
            assert max(begun) <= t + 3


def test_a_range_that_is_left_early_ends_its_threads() -> None:
    before = threading.active_count()
    with open_frames(NETWORK, VIDEO, VIDEO.frames, 12, "native", 3) as synthesizer:
        assert isinstance(synthesizer, FrameParallelSynthesizer)
        next(synthesizer.frames(0, 12))
    assert threading.active_count() == before
    with pytest.raises(RuntimeError):
        next(synthesizer.frames(0, 12))


def test_an_error_in_a_frame_reaches_the_caller() -> None:
    with open_frames(NETWORK, VIDEO, VIDEO.frames, 12, "native", 2) as synthesizer:
        assert isinstance(synthesizer, FrameParallelSynthesizer)
        frames = synthesizer.frames(10, 14)
        assert len([next(frames), next(frames)]) == 2
        with pytest.raises(ValueError, match="frame 12"):
            next(frames)


def test_a_file_decodes_alike_on_any_number_of_threads(sample: Path) -> None:
    file = read_file(sample)
    one = list(Decoder(file, backend="native", threads=1).frames())
    for threads in (2, 4):
        several = Decoder(file, backend="native", threads=threads).frames()
        assert all(same(frame, other) for frame, other in zip(several, one, strict=True))
    some = Decoder(file, backend="native", threads=2).frames(2, 8)
    next(some)
    some.close()
