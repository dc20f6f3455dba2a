"""One segment's way from frames to bytes: fit, quantise, code, decode, measure. Runs in any process."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import PackedSegment, pack_segment, parse_segment
from nqcodec.decoder.decoder import plane_md5
from nqcodec.media.atomic import AtomicFile
from nqcodec.media.clip import ClipInput
from nqcodec.media.metrics import QualityMeter
from nqcodec.media.video import Video, frame_bytes
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Limits
from nqcodec.synthesis.backends import open_synthesizer

if TYPE_CHECKING:
    from nqcodec.encoder.jobs import JobContext
    from nqcodec.encoder.segment_fit import SegmentFit

COLLAPSE = 0.5
"""Decibels that a file may decode below what its fit ended with."""

AGAIN = "again"
"""The stage, among a result's seconds, of a rate that was taken a second time."""


@dataclass(frozen=True)
class FitOptions:
    """How a plain fit departs from the preset; None leaves the preset's. See `nqcodec.training.train.FitSettings`.

    Attributes:
        recipe: a paper's training recipe, a name of `nqcodec.training.recipes`; the others then change that.
        prune: part of the weights that pruning keeps.
        quant_noise: bits that Quant-Noise rounds to.
        patch: most (width, height) in luma samples of the patches to train on instead of whole frames.
    """

    recipe: str | None = None
    loss: str | None = None
    optimizer: str | None = None
    schedule: str | None = None
    ema: float | None = None
    coarse: float | None = None
    prune: float | None = None
    quant_noise: int | None = None
    patch: tuple[int, int] | None = None


@dataclass(frozen=True)
class EncodeSettings:
    """What all clips of one call share; see `nqenc --help`."""

    preset: str = "medium"
    arch: str = "auto"
    arch_preset: str | None = None
    method: str = "auto"
    steps: int | None = None
    fit_options: FitOptions = FitOptions()
    segment: int | Literal["auto"] | None = "auto"
    """Segments begin at scene cuts ("auto"), there and after at most so many frames, or there is one (None)."""
    motion: str = "auto"
    """Whether a backbone that can follow a moving camera does ("auto") or not ("none")."""
    jobs: int | None = None
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    resume: bool = False
    fresh: bool = False
    """Start anew where an interrupted encode left checkpoints, which are an error otherwise."""
    hashes: str = "segment"
    metadata: bool = True
    """Whether files keep what the source has beside its pictures, and name encoder and settings."""
    coder: str | None = None
    save_fit: Path | None = None
    fit_file: Path | None = None
    metrics: tuple[str, ...] = ()
    """What else is measured of the finished file: names of `nqcodec.media.metrics.perceptual`."""

    def fingerprint(self) -> dict[str, Any]:
        """What decides the result: an encode may resume only under the same."""
        ignored = {"resume", "fresh", "save_fit", "coder", "jobs", "metrics"}
        return {name: str(value) for name, value in asdict(self).items() if name not in ignored}


@dataclass(frozen=True)
class Event:
    """Progress of one stage: step of steps, or with steps 0 a line of text.

    Attributes:
        psnr: mean PSNR-YUV of recent training frames in dB.
        size: bytes of the segment as estimated.
        eta: seconds left of the stage; None while that is not known.
        rate: number of the task's rate that the stage is for; None where it serves them all.
        figures: what else is known of the fit then: "loss" (mean since the last event), "price" (lambda, in nats of
            the loss a bit), and "step <tensor key>", that tensor's mean step index, an eighth of an octave each.
        level: of a line of text: "debug" for details of the plan, "warning" for what a user should not miss.
    """

    name: str
    stage: str
    step: int = 0
    steps: int = 0
    psnr: float | None = None
    size: int | None = None
    eta: float | None = None
    text: str = ""
    rate: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    level: Literal["debug", "info", "warning"] = "info"


@dataclass(frozen=True)
class SegmentTask:
    """One segment to encode.

    Attributes:
        first: its first frame in the clip.
        video: the segment's description, `frames` its own.
        whole: the clip's.
        budgets: most bytes of its payload, for each output; None where a number of parameters decides.
        parameters: of the network asked for, or None.
        work: folder for its checkpoint and result.
        metadata_bytes: bytes of each output that its metadata takes, for messages.
    """

    name: str
    clip: ClipInput
    number: int
    first: int
    video: Video
    whole: Video
    budgets: tuple[int | None, ...]
    parameters: int | None
    settings: EncodeSettings
    work: Path
    metadata_bytes: tuple[int, ...] = ()


@dataclass(frozen=True)
class SegmentResult:
    """A coded segment with its figures; picklable.

    Attributes:
        fit_psnr: PSNR-YUV in dB over all frames that the fit ended with, before it was coded.
    """

    packed: PackedSegment
    frames: int
    parameters: int
    macs: int
    psnr: list[dict[str, float]]
    frame_md5: list[bytes]
    fit_psnr: float
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def level(self) -> float:
        """Mean PSNR-YUV of its frames in dB."""
        return sum(row["yuv"] for row in self.psnr) / len(self.psnr)

    @property
    def collapsed(self) -> bool:
        """Whether making the file has cost more of the picture than the fit's own figure can be off by."""
        return self.level < self.fit_psnr - COLLAPSE

    @property
    def warning(self) -> str:
        """What a user is told of a file that shows less than its fit."""
        return (
            f"the file decodes at {self.level:.2f} dB, but its fit ended with {self.fit_psnr:.2f} dB, at a second try "
            "too: use another --seed or a higher rate"
        )


