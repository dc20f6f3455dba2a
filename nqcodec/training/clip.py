"""A segment's frames as one packed tensor, resident on the device that fits it.

Samples stay integers (one byte at depth 8, two above) and become floats a batch at a time; the layout is that of the
program's `Planes` operation (formats/nq.md, 6.6), so a network's output and its target have the same shape.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nqcodec.errors import InputError, LimitError
from nqcodec.media.text import counted
from nqcodec.media.video import Chroma, Frame, Video
from nqcodec.network.operations import Planes
from nqcodec.network.program import Program

YUV_WEIGHTS = (6.0, 1.0, 1.0)
"""Weights of Y, U and V in the loss and in PSNR-YUV."""

MAP_COPIES = 3
"""Float32 copies of a frame's maps that a training iteration of torch keeps: before and after the activation, and a
gradient."""

NATIVE_COPIES = 1.6
"""The same for libnq, but of all maps together: of those, slopes, and gradients, whose memory is used again. Measured:
1.5 at 320x180, 1.2 at 1280x720 and 1.4 at 1920x1080, with what surrounds the rows."""


@dataclass(frozen=True)
class PackedClip:
    """Frames in packed layout with what a loss needs to weigh them.

    Attributes:
        video: the clip's description; `video.frames` is N.
        data: [N, h, w, C], uint8 at depth 8 and int16 above; padding repeats the edge. Channels are last in memory
            because convolutions run faster so, and a target in another order than the output costs a slow pass.
        mask: [1, C, h, w] float32, channels last, 1 inside the picture and 0 in the padding; None without padding.
        averaging: [w C, planes] float32; turns sums over rows, of each column and channel, into means over planes.
            Columns are in it because a product broadcast over whole rows is fast, and over a few channels slow.
        weights: [planes] float32, sum 1: 6:1:1 for Y, U, V; equal for G, B, R.
        joint: True where "frames" are patches of pictures: the errors of a batch are then one mean, not one for each.
    """

    video: Video
    data: Tensor
    mask: Tensor | None
    averaging: Tensor
    weights: Tensor
    joint: bool = False

    @property
    def frames(self) -> int:
        """Number of frames, N."""
        return self.data.shape[0]

    @property
    def device(self) -> torch.device:
        """The device that the clip is on."""
        return self.data.device

    def batch(self, indices: Tensor) -> Tensor:
        """Packed values [B, C, h, w] float32, channels last, of frames `indices` [B]: sample / 2^depth - 0.5."""
        values = self.data[indices].float().mul_(2.0**-self.video.depth).sub_(0.5)
        return values.permute(0, 3, 1, 2)


def pack(
    frames: Iterable[Frame], video: Video, program: Program, *, device: str = "cpu", memory: int | None = None
) -> PackedClip:
    """Pack a segment for fitting `program` on `device`.

    Args:
        frames: exactly `video.frames` frames, read once.
        memory: bytes that the fit may use; by default what the machine has free.

    Raises:
        LimitError: before anything is read, if the fit cannot fit in memory.
        InputError: if there are fewer or more frames than `video.frames`.
    """
    check_memory(video, program, memory=memory, device=device)
    _, height, width = program.shapes[-1]
    ratio = _ratio(program)
    grid = (height // ratio, width // ratio)
    dtype = np.uint8 if video.depth == 8 else np.int16
    data = np.empty((video.frames, *grid, program.shapes[-1][0]), dtype)
    count = 0
    for frame in frames:
        if count < video.frames:
            data[count] = pack_frame(frame, video.chroma, ratio, grid).transpose(1, 2, 0)
        count += 1
    if count != video.frames:
        raise InputError(f"the clip has {counted(count, 'frame')} where {video.frames} were expected")
    mask, averaging, weights = _weighing(video, ratio, grid)
    full = None
    if not mask.all():
        full = torch.from_numpy(mask)[None].contiguous(memory_format=torch.channels_last).to(device)
    return PackedClip(
        video, torch.from_numpy(data).to(device), full, torch.from_numpy(averaging).to(device), weights.to(device)
    )


def pack_frame(
    planes: Iterable[npt.NDArray[np.generic]], chroma: Chroma, ratio: int, grid: tuple[int, int], mode: str = "edge"
) -> npt.NDArray[np.generic]:
    """One frame's planes as [C, h, w] for a map of (h, w) = `grid` cells, padded as numpy's `mode` says."""
    height, width = grid
    channels = []
    for index, plane in enumerate(planes):
        sx, sy = chroma.plane_sub(index)
        rows, columns = ratio // sy, ratio // sx
        missing = ((0, height * rows - plane.shape[0]), (0, width * columns - plane.shape[1]))
        padded = np.pad(plane, missing, mode=mode)  # type: ignore[call-overload]
        cells = padded.reshape(height, rows, width, columns).transpose(1, 3, 0, 2)
        channels.append(cells.reshape(rows * columns, height, width))
    return np.concatenate(channels)


def clip_memory(video: Video, program: Program, batch: int = 2) -> int:
    """Bytes that a fit of `video` with `program` keeps: the packed clip, a batch's maps and gradients, Adam's state."""
    channels, height, width = program.shapes[-1]
    ratio = _ratio(program)
    samples = channels * (height // ratio) * (width // ratio)
    clip = video.frames * samples * video.dtype.itemsize
    every_map = sum(4 * count * rows * columns for count, rows, columns in program.shapes[:-1])
    frame = max(MAP_COPIES * 2 * program.map_bytes, round(NATIVE_COPIES * every_map))
    return clip + frame * min(batch, max(video.frames, 1)) + 4 * 4 * program.parameters


def check_memory(
    video: Video, program: Program, *, batch: int = 2, memory: int | None = None, device: str = "cpu"
) -> None:
    """Raise LimitError if `clip_memory` exceeds `memory`, or by default what `device` has free."""
    needed = clip_memory(video, program, batch)
    free = available_memory(device) if memory is None else memory
    if needed > free:
        raise LimitError(
            f"fitting {counted(video.frames, 'frame')} of {video.width}x{video.height} needs about "
            f"{_megabytes(needed)} of memory and {_megabytes(free)} is free: "
            "use shorter segments (--segment) or fewer jobs"
        )


def available_memory(device: str = "cpu") -> int:
    """Bytes free for a fit: of the GPU, or of the machine within the limit that its container sets."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    return min(_machine_memory(), _container_memory())


