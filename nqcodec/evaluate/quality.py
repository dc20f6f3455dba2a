"""How good a decoded clip is: everything that `nqcodec.metrics` measures, and SSIM, MS-SSIM and VMAF beside it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from nqcodec.evaluate.vmaf import Vmaf, has_vmaf
from nqcodec.metrics import MAX_DB, QualityMeter
from nqcodec.video import Frame, Plane, Video

DEFINITIONS = {
    "y": "PSNR of luma, mean over frames of dB, peak 2^depth - 1 (u, v, or g, b, r likewise)",
    "yuv": "(6 Y + U + V) / 8 of the planes' PSNR in dB, mean over frames",
    "yuv_mse": "PSNR of the mean squared error over all samples of all planes and frames, as FFmpeg's average",
    "rgb": "PSNR of R, G and B together after conversion of both (formats/nq.md, 9), mean over frames of dB",
    "ssim": "SSIM of luma, Gaussian window of 11 (sigma 1.5), mean over frames",
    "ms_ssim": "MS-SSIM of luma, five scales, mean over frames; sides of at least 161 pixels",
    "vmaf": "VMAF of libvmaf's default model, mean over frames; where an FFmpeg at hand has libvmaf",
}
_MS_SSIM_SIDE = 161
"""Five scales with a window of 11 need (11 - 1) * 2^4 + 1 pixels."""


def has_ssim() -> bool:
    """Whether SSIM and MS-SSIM can be measured here: needs torch and pytorch-msssim."""
    return all(importlib.util.find_spec(name) for name in ("torch", "pytorch_msssim"))


@dataclass
class ClipQuality:
    """Collects the quality of a decoded clip, frame by frame.

    Attributes:
        video: what both clips are.
        errors: sum of squared differences of each frame over all planes.
    """

    video: Video
    meter: QualityMeter = field(init=False)
    errors: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.meter = QualityMeter(self.video)
        self._ssim = has_ssim()
        self._vmaf = Vmaf(self.video) if has_vmaf() else None

    @property
    def rows(self) -> list[dict[str, float]]:
        """Each frame's figures by the names of `DEFINITIONS`, without "yuv_mse" and "vmaf", which are of the clip."""
        return self.meter.rows

    def add(self, reference: Frame, decoded: Frame) -> None:
        """Measure one frame."""
        row = self.meter.add(reference, decoded)
        self.errors.append(sum(_squared_error(a, b) for a, b in zip(reference, decoded, strict=True)))
        if self._ssim:
            row.update(_similarity(reference[0], decoded[0], self.video.depth))
        if self._vmaf is not None:
            self._vmaf.add(reference, decoded)

    def means(self) -> dict[str, float]:
        """The clip's figures by name; raises ValueError before the first frame."""
        if not self.rows:
            raise ValueError("no frames were measured")
        result = {name: float(np.mean([row[name] for row in self.rows])) for name in self.rows[0]}
        samples = sum(height * width for height, width in self.video.plane_shapes) * len(self.errors)
        error = sum(self.errors) / samples
        peak = (1 << self.video.depth) - 1
        result["yuv_mse"] = min(MAX_DB, 10 * float(np.log10(peak**2 / error))) if error else MAX_DB
        if self._vmaf is not None:
            result["vmaf"] = self._vmaf.mean()
        return result


def measure(reference: Iterable[Frame], decoded: Iterable[Frame], video: Video) -> ClipQuality:
    """The quality of a decoded clip; raises ValueError if the two differ in length."""
    quality = ClipQuality(video)
    for wanted, shown in zip(reference, decoded, strict=True):
        quality.add(wanted, shown)
    return quality


def _squared_error(first: Plane, second: Plane) -> int:
    difference = first.astype(np.int64) - second.astype(np.int64)
    return int(np.sum(difference * difference))


def _similarity(reference: Plane, decoded: Plane, depth: int) -> dict[str, float]:
    """SSIM and, where the picture is large enough, MS-SSIM of two luma planes."""
    import torch
    from pytorch_msssim import ms_ssim, ssim

    pair = [torch.from_numpy(plane.astype(np.float32))[None, None] for plane in (reference, decoded)]
    peak = float((1 << depth) - 1)
    result = {}
    with torch.no_grad():
        if min(reference.shape) >= 11:
            result["ssim"] = float(ssim(*pair, data_range=peak))
        if min(reference.shape) >= _MS_SSIM_SIDE:
            result["ms_ssim"] = float(ms_ssim(*pair, data_range=peak))
    return result
