"""Small synthetic clips and jobs that fail, for the tests of fitting. No torch here: workers start fast."""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from nqcodec.encoder.jobs import JobContext
from nqcodec.errors import InputError
from nqcodec.media.video import Chroma, Frame, Video


def small_clip(
    width: int = 36, height: int = 22, frames: int = 5, chroma: Chroma = Chroma.C420, depth: int = 8
) -> tuple[Video, list[Frame]]:
    """A gradient under a texture that moves by a pixel a frame."""
    video = Video(width, height, frames, chroma=chroma, depth=depth)
    clip = []
    for t in range(frames):
        planes = []
        for index, (rows, columns) in enumerate(video.plane_shapes):
            y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
            value = 0.5 + 0.2 * np.sin((x + t) / 3 + index) * np.cos(y / 4) + 0.2 * x / columns - 0.1 * y / rows
            planes.append((value * (2**depth - 1)).round().astype(video.dtype))
        clip.append(tuple(planes))
    return video, clip


def fail(task: str, context: JobContext) -> None:
    """One way or another of not ending well; `wait` ends only when it is asked to."""
    if task == "input":
        raise InputError("segment 1 is cut")
    if task == "bug":
        raise ZeroDivisionError("a bug")
    if task == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    while not context.stop():
        time.sleep(0.01)
