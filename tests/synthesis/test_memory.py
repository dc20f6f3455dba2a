"""What libnq says that a program needs, before it allocates, against what it then takes."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_network, random_video

from nqcodec.native.loading import why_absent
from nqcodec.synthesis.descriptors import FlatProgram
from nqcodec.synthesis.native import LOW_MEMORY_BANDS, NativeSynthesizer, OptionFlag, needed_bytes

pytestmark = pytest.mark.skipif(bool(why_absent("libnq")), reason="libnq was not built")

SLACK_BYTES = 400 << 10
"""Of a synthesizer beside maps, scratch and tensors: activation tables of 32 KB each, descriptors, threads."""


HEAP_FIELDS = (
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "keepcost",
)


class _Heap(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in HEAP_FIELDS)


def heap_bytes() -> int | None:
    """Bytes that malloc has given out in this process; None if the C library does not say."""
    try:
        ask = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return None
    ask.restype = _Heap
    heap = ask()
    return int(heap.uordblks + heap.hblkhd)


@pytest.mark.parametrize("seed", range(40))
def test_the_estimate_bounds_what_random_programs_take(seed: int) -> None:
    rng = np.random.default_rng(seed)
    video = random_video(rng)
    network = random_network(rng, video)
    frames = int(rng.integers(1, 6))
    flat = FlatProgram(network, video, frames)
    for threads in (1, 2, 5):
        for bands in (1, 2, LOW_MEMORY_BANDS):
            for flags in (0, OptionFlag.UNFUSED):
                needed = needed_bytes(flat, threads, bands=bands, flags=flags)
                with NativeSynthesizer(network, video, frames, threads, bands=bands, flags=flags) as synthesizer:
                    assert 0 < synthesizer.planned_bytes <= needed
                    # It may not be far above either, or files would be refused for nothing.
                    assert needed <= 1.1 * synthesizer.planned_bytes + 4096


@pytest.mark.skipif(heap_bytes() is None, reason="malloc does not say what it has given out")
def test_malloc_gives_no_more_than_the_estimate() -> None:
    largest = 0
    for seed in range(10):
        rng = np.random.default_rng(1000 + seed)
        video = replace(random_video(rng), width=600, height=400)
        network = random_network(rng, video)
        needed = needed_bytes(FlatProgram(network, video, 2), 2)
        before = heap_bytes()
        with NativeSynthesizer(network, video, 2, 2) as synthesizer:
            synthesizer.frame(0)
            taken = (heap_bytes() or 0) - (before or 0)
        assert taken <= needed + SLACK_BYTES
        largest = max(largest, needed)
    assert largest > 10 * SLACK_BYTES