def by_budget(task: SegmentTask) -> list[int]:
    """The task's rates, lowest first."""
    return sorted(range(len(task.budgets)), key=lambda rate: task.budgets[rate] or 0)


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


def encode_segment(task: SegmentTask, context: JobContext) -> list[SegmentResult]:
    """Fit one segment, and quantise, code and decode it at each of its rates; one result a rate.

    A rate whose picture comes out worse than that of a lower one, or than its fit promised, is taken again once, with
    more steps. Finished results are kept in `task.work`, so that an interrupted encode resumes with the unfinished
    ones.
    """
    from nqcodec.encoder.segment_fit import fit_segment

    rates = range(len(task.budgets))
    results = {rate: done for rate in rates if (done := _load(task, rate)) is not None}
    if len(results) == len(rates) and _next_to_repeat(task, results) is None:
        return [results[rate] for rate in rates]
    clock = Clock()
    fitted = fit_segment(task, context)
    clock.lap("fit")
    for rate in fitted.order():
        if rate not in results:
            results[rate] = _made(task, fitted, rate, clock)
            if results[rate].collapsed:
                text = f"warning: {results[rate].warning}"
                context.progress(Event(task.name, "code", text=text, rate=rate, level="warning"))
            _save(task, rate, results[rate])
            clock = Clock()
    while (poor := _next_to_repeat(task, results)) is not None:
        results[poor] = _made_again(task, fitted, poor, results[poor])
        _save(task, poor, results[poor])
    return [results[rate] for rate in rates]


def _next_to_repeat(task: SegmentTask, results: Mapping[int, SegmentResult]) -> int | None:
    """The lowest rate that has a worse picture than a lower one and has not been taken again yet."""
    least = -math.inf
    for rate in by_budget(task):
        if results[rate].level < least and AGAIN not in results[rate].seconds:
            return rate
        least = max(least, results[rate].level)
    return None


def _made(task: SegmentTask, fitted: SegmentFit, rate: int, clock: Clock) -> SegmentResult:
    """A rate's result, taken again if making its file spoiled the picture."""
    result = _coded(task, fitted, rate, clock, again=False)
    return _made_again(task, fitted, rate, result) if result.collapsed else result


def _made_again(task: SegmentTask, fitted: SegmentFit, rate: int, first: SegmentResult) -> SegmentResult:
    """The better one of `first` and another try with more steps, with the time of both."""
    begin = time.perf_counter()
    second = _coded(task, fitted, rate, Clock(), again=True)
    better = max(first, second, key=lambda result: result.level)
    return replace(better, seconds={**first.seconds, AGAIN: time.perf_counter() - begin})


def _coded(task: SegmentTask, fitted: SegmentFit, rate: int, clock: Clock, again: bool) -> SegmentResult:
    """Make the integer network of a rate and code it, and decode and measure what was coded."""
    from nqcodec.encoder.segment_fit import integers_at

    integers = integers_at(fitted, task, rate, again)
    clock.lap("quantise")
    packed = pack_segment(integers, task.settings.coder)
    clock.lap("code")
    result = decode_back(task, packed, integers, fitted.psnr(rate))
    clock.lap("decode")
    return replace(result, seconds=clock.seconds)


def decode_back(task: SegmentTask, packed: PackedSegment, integers: IntegerNetwork, fit_psnr: float) -> SegmentResult:
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
        fit_psnr,
    )


def _paths(task: SegmentTask, rate: int) -> tuple[Path, Path]:
    stem = f"segment{task.number:05d}.{rate}"
    return task.work / f"{stem}.payload", task.work / f"{stem}.json"


def _save(task: SegmentTask, rate: int, result: SegmentResult) -> None:
    payload, figures = _paths(task, rate)
    data = asdict(result)
    data["frame_md5"] = [md5.hex() for md5 in result.frame_md5]
    del data["packed"]["payload"]
    with AtomicFile(payload) as file:
        file.write(result.packed.payload)
    with AtomicFile(figures) as file:
        file.write(json.dumps(data).encode())


def _load(task: SegmentTask, rate: int) -> SegmentResult | None:
    payload, figures = _paths(task, rate)
    if not (task.settings.resume and payload.exists() and figures.exists()):
        return None
    data = json.loads(figures.read_text("utf-8"))
    packed = PackedSegment(payload=payload.read_bytes(), **data.pop("packed"))
    frame_md5 = [bytes.fromhex(md5) for md5 in data.pop("frame_md5")]
    return SegmentResult(packed=packed, frame_md5=frame_md5, **data)
