"""The result of a segment at one rate, and how an encode keeps it until its file is complete."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nqcodec.bitstream.segment import PackedSegment
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.atomic import AtomicFile

COLLAPSE = 0.5
"""Decibels that a file may decode below what its fit ended with."""


@dataclass(frozen=True)
class SegmentResult:
    """A coded segment with its figures; picklable.

    Attributes:
        fit_psnr: PSNR-YUV in dB over all frames that the fit ended with, before it was coded.
        decisions: what was decided before the fit, as `nqcodec.encoder.segment_methods.fit_segment` has it.
    """

    packed: PackedSegment
    frames: int
    parameters: int
    macs: int
    psnr: list[dict[str, float]]
    frame_md5: list[bytes]
    fit_psnr: float
    seconds: dict[str, float] = field(default_factory=dict)
    decisions: dict[str, Any] = field(default_factory=dict)

    @property
    def psnr_yuv(self) -> float:
        """Mean PSNR-YUV of its frames in dB."""
        return sum(row["yuv"] for row in self.psnr) / len(self.psnr)

    @property
    def collapsed(self) -> bool:
        """Whether the file decodes worse than its fit ended by more than the fit's own figure can be inaccurate."""
        return self.psnr_yuv < self.fit_psnr - COLLAPSE

    @property
    def warning(self) -> str:
        """The warning for a file that decodes below the quality of its fit."""
        return (
            f"the file decodes at {self.psnr_yuv:.2f} dB, but its fit ended with {self.fit_psnr:.2f} dB, at a second "
            "try too: use another --seed or a higher rate"
        )


def _paths(task: SegmentTask, rate: int) -> tuple[Path, Path]:
    stem = f"segment{task.number:05d}.{rate}"
    return task.work / f"{stem}.coded", task.work / f"{stem}.json"


def save_result(task: SegmentTask, rate: int, result: SegmentResult) -> None:
    """Keep the result of a rate in the task's work folder."""
    payload, figures = _paths(task, rate)
    data = asdict(result)
    data["frame_md5"] = [md5.hex() for md5 in result.frame_md5]
    packed = data["packed"]
    packed["md5"] = result.packed.md5.hex()
    packed["program"] = len(packed["program"])
    del packed["coded"]
    with AtomicFile(payload) as file:
        file.write(result.packed.program + result.packed.coded)
    with AtomicFile(figures) as file:
        file.write(json.dumps(data).encode())


def load_result(task: SegmentTask, rate: int) -> SegmentResult | None:
    """The result that an interrupted encode kept of a rate; None where there is none, or the encode starts anew."""
    payload, figures = _paths(task, rate)
    if not (task.settings.resume and payload.exists() and figures.exists()):
        return None
    data = json.loads(figures.read_text("utf-8"))
    kept, coded = data.pop("packed"), payload.read_bytes()
    length, md5, cost = kept.pop("program"), bytes.fromhex(kept.pop("md5")), tuple(kept.pop("cost"))
    packed = PackedSegment(md5=md5, program=coded[:length], coded=coded[length:], cost=cost, **kept)
    frame_md5 = [bytes.fromhex(md5) for md5 in data.pop("frame_md5")]
    return SegmentResult(packed=packed, frame_md5=frame_md5, **data)
