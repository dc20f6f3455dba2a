"""How good a decoded clip is: everything that `nqcodec.media.metrics` can measure here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from nqcodec.media.metrics import MAX_DB, QualityMeter, perceptual
from nqcodec.media.video import Frame, Plane, Video

DEFINITIONS = {
    "y": "PSNR of luma, mean over frames of dB, peak 2^depth - 1 (u, v, or g, b, r likewise)",
    "yuv": "(6 Y + U + V) / 8 of the planes' PSNR in dB, mean over frames",
    "yuv_mse": "PSNR of the mean squared error over all samples of all planes and frames, as FFmpeg's average",
    "rgb": "PSNR of R, G and B together after conversion of both (formats/nq.md, 9), mean over frames of dB",
    **perceptual.DEFINITIONS,
}


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
        self._perceptual = perceptual.PerceptualMeter(self.video, perceptual.measurable(self.video))

    @property
    def rows(self) -> list[dict[str, float]]:
        """Each frame's figures by the names of `DEFINITIONS`, without "yuv_mse" and "vmaf", which are of the clip."""
        return self.meter.rows

    def add(self, reference: Frame, decoded: Frame) -> None:
        """Measure one frame."""
        row = self.meter.add(reference, decoded)
        self.errors.append(sum(_squared_error(a, b) for a, b in zip(reference, decoded, strict=True)))
        self._perceptual.add(reference, decoded)
        row.update(self._perceptual.rows[-1])

    def means(self) -> dict[str, float]:
        """The clip's figures by name; call once, after the last frame. Raises ValueError if there was none."""
        if not self.rows:
            raise ValueError("no frames were measured")
        result = {name: float(np.mean([row[name] for row in self.rows])) for name in self.rows[0]}
        samples = sum(height * width for height, width in self.video.plane_shapes) * len(self.errors)
        error = sum(self.errors) / samples
        peak = (1 << self.video.depth) - 1
        result["yuv_mse"] = min(MAX_DB, 10 * float(np.log10(peak**2 / error))) if error else MAX_DB
        return {**result, **self._perceptual.finish()}


def measure(reference: Iterable[Frame], decoded: Iterable[Frame], video: Video) -> ClipQuality:
    """The quality of a decoded clip; raises ValueError if the two differ in length."""
    quality = ClipQuality(video)
    for wanted, shown in zip(reference, decoded, strict=True):
        quality.add(wanted, shown)
    return quality


def _squared_error(first: Plane, second: Plane) -> int:
    difference = first.astype(np.int64) - second.astype(np.int64)
    return int(np.sum(difference * difference))
