"""The metrics beside PSNR that a user may ask for by name: SSIM, MS-SSIM and VMAF of a decoded clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nqcodec.errors import UnsupportedError, UsageError
from nqcodec.media.libav import import_av
from nqcodec.media.metrics import similarity
from nqcodec.media.metrics.vmaf import Vmaf, has_vmaf
from nqcodec.media.video import Frame, Video

DEFINITIONS = {
    "ssim": "SSIM of luma, Gaussian window of 11 (sigma 1.5), mean over frames",
    "ms_ssim": "MS-SSIM of luma, five scales, mean over frames; sides of at least 161 pixels",
    "vmaf": "VMAF of libvmaf's default model, mean over frames; where an FFmpeg at hand has libvmaf",
}
_SIDES = {"ssim": similarity.SSIM_SIDE, "ms_ssim": similarity.MS_SSIM_SIDE, "vmaf": 1}
NAMES = tuple(name.replace("_", "-") for name in DEFINITIONS)
"""Names as a user writes them; the names of figures have underscores."""


def figure_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of the figures of metrics that a user has named, checked against what this machine can measure.

    Raises:
        UsageError: a name that is none, or is there twice.
        UnsupportedError: a package, or an FFmpeg with libvmaf, is missing.
    """
    for name in names:
        if name not in NAMES:
            raise UsageError(f"--metrics {name}: choose of {', '.join(NAMES)}, with commas between them")
    if len(set(names)) < len(names):
        raise UsageError(f"--metrics {','.join(names)}: name each metric once")
    figures = tuple(name.replace("-", "_") for name in names)
    if {"ssim", "ms_ssim"} & set(figures) and not similarity.has_ssim():
        raise UnsupportedError(f"--metrics: {similarity.MISSING}")
    if "vmaf" in figures and not has_vmaf():
        raise UnsupportedError(
            "--metrics vmaf needs an ffmpeg with libvmaf, and none is here: pip install 'nqcodec[vmaf]' brings one"
        )
    return figures


def measurable(video: Video) -> tuple[str, ...]:
    """The figures that can be measured here of clips of this size."""
    can = {"ssim": similarity.has_ssim(), "ms_ssim": similarity.has_ssim(), "vmaf": has_vmaf()}
    return tuple(name for name, side in _SIDES.items() if can[name] and min(video.width, video.height) >= side)


def check_pictures(figures: Sequence[str], video: Video) -> None:
    """Raise beforehand the errors that measuring such pictures would raise after hours of fitting.

    VMAF is tried on a grey frame: which sizes and formats libvmaf takes depends on its version.

    Raises:
        UsageError: the picture is too small.
        UnsupportedError: libvmaf does not take such pictures.
    """
    for name in figures:
        if min(video.width, video.height) < _SIDES[name]:
            raise UsageError(
                f"--metrics {name.replace('_', '-')}: needs sides of at least {_SIDES[name]} pixels, and the clip has "
                f"{video.width}x{video.height}: leave it out"
            )
    if "vmaf" in figures:
        grey = tuple(np.full(shape, 1 << (video.depth - 1), video.dtype) for shape in video.plane_shapes)
        try:
            trial = Vmaf(video)
            trial.add(grey, grey)
            trial.finish()
        except import_av().FFmpegError as error:
            raise UnsupportedError(f"--metrics vmaf: libvmaf does not take this clip: {error}: leave it out") from error


class PerceptualMeter:
    """Collects figures of a decoded clip, frame by frame.

    Attributes:
        rows: each frame's figures by the names of `DEFINITIONS`; "vmaf" is there after `finish`.
    """

    def __init__(self, video: Video, figures: Sequence[str]) -> None:
        """Measure `figures`, of the names of `DEFINITIONS`, of clips that `check_pictures` has passed."""
        self.rows: list[dict[str, float]] = []
        self._depth = video.depth
        self._similar = [name for name in figures if name != "vmaf"]
        self._vmaf = Vmaf(video) if "vmaf" in figures else None

    def add(self, reference: Frame, decoded: Frame) -> None:
        """Measure one frame; raises UnsupportedError if the program that measures VMAF gives up."""
        same = (reference[0], decoded[0], self._depth)
        self.rows.append(similarity.similarity(*same, self._similar) if self._similar else {})
        if self._vmaf is not None:
            self._vmaf.add(reference, decoded)

    def finish(self) -> dict[str, float]:
        """The means over frames by name; call once, after the last frame. Raises ValueError if there was none."""
        if not self.rows:
            raise ValueError("no frames were measured")
        if self._vmaf is not None:
            for row, score in zip(self.rows, self._vmaf.finish(), strict=True):
                row["vmaf"] = score
        return {name: float(np.mean([row[name] for row in self.rows])) for name in self.rows[0]}
