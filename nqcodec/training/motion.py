"""How a clip's camera moves over its scene, found in one pass over its frames without keeping them. numpy only.

Each frame is registered to earlier ones: to the one before by phase correlation (Kuglin and Hines, 1975), and to that
and to some farther ones by Gauss-Newton steps on a robust difference (Baker and Matthews, 2004), so that what moves by
itself does not count and errors do not add up. What comes out is a path for `window` operations (formats/nq.md, 6.13),
or that there is none worth following: a still camera, or changes that a shift of the picture does not explain.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nqcodec.media.video import Plane
from nqcodec.network.camera_path import MOST_KNOTS, PATH_BITS, Knot, Path

Picture = npt.NDArray[np.float32]
"""[rows, columns] in 8-bit levels."""

Place = npt.NDArray[np.float64]
"""(row, column)."""

MOST_ROWS = 270
"""Rows of a frame as it is registered, at most: larger ones are reduced to block means."""

LAGS = (1, 4, 16)
"""How many frames back a frame is registered to. Farther ones count more: they keep errors from adding up."""


TOLERANCE = 1.0
"""Most that a path with fewer knots may be off the measured one, in its own units."""

MOST_ITERATIONS, LEAST_UPDATE = 8, 0.005
"""Most Gauss-Newton iterations, and the update in working pixels below which they end."""

LEAST_OVERLAP = 0.25
"""Least part of a frame that two frames must share along each axis to be registered."""

LEAST_CORRELATION, LEAST_CONTRAST = 0.6, 2.0
"""Correlation and standard deviation (8-bit levels) of what two frames share, below which the result is not used."""

LEAST_RELIABLE = 0.8
"""Least part of the shifts from frame to frame that must be measured instead of extrapolated."""

LEAST_EXTENT = 2.0
"""Least pixels between the ends of a path worth following."""

MOST_LEFT = 0.7
"""Most part of the difference between frames that may be left once they are shifted onto each other."""

LEAST_SEEN = 6.0
"""Least frames that a part of the scene is in, on average: parts in one frame alone save nothing."""


LEAST_CHANGE = 0.1
"""Mean absolute difference of successive frames (8-bit levels) above which the picture is not still."""


@dataclass(frozen=True)
class _Match:
    """Two frames registered: by how much the later camera is farther on, in working pixels, and how well they agree.

    `still` and `moved` are the mean absolute differences at no shift and at this one, in 8-bit levels.
    """

    shift: Place
    correlation: float
    still: float
    moved: float

    @property
    def is_reliable(self) -> bool:
        return self.correlation >= LEAST_CORRELATION


@dataclass(frozen=True)
class _View:
    """A frame as it is registered, its spectrum, and where its camera was found to be."""

    picture: Picture
    spectrum: npt.NDArray[np.complex128]
    place: Place


class MotionDetector:
    """Takes luma planes in order; gives the camera's path, and whether anything moves."""

    def __init__(self) -> None:
        self._recent: deque[_View] = deque(maxlen=max(LAGS))
        self._places: list[Place] = []
        self._step: Place = np.zeros(2)
        self._reliable, self._still, self._moved = 0, 0.0, 0.0
        self._scale, self._size = 1, (1, 1)
        self._changed = 0.0

    def add(self, luma: Plane, depth: int) -> None:
        """Look at the next frame.

        Args:
            luma: [H, W]; of RGB, the green plane serves.
            depth: bits a sample.
        """
        self._scale, self._size = -(-luma.shape[0] // MOST_ROWS), (luma.shape[0], luma.shape[1])
        picture = _working_picture(luma, depth, self._scale)
        spectrum = np.fft.rfft2(picture * _taper(picture.shape))
        if self._recent:
            self._changed += float(np.abs(picture - self._recent[-1].picture).mean())
        place = self._locate(picture, spectrum) if self._recent else np.zeros(2)
        self._recent.append(_View(picture, spectrum, place))
        self._places.append(place)

    def moves(self) -> bool:
        """Whether the frames so far differ from one another, for whatever reason."""
        return self._changed > LEAST_CHANGE * max(len(self._places) - 1, 0)

    def path(self) -> Path | None:
        """The path of the frames so far, or None if there is none worth following."""
        transitions = len(self._places) - 1
        if (
            transitions < max(LAGS[1], 1)
            or self._reliable < LEAST_RELIABLE * transitions
            or self._moved > MOST_LEFT * self._still
        ):
            return None
        places = np.stack(self._places) * self._scale
        places -= places.min(axis=0)
        extent = places.max(axis=0)
        scene = 1 + float(np.sum(extent / self._size))  # in pictures: what comes into view is as wide or high as one
        if extent.max() < LEAST_EXTENT or scene * LEAST_SEEN > len(places):
            return None
        knots = _knots(np.rint(places * 2**PATH_BITS).astype(np.int64))
        return Path(knots) if len(knots) <= MOST_KNOTS else None

    def _locate(self, picture: Picture, spectrum: npt.NDArray[np.complex128]) -> Place:
        """Where a frame's camera is, in working pixels; keeps the counts that `path` judges by."""
        before = self._recent[-1]
        peak = _correlation_peak(before.spectrum, spectrum, picture.shape)
        starts = (np.zeros(2), np.rint(self._step), peak)
        first = min((_difference(before.picture, picture, start), n) for n, start in enumerate(starts))[1]
        match = _register(before.picture, picture, starts[first])
        if match is None or not match.is_reliable:
            return before.place + self._step
        self._reliable += 1
        places, weights, last = [before.place + match.shift], [1.0], match
        for lag in LAGS[1:]:
            if lag > len(self._recent):
                break
            view = self._recent[-lag]
            farther = _register(view.picture, picture, places[0] - view.place)
            if farther is not None and farther.is_reliable:
                place = view.place + farther.shift
                # A shift that disagrees with the first one has matched another object.
                if np.abs(place - places[0]).max() < 1:
                    places.append(place)
                    weights.append(float(lag))
                    last = farther
        self._still += last.still
        self._moved += last.moved
        found = np.average(np.stack(places), axis=0, weights=weights)
        self._step = found - before.place
        return np.asarray(found)


def _working_picture(luma: Plane, depth: int, scale: int) -> Picture:
    """Block means of `scale` rows and columns, smoothed a little, float32 in 8-bit levels."""
    height, width = (size // scale * scale for size in luma.shape)
    blocks = luma[:height, :width].reshape(height // scale, scale, width // scale, scale)
    picture = np.pad(blocks.mean(axis=(1, 3), dtype=np.float32) * np.float32(2.0 ** (8 - depth)), 1, mode="edge")
    rows = picture[:-2] + 2 * picture[1:-1] + picture[2:]
    smooth: Picture = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / np.float32(16)
    return smooth


def _taper(shape: tuple[int, ...]) -> Picture:
    """A window [rows, columns] that falls to 0 at the borders, which do not move with the picture."""
    return np.outer(*(np.hanning(size + 2)[1:-1] for size in shape)).astype(np.float32)


def _correlation_peak(
    first: npt.NDArray[np.complex128], second: npt.NDArray[np.complex128], shape: tuple[int, ...]
) -> Place:
    """The shift in whole pixels by which the second camera is farther on, from the spectra of both pictures."""
    cross = first * np.conj(second)
    surface = np.fft.irfft2(cross / (np.abs(cross) + 1e-9), s=shape)
    peak = np.unravel_index(int(np.argmax(surface)), shape)
    # Shifts up and left are found as large ones, because a picture is periodic in its spectrum.
    return np.array([place - size * (2 * place > size) for place, size in zip(peak, shape, strict=True)], np.float64)


def _shared(first: Picture, second: Picture, shift: Place) -> tuple[Picture, Picture] | None:
    """The common part of both, the first shifted bilinearly onto the second; None if it is too small."""
    cells = np.floor(shift).astype(int)
    down, right = (float(part) for part in shift - cells)
    parts = []
    for cell, size in zip(cells, second.shape, strict=True):
        begin, end = max(0, -cell), min(size, size - 1 - cell)
        if end - begin < max(LEAST_OVERLAP * size, 4):
            return None
        parts.append((begin, end, begin + cell, end + cell))
    (top, bottom, a, b), (left, end, c, d) = parts
    rows = first[a:b, c : d + 1] * (1 - down) + first[a + 1 : b + 1, c : d + 1] * down
    shifted = rows[:, :-1] * (1 - right) + rows[:, 1:] * right
    return np.asarray(shifted, np.float32), second[top:bottom, left:end]


def _difference(first: Picture, second: Picture, shift: Place) -> float:
    """Mean absolute difference of the common part of both; infinite if it is too small."""
    pair = _shared(first, second, shift)
    return float("inf") if pair is None else float(np.abs(pair[0] - pair[1]).mean())


def _register(first: Picture, second: Picture, start: Place) -> _Match | None:
    """The shift that brings the first picture best onto the second, near `start`; None if there is none."""
    shift = np.array(start, float)
    for _ in range(MOST_ITERATIONS):
        pair = _shared(first, second, shift)
        if pair is None:
            return None
        step = _newton_step(*pair)
        if step is None or np.abs(shift + step - start).max() > 2:
            return None
        shift = shift + step
        if np.abs(step).max() < LEAST_UPDATE:
            break
    pair = _shared(first, second, shift)
    if pair is None:
        return None
    a, b = (picture - picture.mean() for picture in pair)
    deviations = float(a.std()), float(b.std())
    if min(deviations) < LEAST_CONTRAST:
        return None
    correlation = float((a * b).mean()) / (deviations[0] * deviations[1])
    return _Match(shift, correlation, _difference(first, second, np.zeros(2)), float(np.abs(a - b).mean()))


def _newton_step(first: Picture, second: Picture) -> Place | None:
    """How much farther to shift the first, by weighted least squares; a change of brightness is ignored."""
    rows, columns = np.gradient(first)
    error = second - first
    error = error - np.median(error)
    scale = 3 * float(np.median(np.abs(error))) + 0.5
    weights = 1 / (1 + (error / np.float32(scale)) ** 2) ** 2
    slopes = np.stack([rows.ravel(), columns.ravel(), np.ones(error.size, np.float32)])
    weighted = slopes * weights.ravel()
    normal, target = (weighted @ slopes.T).astype(np.float64), (weighted @ error.ravel()).astype(np.float64)
    if min(normal[0, 0], normal[1, 1]) < 1e-3 * error.size:
        return None
    step: Place = np.linalg.solve(normal + 1e-6 * np.eye(3) * np.trace(normal), target)[:2]
    return step


def _knots(places: npt.NDArray[np.int64]) -> tuple[Knot, ...]:
    """Few knots of a path that is at most `TOLERANCE` off any of `places` [T, 2]."""
    chosen = [0]
    while chosen[-1] < len(places) - 1:
        chosen.append(_farthest(places, chosen[-1]))
    return tuple((time, int(places[time, 0]), int(places[time, 1])) for time in chosen)


def _farthest(places: npt.NDArray[np.int64], first: int) -> int:
    """The last frame up to which a straight line from `first` is close enough to every frame."""
    end = first + 1
    while end + 1 < len(places) and _suits(places[first : end + 2]):
        end += 1
    return end


def _suits(places: npt.NDArray[np.int64]) -> bool:
    """Whether the straight way from the first to the last place passes all others closely."""
    part = np.linspace(0, 1, len(places))[:, None]
    straight = places[0] + part * (places[-1] - places[0])
    return bool(np.abs(straight - places).max() <= TOLERANCE)
