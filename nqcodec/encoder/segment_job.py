"""Encoding of one segment: fit, quantise, code, decode, measure. It runs in any process."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import PackedSegment, pack_segment, parse_segment
from nqcodec.decoder.decoder import plane_md5
from nqcodec.encoder.progress import Event
from nqcodec.encoder.segment_result import SegmentResult, load_result, save_result
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.metrics import QualityMeter
from nqcodec.media.video import frame_bytes
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.program import Limits
from nqcodec.synthesis.backends import open_synthesizer

if TYPE_CHECKING:
    from nqcodec.encoder.jobs import JobContext
    from nqcodec.encoder.segment_fit import SegmentFit

AGAIN = "again"
"""The stage, among a result's seconds, of a rate that was taken a second time."""


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
    more iterations. Finished results are kept in `task.work`, so that an interrupted encode resumes with the unfinished
    ones.
    """
    # This imports torch, which a process that only starts workers does not need.
    from nqcodec.encoder.segment_methods import fit_segment

    rates = range(len(task.budgets))
    results = {rate: done for rate in rates if (done := load_result(task, rate)) is not None}
    if len(results) == len(rates) and _next_to_repeat(task, results) is None:
        return [results[rate] for rate in rates]
    clock = Clock()
    fitted, decisions = fit_segment(task, context)
    clock.lap("fit")
    for rate in fitted.order():
        if rate not in results:
            results[rate] = replace(_made(task, fitted, rate, clock), decisions=decisions)
            if results[rate].collapsed:
                text = f"warning: {results[rate].warning}"
                context.progress(Event(task.name, "code", text=text, rate=rate, level="warning"))
            save_result(task, rate, results[rate])
            clock = Clock()
    while (poor := _next_to_repeat(task, results)) is not None:
        results[poor] = _made_again(task, fitted, poor, results[poor])
        save_result(task, poor, results[poor])
    return [results[rate] for rate in rates]


def _next_to_repeat(task: SegmentTask, results: Mapping[int, SegmentResult]) -> int | None:
    """The lowest rate that has a worse picture than a lower one and has not been taken again yet."""
    least = -math.inf
    for rate in task.rates_by_budget():
        if results[rate].psnr_yuv < least and AGAIN not in results[rate].seconds:
            return rate
        least = max(least, results[rate].psnr_yuv)
    return None


def _made(task: SegmentTask, fitted: SegmentFit, rate: int, clock: Clock) -> SegmentResult:
    """A rate's result, taken again if making its file spoiled the picture."""
    result = _coded(task, fitted, rate, clock, again=False)
    return _made_again(task, fitted, rate, result) if result.collapsed else result


def _made_again(task: SegmentTask, fitted: SegmentFit, rate: int, first: SegmentResult) -> SegmentResult:
    """The better one of `first` and another try with more iterations, with the time of both."""
    begin = time.perf_counter()
    second = _coded(task, fitted, rate, Clock(), again=True)
    better = max(first, second, key=lambda result: result.psnr_yuv)
    seconds = {**first.seconds, AGAIN: time.perf_counter() - begin}
    return replace(better, seconds=seconds, decisions=first.decisions)


def _coded(task: SegmentTask, fitted: SegmentFit, rate: int, clock: Clock, again: bool) -> SegmentResult:
    """Make the integer network of a rate and code it, and decode and measure what was coded."""
    integers = fitted.integers(rate, again)
    clock.lap("quantize")
    packed = pack_segment(integers, task.settings.coder)
    clock.lap("code")
    result = decode_back(task, packed, integers, fitted.psnr(rate))
    clock.lap("decode")
    return replace(result, seconds=clock.seconds)


def decode_back(task: SegmentTask, packed: PackedSegment, integers: IntegerNetwork, fit_psnr: float) -> SegmentResult:
    """Decode the payload with the real decoder, hash its planes and measure them against the clip."""
    payload = packed.payload(task.video)
    segment = parse_segment(Reader(payload, path=task.name, chunk="SEGM"), task.video, Limits())
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
