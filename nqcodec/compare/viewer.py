"""Pictures for the page: crops of chosen frames as every codec shows them, and maps of their errors, as PNGs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nqcodec.compare.rows import ANCHOR, OURS, RDPoint, codecs
from nqcodec.compare.runs import Clip, file_frames
from nqcodec.errors import InputError
from nqcodec.media.colour import to_rgb
from nqcodec.media.metrics import psnr
from nqcodec.media.video import Frame
from nqcodec.reporting.pictures import GAIN, data_uri, error_colours, luma_error

CROP = (480, 360)
"""Width and height of a crop at most."""
_MOST_OF_OURS = 4


@dataclass(frozen=True)
class Window:
    """A part of the picture, in luma pixels."""

    x: int
    y: int
    width: int
    height: int

    def of(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """That part of [H, W, ...]."""
        return plane[self.y : self.y + self.height, self.x : self.x + self.width]


def shown_rows(rows: list[RDPoint]) -> list[RDPoint]:
    """A few files to look at: some of ours, spread over the rates, each with every anchor's nearest in size."""
    ours = sorted((row for group in codecs(rows, OURS).values() for row in group), key=lambda row: row.bpp)
    if len(ours) > _MOST_OF_OURS:
        ours = [ours[round(n * (len(ours) - 1) / (_MOST_OF_OURS - 1))] for n in range(_MOST_OF_OURS)]
    chosen: list[RDPoint] = []
    for row in ours:
        near = [min(group, key=lambda one: _apart(one, row)) for group in codecs(rows, ANCHOR).values()]
        chosen += [one for one in (row, *near) if one not in chosen]
    return chosen


def pictures(clip: Clip, rows: list[RDPoint], folder: Path) -> dict[str, Any]:
    """Crops and error maps of three frames, as data for the page's script.

    Returns "frames" (numbers), "window", "gain", and "entries" (the original first): each with "label" and, for each
    frame, "picture", "error" (PNGs as data URIs; the original has no error) and "psnr" of luma in dB.

    Raises:
        InputError: the clip or a file cannot be read any more, or the clip's frames have changed.
        UnsupportedError: Pillow is missing.
    """
    count = clip.video.frames
    numbers = sorted({count // 6, count // 2, 5 * count // 6})
    originals = _pick(clip.source.frames(), numbers)
    shown = [(row, _pick(_frames_of(row, clip, folder), numbers)) for row in rows]
    errors = sum(
        np.square(luma_error(frame, original, clip.video))
        for _, frames in shown
        for frame, original in zip(frames, originals, strict=True)
    )
    window = worst_window(np.asarray(errors)) if rows else Window(0, 0, *CROP)
    entries: list[dict[str, object]] = [
        {"label": "original", "frames": [{"picture": _picture(frame, clip, window)} for frame in originals]}
    ]
    for row, frames in shown:
        label = f"{row.label}: {row.bpp:.4f} bpp, PSNR-YUV {row.quality['yuv']:.2f} dB"
        views = [_view(frame, original, clip, window) for frame, original in zip(frames, originals, strict=True)]
        entries.append({"label": label, "ours": row.kind == OURS, "frames": views})
    return {"frames": numbers, "window": vars(window), "gain": GAIN, "entries": entries}


def worst_window(errors: npt.NDArray[np.float64]) -> Window:
    """The window of at most `CROP` that holds the largest sum of `errors` [H, W]."""
    width, height = min(CROP[0], errors.shape[1]), min(CROP[1], errors.shape[0])
    sums = np.pad(errors, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    y, x = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return Window(int(x), int(y), width, height)


def _apart(first: RDPoint, second: RDPoint) -> float:
    return abs(math.log(first.bpp / second.bpp))


def _frames_of(row: RDPoint, clip: Clip, folder: Path) -> Iterator[Frame]:
    path = folder / row.file
    if not path.is_file():
        raise InputError(f"{path}: the encoded file is gone")
    return file_frames(path, clip.video)


def _pick(frames: Iterable[Frame], numbers: list[int]) -> list[Frame]:
    """The frames of those numbers."""
    picked = [frame for number, frame in enumerate(frames) if number in numbers]
    if len(picked) != len(numbers):
        raise InputError("the clip or one of its encodes has lost frames since it was compared")
    return picked


def _view(frame: Frame, original: Frame, clip: Clip, window: Window) -> dict[str, object]:
    error = luma_error(frame, original, clip.video)
    return {
        "picture": _picture(frame, clip, window),
        "error": data_uri(error_colours(window.of(error))),
        "psnr": round(psnr(original[0], frame[0], clip.video.depth), 2),
    }


def _picture(frame: Frame, clip: Clip, window: Window) -> str:
    return data_uri(window.of(to_rgb(frame, clip.video, 8)))
