"""Where each part of a picture is in the clip's middle frame: the vectors that a fit starts from.

Dense optical flow by inverse search (DIS; Kroeger et al., ECCV 2016, in OpenCV) finds, for every frame, what displaces
it into the middle one, of the clip or of the part that sees the same key grid. That one stands for the scene that a
network's grids show. Gradient descent from vectors of 0 ends in the nearest local minimum instead. The fit refines what
was found, and charges for it.

Where the network follows the camera, vectors start from what the search found beside its path.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import torch

from nqcodec.network.motion import camera_path, camera_shift, displaced_parts, vector_grids
from nqcodec.network.operations import Grid
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork, tensor_key

Picture = npt.NDArray[np.uint8]
"""[H, W]."""

Field = npt.NDArray[np.float32]
"""[H, W, 2]: by how many samples what is here is farther (right, down) in the middle frame."""

Vectors = npt.NDArray[np.float32]
"""[..., 2, rows, columns]: down and right."""

LEAST_SIDE = 16
"""Rows and columns that the search needs; smaller pictures are continued by their edge."""

LEAST_EXPLAINED = 0.25
"""Part of the difference between frames that vectors must explain: interpolation between samples alone takes 0.21 from
that of white noise. Clips of things that move had 0.46 and more."""

SMOOTHING = 0.25
"""Standard deviation of the smoothing before the mean over a cell, in cells."""

MOST_UNEXPLAINED, NEIGHBOURHOOD = 0.8, 17
"""Most that a vector may leave of the difference that the camera's path leaves, for it to be a start beside that path,
and samples a side of the square over which both are measured."""


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

    def as_dict(self) -> dict[str, float | bool]:
        """For reports: "longest" in luma samples, "explained" as a part of 1, and "used"."""
        return {"longest": self.longest, "explained": self.explained, "used": self.is_used}


def start_vectors(network: FloatNetwork, clip: PackedClip) -> Motion | None:
    """Set the vectors of `network`, if it has any, to the motion found in `clip`, if it explains what changes.

    Returns:
        What was found over the whole clip; None for a network without vectors.
    """
    units = vector_grids(network.program)
    if not units:
        return None
    found = [_start_grid(network, clip, index, unit) for index, unit in units.items()]
    return found[0]


def _start_grid(network: FloatNetwork, clip: PackedClip, index: int, unit: float) -> Motion:
    """Set the vectors of operation `index`, a value of which displaces by `unit` samples; gives what was found."""
    op = network.program.operations[index]
    assert isinstance(op, Grid)
    start = np.empty((clip.frames, 2, op.height, op.width), np.float32)
    parts = displaced_parts(network.program, index, clip.frames)
    # Key grids are not seen through the camera's window.
    camera = network.program if len(parts) == 1 and camera_path(network.program) else None
    with _one_thread():
        motion = _search(clip, parts, start, camera)
    if motion.is_used:
        parts = [part.mean(axis=0) for part in np.array_split(start / unit, op.times)]
        with torch.no_grad():
            network.tensors[tensor_key(index, "latent")].copy_(torch.from_numpy(np.stack(parts)))
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


def _search(clip: PackedClip, parts: list[range], start: Vectors, camera: Program | None) -> Motion:
    """Fill `start` with what displaces each frame into the middle one of its part of the clip, beside the path of the
    camera that the program `camera` follows, if one is given.

    One field is kept at a time, because those of a clip can be gigabytes.
    """
    longest, still, moved = 0.0, 0.0, 0.0
    for part in parts:
        reference = part[len(part) // 2]
        middle = _luma(clip, reference)
        for t, frame, field in _fields(clip, part, middle):
            displaced = _displaced(middle, field)
            still += float(cv2.absdiff(middle, frame).mean()) / clip.frames
            moved += float(cv2.absdiff(displaced, frame).mean()) / clip.frames
            longest = max(longest, float(np.linalg.norm(field, axis=2).max()))
            rest = _beside(camera_shift(camera, reference, t), frame, middle, field) if camera else field
            start[t] = _of_cells(rest, start.shape[2], start.shape[3])
    return Motion(longest, still, moved)


def _displaced(middle: Picture, field: Field) -> Picture:
    """What `field` finds of each place in the middle frame."""
    places = _places(*middle.shape) + field
    return np.asarray(
        cv2.remap(middle, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _beside(shift: tuple[float, float], frame: Picture, middle: Picture, field: Field) -> Field:
    """What is left of a field beside a camera that moved by `shift` (down, right); 0 where it explains hardly more than
    that shift alone, or where one of both leads out of the middle frame."""
    by_camera: Field = np.broadcast_to(np.array(shift[::-1], np.float32), field.shape)
    errors = [_local_error(_displaced(middle, one), frame) for one in (field, by_camera)]
    kept = _within(field) & _within(by_camera) & (errors[0] <= MOST_UNEXPLAINED * errors[1])
    return np.where(kept[..., None], field - by_camera, np.float32(0))


def _local_error(found: Picture, frame: Picture) -> npt.NDArray[np.float32]:
    """Mean absolute difference around each place [H, W], in 8-bit levels."""
    difference = cv2.absdiff(found, frame).astype(np.float32)
    return np.asarray(cv2.boxFilter(difference, -1, (NEIGHBOURHOOD, NEIGHBOURHOOD)), np.float32)


def _within(field: Field) -> npt.NDArray[np.bool_]:
    """Whether each vector leads to a place in the picture [H, W]."""
    height, width, _ = field.shape
    places = _places(height, width) + field
    return np.asarray(((places >= 0) & (places <= (width - 1, height - 1))).all(axis=2))


@lru_cache(maxsize=1)
def _places(height: int, width: int) -> Field:
    """The place (column, row) of each sample of a picture."""
    rows, columns = np.indices((height, width), dtype=np.float32)
    return np.stack([columns, rows], axis=2)


def _fields(clip: PackedClip, part: range, middle: Picture) -> Iterator[tuple[int, Picture, Field]]:
    """Each frame's number, the frame, and its way to the middle one of the part: outward from that, each from its
    neighbour's."""
    reference = part[len(part) // 2]
    height, width = middle.shape
    padding = ((0, max(0, LEAST_SIDE - height)), (0, max(0, LEAST_SIDE - width)))
    target = np.pad(middle, padding, mode="edge")
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setUseSpatialPropagation(True)
    none = np.zeros((*target.shape, 2), np.float32)
    yield reference, middle, none[:height, :width]
    for times in (range(reference + 1, part.stop), range(reference - 1, part.start - 1, -1)):
        field = none
        for t in times:
            frame = _luma(clip, t)
            found = search.calc(np.pad(frame, padding, mode="edge"), target, field.copy())
            field = np.asarray(found, np.float32)
            yield t, frame, field[:height, :width]


def _of_cells(field: Field, rows: int, columns: int) -> Vectors:
    """A field's means over the cells of a grid: [2, rows, columns], down and right, in luma samples."""
    height, width, _ = field.shape
    ratio = max(-(-height // rows), -(-width // columns))
    ratio = 1 << (ratio - 1).bit_length()
    smooth = cv2.GaussianBlur(field, (0, 0), SMOOTHING * ratio)
    whole = np.pad(smooth, ((0, rows * ratio - height), (0, columns * ratio - width), (0, 0)), mode="edge")
    means = whole.reshape(rows, ratio, columns, ratio, 2).mean(axis=(1, 3))
    return np.ascontiguousarray(means[..., ::-1].transpose(2, 0, 1))
