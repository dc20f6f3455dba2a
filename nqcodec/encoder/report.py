"""What an encode did: bytes by part, quality of the decoded file, cost, time. Filled from the file that was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nqcodec.media.metrics.perceptual import DEFINITIONS as METRICS
from nqcodec.media.video import Video

DEFINITIONS = {
    "bpp": "8 * bytes of the whole file / (width * height * frames)",
    "psnr": "mean over frames of 10 log10(peak^2 / MSE); yuv = mean of (6 Y + U + V) / 8 in dB; rgb after conversion",
    "kmac_per_pixel": "multiply-accumulates of one frame / (width * height) / 1000",
    "seconds": "wall clock of each stage, summed over segments (parallel segments overlap); total is elapsed",
}

PSNR_TOLERANCE = 0.05
"""Decibels within which a PSNR that was asked for is met."""


@dataclass
class EncodeReport:
    """Figures of one encoded clip.

    Attributes:
        name, output: of the clip and of the file written.
        size: bytes of the file.
        parts: bytes by part over all segments: "header" (with chunk framing, index and hashes), "metadata" where there
            is some, "program", "step sizes" and one entry a tensor. They sum to `size`.
        target: most bytes asked for, None where none were.
        asked: the name of the option that the rate was asked for with, and its value; None for a published network.
        psnr: means over frames of `frame_psnr`.
        fit_psnr: PSNR-YUV in dB, the mean over frames, that the fits ended with; the file's own is in `psnr`.
        frame_psnr: dB by plane and frame (`nqcodec.media.metrics.QualityMeter.rows`).
        parameters, macs_per_pixel: of the networks of all segments; means over frames of their arithmetic.
        metrics: means over frames of `frame_metrics`: what `--metrics` named, by the names of
            `nqcodec.media.metrics.perceptual.DEFINITIONS`.
        md5: of the decoded planes, as 32 hexadecimal digits.
        metadata: what the file keeps of the clip beside its pictures (`nqcodec.media.metadata.Metadata.as_dict`).
        frame_md5: MD5 of each frame's decoded planes, in hexadecimal.
        seconds: by stage, and "total"; "again" is that of fits whose file was worse than they had promised, or worse
            than that of a lower rate, and that were taken a second time.
        decisions: for each segment its "first" frame and what was decided before its fit: the "trial" of structures
            (iterations, PSNR-YUV in dB by structure, the chosen one) and the "motion" found (the longest vector in luma
            samples, the part explained of what changes, whether it was used), each None where there was none.
        warnings: a line for each thing that the source has and the file lacks, and for each segment that shows less
            than its fit.
    """

    name: str
    output: str
    video: Video
    size: int
    target: int | None
    parts: dict[str, int]
    psnr: dict[str, float]
    fit_psnr: float
    frame_psnr: list[dict[str, float]]
    segments: int
    parameters: int
    macs_per_pixel: float
    md5: str
    metadata: dict[str, Any] = field(default_factory=dict)
    frame_md5: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    frame_metrics: list[dict[str, float]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    asked: tuple[str, float] | None = None

    @property
    def missed_psnr(self) -> str:
        """What to do about a PSNR that was asked for and not met; empty if it was, or none was asked for."""
        if self.asked is None or self.asked[0] != "psnr" or abs(self.psnr["yuv"] - self.asked[1]) <= PSNR_TOLERANCE:
            return ""
        off = self.psnr["yuv"] - self.asked[1]
        return (
            f"it is {abs(off):.2f} dB {'above' if off > 0 else 'below'} that: use a slower --preset or another --seed"
        )

    @property
    def path(self) -> Path:
        """The file written."""
        return Path(self.output)

    @property
    def bpp(self) -> float:
        """Bits a luma pixel."""
        return 8 * self.size / self.video.pixels

    @property
    def bitrate(self) -> float:
        """kb/s."""
        return 8 * self.size / 1000 * float(self.video.fps) / self.video.frames

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, with the definitions of the figures."""
        video = self.video
        return {
            "input": self.name,
            "output": self.output,
            "width": video.width,
            "height": video.height,
            "frames": video.frames,
            "fps": str(video.fps),
            "chroma": video.chroma.label,
            "depth": video.depth,
            "bytes": self.size,
            "target_bytes": self.target,
            "asked": dict([self.asked]) if self.asked else None,
            "bpp": self.bpp,
            "bitrate_kbps": self.bitrate,
            "bytes_by_part": self.parts,
            "psnr": self.psnr,
            "fit_psnr": self.fit_psnr,
            "frame_psnr": self.frame_psnr,
            "metrics": self.metrics,
            "frame_metrics": self.frame_metrics,
            "segments": self.segments,
            "decisions": self.decisions,
            "parameters": self.parameters,
            "kmac_per_pixel": self.macs_per_pixel / 1000,
            "md5": self.md5,
            "metadata": self.metadata,
            "frame_md5": self.frame_md5,
            "warnings": [*self.warnings, *([self.missed_psnr] if self.missed_psnr else [])],
            "seconds": self.seconds,
            "definitions": {**DEFINITIONS, **{name: METRICS[name] for name in self.metrics}},
        }
