"""nqtool bench latents and ablation: what parts of the methods are worth, on one file or one fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from nqcodec.cli.bench.common import MACHINE, SAMPLE, bench_command, give
from nqcodec.cli.common import guarded
from nqcodec.cli.help import HelpPage
from nqcodec.cli.options import groups_of, options_of
from nqcodec.cli.pages import THREADS
from nqcodec.cli.results import ResultOptions, check_save
from nqcodec.encoder.option import option, same_option
from nqcodec.encoder.options import PRESETS, EncodeSettings

FIT, WHAT = "The fit", "What to compare"


@dataclass(frozen=True, kw_only=True)
class LatentsOptions(ResultOptions):
    """What a call of nqtool bench latents says."""

    path: str = option(
        "samples/bbb_320x180.nq",
        "Its latents.",
        "What to measure",
        flags=("--file",),
        metavar="FILE.nq",
        show_default=True,
    )


@dataclass(frozen=True, kw_only=True)
class AblationOptions(ResultOptions):
    """What a call of nqtool bench ablation says."""

    clip: str
    fit: str | None = option(
        None, "A saved fit to take, or where to keep the one made.", FIT, metavar="FILE.safetensors"
    )
    params: int = option(40_000, "Parameters of the HNeRV made.", FIT, range=(1, None), show_default=True)
    preset: str = option("fast", "Of the fit made.", FIT, choices=PRESETS, show_default=True)
    recipe: str | None = option(
        None,
        "Make the fit as a paper does, not by the preset: nerv, nervpp, hnerv, hinerv, neuroquant.",
        FIT,
        metavar="NAME",
    )
    bits: float = option(4.0, "Coded bits a parameter.", WHAT, range=(1, 8), show_default=True)
    iterations: int = option(
        800,
        "Of every calibration.",
        WHAT,
        flags=("--iterations", "--steps"),
        range=(1, None),
        show_default=True,
    )
    threads: int = option(1, "CPU threads of a fit.", MACHINE, range=(1, 1024), show_default=True)
    seed: int = same_option(EncodeSettings, "seed", help="Of every fit, and of all draws.")


LATENTS = HelpPage(
    groups=groups_of(LatentsOptions),
    examples=(("nqtool bench latents --file clip.nq", "Of a file of yours; it takes a second."),),
    see_also=("BENCHMARKS.md",),
)
ABLATION = HelpPage(
    groups=groups_of(AblationOptions),
    examples=(("nqtool bench ablation clip.mkv --iterations 1600 --fit clip.safetensors", "On a fit that is kept."),),
    environment=(THREADS,),
    see_also=("docs/rate.md", "BENCHMARKS.md"),
)


@bench_command("latents", LATENTS)
@guarded
@options_of(LatentsOptions)
def latents(options: LatentsOptions) -> None:
    """What coding latents in context saves on a file, against the best static model of each."""
    from nqcodec.benchmarks.context_savings import run
    from nqcodec.bitstream.file import read_file

    check_save(options.save, [options.path])
    give(run(read_file(options.path)), options)


@bench_command("ablation", ABLATION)
@click.argument("clip", default=SAMPLE)
@guarded
@options_of(AblationOptions)
def ablation(options: AblationOptions) -> None:
    """What each ingredient of quantisation is worth on one fit of CLIP, against NeuroQuant's method."""
    from nqcodec.benchmarks.ablation import run
    from nqcodec.benchmarks.ablation_subject import FitChoice

    check_save(options.save, [options.clip, options.fit])
    choice = FitChoice(
        path=Path(options.fit) if options.fit else None,
        parameters=options.params,
        preset=options.preset,
        recipe=options.recipe,
        threads=options.threads,
        seed=options.seed,
    )
    give(run(options.clip, choice, bits=options.bits, iterations=options.iterations), options)
