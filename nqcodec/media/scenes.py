"""Scene cuts of a clip, found in one pass over its frames without keeping them. numpy only.

Each luma plane becomes a thumbnail, and what counts across a cut is what one thumbnail cannot predict of another by a
change of brightness and contrast: lights switched on or off are no cut. *Every* near pair of frames across a cut has
to differ, so a flash of up to three frames is none; and they have to differ clearly more than neighbours on either
side do, so steady motion, pans, fades, and animation that holds each picture for a few frames are none either.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nqcodec.media.video import Plane

Thumbnail = npt.NDArray[np.float64]
"""[rows, columns], whole numbers in 1/16 of an 8-bit level: sums of products stay exact in any order."""

THUMBNAIL_ROWS, THUMBNAIL_COLUMNS = 36, 64
"""Most rows and columns of a thumbnail: details that move within a block of it do not count."""

UNIT = 16
"""Thumbnail values in one 8-bit level."""

LEAST_SCENE = 8
"""Frames of a scene at least: a network of its own pays for itself only over some frames."""

NEAR = 4
"""Frames on either side of a cut of which every pair must differ: one more than the longest flash ignored."""

AROUND = 6
"""Distances between neighbours, on either side of a cut, that tell how much its scenes change by themselves."""

RANK = 2
"""Which of those counts, from the largest: a flash or a short shot beside a cut makes a single one large."""

LEAST_DISTANCE, UNREST_FACTOR = 10.0, 1.5
"""8-bit levels that every pair across a cut differs by at least in scenes that stand still, and what is added for
each level that neighbours differ by."""

NOISE = 1.0
"""Standard deviation, in 8-bit levels, of a thumbnail that hardly shows anything: it predicts no other."""


@dataclass(frozen=True)
class Cut:
    """A cut before frame `frame`; `strength` is the distance across it in 8-bit levels."""

    frame: int
    strength: float


class SceneDetector:
    """Takes luma planes in order, and tells where scenes begin."""

    def __init__(self) -> None:
        self._recent: deque[Thumbnail] = deque(maxlen=2 * NEAR)
        # _steps[i] is what frames i and i + 1 differ by; _across[i] the least that pairs across a cut before frame
        # i + NEAR do.
        self._steps: list[float] = []
        self._across: list[float] = []

    def add(self, luma: Plane, depth: int) -> None:
        """Look at the next frame.

        Args:
            luma: [H, W]; of RGB, the green plane serves.
            depth: bits a sample.
        """
        self._recent.append(thumbnail(luma, depth))
        covariance = _covariance(np.stack(self._recent))
        if len(self._recent) > 1:
            # Steps of a fade count here: the last one, to black, is no larger than those before it.
            self._steps.append(_difference(covariance[-2:, -2:]))
        if len(self._recent) == 2 * NEAR:
            self._across.append(float(_unpredicted(covariance)[:NEAR, NEAR:].min()))

    def cuts(self) -> list[Cut]:
        """The cuts among the frames seen so far, in order, scenes `LEAST_SCENE` frames long at least.

        Of cuts nearer to one another the strongest stays, of equals the first.
        """
        found: list[Cut] = []
        for cut in sorted(self._candidates(), key=lambda cut: (-cut.strength, cut.frame)):
            if all(abs(cut.frame - other.frame) >= LEAST_SCENE for other in found):
                found.append(cut)
        return sorted(found, key=lambda cut: cut.frame)

    def _candidates(self) -> list[Cut]:
        places = range(LEAST_SCENE, len(self._steps) + 1 - LEAST_SCENE + 1)
        cuts = (Cut(frame, self._across[frame - NEAR]) for frame in places)
        return [cut for cut in cuts if cut.strength >= LEAST_DISTANCE + UNREST_FACTOR * self._unrest(cut.frame)]

    def _unrest(self, frame: int) -> float:
        """What neighbours before and after a cut before `frame` differ by; the livelier side counts."""
        before, after = self._steps[frame - 1 - AROUND : frame - 1], self._steps[frame : frame + AROUND]
        return max(sorted(side)[-RANK] for side in (before, after))


def thumbnail(luma: Plane, depth: int) -> Thumbnail:
    """Area means of blocks of a plane [H, W] of `depth` bits a sample; blocks differ by at most a row or column."""
    rows, columns = _edges(luma.shape[0], THUMBNAIL_ROWS), _edges(luma.shape[1], THUMBNAIL_COLUMNS)
    sums = np.add.reduceat(luma, rows[:-1], axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns[:-1], axis=1, dtype=np.float64)
    areas = np.diff(rows)[:, None] * np.diff(columns)
    means: Thumbnail = np.rint(sums * (UNIT / 2.0 ** (depth - 8)) / areas)
    return means


def _edges(size: int, most: int) -> npt.NDArray[np.intp]:
    """Where at most `most` blocks begin along an axis of `size` samples, and where the last one ends."""
    count = min(size, most)
    return np.arange(count + 1) * size // count


def _covariance(thumbnails: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Covariance of each pair of N thumbnails [N, rows, columns]: [N, N], in squares of 8-bit levels."""
    flat = thumbnails.reshape(len(thumbnails), -1)
    mean = flat.sum(axis=1) / flat.shape[1]
    covariance: npt.NDArray[np.float64] = (flat @ flat.T / flat.shape[1] - np.outer(mean, mean)) / UNIT**2
    return covariance


def _difference(covariance: npt.NDArray[np.float64]) -> float:
    """Standard deviation of the difference of two thumbnails in 8-bit levels, from their covariance [2, 2]."""
    return float(np.sqrt(max(0.0, covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])))


def _unpredicted(covariance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What of the more contrasted picture of each pair the other does not predict: [N, N], in 8-bit levels.

    That is sigma * sqrt(1 - rho^2) with the larger standard deviation and the pair's correlation, at least 0: a
    negative predicts nothing that lasts.
    """
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    correlation = np.clip(covariance / (np.outer(deviation, deviation) + NOISE**2), 0.0, 1.0)
    distance: npt.NDArray[np.float64] = np.maximum.outer(deviation, deviation) * np.sqrt(1.0 - correlation**2)
    return distance