def _machine_memory() -> int:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return _physical_memory()


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 1 << 62  # a system that does not say: no limit that we could name


def _container_memory() -> int:
    """What the control group (version 2) still allows; without one, no limit."""
    group = Path("/sys/fs/cgroup")
    limit, used = _lines(group / "memory.max"), _lines(group / "memory.current")
    if limit and used and limit[0].isdigit():
        return max(int(limit[0]) - int(used[0]), 0)
    return 1 << 62


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _ratio(program: Program) -> int:
    head = program.operations[-1]
    assert isinstance(head, Planes)
    return head.ratio


def _weighing(
    video: Video, ratio: int, grid: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], Tensor]:
    """Mask [C, h, w], averaging [w C, planes] and plane weights of a clip."""
    ones = [np.ones(shape, np.float32) for shape in video.plane_shapes]
    mask = pack_frame(ones, video.chroma, ratio, grid, mode="constant").astype(np.float32)
    averaging = np.zeros((mask.shape[0], len(ones)), np.float32)
    first = 0
    for index, plane in enumerate(ones):
        sx, sy = video.chroma.plane_sub(index)
        count = (ratio // sx) * (ratio // sy)
        averaging[first : first + count, index] = 1 / plane.size
        first += count
    weights = torch.ones(len(ones)) if video.is_rgb or len(ones) == 1 else torch.tensor(YUV_WEIGHTS)
    return mask, np.tile(averaging, (grid[1], 1)), weights / weights.sum()
