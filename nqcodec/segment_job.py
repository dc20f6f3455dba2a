"""One segment's way from frames to bytes: fit, quantise, code, decode, measure. Runs in any process."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import PackedSegment, pack_segment, parse_segment
from nqcodec.clip import ClipInput
from nqcodec.decode import plane_md5
from nqcodec.formats.atomic import AtomicFile
from nqcodec.metrics import QualityMeter
from nqcodec.network import IntegerNetwork
from nqcodec.program import Limits
from nqcodec.synthesis.backends import open_synthesizer
from nqcodec.video import Video, frame_bytes

if TYPE_CHECKING:
    from nqcodec.fit.jobs import JobContext


@dataclass(frozen=True)
class EncodeSettings:
    """What all clips of one call share; see `nqenc --help`."""

    preset: str = "medium"
    arch: str = "hnerv"
    arch_preset: str | None = None
    segment: int | None = None
    jobs: int | None = None
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    resume: bool = False
    hashes: str = "segment"
    coder: str | None = None
    save_fit: Path | None = None
    fit_file: Path | None = None

    def fingerprint(self) -> dict[str, Any]:
        """What decides the result: an encode may resume only under the same."""
        ignored = {"resume", "save_fit", "coder", "jobs"}
        return {name: str(value) for name, value in asdict(self).items() if name not in ignored}


@dataclass(frozen=True)
class Event:
    """Progress of one stage: step of steps, or with steps 0 a line of text."""

    name: str
    stage: str
    step: int = 0
    steps: int = 0
    psnr: float | None = None
    size: int | None = None
    eta: float | None = None
    text: str = ""


@dataclass(frozen=True)
class SegmentTask:
    """One segment to encode.

    Attributes:
        first: its first frame in the clip.
        video: the segment's description, `frames` its own.
        whole: the clip's.
        budget: most bytes of its payload; None where a number of parameters decides.
        parameters: of the network asked for, or None.
        work: folder for its checkpoint and result.
    """

    name: str
    clip: ClipInput
    number: int
    first: int
    video: Video
    whole: Video
    budget: int | None
    parameters: int | None
    settings: EncodeSettings
    work: Path


@dataclass(frozen=True)
class SegmentResult:
    """A coded segment with its figures; picklable."""

    packed: PackedSegment
    frames: int
    parameters: int
    macs: int
    psnr: list[dict[str, float]]
    frame_md5: list[bytes]
    seconds: dict[str, float] = field(default_factory=dict)


class Clock:
    """Wall-clock seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap to a stage."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now


def encode_segment(task: SegmentTask, context: JobContext) -> SegmentResult:
    """Fit, quantise, code and decode one segment.

    A finished segment's result is kept in `task.work`, so that an interrupted encode of many segments resumes with the
    unfinished ones.
    """
    from nqcodec.segment_fit import fit_segment, quantize_segment

    done = _load(task)
    if done is not None:
        return done
    clock = Clock()
    network, clip = fit_segment(task, context)
    clock.lap("fit")
    integers = quantize_segment(task, network, clip, context)
    clock.lap("quantise")
    packed = pack_segment(integers, task.settings.coder)
    clock.lap("code")
    result = decode_back(task, packed, integers)
    clock.lap("decode")
    result = replace(result, seconds=clock.seconds)
    _save(task, result)
    return result


def decode_back(task: SegmentTask, packed: PackedSegment, integers: IntegerNetwork) -> SegmentResult:
    """Decode the payload with the real decoder, hash its planes and measure them against the clip."""
    segment = parse_segment(Reader(packed.payload, path=task.name, chunk="SEGM"), task.video, Limits())
    meter, whole, hashes = QualityMeter(task.video), plane_md5(), []
    frames = task.clip.frames(task.first, task.video.frames)
    with open_synthesizer(segment.network, task.video, task.video.frames) as synthesizer:
        for t, reference in enumerate(frames):
            decoded = synthesizer.frame(t)
            meter.add(reference, decoded)
            data = frame_bytes(decoded)
            whole.update(data)
            digest = plane_md5()
            digest.update(data)
            hashes.append(digest.digest())
    return SegmentResult(
        packed.with_md5(whole.digest()),
        task.video.frames,
        integers.program.parameters,
        integers.program.macs,
        meter.rows,
        hashes,
    )


def _paths(task: SegmentTask) -> tuple[Path, Path]:
    stem = f"segment{task.number:05d}"
    return task.work / f"{stem}.payload", task.work / f"{stem}.json"


def _save(task: SegmentTask, result: SegmentResult) -> None:
    payload, figures = _paths(task)
    data = asdict(result)
    data["frame_md5"] = [md5.hex() for md5 in result.frame_md5]
    del data["packed"]["payload"]
    with AtomicFile(payload) as file:
        file.write(result.packed.payload)
    with AtomicFile(figures) as file:
        file.write(json.dumps(data).encode())


def _load(task: SegmentTask) -> SegmentResult | None:
    payload, figures = _paths(task)
    if not (task.settings.resume and payload.exists() and figures.exists()):
        return None
    data = json.loads(figures.read_text("utf-8"))
    packed = PackedSegment(payload.read_bytes(), data.pop("packed")["parts"])
    frame_md5 = [bytes.fromhex(md5) for md5 in data.pop("frame_md5")]
    return SegmentResult(packed=packed, frame_md5=frame_md5, **data)
