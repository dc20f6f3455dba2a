"""Frames of a scene that moves, for encodes in tests."""

from __future__ import annotations

import numpy as np

from nqcodec.media.video import Frame, Video


def moving_waves(video: Video, t: int) -> Frame:
    planes = []
    for height, width in video.plane_shapes:
        y, x = np.mgrid[:height, :width]
        wave = 0.5 + 0.4 * np.sin(2 * np.pi * (x / width + y / height + 0.05 * t))
        planes.append(np.round(wave * ((1 << video.depth) - 1)).astype(video.dtype))
    return tuple(planes)
