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
"""Frame distances on each side of a cut from which the ordinary change within its scenes is estimated."""

RANK = 2
"""Rank, from the largest, of the distance that is that estimate: a flash beside a cut makes a single one large."""

LEAST_DISTANCE, UNREST_FACTOR = 10.0, 1.5
"""Least distance of every pair across a cut in scenes that stand still, in 8-bit levels, and what is added to it for
each level of the ordinary change."""

NOISE = 1.0
"""Standard deviation, in 8-bit levels, of a thumbnail with so little contrast that it cannot predict another."""


@dataclass(frozen=True)
class Cut:
    """A cut before frame `frame`; `strength` is the distance across it in 8-bit levels."""

    frame: int
    strength: float


class SceneDetector:
    """Takes luma planes in order; gives the frames at which scenes begin."""

    def __init__(self) -> None:
        self._recent: deque[Thumbnail] = deque(maxlen=2 * NEAR)
        # _distances[i] is the distance of frames i and i + 1; _across[i] is the least distance of the pairs across a
        # cut before frame i + NEAR.
        self._distances: list[float] = []
        self._across: list[float] = []

    def add(self, luma: Plane, depth: int) -> None:
        """Measure the next frame.

        Args:
            luma: [H, W]; of RGB, the green plane serves.
            depth: bits a sample.
        """
        self._recent.append(thumbnail(luma, depth))
        covariance = _covariance(np.stack(self._recent))
        if len(self._recent) > 1:
            # Distances within a fade count here: the last one, to black, is no larger than those before it.
            self._distances.append(_difference(covariance[-2:, -2:]))
        if len(self._recent) == 2 * NEAR:
            self._across.append(float(_unpredicted(covariance)[:NEAR, NEAR:].min()))

    def cuts(self) -> list[Cut]:
        """The cuts among the frames so far, in order; every scene has at least `LEAST_SCENE` frames.

        Of cuts that are nearer to one another, the strongest is kept, and of equally strong ones the first.
        """
        found: list[Cut] = []
        for cut in sorted(self._candidates(), key=lambda cut: (-cut.strength, cut.frame)):
            if all(abs(cut.frame - other.frame) >= LEAST_SCENE for other in found):
                found.append(cut)
        return sorted(found, key=lambda cut: cut.frame)

    def _candidates(self) -> list[Cut]:
        places = range(LEAST_SCENE, len(self._distances) + 1 - LEAST_SCENE + 1)
        cuts = (Cut(frame, self._across[frame - NEAR]) for frame in places)
        return [cut for cut in cuts if cut.strength >= LEAST_DISTANCE + UNREST_FACTOR * self._unrest(cut.frame)]

    def _unrest(self, frame: int) -> float:
        """The ordinary change before or after a cut before `frame`, whichever is larger."""
        before, after = self._distances[frame - 1 - AROUND : frame - 1], self._distances[frame : frame + AROUND]
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
    """The part of the picture with more contrast that the other picture of each pair does not predict.

    It is sigma * sqrt(1 - rho^2), [N, N] in 8-bit levels, with the larger standard deviation sigma and the pair's
    correlation rho. A negative correlation counts as 0, because no scene goes on as its own negative.
    """
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    correlation = np.clip(covariance / (np.outer(deviation, deviation) + NOISE**2), 0.0, 1.0)
    distance: npt.NDArray[np.float64] = np.maximum.outer(deviation, deviation) * np.sqrt(1.0 - correlation**2)
    return distance
