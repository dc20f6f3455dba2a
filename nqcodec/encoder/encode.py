"""Encoding: clips -> segments -> fitted, quantised and coded networks -> .nq files, checked by the real decoder.

This module reads as a table of contents; a segment's own way is in `nqcodec.encoder.segment_job`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from nqcodec.bitstream.file import NqFile
from nqcodec.bitstream.writer import metadata_bytes
from nqcodec.decoder.decoder import Decoder, plane_md5
from nqcodec.encoder.clip_job import ClipJob, Output, check_jobs
from nqcodec.encoder.kept import Kept, keep
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.output_file import STANDARD_OUTPUT, OutputFile, OutputPlan
from nqcodec.encoder.progress import Event, RemainingTime
from nqcodec.encoder.rate import Rate, affordable_cuts, segment_budgets, segment_lengths
from nqcodec.encoder.report import EncodeReport
from nqcodec.encoder.segment_job import encode_segment
from nqcodec.encoder.segment_result import SegmentResult
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.encoder.work_folder import WorkFolder
from nqcodec.errors import InputError, OutputError, RateError
from nqcodec.media.clip import ClipInput
from nqcodec.media.metadata import Metadata
from nqcodec.media.metrics.perceptual import PerceptualMeter, check_pictures, figure_names
from nqcodec.media.scenes import SceneDetector
from nqcodec.media.text import counted
from nqcodec.media.video import Frame, Video, frame_bytes

if TYPE_CHECKING:
    from nqcodec.encoder.jobs import Plan as JobPlan

Progress = Callable[[Event], None]


@dataclass(frozen=True)
class Plan:
    """A clip taken apart into segments, each with its share of every output's bytes (`targets`).

    `clip` is the job's as it can be read again; `digest` is of all its samples, taken when its file had `stamp`.
    `metadata` is that of each output.
    """

    job: ClipJob
    clip: ClipInput
    stamp: tuple[int, ...]
    digest: str
    video: Video
    kept: Kept
    metadata: list[Metadata]
    targets: list[int | None]
    tasks: list[SegmentTask]
    work: WorkFolder

    def outputs(self, settings: EncodeSettings) -> list[OutputPlan]:
        """The files to make."""
        lengths, hashed = [task.video.frames for task in self.tasks], settings.hashes == "frame"
        return [
            OutputPlan(output.path, self.video, metadata, lengths, hashed, self.work.path)
            for output, metadata in zip(self.job.outputs, self.metadata, strict=True)
        ]


def encode(
    clip: ClipInput,
    output: str | Path,
    rate: Rate | None,
    settings: EncodeSettings | None = None,
    progress: Progress | None = None,
) -> EncodeReport:
    """Encode one clip to one file; see `encode_clips`."""
    job = ClipJob(clip, (Output(Path(output), rate),))
    return encode_clips([job], settings or EncodeSettings(), progress)[0]


def encode_clips(jobs: list[ClipJob], settings: EncodeSettings, progress: Progress | None = None) -> list[EncodeReport]:
    """Encode clips, `settings.jobs` segments at a time over all of them (None: as many as fill the cores).

    Returns one report an output, in order.

    Each output appears only when its file is complete and has been decoded with the real decoder. An encode that is
    interrupted leaves its checkpoints in `<first output>.work`, from which `settings.resume` goes on. Without it they
    are a UsageError, unless `settings.fresh` is set: then they are replaced once the new files are complete.

    Raises:
        InputError, OutputError, RateError, UsageError, UnsupportedError, LimitError: one clear line each.
    """
    begin = time.perf_counter()
    remaining = RemainingTime()

    def report(event: Event) -> None:
        if progress:
            progress(remaining(event))

    check_jobs(jobs, settings)
    figure_names(settings.metrics)
    with ExitStack() as stack:
        works = [_open_work(job, settings, stack, report) for job in jobs]
        try:
            return _encode(jobs, works, settings, report, begin)
        except RateError:
            # A fit for a rate that cannot be met is of no use to another, whose network has another size. Of several
            # clips, which are fitted together, the others may still have theirs.
            if len(works) == 1:
                works[0].discard()
            raise


def _encode(
    jobs: list[ClipJob], works: list[WorkFolder], settings: EncodeSettings, report: Progress, begin: float
) -> list[EncodeReport]:
    """`encode_clips` with the folders of checkpoints open."""
    from nqcodec.encoder.jobs import run_jobs

    plans = [plan(job, settings, work, report) for job, work in zip(jobs, works, strict=True)]
    tasks = [task for one in plans for task in one.tasks]
    share = _share(tasks, settings)
    workers = f"jobs {share.jobs}, threads of each {share.threads}"
    report(Event(plans[0].clip.name, "plan", text=workers, level="debug"))
    settings = replace(settings, threads=share.threads)
    tasks = [replace(task, settings=settings) for task in tasks]
    with ExitStack() as stack:
        files = [[stack.enter_context(OutputFile(output)) for output in one.outputs(settings)] for one in plans]
        places = [(number, task.number) for number, one in enumerate(plans) for task in one.tasks]

        def done(task: int, rates: list[SegmentResult]) -> None:
            clip, segment = places[task]
            for file, result in zip(files[clip], rates, strict=True):
                file.add(segment, result)

        def progress(_: int, event: Event) -> None:
            report(event)

        results = iter(run_jobs(encode_segment, tasks, jobs=share.jobs, progress=progress, done=done))
        reports = []
        for one, outputs in zip(plans, files, strict=True):
            segments = [next(results) for _ in one.tasks]
            check_unchanged(one)
            for number, file in enumerate(outputs):
                reports.append(finish(one, number, file, [rates[number] for rates in segments], settings, begin))
            one.work.remove()
        return reports


def _share(tasks: list[SegmentTask], settings: EncodeSettings) -> JobPlan:
    """Jobs and threads for all segments."""
    from nqcodec.encoder.jobs import plan as plan_jobs
    from nqcodec.native.cpu import available_cores

    most = 1
    if settings.threads is None and available_cores() >= 2 * len(tasks):
        # This imports torch, which this process does not need where workers do the fitting.
        from nqcodec.encoder.segment_methods import useful_threads

        most = min(map(useful_threads, tasks))
    return plan_jobs(len(tasks), settings.jobs, settings.threads, most_threads=most)


def _open_work(job: ClipJob, settings: EncodeSettings, stack: ExitStack, report: Progress) -> WorkFolder:
    """The folder of the job's checkpoints, open until `stack` closes; reports if there is nothing to resume."""
    output = job.outputs[0].path
    if output == STANDARD_OUTPUT:
        output = Path(stack.enter_context(TemporaryDirectory(prefix="nqenc-"))) / "stdout.nq"
    work = stack.enter_context(WorkFolder(output, settings.resume, settings.fresh))
    if settings.resume and not work.found:
        text = f"nothing to resume: there is no checkpoint in {work.path}; the encode starts from the beginning"
        report(Event(job.clip.name, "resume", text=text))
    return work


