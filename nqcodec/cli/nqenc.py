"""nqenc: encode clips to .nq files at a rate asked for."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from nqcodec.backbones import BACKBONES
from nqcodec.cli.checks import check_clips, check_encoded_name
from nqcodec.cli.common import (
    CONTEXT,
    Level,
    guarded,
    log_options,
    progress_option,
    say,
    version_option,
    version_text,
)
from nqcodec.cli.existing import existing_options, may_replace
from nqcodec.cli.help import Manual
from nqcodec.cli.pages import NQENC
from nqcodec.cli.positions import frame_count, seek_position
from nqcodec.cli.results import check_save, one_or_all, save_json, save_option
from nqcodec.errors import UsageError

SHARED = (
    *("preset", "arch", "arch_preset", "method", "steps", "motion", "jobs"),
    *("seed", "device", "threads", "resume", "fresh", "hashes", "coder"),
)
"""Options that become `EncodeSettings` under the same name."""
CSP = click.Choice(["i400", "i420", "i422", "i444"])


@click.command(cls=Manual, page=NQENC, context_settings=CONTEXT)
@click.argument("sources", metavar="[CLIP]...", nargs=-1)
@click.option(
    "-i", "--input", "named_sources", metavar="CLIP", multiple=True, help="A clip, as an option; may be repeated."
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT.nq",
    help="The file to write. With several clips or rates write a pattern with {name}, {bpp} or {bitrate}.",
)
@existing_options
@click.option(
    "--bpp",
    metavar="X[,Y...]",
    help="Bits a luma pixel, the whole file counted; never more. Y and more: further files of one fit.",
)
@click.option("--bitrate", metavar="KB/S[,...]", help="Kilobits (1000 bits) a second; as --bpp otherwise.")
@click.option(
    "--params",
    type=click.IntRange(1),
    help="Parameters of the network, latents included, instead of a rate; the rate follows.",
)
@click.option(
    "--preset",
    default="medium",
    show_default=True,
    type=click.Choice(["ultrafast", "fast", "medium", "slow", "placebo"]),
    help="Time for quality; each takes about four times as long as the one before. Minutes expected are told first.",
)
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Optimizer steps of a fit, instead of the preset's.")
@click.option("--input-res", metavar="WxH", help="Raw .yuv input: picture size in luma pixels.")
@click.option("--fps", metavar="N[/D]", help="Raw or PNG input: frames a second, such as 25 or 30000/1001; default 25.")
@click.option("--input-csp", type=CSP, help="Raw .yuv input: chroma format, default i420.")
@click.option("--input-depth", type=click.IntRange(8, 12), help="Raw .yuv input: bits a sample, default 8.")
@click.option(
    "--seek",
    type=seek_position,
    default=0,
    metavar="N|TIME",
    help="Begin at frame N or at a time: 1.5s, 200ms, 00:00:02, 1:30.",
)
@click.option(
    "--frames",
    type=frame_count,
    metavar="N|TIME",
    help="Encode at most N frames, or a duration: 2s, 500ms, 00:00:02; default: all.",
)
@click.option(
    "--csp",
    type=click.Choice(["i400", "i420", "i422", "i444", "rgb"]),
    help="Code in this format; default: the input's, RGB input as i420.",
)
@click.option("--depth", type=click.IntRange(8, 12), help="Code at this bit depth; default: the input's.")
@click.option(
    "--arch",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", *BACKBONES]),
    help="Backbone; auto: pyramid.",
)
@click.option(
    "--method",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "rate-aware", "plain"]),
    help="Fit for the rate, or fit first and quantise then; auto: what measured better for the backbone.",
)
@click.option(
    "--arch-preset",
    metavar="NAME",
    help="A published network of --arch exactly as published, such as bunny-1.5m of hnerv; no rate is needed then.",
)
@click.option("--recipe", metavar="NAME", help="Plain fit as a paper does: nerv, nervpp, hnerv, hinerv, neuroquant.")
@click.option("--loss", metavar="NAME", help="Plain fit: log-mse, mse, l1, l1-ssim or l1-ms-ssim.")
@click.option("--optimizer", metavar="NAME", help="Plain fit: muon, adam or adamw.")
@click.option("--schedule", metavar="NAME", help="Plain fit: cosine, late-cosine, linear, step or constant-decay.")
@click.option("--ema", type=click.FloatRange(0, 1), metavar="X", help="Plain fit: average weights, with this decay.")
@click.option("--coarse", type=click.FloatRange(0, 1), metavar="X", help="Plain fit: part of the steps on 2x2 means.")
@click.option("--prune", type=click.FloatRange(0, 1), metavar="X", help="Plain fit: part of the weights to keep.")
@click.option("--quant-noise", type=click.IntRange(2, 8), metavar="BITS", help="Plain fit: end with Quant-Noise.")
@click.option("--patch", metavar="WxH|N", help="Plain fit: train on patches of so many luma samples, not whole frames.")
@click.option(
    "--segment",
    default="auto",
    show_default=True,
    metavar="auto|none|N",
    help="Where segments begin: auto, at scene cuts; N, there and after at most N frames; none, one segment. Each "
    "decodes alone.",
)
@click.option(
    "--motion",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "none"]),
    help="Pyramids: follow what moves, a camera or parts of the picture, or take every clip for a still one.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 256), help="Segments fitted at the same time; default: as many as fill the cores."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Same seed, threads and machine: same file.",
)
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where to fit.")
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="Threads a fit; default: the cores that there are for each, at most the frames of a step; plain fits: 1.",
)
@click.option(
    "--resume", is_flag=True, help="Go on from the checkpoint that an interrupted encode left beside the output."
)
@click.option("--fresh", is_flag=True, help="Start anew although there is such a checkpoint.")
@click.option("--save-fit", metavar="FILE.safetensors", help="Keep the float network, for other rates later (--fit).")
@click.option(
    "--fit", "fit_file", metavar="FILE.safetensors", help="Start from a saved fit of the same clip instead of fitting."
)
@click.option(
    "--hash",
    "hashes",
    type=click.Choice(["segment", "frame"]),
    default="segment",
    show_default=True,
    help="MD5s in the file: one a segment, or one a frame (16 bytes each) as well.",
)
@click.option(
    "--no-metadata",
    is_flag=True,
    help="Do not keep frame times that vary, HDR10 values, display matrix, encoder and settings in the file.",
)
@click.option(
    "--coder",
    type=click.Choice(["native", "python", "torchac"]),
    help="Arithmetic coder, default native; the bytes are the same.",
)
@click.option(
    "--report",
    metavar="OUT.html",
    help="A page: fit curve, bytes by part, PSNR by frame, frames. {name}, {bpp} as for -o.",
)
@click.option(
    "--metrics",
    metavar="NAME[,...]",
    help="Measure these, too, on the decoded frames of the file: ssim, ms-ssim, vmaf (an ffmpeg with libvmaf).",
)
@click.option("--csv", metavar="OUT.csv", help="A line a frame: PSNR by plane, MD5. {name}, {bpp} as for -o.")
@click.option(
    "--tensorboard", metavar="FOLDER", help="The fit as it goes, for TensorBoard: PSNR, loss, bytes, lambda, steps."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout.")
@save_option("Write the report there as JSON; of several files a list.")
@progress_option
@click.option("--no-progress", is_flag=True, help="The same as --progress none.")
@version_option
@guarded
@log_options
def main(sources: tuple[str, ...], named_sources: tuple[str, ...], **options: Any) -> None:
    """Encode video to .nq: fit a network to each clip, quantise it, and write one self-contained file.

    CLIP is a .y4m, a raw .yuv (with --input-res), a folder or %05d pattern of PNGs, anything FFmpeg reads, or - for
    stdin. Give exactly one of --bpp, --bitrate and --params. The last act is to decode the file written, with the real
    decoder: every figure printed is that of the file.
    """
    clips = [*sources, *named_sources]
    if not clips:
        raise UsageError("name at least one clip to encode (nqenc CLIP --bpp 0.1 -o OUT.nq)")
    from nqcodec.cli.encode_outputs import EncodeOutputs
    from nqcodec.cli.progress import encode_progress
    from nqcodec.encoder.encode import check_jobs, encode_clips
    from nqcodec.encoder.work_folder import work_path

    check_clips(clips)
    jobs = [clip_job(clip, options, several=len(clips) > 1) for clip in clips]
    settings = settings_of(options)
    check_jobs(jobs, settings)
    check_encoded_name(options["output"])
    check_save(options["save"], clips, [output.path for job in jobs for output in job.outputs])
    say(lambda: f"{version_text()}\n{settings}", Level.DEBUG)
    extra = EncodeOutputs.of(jobs, settings, options, [text for text, _ in rates_of(options)])
    may_replace(extra.files(), options)
    try:
        with extra, encode_progress(progress_of(options), options["quiet"]) as progress:
            reports = encode_clips(jobs, settings, extra.watched(progress))
            for report in reports:
                progress.done(report)
            written = extra.write(reports)
    except KeyboardInterrupt:
        for kept in (work_path(job.outputs[0].path) for job in jobs):
            if kept.exists():
                say(
                    f"checkpoints are kept in {kept}: give the same command with --resume to go on from them",
                    Level.ERROR,
                )
        raise
    data = one_or_all([report.as_dict() for report in reports])
    save_json(options["save"], data)
    if options["as_json"]:
        click.echo(json.dumps(data))
    if not options["quiet"]:
        from nqcodec.cli.report import report_lines

        for report in reports:
            say("\n".join(report_lines(report)))
        if written:
            say(f"see {', '.join(written)}")


def progress_of(options: dict[str, Any]) -> str:
    """What --progress and --no-progress ask for; raises UsageError if they contradict one another."""
    if options["no_progress"] and options["progress"] not in {None, "none"}:
        raise UsageError(f"--no-progress contradicts --progress {options['progress']}: give one of them")
    return "none" if options["no_progress"] else options["progress"] or "bar"


def clip_job(clip: str, options: dict[str, Any], several: bool) -> Any:
    """What to encode and where to: one output for each rate."""
    from nqcodec.cli.encode_outputs import named
    from nqcodec.encoder.encode import ClipJob, Output
    from nqcodec.media.clip import ClipInput

    pattern, rates = options["output"], rates_of(options)
    if several and "{name}" not in pattern:
        raise UsageError(f"-o {pattern}: with several clips write a pattern, such as -o {{name}}.nq")
    if len(rates) > 1 and "{bpp}" not in pattern and "{bitrate}" not in pattern:
        raise UsageError(f"-o {pattern}: with several rates write a pattern, such as -o out_{{bpp}}.nq")
    source = ClipInput(
        path=clip,
        input_res=parse_size(options["input_res"]),
        fps=parse_fps(options["fps"]),
        csp=options["input_csp"],
        depth=options["input_depth"],
        start=options["seek"],
        count=options["frames"],
        coded_csp=options["csp"],
        coded_depth=options["depth"],
    )
    outputs = []
    for text, rate in rates:
        outputs.append(Output(Path(named(pattern, clip, text)), rate))
    return ClipJob(source, tuple(outputs))


def rates_of(options: dict[str, Any]) -> list[tuple[str, Any]]:
    """(text, rate) of each rate asked for; one None for a published network of its own size."""
    from nqcodec.encoder.rate import Rate, not_one_rate

    asked = {name: options[name] for name in ("bpp", "bitrate", "params") if options[name] is not None}
    if not asked and options["arch_preset"]:
        return [("", None)]
    if len(asked) != 1:
        raise not_one_rate(len(asked))
    ((name, value),) = asked.items()
    if name == "params":
        return [(str(value), Rate(parameters=value))]
    numbers = [(text, parse_rate(name, text)) for text in value.split(",")]
    return [(text, Rate(bpp=number) if name == "bpp" else Rate(bitrate=number)) for text, number in numbers]


def parse_rate(name: str, text: str) -> float:
    """A number; raises UsageError."""
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"--{name} {text}: write a number, or several with commas between them") from error


def settings_of(options: dict[str, Any]) -> Any:
    """The settings that all clips share."""
    from nqcodec.encoder.encode import EncodeSettings
    from nqcodec.encoder.segment_job import FitOptions

    values: dict[str, Any] = {name: options[name] for name in SHARED}
    values["metadata"] = not options["no_metadata"]
    values["segment"] = parse_segment(options["segment"])
    fit = {field.name: options[field.name] for field in fields(FitOptions)}
    values["fit_options"] = FitOptions(**{**fit, "patch": parse_patch(options["patch"])})
    values["metrics"] = tuple(options["metrics"].split(",")) if options["metrics"] else ()
    for name in ("save_fit", "fit_file"):
        values[name] = Path(options[name]) if options[name] else None
    return EncodeSettings(**values)


def parse_segment(text: str) -> Any:
    """auto, none or a number of frames, as `EncodeSettings.segment` has them; raises UsageError."""
    if text in ("auto", "none"):
        return None if text == "none" else text
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UsageError(f"--segment {text}: write auto, none or a number of frames, such as 64")
    return int(text)


def parse_size(text: str | None, option: str = "--input-res", example: str = "1920x1080") -> tuple[int, int] | None:
    """WxH of an option; raises UsageError."""
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise UsageError(f"{option} {text}: write WIDTHxHEIGHT, such as {example}")
    return int(width), int(height)


def parse_patch(text: str | None) -> tuple[int, int] | None:
    """WxH, or N for both; raises UsageError."""
    both = text is not None and text.isascii() and text.isdigit()
    return parse_size(f"{text}x{text}" if both else text, "--patch", "120x120, or N for both")


def parse_fps(text: str | None) -> Fraction | None:
    """N, N/D or a decimal; raises UsageError."""
    if text is None:
        return None
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--fps {text}: write a number or a fraction, such as 30000/1001") from error
    if fps <= 0:
        raise UsageError(f"--fps {text}: a frame rate is positive")
    return fps


if __name__ == "__main__":
    sys.exit(main())
