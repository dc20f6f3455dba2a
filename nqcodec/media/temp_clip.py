"""Frames in memory as a clip to encode: written to a raw file, so that every segment's process reads its own part."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from nqcodec.errors import InputError, UsageError
from nqcodec.media.clip import ClipInput
from nqcodec.media.raw import csp_name
from nqcodec.media.sink import open_sink
from nqcodec.media.source import DEFAULT_FPS, Source
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Frame, Video

Picture: TypeAlias = "npt.NDArray[Any] | tuple[npt.NDArray[Any], ...] | list[npt.NDArray[Any]]"
"""One frame: planes (Y, U, V), an array [H, W] of luma alone, or an array [H, W, 3] of R'G'B'."""

Pictures: TypeAlias = "Iterable[Picture] | npt.NDArray[Any]"
"""Frames in order: any iterable of them, an array [T, H, W] or [T, H, W, 3], or an array that is one picture."""

EXPECTED = "an array is a clip [T, H, W] or [T, H, W, 3], or one picture [H, W] or [H, W, 3], R'G'B' last"
LARGEST_CHANNELS = 4
"""Largest size of a last axis that is taken for channels and not for the width of a picture."""

NAME = "frames"
"""Name of a clip in memory in messages."""


@dataclass(frozen=True)
class TempClip(ClipInput):
    """A raw file whose whole description is known: a raw file's own options hold no colour and no aspect ratio."""

    video: Video = field(kw_only=True)

    def open(self, start: int = 0, count: int | None = None) -> Source:
        """As `ClipInput.open`."""
        source = super().open(start, count)
        source.video = replace(source.video, colour=self.video.colour, sar=self.video.sar)
        return source


def write_temp_clip(pictures: Pictures, video: Video | None, fps: Fraction | None, folder: Path) -> TempClip:
    """Write frames to `folder` as raw video, one at a time.

    Args:
        pictures: uint8 samples, or uint16 for more than 8 bits.
        video: what the frames are, its `frames` ignored; None infers it from the first frame, which must be uint8.
        fps: frame rate where `video` is None; default 25.

    Raises:
        InputError: no frames.
        UsageError: frames that are not what `video`, or the first of them, says.
    """
    frames = frames_of(pictures, video)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{NAME}: no frames to encode")
    video = video or inferred(first, fps)
    path = folder / f"{NAME}.yuv"
    with open_sink(path, video.with_frames(0)) as sink:
        for number, picture in enumerate(itertools.chain([first], frames)):
            sink.write(planes_of(picture, video, number))
    return TempClip(
        str(path),
        input_res=(video.width, video.height),
        fps=video.fps,
        csp=csp_name(video),
        depth=video.depth,
        label=NAME,
        video=video,
    )


def frames_of(pictures: Pictures, video: Video | None) -> Iterator[Picture]:
    """The frames, one by one; raises UsageError for arrays of other axes, and for what is neither array nor iterable.

    Where the axes of an array could mean two things, `video` of 4:0:0 decides, or the array is refused.
    """
    if not isinstance(pictures, np.ndarray):
        try:
            return iter(pictures)
        except TypeError as error:
            raise UsageError(f"a clip is a path or frames, and here is a {type(pictures).__name__}") from error
    shape = pictures.shape
    if video is not None and video.chroma is Chroma.C400 and shape[1:] == (video.height, video.width):
        return iter(pictures)
    if len(shape) == 2 or (len(shape) == 3 and shape[2] == 3):
        return iter([pictures])
    if len(shape) == 3 and shape[0] == 3:
        raise UsageError(
            f"{NAME}: {EXPECTED}, not {shape}: turn [3, H, W] into [H, W, 3] by numpy.moveaxis(array, 0, 2); give "
            "three grey pictures as a list"
        )
    if len(shape) == 3 and shape[2] <= LARGEST_CHANNELS:
        raise UsageError(f"{NAME}: {EXPECTED}, not {shape}: leave out an alpha channel, as array[:, :, :3] does")
    if len(shape) != 3 and not (len(shape) == 4 and shape[3] == 3):
        raise UsageError(f"{NAME}: {EXPECTED}, not {shape}")
    return iter(pictures)


def inferred(picture: Picture, fps: Fraction | None) -> Video:
    """The description of a clip with this first frame; raises UsageError if it does not follow from the arrays."""
    arrays = list(_arrays(picture))
    if any(array.dtype != np.uint8 for array in arrays):
        raise UsageError(
            f"{NAME}: samples of {arrays[0].dtype} do not say their bit depth: convert them to uint8, or to uint16 "
            "and give video=Video(width, height, depth=...)"
        )
    shapes = tuple(array.shape for array in arrays)
    if len(shapes[0]) not in (2, 3) or (len(shapes[0]) == 3 and shapes[0][2] != 3):
        raise UsageError(f"{NAME}: a frame is planes, [H, W] or [H, W, 3], not {shapes[0]}{_channels_first(shapes[0])}")
    height, width = shapes[0][:2]
    video = Video(width, height, fps=fps or DEFAULT_FPS)
    if isinstance(picture, np.ndarray) and picture.ndim == 3:
        return replace(video, chroma=Chroma.C444, colour=Colour(matrix=MATRIX_IDENTITY, full_range=True))
    for chroma in (Chroma.C420, Chroma.C422, Chroma.C444, Chroma.C400):
        if replace(video, chroma=chroma).plane_shapes == shapes:
            return replace(video, chroma=chroma)
    raise UsageError(f"{NAME}: planes of {', '.join(map(str, shapes))} are no 4:0:0, 4:2:0, 4:2:2 or 4:4:4 picture")


def planes_of(picture: Picture, video: Video, number: int) -> Frame:
    """A frame's planes as `video` has them, G, B, R for R'G'B'; raises UsageError if they are something else."""
    arrays = tuple(_arrays(picture))
    if video.is_rgb and len(arrays) == 1 and arrays[0].ndim == 3 and arrays[0].shape[2] == 3:
        red, green, blue = np.moveaxis(arrays[0], 2, 0)
        arrays = (green, blue, red)
    shapes = tuple(array.shape for array in arrays)
    if shapes != video.plane_shapes or any(array.dtype != video.dtype for array in arrays):
        kinds = ", ".join(f"{array.dtype} {array.shape}" for array in arrays)
        wanted = ", ".join(f"{video.dtype} {shape}" for shape in video.plane_shapes)
        if video.is_rgb:
            wanted += f", or {video.dtype} {(video.height, video.width, 3)}"
        hint = _channels_first(shapes[0]) if len(shapes) == 1 else ""
        raise UsageError(f"{NAME}: frame {number} is {kinds}, and a frame of this clip is {wanted}{hint}")
    most = max(int(array.max()) for array in arrays)
    if most >> video.depth:
        raise UsageError(f"{NAME}: frame {number} has the sample {most}, which is over {video.depth} bits")
    return arrays


def _channels_first(shape: tuple[int, ...]) -> str:
    """A hint for a frame [3, H, W], to append to a message; empty for other shapes."""
    return ": move the channels last, numpy.moveaxis(frame, 0, 2)" if len(shape) == 3 and shape[0] == 3 else ""


def _arrays(picture: Picture) -> Iterator[npt.NDArray[Any]]:
    for plane in picture if isinstance(picture, tuple | list) else (picture,):
        if not isinstance(plane, np.ndarray):
            raise UsageError(f"{NAME}: a frame is numpy arrays, and here is a {type(plane).__name__}")
        yield plane
