"""Several synthesizers on threads of their own, which compute whole frames in parallel; frames are given in order.

Threads that share the rows of a small frame wait for one another at every operation, so whole frames in parallel are
faster. Each synthesizer here has maps of its own, so this is for networks whose maps are small.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TYPE_CHECKING

from nqcodec.media.video import Frame
from nqcodec.synthesis.closing import Closing
from nqcodec.synthesis.native import NativeSynthesizer

if TYPE_CHECKING:
    from concurrent.futures import Future

MOST_BYTES = 1 << 26
"""Most bytes of all synthesizers together, so that memory stays near that of one."""


def workers_for(threads: int, count: int, needed: Callable[[int], int], most_bytes: int) -> int:
    """Number of synthesizers for `count` frames on `threads` threads: one, or so many that each has two frames or more.

    Args:
        threads: threads of all synthesizers together.
        count: frames to compute.
        needed: gives the bytes of a synthesizer on a number of threads.
        most_bytes: most bytes of all synthesizers together.
    """
    for workers in range(min(threads, count // 2), 1, -1):
        if workers * needed(threads // workers) <= most_bytes:
            return workers
    return 1


class FrameParallelSynthesizer(Closing):
    """Computes frames on a thread for each synthesizer, and keeps at most one frame more than there are synthesizers.

    Args:
        synthesizers: synthesizers of one network; `close` closes them.
    """

    def __init__(self, synthesizers: list[NativeSynthesizer]):
        from concurrent.futures import ThreadPoolExecutor  # takes a while to import

        self._synthesizers = synthesizers
        self._idle: SimpleQueue[NativeSynthesizer] = SimpleQueue()
        for each in synthesizers:
            self._idle.put(each)
        self._pool = ThreadPoolExecutor(len(synthesizers), thread_name_prefix="frames")

    def frame(self, t: int) -> Frame:
        """Planes of frame t, computed on the caller's thread; raises ValueError outside the segment."""
        synthesizer = self._idle.get()
        try:
            return synthesizer.frame(t)
        finally:
            self._idle.put(synthesizer)

    def frames(self, begin: int, end: int) -> Iterator[Frame]:
        """Frames begin..end-1 in order; the following frames are computed meanwhile."""
        ahead: deque[Future[Frame]] = deque()
        following = begin
        for _ in range(begin, end):
            while following < end and len(ahead) <= len(self._synthesizers):
                ahead.append(self._pool.submit(self.frame, following))
                following += 1
            yield ahead.popleft().result()

    def close(self) -> None:
        """Wait for frames that are being computed, and free the library's memory; may be called again."""
        self._pool.shutdown(cancel_futures=True)
        for each in self._synthesizers:
            each.close()
