"""What is measured of one file, and how it is kept: one row of a comparison."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nqcodec.compare.curves import Point

ANCHOR, OURS = "anchor", "nqcodec"
_LEAST_DISTANCE = 1e-10


@dataclass(frozen=True)
class RDPoint:
    """One encoded file, decoded and measured.

    Attributes:
        codec: the curve that it is a point of; `label` is its name for people, `kind` `ANCHOR` or `OURS`.
        asked: the rate asked for: a rate factor of an anchor, bpp, quality or PSNR of nqcodec, as `settings` say, or
            None for a network's own size.
        settings: everything that decides the bytes, so that the run repeats.
        file: name within the comparison's folder.
        size: bytes of the whole file, with SHA-256 `digest`.
        bpp, kbps: the same as bits a luma pixel and as 1000 bits a second.
        encode_seconds: wall clock in the encoder.
        decode_seconds: wall clock from file to planes in memory.
        quality: the clip's figures (`nqcodec.compare.quality.DEFINITIONS`).
        frame_quality: each frame's.
        facts: what else is known of it.
    """

    codec: str
    label: str
    kind: str
    asked: float | None
    settings: dict[str, object]
    file: str
    size: int
    digest: str
    bpp: float
    kbps: float
    frames: int
    encode_seconds: float
    decode_seconds: float
    quality: dict[str, float]
    frame_quality: list[dict[str, float]]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def asked_text(self) -> str:
        """The rate asked for in words, empty if there was none; a number alone is bpp, or an anchor's rate factor."""
        if self.asked is None:
            return ""
        kind = next((f"{name} " for name in ("quality", "psnr") if name in self.settings), "")
        return f"{kind}{self.asked:g}"

    @property
    def decode_fps(self) -> float:
        """Frames a second, from file to planes in memory."""
        return self.frames / self.decode_seconds

    def as_dict(self) -> dict[str, object]:
        """As plain data."""
        return asdict(self)

    def is_result_of(self, settings: dict[str, object], folder: Path, free: Iterable[str] = ()) -> bool:
        """Whether it is what these settings make, and its file is still there unchanged.

        Args:
            free: settings that may have any value.
        """
        path = folder / self.file
        same = {**self.settings, **dict.fromkeys(free)} == {**settings, **dict.fromkeys(free)}
        return same and path.is_file() and digest(path) == self.digest


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def codecs(rows: Iterable[RDPoint], kind: str | None = None) -> dict[str, list[RDPoint]]:
    """Rows by codec in order of their first, each codec's by rising size."""
    groups: dict[str, list[RDPoint]] = {}
    for row in rows:
        if kind in {None, row.kind}:
            groups.setdefault(row.codec, []).append(row)
    return {codec: sorted(group, key=lambda row: row.size) for codec, group in groups.items()}


def curve(rows: Iterable[RDPoint], metric: str = "yuv") -> list[Point]:
    """(bpp, quality in dB) of each row that has the metric; SSIM and MS-SSIM s as -10 log10(1 - s)."""
    return [(row.bpp, decibels(metric, row.quality[metric])) for row in rows if metric in row.quality]


def decibels(metric: str, value: float) -> float:
    """A figure on a scale fit for curves: similarities crowd below 1, so they are shown as -10 log10(1 - s)."""
    return -10 * math.log10(max(_LEAST_DISTANCE, 1 - value)) if metric.endswith("ssim") else value
