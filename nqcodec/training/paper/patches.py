"""Training on patches of the picture instead of whole frames, as HiNeRV does it (Kwan et al., NeurIPS 2023).

An iteration has as many patches as cover its frames, of any frame and place: an epoch has as many of them as with whole
frames and sees every sample once. The network is computed on the patches and on what surrounds them
(`nqcodec.training.patched`), so that a patch ends as it would within its frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from nqcodec.errors import UsageError
from nqcodec.network.operations import Planes
from nqcodec.network.program import Program
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork, Transform
from nqcodec.training.patched import part_of_frames, places_of
from nqcodec.training.regions import Region, Spans

LEAST_SIDE = 16
"""Least luma samples of a patch's shorter side: around smaller ones most of the work is outside of the patch."""


class Patches:
    """The patches of a clip, and the output of a network on them.

    They divide the picture evenly, side by side from the top left corner on. If the size is no multiple, the last of a
    row or column is moved inwards, and what another one has already does not count in it.

    Attributes:
        corners: row and column of each patch's first place in the map that `planes` reads.
        size: height and width of all of them there.
        clip: replaces the clip in the computation of errors: its frames are patches, and its means those over an epoch,
            so that every sample of the picture weighs the same.
    """

    def __init__(self, clip: PackedClip, program: Program, patch: tuple[int, int]):
        """`patch` is the most (width, height) in luma samples; raises UsageError if they do not suit the picture."""
        head, video = program.operations[-1], clip.video
        assert isinstance(head, Planes)
        sizes, most = (video.height, video.width), check_patch(patch, (video.width, video.height))[::-1]
        (rows, row_side), (columns, column_side) = (
            _starts(*axis, head.ratio) for axis in zip(sizes, most, strict=True)
        )
        self.size = row_side, column_side
        self.corners = [(row, column) for row in rows for column in columns]
        self._whole, self._masks = clip, self._counted(clip)
        channels = clip.data.shape[3]
        averaging = (clip.averaging[:channels] * len(self.corners)).repeat(self.size[1], 1)
        height, width = (min(side * head.ratio, whole) for side, whole in zip(self.size, sizes, strict=True))
        pictures = replace(video, width=width, height=height)
        self.clip = replace(clip, video=pictures, mask=None, averaging=averaging, joint=True)

    def __len__(self) -> int:
        """Patches of a frame."""
        return len(self.corners)

    def output_and_target(
        self,
        network: FloatNetwork,
        samples: Tensor,
        transform: Transform | None = None,
        latents: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(output, target) of `samples` [B] on the host, frame times `len` of this and patch each: packed [B, C, h, w].

        Samples that do not count in a patch have the target's values in the output. `latents` makes the first grid's
        output from whole packed frames.
        """
        frames, places = samples // len(self), (samples % len(self)).tolist()
        rows, columns = (tuple(self.corners[place][axis] for place in places) for axis in (0, 1))
        region = Region(Spans(rows, self.size[0]), Spans(columns, self.size[1]))
        target = self._target(frames, region)
        given = None
        if latents is not None:
            shown, which = frames.unique(return_inverse=True)
            device = self._whole.device
            given = {0: latents(self._whole.batch(shown.to(device)))[which.to(device)]}
        output = part_of_frames(network, frames.tolist(), region, transform, given).float()
        if self._masks is not None:
            output = torch.lerp(target, output, self._masks[torch.tensor(places).to(target.device, non_blocking=True)])
        return output, target

    def _target(self, frames: Tensor, region: Region) -> Tensor:
        """Packed values of the clip there, as `PackedClip.batch` gives them of whole frames."""
        device = self._whole.device
        rows, columns = (places_of(spans, device) for spans in (region.rows, region.columns))
        times = frames.to(device, non_blocking=True)[:, None, None]
        values = self._whole.data[times, rows[:, :, None], columns[:, None, :]]
        return values.float().mul_(2.0**-self.clip.video.depth).sub_(0.5).permute(0, 3, 1, 2)

    def _counted(self, clip: PackedClip) -> Tensor | None:
        """Of each patch, 1 where a sample is inside the picture and no earlier patch's: [patches, C, h, w] float32,
        channels last; None where all are."""
        _, rows, columns, channels = clip.data.shape
        left = torch.ones(1, channels, rows, columns, device=clip.device) if clip.mask is None else clip.mask.clone()
        height, width = self.size
        masks = []
        for row, column in self.corners:
            part = left[:, :, row : row + height, column : column + width]
            masks.append(part.clone())
            part.zero_()
        counted = torch.cat(masks)
        return None if bool(counted.all()) else counted.contiguous(memory_format=torch.channels_last)


def _starts(picture: int, most: int, ratio: int) -> tuple[list[int], int]:
    """First places of the patches along one axis, and their places: the fewest of at most `most` samples, evenly.

    `picture` is in samples too; a place has `ratio` of them.
    """
    size = -(-picture // ratio)
    side = -(-size // -(-picture // most))
    return [min(first, size - side) for first in range(0, size, side)], side


def check_patch(patch: tuple[int, int], picture: tuple[int, int]) -> tuple[int, int]:
    """`patch` (width, height) if a `picture` (width, height) has such patches; raises UsageError."""
    (width, height), (most_width, most_height) = patch, picture
    if width > most_width or height > most_height:
        raise UsageError(
            f"patches of {width}x{height} are larger than the picture, {most_width}x{most_height}: choose smaller ones"
        )
    if min(width, height) < min(LEAST_SIDE, most_width, most_height):
        raise UsageError(f"patches of {width}x{height} are too small: choose sides of {LEAST_SIDE} and more")
    return width, height
