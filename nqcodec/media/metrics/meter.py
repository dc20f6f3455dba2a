"""Picture quality: PSNR by plane, weighted, and in RGB. Every figure's definition is in its docstring.

All are means over frames of per-frame dB, as the papers do it; a frame without error counts as 100 dB.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nqcodec.media.colour import to_rgb
from nqcodec.media.video import Frame, Plane, Video

MAX_DB = 100.0
LUMA_WEIGHT = 6


def psnr(reference: Plane, decoded: Plane, depth: int) -> float:
    """10 log10(peak^2 / MSE) in dB with peak 2^depth - 1, at most 100."""
    difference = reference.astype(np.int32) - decoded.astype(np.int32)
    error = float(np.mean(np.square(difference, dtype=np.int64)))
    if error == 0.0:
        return MAX_DB
    return min(MAX_DB, 10.0 * float(np.log10(((1 << depth) - 1) ** 2 / error)))


@dataclass
class QualityMeter:
    """Collects per-frame PSNR of a decoded clip.

    Attributes:
        video: what both clips are.
        rows: for each frame, dB by name: "y", "u", "v" (or "g", "b", "r" for RGB video), "yuv", "rgb".
    """

    video: Video
    rows: list[dict[str, float]] = field(default_factory=list)

    def add(self, reference: Frame, decoded: Frame) -> dict[str, float]:
        """Measure one frame and keep the result.

        "yuv" is (6 Y + U + V) / 8 of the planes' dB, of RGB video the dB of the three planes' mean MSE ("rgb");
        "rgb" is the PSNR of the three RGB components together after conversion of both (formats/nq.md, 9).
        """
        names = "gbr" if self.video.is_rgb else "yuv"
        pairs = zip(names, reference, decoded, strict=False)
        row = {name: psnr(a, b, self.video.depth) for name, a, b in pairs}
        row["rgb"] = psnr(to_rgb(reference, self.video), to_rgb(decoded, self.video), self.video.depth)
        if self.video.is_rgb:
            row["yuv"] = row["rgb"]
        elif len(reference) == 1:
            row["yuv"] = row["y"]
        else:
            row["yuv"] = (LUMA_WEIGHT * row["y"] + row["u"] + row["v"]) / (LUMA_WEIGHT + 2)
        self.rows.append(row)
        return row

    def means(self) -> dict[str, float]:
        """Means over the frames, by name."""
        return {name: float(np.mean([row[name] for row in self.rows])) for name in self.rows[0]} if self.rows else {}
