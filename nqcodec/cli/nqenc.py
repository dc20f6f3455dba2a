"""nqenc: encode clips to .nq files at a rate asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nqcodec.cli.checks import check_clips, check_encoded_name, check_standard_output
from nqcodec.cli.common import (
    CONTEXT,
    Level,
    guarded,
    log_options,
    say,
    version_option,
    version_text,
)
from nqcodec.cli.existing import may_replace
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.nqenc_options import NQENC, NqencOptions
from nqcodec.cli.options import options_of
from nqcodec.cli.progress import encode_progress, progress_option
from nqcodec.cli.results import check_save, one_or_all, save_json
from nqcodec.encoder.options import EncodeSettings, part_of
from nqcodec.errors import UsageError

if TYPE_CHECKING:
    from nqcodec.encoder.clip_job import ClipJob
    from nqcodec.encoder.rate import Rate
    from nqcodec.encoder.report import EncodeReport


@click.command(cls=HelpCommand, page=NQENC, context_settings=CONTEXT)
@click.argument("sources", metavar="[CLIP]...", nargs=-1)
@progress_option
@click.option("--no-progress", is_flag=True, help="The same as --progress none.")
@version_option
@guarded
@log_options
@options_of(NqencOptions)
def main(options: NqencOptions) -> None:
    """Encode video to .nq: fit a network to each clip, quantise it, and write one self-contained file.

    CLIP is a .y4m, a raw .yuv (with --input-res), a folder or %05d pattern of PNGs, anything FFmpeg reads, or - for
    stdin. Give at most one of --quality, --psnr, --bpp, --bitrate and --params. The last act is to decode the file
    written, with the real decoder: every figure printed is that of the file.
    """
    clips = [*options.sources, *options.named_sources]
    if not clips:
        raise UsageError("name at least one clip to encode (nqenc CLIP -o OUT.nq)")
    from nqcodec.cli.encode_outputs import EncodeOutputs
    from nqcodec.encoder.clip_job import check_jobs
    from nqcodec.encoder.encode import encode_clips

    check_clips(clips)
    jobs = [clip_job(clip, options, several=len(clips) > 1) for clip in clips]
    settings = part_of(options, EncodeSettings)
    check_jobs(jobs, settings)
    check_encoded_name(options.output)
    check_standard_output(options)
    check_save(options.save, clips, [output.path for job in jobs for output in job.outputs])
    say(lambda: f"{version_text()}\n{settings}", Level.DEBUG)
    extra = EncodeOutputs.of(jobs, settings, options, [text for text, _ in rates_of(options)])
    may_replace(extra.files(), options.overwrite, options.no_overwrite)
    try:
        with extra, encode_progress(progress_of(options), options.quiet) as progress:
            reports = encode_clips(jobs, settings, extra.watched(progress))
            for report in reports:
                progress.done(report)
            written = extra.write(reports)
    except KeyboardInterrupt:
        _name_checkpoints(jobs)
        raise
    _give_out(reports, options, written)


def _name_checkpoints(jobs: Sequence[ClipJob]) -> None:
    """The hint where an interrupted encode can be resumed."""
    from nqcodec.encoder.work_folder import work_path

    for kept in (work_path(job.outputs[0].path) for job in jobs):
        if kept.exists():
            text = f"checkpoints are kept in {kept}: give the same command with --resume to go on from them"
            say(text, Level.ERROR)


def _give_out(reports: Sequence[EncodeReport], options: NqencOptions, written: Sequence[str]) -> None:
    """The reports where they were asked for, and the names of what else was written."""
    from nqcodec.cli.report import report_lines

    data = one_or_all([report.as_dict() for report in reports])
    save_json(options.save, data)
    if options.as_json:
        click.echo(json.dumps(data))
    if not options.quiet:
        for report in reports:
            say("\n".join(report_lines(report)))
        if written:
            say(f"see {', '.join(written)}")


def progress_of(options: NqencOptions) -> str:
    """What --progress and --no-progress ask for; raises UsageError if they contradict one another."""
    if options.no_progress and options.progress not in {None, "none"}:
        raise UsageError(f"--no-progress contradicts --progress {options.progress}: give one of them")
    return "none" if options.no_progress else options.progress or "bar"


def clip_job(clip: str, options: NqencOptions, several: bool) -> ClipJob:
    """What to encode and where to: one output for each rate."""
    from nqcodec.cli.encode_outputs import RATE_NAMES, named
    from nqcodec.encoder.clip_job import ClipJob, Output

    pattern, rates = options.output, rates_of(options)
    if several and "{name}" not in pattern:
        raise UsageError(f"-o {pattern}: with several clips write a pattern, such as -o {{name}}.nq")
    if len(rates) > 1 and not any(f"{{{name}}}" in pattern for name in RATE_NAMES):
        name = rates[0][1].name if rates[0][1] else "bpp"
        raise UsageError(f"-o {pattern}: with several rates write a pattern, such as -o out_{{{name}}}.nq")
    outputs = (Output(Path(named(pattern, clip, text)), rate) for text, rate in rates)
    return ClipJob(options.clip(clip), tuple(outputs))


def rates_of(options: NqencOptions) -> list[tuple[str, Rate | None]]:
    """(text, rate) of each rate asked for, the default quality if none is; one None for a published network of its own
    size."""
    from nqcodec.cli.encode_outputs import RATE_NAMES
    from nqcodec.encoder.rate import DEFAULT_QUALITY, Rate, not_one_rate

    several = {name: getattr(options, name) for name in RATE_NAMES if getattr(options, name) is not None}
    given = len(several) + (options.params is not None)
    if given > 1:
        raise not_one_rate(given)
    if options.params is not None:
        return [(str(options.params), Rate(parameters=options.params))]
    if not given and options.arch_preset:
        return [("", None)]
    if not given:
        return [(f"{DEFAULT_QUALITY:g}", Rate(quality=DEFAULT_QUALITY))]
    return [(text, Rate(**{name: number})) for name, numbers in several.items() for text, number in numbers]


if __name__ == "__main__":
    sys.exit(main())
