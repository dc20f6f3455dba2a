"""Structural similarity as a training loss: SSIM and MS-SSIM of planes that are unpacked from a network's output.

Both come from pytorch-msssim, which only these losses need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nqcodec.errors import UnsupportedError, UsageError
from nqcodec.media.video import Video

SSIM_WINDOW = 11
"""Samples of SSIM's Gaussian window (sigma 1.5), as NeRV has it."""

MS_SSIM_WINDOW = 5
"""Samples of MS-SSIM's, as HiNeRV has it; larger ones do not fit the fifth scale of small planes."""

MS_SSIM_HALVINGS = 4
"""Times that MS-SSIM halves a plane; the smallest must be larger than the window less one."""


@dataclass(frozen=True)
class Structure:
    """Weighted mean over planes of a batch's structural similarity.

    Attributes:
        video: the clip's description.
        ratio: of the program's `planes` operation.
        weights: of the planes, sum 1; planes of weight 0 are left out.
        scales: False for SSIM, True for MS-SSIM over five scales.
        device: where batches are.
    """

    video: Video
    ratio: int
    weights: Sequence[float]
    scales: bool
    device: torch.device
    _similarity: Callable[..., Tensor] = field(init=False, repr=False)
    _window: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the clip and load the library.

        Raises:
            UnsupportedError: pytorch-msssim is not installed.
            UsageError: a plane is too small.
        """
        window = MS_SSIM_WINDOW if self.scales else SSIM_WINDOW
        least = (window - 1) * 2**MS_SSIM_HALVINGS + 1 if self.scales else window
        sides = [min(shape) for shape, weight in zip(self.video.plane_shapes, self.weights, strict=True) if weight]
        if min(sides) < least:
            name = "MS-SSIM" if self.scales else "SSIM"
            raise UsageError(
                f"a loss with {name} needs planes or patches with sides of at least {least} samples, and they have "
                f"{min(sides)}: choose another loss, larger patches, or give luma alone a weight"
            )
        similarity, gaussian = self._library(window)
        object.__setattr__(self, "_similarity", similarity)
        object.__setattr__(self, "_window", gaussian.to(self.device))  # else it is copied there in every iteration

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Similarity (scalar, at most 1) of packed maps [B, C, h, w] of any float type, gradients and all."""
        total = torch.zeros((), device=self.device)
        pairs = [unpack_planes(maps.float(), self.video, self.ratio) for maps in (output, target)]
        peak = (2**self.video.depth - 1) / 2**self.video.depth
        for weight, members in _alike(self.video, self.weights):
            # Planes and frames as channels of one picture: filters of one channel are much slower.
            outputs, targets = (torch.cat([planes[k] for k in members]).transpose(0, 1) + 0.5 for planes in pairs)
            window = self._window.expand(outputs.shape[1], -1, -1, -1)
            total = total + weight * self._similarity(outputs, targets, data_range=peak, win=window)
        return total

    def _library(self, window: int) -> tuple[Callable[..., Tensor], Tensor]:
        """The similarity, mean over channels, and its Gaussian [1, 1, 1, `window`]."""
        try:
            from pytorch_msssim import SSIM, ms_ssim, ssim
        except ImportError as error:
            raise UnsupportedError(
                "losses with SSIM or MS-SSIM need pytorch-msssim: pip install 'nqcodec[compare]'"
            ) from error
        return ms_ssim if self.scales else ssim, SSIM(win_size=window, channel=1).win


def unpack_planes(packed: Tensor, video: Video, ratio: int) -> list[Tensor]:
    """The planes [B, 1, H, W] of packed maps [B, C, h, w], cropped to the picture (formats/nq.md, 6.6)."""
    batch, _, height, width = packed.shape
    planes, first = [], 0
    for index, (plane_height, plane_width) in enumerate(video.plane_shapes):
        sx, sy = video.chroma.plane_sub(index)
        rows, columns = ratio // sy, ratio // sx
        cells = packed[:, first : first + rows * columns].reshape(batch, rows, columns, height, width)
        whole = cells.permute(0, 3, 1, 4, 2).reshape(batch, 1, height * rows, width * columns)
        planes.append(whole[:, :, :plane_height, :plane_width])
        first += rows * columns
    return planes


def _alike(video: Video, weights: Sequence[float]) -> list[tuple[float, list[int]]]:
    """Groups of planes of one size and one weight above 0: their weight together, and their numbers."""
    groups: dict[tuple[tuple[int, int], float], list[int]] = {}
    for index, (shape, weight) in enumerate(zip(video.plane_shapes, weights, strict=True)):
        if weight:
            groups.setdefault((shape, weight), []).append(index)
    return [(weight * len(members), members) for (_, weight), members in groups.items()]
