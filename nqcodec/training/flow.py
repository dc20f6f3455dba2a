"""Where each part of a picture is in the clip's middle frame: the vectors that a fit starts from.

Dense optical flow by inverse search (DIS; Kroeger et al., ECCV 2016, in OpenCV) finds, for every frame, what displaces
it into the middle one, which stands for the scene that a network's grids show. Gradient descent from vectors of 0 ends
in the nearest local minimum instead. The fit refines what was found, and charges for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from nqcodec.network.operations import Grid
from nqcodec.network.vectors import vector_grids
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork, tensor_key

Picture = npt.NDArray[np.uint8]
"""[H, W]."""

Field = npt.NDArray[np.float32]
"""[H, W, 2]: by how many samples what is here is farther (right, down) in the middle frame."""

LEAST_SIDE = 16
"""Rows and columns that the search needs; smaller pictures are continued by their edge."""

LEAST_EXPLAINED = 0.25
"""Part of the difference between frames that vectors must explain: interpolation between samples alone takes 0.21 from
that of white noise. Clips of things that move had 0.46 and more."""

SMOOTHING = 0.25
"""Standard deviation of the smoothing before the mean over a cell, in cells."""


@dataclass(frozen=True)
class Motion:
    """What a search for motion found.

    Attributes:
        longest: length of the longest vector in luma samples.
        still, moved: mean absolute difference between the frames and the middle one, as they are and displaced by the
            vectors, in 8-bit levels.
    """

    longest: float
    still: float
    moved: float

    @property
    def explained(self) -> float:
        """Part of the difference that the vectors explain, at least 0."""
        return max(0.0, 1 - self.moved / self.still) if self.still else 0.0

    @property
    def is_used(self) -> bool:
        """Whether the fit starts from these vectors, instead of 0."""
        return self.explained >= LEAST_EXPLAINED


def start_vectors(network: FloatNetwork, clip: PackedClip) -> Motion | None:
    """Set the vectors of `network`, if it has any, to the motion found in `clip`, if it explains what changes.

    Returns:
        What was found; None for a network without vectors.
    """
    units = vector_grids(network.program)
    if not units:
        return None
    frames = [_luma(clip, t) for t in range(clip.frames)]
    with _one_thread():
        fields = _fields(frames)
        motion = _judge(frames, fields)
        if not motion.is_used:
            return motion
        for index, unit in units.items():
            grid = network.program.operations[index]
            assert isinstance(grid, Grid)
            found = np.stack([_of_cells(field, grid, clip) for field in fields]) / unit
            start = np.stack([part.mean(axis=0) for part in np.array_split(found, grid.times)])
            with torch.no_grad():
                network.tensors[tensor_key(index, "latent")].copy_(torch.from_numpy(start))
    return motion


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV with one thread: the search divides a picture among its threads, and the result depends on how."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _luma(clip: PackedClip, t: int) -> Picture:
    """Luma of frame `t` [H, W], or green, in 8 bits."""
    video = clip.video
    _, height, width, _ = clip.data.shape
    ratio = max(1, -(-video.height // height))
    cells = clip.data[t, :, :, : ratio * ratio].cpu().numpy().reshape(height, width, ratio, ratio)
    plane = cells.transpose(0, 2, 1, 3).reshape(height * ratio, width * ratio)[: video.height, : video.width]
    return np.ascontiguousarray(plane >> (video.depth - 8), np.uint8)


def _fields(frames: list[Picture]) -> list[Field]:
    """For each frame the way to the middle one, found outward from that, each starting from its neighbour's."""
    height, width = frames[0].shape
    padding = ((0, max(0, LEAST_SIDE - height)), (0, max(0, LEAST_SIDE - width)))
    padded = [np.pad(frame, padding, mode="edge") for frame in frames]
    middle, search = len(frames) // 2, cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setUseSpatialPropagation(True)
    fields = {middle: np.zeros((*padded[0].shape, 2), np.float32)}
    for t in [*range(middle + 1, len(frames)), *range(middle - 1, -1, -1)]:
        neighbour = fields[t - 1 if t > middle else t + 1]
        fields[t] = search.calc(padded[t], padded[middle], neighbour.copy())
    return [fields[t][:height, :width] for t in range(len(frames))]


def _of_cells(field: Field, grid: Grid, clip: PackedClip) -> npt.NDArray[np.float32]:
    """A field's means over the cells of `grid`: [2, rows, columns], down and right, in luma samples."""
    video = clip.video
    ratio = max(-(-video.height // grid.height), -(-video.width // grid.width))
    ratio = 1 << (ratio - 1).bit_length()
    smooth = cv2.GaussianBlur(field, (0, 0), SMOOTHING * ratio)
    missing = [(0, size * ratio - have) for size, have in zip((grid.height, grid.width), field.shape, strict=False)]
    whole = np.pad(smooth, [*missing, (0, 0)], mode="edge")
    means = whole.reshape(grid.height, ratio, grid.width, ratio, 2).mean(axis=(1, 3))
    return np.ascontiguousarray(means[..., ::-1].transpose(2, 0, 1))


def _judge(frames: list[Picture], fields: list[Field]) -> Motion:
    """How long the vectors are, and what they explain."""
    middle = frames[len(frames) // 2]
    rows, columns = np.indices(middle.shape, dtype=np.float32)
    still, moved, longest = [], [], 0.0
    for frame, field in zip(frames, fields, strict=True):
        places = columns + field[..., 0], rows + field[..., 1]
        displaced = cv2.remap(middle, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        still.append(float(cv2.absdiff(middle, frame).mean()))
        moved.append(float(cv2.absdiff(displaced, frame).mean()))
        longest = max(longest, float(np.linalg.norm(field, axis=2).max()))
    return Motion(longest, float(np.mean(still)), float(np.mean(moved)))
