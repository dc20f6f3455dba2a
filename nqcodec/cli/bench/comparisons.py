"""nqtool bench compare and backbones: files of one clip beside those of other codecs and networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nqcodec.cli.bench.common import SAMPLE, FitOptions, bench_command, give
from nqcodec.cli.common import guarded, log_options
from nqcodec.cli.compare import compared, run_with_progress
from nqcodec.cli.compare_options import COMPARE, FILES, ComparisonOptions
from nqcodec.cli.help import HelpPage
from nqcodec.cli.options import groups_of, options_of
from nqcodec.cli.results import ResultOptions, check_save
from nqcodec.encoder.option import option, parsed_option, same_option
from nqcodec.encoder.option_text import parse_names, parse_positive_numbers
from nqcodec.encoder.options import PRESETS, EncodeSettings
from nqcodec.errors import UsageError
from nqcodec.media.outputs import refuse_sources

if TYPE_CHECKING:
    from nqcodec.benchmarks.backbones import BackbonesConfig

WHAT = "What to compare"


@dataclass(frozen=True, kw_only=True)
class AgainstCodecsOptions(ComparisonOptions, ResultOptions):
    """What a call of nqtool bench compare says."""

    clip_path: str


@dataclass(frozen=True, kw_only=True)
class RatesOptions(ResultOptions):
    """What a call of nqtool bench rates says."""

    clips: tuple[str, ...]
    folder: str = option(
        "rates.bench", "Where files go.", FILES, flags=("-o", "--output"), metavar="FOLDER", show_default=True
    )
    quality: tuple[float, ...] | None = option(
        None, "Qualities.", WHAT, metavar="Q[,...]", parse=parse_positive_numbers
    )
    psnr: tuple[float, ...] | None = option(
        None, "PSNR-YUV in dB.", WHAT, metavar="DB[,...]", parse=parse_positive_numbers
    )
    bpp: tuple[float, ...] | None = option(
        None, "Bits a luma pixel.", WHAT, metavar="X[,Y...]", parse=parse_positive_numbers
    )
    preset: str = option("ultrafast", "Of every encode.", WHAT, choices=PRESETS, show_default=True)
    iterations: int | None = same_option(
        EncodeSettings, "iterations", help="Of every fit, instead of the preset's.", group=WHAT
    )
    frames: int = option(32, "Of each clip at most N frames.", WHAT, range=(1, None), show_default=True)
    anchors: str = option(
        "x264,x265,svt-av1",
        "Codecs whose rate factors are sought.",
        WHAT,
        metavar="NAME[:SPEED],...",
        show_default=True,
    )
    seed: int = same_option(EncodeSettings, "seed", help="Of every fit.", group=WHAT)
    quiet: bool


@dataclass(frozen=True, kw_only=True)
class BackbonesOptions(FitOptions, ResultOptions):
    """What a call of nqtool bench backbones says."""

    clip: str
    folder: str | None = option(
        None, "Where files go; default: CLIP.backbones.", FILES, flags=("-o", "--output"), metavar="FOLDER"
    )
    archs: tuple[str, ...] | None = option(
        None, "Backbones; default: all.", WHAT, flags=("--arch",), metavar="NAME[,...]", parse=parse_names
    )
    bpp: tuple[float, ...] = parsed_option("0.03,0.06,0.1", parse_positive_numbers, "Rates.", WHAT, metavar="X[,Y...]")
    seconds: float = option(
        60.0,
        "For fit and quantisation of each file.",
        WHAT,
        range=(0, None),
        open_range=True,
        show_default=True,
    )
    anchors: str = option(
        "x264,x264:psnr,x265,svt-av1",
        "Codecs to compare bits with; psnr tunes for PSNR. none: none.",
        WHAT,
        metavar="NAME[:SPEED][:psnr],...",
        show_default=True,
    )
    frames: int | None = option(None, "Of the clip at most N frames.", WHAT, range=(1, None))
    quiet: bool


AGAINST_CODECS = HelpPage(
    groups=groups_of(AgainstCodecsOptions),
    examples=(
        ("nqtool bench compare clip.mkv --preset fast --bpp 0.05,0.1", "Bits over the other codecs', as a table."),
    ),
    environment=COMPARE.environment,
    see_also=("nqtool compare --help", "BENCHMARKS.md"),
)
RATES = HelpPage(
    groups=groups_of(RatesOptions),
    examples=(("nqtool bench rates a.y4m b.y4m --quality 30,50,70 --psnr 38", "Eight encodes, four of each."),),
    see_also=("BENCHMARKS.md",),
)
BACKBONES = HelpPage(
    groups=groups_of(BackbonesOptions),
    examples=(("nqtool bench backbones clip.mkv --seconds 120 --bpp 0.05,0.1 --arch pyramid,hnerv", "Two of them."),),
    see_also=("docs/component-benchmarks.md",),
)


@bench_command("compare", AGAINST_CODECS)
@click.argument("clip_path", metavar="[CLIP]", default=SAMPLE)
@guarded
@log_options
@options_of(AgainstCodecsOptions)
def against_codecs(options: AgainstCodecsOptions) -> None:
    """Compare nqcodec with x264, x265 and SVT-AV1 as `nqtool compare` does, and make one table of the figures.

    FOLDER gets the files and results.json, from which `nqtool compare --from` makes the page. Given again, only what is
    missing is encoded.
    """
    from nqcodec.benchmarks.rate_distortion import measurement

    check_save(options.save, [options.clip_path])
    comparison, _ = compared(options.clip_path, options)
    about = f"The other codecs have a key frame every {options.gop} frames at most."
    title = "nqcodec against other codecs"
    give(measurement(comparison, "compare", title, about), options, progress=False)


@bench_command("rates", RATES)
@click.argument("clips", metavar="[CLIP]...", nargs=-1)
@guarded
@log_options
@options_of(RatesOptions)
def rates(options: RatesOptions) -> None:
    """Encode CLIPs at qualities, PSNRs and bits a pixel, and print what came of each, with the rate factors of other
    codecs that have the same PSNR-YUV."""
    from nqcodec.benchmarks.rates import RatesConfig, measurement
    from nqcodec.compare.anchors import anchor_named
    from nqcodec.compare.configurations import at_preset, named
    from nqcodec.encoder.rate import Rate

    clips = options.clips or (SAMPLE,)
    check_save(options.save, clips)
    wanted = [Rate(quality=value) for value in options.quality or ()]
    wanted += [Rate(psnr=value) for value in options.psnr or ()]
    wanted += [Rate(bpp=value) for value in options.bpp or ()]
    if not wanted:
        raise UsageError("name what to ask for: --quality, --psnr or --bpp")
    if len({Path(clip).stem for clip in clips}) < len(clips):
        raise UsageError("two clips have the same name")
    shared: dict[str, object] = {"threads": 1, "seed": options.seed, "iterations": options.iterations}
    config = RatesConfig(
        clips=clips,
        frames=options.frames,
        rates=wanted,
        configuration=at_preset(named("default", shared), options.preset),
        anchors=[anchor_named(text) for text in options.anchors.split(",")],
    )
    give(measurement(config, Path(options.folder), lambda line: None), options)


@bench_command("backbones", BACKBONES)
@click.argument("clip", default=SAMPLE)
@guarded
@log_options
@options_of(BackbonesOptions)
def backbones(options: BackbonesOptions) -> None:
    """Fit every backbone to CLIP within the same time at the same rates, and print a table.

    Iterations follow from the speed of each network, measured just before: run nothing else beside it. FOLDER gets the
    files and their figures. Given again, finished files are kept and only what is missing is encoded.
    """
    from nqcodec.benchmarks.backbones import as_measurement, run
    from nqcodec.compare.comparison import RESULTS
    from nqcodec.compare.runs import STREAMS

    check_save(options.save, [options.clip])
    folder = Path(options.folder or f"{Path(options.clip.rstrip('/')).name}.backbones")
    refuse_sources([folder / RESULTS, folder / STREAMS], [options.clip])
    config = config_of(options)
    comparison = run_with_progress(lambda log, progress: run(config, folder, log, progress), folder, options.quiet)
    give(as_measurement(config, comparison), options, progress=False)


def config_of(options: BackbonesOptions) -> BackbonesConfig:
    """What the options ask for; raises UsageError."""
    from nqcodec.backbones import BACKBONES as ALL
    from nqcodec.benchmarks.backbones import BackbonesConfig
    from nqcodec.compare.anchors import anchor_named
    from nqcodec.media.clip import ClipInput

    archs = options.archs or tuple(ALL)
    if len(set(archs)) < len(archs):
        raise UsageError(f"--arch {','.join(archs)}: name each backbone once")
    anchors = [] if options.anchors == "none" else options.anchors.split(",")
    return BackbonesConfig(
        clip=ClipInput(options.clip, count=options.frames),
        rates=tuple(sorted(options.bpp)),
        archs=archs,
        anchors=tuple(anchor_named(text) for text in dict.fromkeys(anchors)),
        seconds=options.seconds,
        seed=options.seed,
        device=options.device,
        threads=options.threads,
    )
