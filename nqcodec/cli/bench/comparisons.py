"""nqtool bench compare, backbones, recipe: files of one clip beside those of other codecs, networks and methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nqcodec.cli.bench.common import DEVICE, FIT_THREADS, FRAMES, ITERATIONS, SAMPLE, SEED, bench_command, give
from nqcodec.cli.common import guarded, log_options
from nqcodec.cli.compare import compared, comparison_options, numbers, run_with_progress
from nqcodec.cli.help import HelpPage
from nqcodec.cli.pages import COMPARE
from nqcodec.cli.results import check_save
from nqcodec.compare.configurations import PAPERS
from nqcodec.errors import UsageError
from nqcodec.media.outputs import refuse_sources

if TYPE_CHECKING:
    from nqcodec.benchmarks.backbones import BackbonesConfig

ANCHORS = "x264,x264:psnr,x265,svt-av1"

AGAINST_CODECS = HelpPage(
    groups={**COMPARE.groups, "Files": ("--output",)},
    examples=(
        ("nqtool bench compare clip.mkv --preset fast --bpp 0.05,0.1", "Bits over the other codecs', as a table."),
    ),
    environment=COMPARE.environment,
    see_also=("nqtool compare --help", "BENCHMARKS.md"),
)
BACKBONES = HelpPage(
    groups={
        "Files": ("--output",),
        "What to compare": ("--arch", "--bpp", "--seconds", "--anchors", "--frames"),
        "Machine": ("--device", "--threads", "--seed"),
    },
    examples=(("nqtool bench backbones clip.mkv --seconds 120 --bpp 0.05,0.1 --arch pyramid,hnerv", "Two of them."),),
    see_also=("BENCHMARKS.md",),
)
RECIPE = HelpPage(
    groups={
        "Files": ("--output",),
        "What to compare": ("--recipe", "--bpp", "--iterations", "--frames"),
        "Machine": ("--device", "--threads", "--seed"),
        "Results": ("--save", "--json"),
    },
    examples=(
        ("nqtool bench recipe clip.mkv --recipe hnerv --bpp 0.05,0.1", "HNeRV's 300 epochs against the default."),
    ),
    see_also=("nqtool compare --help: --config paper/NAME", "BENCHMARKS.md"),
)
RATES = click.option("--bpp", default="0.1", show_default=True, metavar="X[,Y...]", help="Rates.")


@bench_command("compare", AGAINST_CODECS)
@click.argument("clip", default=SAMPLE)
@comparison_options
@guarded
@log_options
def against_codecs(clip: str, **options: Any) -> None:
    """Compare nqcodec with x264, x265 and SVT-AV1 as `nqtool compare` does, and make one table of the figures.

    FOLDER gets the files and results.json, from which `nqtool compare --from` makes the page. Given again, only what is
    missing is encoded.
    """
    from nqcodec.benchmarks.rate_distortion import measurement

    check_save(options["save"], [clip])
    comparison, _ = compared(clip, options)
    about = f"The other codecs have a key frame every {options['gop']} frames at most."
    title = "nqcodec against other codecs"
    give(measurement(comparison, "compare", title, about), options, progress=False)


@bench_command("backbones", BACKBONES)
@click.argument("clip", default=SAMPLE)
@click.option("-o", "--output", "folder", metavar="FOLDER", help="Where files go; default: CLIP.backbones.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="For fit and quantisation of each file.",
)
@click.option("--bpp", default="0.03,0.06,0.1", show_default=True, metavar="X[,Y...]", help="Rates.")
@click.option("--arch", metavar="NAME[,...]", help="Backbones; default: all.")
@click.option(
    "--anchors",
    default=ANCHORS,
    show_default=True,
    metavar="NAME[:SPEED][:psnr],...",
    help="Codecs to compare bits with; psnr tunes for PSNR. none: none.",
)
@FRAMES
@SEED
@DEVICE
@FIT_THREADS
@guarded
@log_options
def backbones(clip: str, **options: Any) -> None:
    """Fit every backbone to CLIP within the same time at the same rates, and print a table.

    Iterations follow from the speed of each network, measured just before: run nothing else beside it. FOLDER gets the
    files and their figures. Given again, finished files are kept and only what is missing is encoded.
    """
    from nqcodec.benchmarks.backbones import as_measurement, run
    from nqcodec.compare.comparison import RESULTS
    from nqcodec.compare.runs import STREAMS

    check_save(options["save"], [clip])
    folder = Path(options["folder"] or f"{Path(clip.rstrip('/')).name}.backbones")
    refuse_sources([folder / RESULTS, folder / STREAMS], [clip])
    config = config_of(clip, options)
    comparison = run_with_progress(lambda log, progress: run(config, folder, log, progress), folder, options["quiet"])
    give(as_measurement(config, comparison), options, progress=False)


def config_of(clip: str, options: dict[str, Any]) -> BackbonesConfig:
    """What the options ask for; raises UsageError."""
    from nqcodec.backbones import BACKBONES as ALL
    from nqcodec.benchmarks.backbones import BackbonesConfig
    from nqcodec.compare.anchors import anchor_named
    from nqcodec.media.clip import ClipInput

    archs = tuple(options["arch"].split(",")) if options["arch"] else tuple(ALL)
    if len(set(archs)) < len(archs):
        raise UsageError(f"--arch {options['arch']}: name each backbone once")
    anchors = [] if options["anchors"] == "none" else options["anchors"].split(",")
    return BackbonesConfig(
        clip=ClipInput(clip, count=options["frames"]),
        rates=tuple(sorted(numbers("bpp", options["bpp"]))),
        archs=archs,
        anchors=tuple(anchor_named(text) for text in dict.fromkeys(anchors)),
        **{name: options[name] for name in ("seconds", "seed", "device", "threads")},
    )


@bench_command("recipe", RECIPE)
@click.argument("clip", default=SAMPLE)
@click.option("-o", "--output", "folder", metavar="FOLDER", help="Where files go; default: CLIP.recipe.")
@click.option(
    "--recipe", type=click.Choice(list(PAPERS)), default="hnerv", show_default=True, help="The paper's training."
)
@RATES
@click.option(
    *ITERATIONS,
    type=click.IntRange(1),
    metavar="N",
    help="Of the recipe, instead of its full length.",
)
@FRAMES
@SEED
@DEVICE
@FIT_THREADS
@guarded
def recipe(clip: str, folder: str | None, **options: Any) -> None:
    """Compare our fit with a paper's of the same network, and our default with its file in the same time and bytes.

    The paper's recipe runs at its full length; our fit gets 1/16, 1/8, 1/4 ... of its time until it is as good. Run
    nothing else beside it.
    """
    from nqcodec.benchmarks.recipe import RecipeConfig, run
    from nqcodec.compare.runs import STREAMS
    from nqcodec.media.clip import ClipInput

    check_save(options["save"], [clip])
    rates = tuple(sorted(numbers("bpp", options["bpp"])))
    same = {name: options[name] for name in ("recipe", "seed", "device", "threads")}
    config = RecipeConfig(
        ClipInput(clip, count=options["frames"]), rates=rates, iterations=options["iterations"], **same
    )
    target = Path(folder or f"{Path(clip.rstrip('/')).name}.recipe")
    refuse_sources([target / STREAMS], [clip])
    give(run(config, target), options)
