"""Frames as raw planar bytes: the layout that .yuv and y4m share (formats/nq.md 7 hashes the same bytes).

Planes in order, rows in order, without padding; one byte a sample at depth 8, two (little-endian) above.
"""

from __future__ import annotations

import numpy as np

from nqcodec.errors import InputError
from nqcodec.media.stream import ByteStream
from nqcodec.media.video import Frame, Plane, Video


def read_planes(stream: ByteStream, video: Video, index: int) -> Frame:
    """Take one frame's planes from `stream`; `index` is its number, for messages.

    Raises:
        InputError: the stream ends inside the frame, or a sample does not fit the depth.
    """
    start = stream.offset
    buffer = bytearray(video.frame_bytes)
    taken = stream.read_into(buffer)
    if taken < len(buffer):
        raise cut_short(stream.name, index, start, taken, len(buffer))
    return tuple(_planes(buffer, video, f"{stream.name}: frame {index} at byte {start}"))


def cut_short(name: str, index: int, start: int, taken: int, wanted: int) -> InputError:
    """The error for a clip that ends inside a frame whose samples begin at byte `start`."""
    return InputError(
        f"{name}: frame {index} is cut short: its samples begin at byte {start}, {taken} of {wanted} bytes are there; "
        f"copy the whole clip, or keep the frames before with --frames {index}"
    )


def _planes(buffer: bytearray, video: Video, place: str) -> list[Plane]:
    """Views of `buffer` as planes [H, W]; a copy only on a big-endian machine."""
    samples: Plane
    if video.depth == 8:
        samples = np.frombuffer(buffer, np.uint8)
    else:
        samples = np.frombuffer(buffer, "<u2").astype(np.uint16, copy=False)
    if video.depth > 8 and (peak := int(samples.max())) >> video.depth:
        raise InputError(
            f"{place}: a sample of {peak} is too large for {video.depth} bits; check the depth (--input-depth), and "
            "that samples are little-endian with the value in the low bits"
        )
    planes: list[Plane] = []
    first = 0
    for height, width in video.plane_shapes:
        planes.append(samples[first : first + height * width].reshape(height, width))
        first += height * width
    return planes
