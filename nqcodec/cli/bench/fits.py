"""nqtool bench latents, options, quantise, ablation: what parts of the methods are worth, on one file or one fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nqcodec.cli.bench.common import FIT_THREADS, ITERATIONS, SAMPLE, SEED, bench_command, give
from nqcodec.cli.common import guarded
from nqcodec.cli.compare import numbers
from nqcodec.cli.help import HelpPage
from nqcodec.cli.pages import THREADS
from nqcodec.cli.results import check_save
from nqcodec.encoder.options import PRESETS

SECTIONS = ("allocation", "quantizers", "calibration")

LATENTS = HelpPage(
    examples=(("nqtool bench latents --file clip.nq", "Of a file of yours; it takes a second."),),
    see_also=("BENCHMARKS.md",),
)
OPTIONS = HelpPage(
    examples=(("nqtool bench options --clip clip.mkv", "A few minutes on a small clip."),), see_also=("BENCHMARKS.md",)
)
ONE_FIT = {
    "The fit": ("--fit", "--params", "--preset", "--recipe"),
    "What to compare": ("--section", "--bits", "--iterations"),
    "Machine": ("--threads", "--seed"),
    "Results": ("--save", "--json"),
}
QUANTIZE = HelpPage(
    groups=ONE_FIT,
    examples=(
        (
            "nqtool bench quantise clip.mkv --section calibration --bits 3.9,4.8 --iterations 400,1600",
            "Every calibration at two sizes and two lengths.",
        ),
    ),
    environment=(THREADS,),
    see_also=("docs/rate.md", "BENCHMARKS.md"),
)
ABLATION = HelpPage(
    groups={**ONE_FIT, "What to compare": ("--bits", "--iterations")},
    examples=(("nqtool bench ablation clip.mkv --iterations 1600 --fit clip.safetensors", "On a fit that is kept."),),
    environment=(THREADS,),
    see_also=("docs/rate.md", "BENCHMARKS.md"),
)


@bench_command("latents", LATENTS)
@click.option(
    "--file", "path", metavar="FILE.nq", default="samples/bbb_320x180.nq", show_default=True, help="Its latents."
)
@guarded
def latents(path: str, **options: Any) -> None:
    """What coding latents in context saves on a file, against the best static model of each."""
    from nqcodec.benchmarks.context_savings import run
    from nqcodec.bitstream.file import read_file

    check_save(options["save"], [path])
    give(run(read_file(path)), options)


@bench_command("options", OPTIONS)
@click.option("--clip", default=SAMPLE, show_default=True, help="The clip to fit.")
@FIT_THREADS
@guarded
def each_option(clip: str, threads: int, **options: Any) -> None:
    """What each option of a float fit is worth: against the default, with equal iterations, on one clip."""
    from nqcodec.benchmarks.training_options import run

    check_save(options["save"], [clip])
    give(run(clip, threads=threads), options)


def of_one_fit(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which fit is quantized."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.argument("clip", default=SAMPLE),
        click.option("--fit", metavar="FILE.safetensors", help="A saved fit to take, or where to keep the one made."),
        click.option(
            "--params", type=click.IntRange(1), default=40_000, show_default=True, help="Parameters of the HNeRV made."
        ),
        click.option(
            "--preset", type=click.Choice(PRESETS), default="fast", show_default=True, help="Of the fit made."
        ),
        click.option(
            "--recipe",
            metavar="NAME",
            help="Make the fit as a paper does, not by the preset: nerv, nervpp, hnerv, hinerv, neuroquant.",
        ),
        FIT_THREADS,
        SEED,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _fit_options(options: dict[str, Any]) -> dict[str, Any]:
    same = {name: options[name] for name in ("preset", "recipe", "threads", "seed")}
    return {"fit_path": Path(options["fit"]) if options["fit"] else None, "parameters": options["params"], **same}


@bench_command("quantise", QUANTIZE)
@of_one_fit
@click.option(
    "--section", "sections", type=click.Choice(SECTIONS), multiple=True, help="What to compare; default: everything."
)
@click.option(
    "--bits", default="3,4", show_default=True, metavar="X[,Y...]", help="Coded bits a parameter to compare at."
)
@click.option(
    *ITERATIONS,
    default="400",
    show_default=True,
    metavar="N[,M...]",
    help="Of calibration; allocation takes the first.",
)
@guarded
def quantize(clip: str, sections: tuple[str, ...], bits: str, iterations: str, **options: Any) -> None:
    """Compare allocations, quantizers and calibrations on one fit of CLIP at equal bytes.

    PSNR-YUV (6:1:1, dB) is of what the decoder shows; for quantizers, of floats.
    """
    from nqcodec.benchmarks.quantization import run

    check_save(options["save"], [clip, options["fit"]])
    counts = tuple(round(count) for count in numbers("iterations", iterations))
    how: dict[str, Any] = {"sections": sections or SECTIONS, "bits": tuple(numbers("bits", bits))}
    give(run(clip, finetune_iterations=counts, **how, **_fit_options(options)), options)


@bench_command("ablation", ABLATION)
@of_one_fit
@click.option("--bits", type=click.FloatRange(1, 8), default=4.0, show_default=True, help="Coded bits a parameter.")
@click.option(
    *ITERATIONS,
    type=click.IntRange(1),
    default=800,
    show_default=True,
    help="Of every calibration.",
)
@guarded
def ablation(clip: str, bits: float, iterations: int, **options: Any) -> None:
    """What each ingredient of quantisation is worth on one fit of CLIP, against NeuroQuant's method."""
    from nqcodec.benchmarks.ablation import run

    check_save(options["save"], [clip, options["fit"]])
    give(run(clip, bits=bits, iterations=iterations, **_fit_options(options)), options)