def plan(job: ClipJob, settings: EncodeSettings, work: WorkFolder, report: Progress) -> Plan:
    """Read the clip once to describe it and to find its scenes, share out frames and bytes."""
    clip = job.clip.as_file(work.path).in_frames()
    begin = time.perf_counter()
    scenes, digest, stamp = SceneDetector(), clip_digest(), clip.stamp()
    video, side = clip.probe(scenes.add if settings.segment else None, digest)
    check_pictures(figure_names(settings.metrics), video)
    assert isinstance(clip.start, int), "in_frames has made a number of it"
    kept = keep(side, clip.start, video, settings.metadata)
    metadata = [kept.of(job.clip, output.rate, settings) for output in job.outputs]
    targets = [output.rate.file_bytes(video) if output.rate else None for output in job.outputs]
    sizes = [size for output in job.outputs if (size := _known_size(output.rate, video)) is not None]
    lengths = _lengths(scenes, video.frames, sizes, settings)
    hashed = settings.hashes == "frame"
    extra = tuple(metadata_bytes(one, lengths) for one in metadata)
    shares = [
        [None] * len(lengths) if target is None else segment_budgets(target, lengths, hashed, video, size)
        for target, size in zip(targets, extra, strict=True)
    ]
    rate = job.outputs[0].rate
    parameters = rate.parameters if rate else None
    rates = tuple(output.rate for output in job.outputs)
    whole = SegmentTask(clip.name, clip, 0, 0, video, video, (), parameters, settings, work.path, extra, rates)
    tasks = _segments(whole, lengths, shares)
    _report_plan(tasks, kept, time.perf_counter() - begin, report)
    samples = digest.hexdigest()
    asked = [rate and [rate.name, rate.value] for rate in rates]
    claim = {"clip": clip.name, "samples": samples, "video": str(video), "rates": asked, "targets": targets}
    work.claim({**claim, "metadata": extra, "settings": settings.fingerprint()})
    return Plan(job, clip, stamp, samples, video, kept, metadata, targets, tasks, work)


def _segments(whole: SegmentTask, lengths: list[int], shares: Sequence[Sequence[int | None]]) -> list[SegmentTask]:
    """The tasks of a clip's segments.

    Args:
        whole: the task of the clip as one segment.
        lengths: frames of each segment.
        shares: of each output, the bytes of each segment.
    """
    tasks, first = [], 0
    for number, frames in enumerate(lengths):
        name = whole.name if len(lengths) == 1 else f"{whole.name} [{number + 1}/{len(lengths)}]"
        video, budgets = whole.video.with_frames(frames), tuple(share[number] for share in shares)
        tasks.append(replace(whole, name=name, number=number, first=first, video=video, budgets=budgets))
        first += frames
    return tasks


def _report_plan(tasks: list[SegmentTask], kept: Kept, seconds: float, report: Progress) -> None:
    """Report what was read in `seconds`, which metadata is kept, and the budget of each segment."""
    name, video, lengths = tasks[0].clip.name, tasks[0].whole, [task.video.frames for task in tasks]
    size = f"{video.width}x{video.height} {video.chroma.label} {video.depth} bit, " + counted(video.frames, "frame")
    parts = f" in {len(lengths)} segments of {min(lengths)} to {max(lengths)}" if len(lengths) > 1 else ""
    report(Event(name, "read", text=f"{size}{parts}, read in {seconds:.1f} s"))
    for note in kept.notes:
        report(Event(name, "read", text=note))
    for warning in kept.warnings:
        report(Event(name, "read", text=f"warning: {warning}", level="warning"))
    for task in tasks:
        shown = ", ".join(
            "as many bytes as it takes" if one is None else f"at most {one} bytes" for one in task.budgets
        )
        text = f"segment of frames {task.first}:{task.first + task.video.frames}, {shown}"
        report(Event(task.name, "plan", text=text, level="debug"))


def clip_digest() -> hashlib.blake2b:
    """A fresh digest of a clip's samples."""
    return hashlib.blake2b(digest_size=16)


def check_unchanged(one: Plan) -> None:
    """Raise InputError if the clip's file is not what it was when it was first read."""
    if one.clip.stamp() == one.stamp:
        return
    digest = clip_digest()
    one.clip.describe(digest=digest)
    if digest.hexdigest() != one.digest:
        raise InputError(f"{one.clip.name}: was changed while it was encoded: encode it again")


def _known_size(rate: Rate | None, video: Video) -> int | None:
    """Bytes of a file, a guess where a quality or a PSNR is asked for; None where a number of parameters decides."""
    if rate is None:
        return None
    return rate.guessed_bytes(video) if rate.has_quality else rate.file_bytes(video)


def _lengths(scenes: SceneDetector, frames: int, sizes: list[int], settings: EncodeSettings) -> list[int]:
    """Frames of each segment, the same for all outputs, of which those with known bytes have `sizes`.

    Where no bytes are asked for but a network's size, that is the whole clip's: cuts alone begin no segment then.
    """
    if settings.segment is None:
        return [frames]
    longest = None if settings.segment == "auto" else settings.segment
    cuts = scenes.cuts()
    if sizes:
        cuts = affordable_cuts(cuts, frames, min(sizes))
    elif longest is None:
        cuts = []
    return segment_lengths(frames, longest, [cut.frame for cut in cuts])


def finish(
    one: Plan, number: int, file: OutputFile, results: list[SegmentResult], settings: EncodeSettings, begin: float
) -> EncodeReport:
    """Decode and measure output `number` as it was written, and only then give it its name."""
    written = file.finish()
    tick = time.perf_counter()
    meter = PerceptualMeter(one.video, figure_names(settings.metrics)) if settings.metrics else None
    md5 = check_written(written, one.video, _beside(one.clip, meter) if meter else None)
    means = meter.finish() if meter else {}
    check = time.perf_counter() - tick
    file.commit()
    report = _report(one, number, results, written, md5, {"check": check, "total": time.perf_counter() - begin})
    return replace(report, metrics=means, frame_metrics=meter.rows if meter else [])


def _beside(clip: ClipInput, meter: PerceptualMeter) -> Callable[[Frame], None]:
    """A function that measures each decoded frame of a clip, in order, against the clip's own."""
    references = clip.frames()
    return lambda decoded: meter.add(next(references), decoded)


def check_written(file: NqFile, video: Video, watch: Callable[[Frame], None] | None = None) -> str:
    """Decode a file that was just written; returns the MD5 of its planes, raises HashError if a hash differs.

    `watch` is called with every decoded frame.
    """
    digest = plane_md5()
    count = 0
    for frame in Decoder(file).frames():
        digest.update(frame_bytes(frame))
        if watch:
            watch(frame)
        count += 1
    if file.video != video or count != video.frames:
        raise OutputError(f"{file.path}: the file written does not describe the clip: this is a bug in nqcodec")
    return digest.hexdigest()


def _report(
    one: Plan, number: int, results: list[SegmentResult], written: NqFile, md5: str, times: dict[str, float]
) -> EncodeReport:
    rate = one.job.outputs[number].rate
    seconds: dict[str, float] = {}
    for result in results:
        for stage, value in result.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    rows = [row for result in results for row in result.psnr]
    return EncodeReport(
        name=one.tasks[0].clip.name,
        output=str(one.job.outputs[number].path),
        video=one.video,
        size=written.size,
        target=one.targets[number],
        parts=written.parts(),
        psnr={name: sum(row[name] for row in rows) / len(rows) for name in rows[0]},
        fit_psnr=sum(r.fit_psnr * r.frames for r in results) / one.video.frames,
        frame_psnr=rows,
        segments=len(results),
        parameters=sum(result.parameters for result in results),
        macs_per_pixel=sum(r.macs * r.frames for r in results) / one.video.pixels,
        md5=md5,
        metadata=one.metadata[number].as_dict(),
        warnings=[*one.kept.warnings, *(result.warning for result in results if result.collapsed)],
        asked=(rate.name, rate.value) if rate else None,
        frame_md5=[digest.hex() for result in results for digest in result.frame_md5],
        seconds={**seconds, **times},
        decisions=[{"first": task.first, **r.decisions} for task, r in zip(one.tasks, results, strict=True)],
    )
