"""nqtool bench latents, ablation, stills, motion and clips: what parts of the methods are worth."""

from __future__ import annotations

from collections.abc import Iterable
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
from nqcodec.encoder.option_text import parse_names
from nqcodec.encoder.options import PRESETS, EncodeSettings
from nqcodec.errors import UsageError

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


def _bpp(default: float) -> float:
    return option(default, "Bits a pixel of payload.", WHAT, range=(0.01, 100), show_default=True)


def _iterations(default: int) -> int:
    names = ("--iterations", "--steps")
    return option(default, "Of every fit.", FIT, flags=names, range=(1, None), show_default=True)


def _seeds(default: int) -> int:
    return option(default, "Fits of each, with seeds from 0 on.", FIT, range=(1, 100), show_default=True)


@dataclass(frozen=True, kw_only=True)
class StillsOptions(ResultOptions):
    """What a call of nqtool bench stills says."""

    clips: tuple[str, ...]
    bpp: float = _bpp(0.4)
    only: tuple[str, ...] | None = option(
        None, "These fits; default: all.", WHAT, metavar="NAME[,...]", parse=parse_names
    )
    iterations: int = _iterations(2000)
    seeds: int = _seeds(2)

    def names(self, variants: Iterable[str]) -> tuple[str, ...]:
        """The names of what is fitted, of all `variants`; raises UsageError for an unknown one."""
        known = tuple(variants)
        if unknown := [name for name in self.only or () if name not in known]:
            raise UsageError(f"there is no fit {unknown[0]!r}: choose of {', '.join(known)}")
        return self.only or known


@dataclass(frozen=True, kw_only=True)
class MotionOptions(StillsOptions):
    """What a call of nqtool bench motion says: what one of stills does, with defaults of its own, and which frames."""

    frames: str = option(
        "0:32",
        "Frames A to B-1 of every clip, counted from 0. A and B may be times: 1.5s:3s.",
        WHAT,
        metavar="A:B|A-B",
        show_default=True,
    )
    bpp: float = _bpp(0.05)
    iterations: int = _iterations(1440)
    seeds: int = _seeds(1)


@dataclass(frozen=True, kw_only=True)
class ClipsOptions(StillsOptions):
    """What a call of nqtool bench clips says: what one of stills does, with other defaults, and how many frames."""

    frames: int = option(32, "First frames of every clip.", WHAT, range=(2, 10000), show_default=True)
    bpp: float = _bpp(0.1)
    iterations: int = _iterations(2000)
    seeds: int = _seeds(1)


LATENTS = HelpPage(
    groups=groups_of(LatentsOptions),
    examples=(("nqtool bench latents --file clip.nq", "Of a file of yours; it takes a second."),),
    see_also=("docs/component-benchmarks.md",),
)
ABLATION = HelpPage(
    groups=groups_of(AblationOptions),
    examples=(("nqtool bench ablation clip.mkv --iterations 1600 --fit clip.safetensors", "On a fit that is kept."),),
    environment=(THREADS,),
    see_also=("docs/rate.md", "docs/component-benchmarks.md"),
)


STILLS = HelpPage(
    groups=groups_of(StillsOptions),
    examples=(("nqtool bench stills a.png b.png --bpp 0.5", "Two pictures, all fits: half an hour."),),
    environment=(THREADS,),
    see_also=("docs/experiments.md",),
)
MOTION = HelpPage(
    groups=groups_of(MotionOptions),
    examples=(
        ("nqtool bench motion clip.mkv --frames 0:64 --bpp 0.1", "All fits of the first 64 frames of a clip."),
        ('nqtool bench motion --only "as it is,no vectors"', "What the vectors are worth on the sample."),
    ),
    environment=(THREADS,),
    see_also=("docs/experiments.md", "docs/component-benchmarks.md"),
)


CLIPS = HelpPage(
    groups=groups_of(ClipsOptions),
    examples=(
        ('nqtool bench clips clip.mkv --only "as it is,small pictures first"', "What a coarse start is worth."),
        ("nqtool bench clips --seeds 2", "All fits of the sample, twice: ten minutes."),
    ),
    environment=(THREADS,),
    see_also=("docs/experiments.md",),
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


@bench_command("stills", STILLS)
@click.argument("clips", nargs=-1)
@guarded
@options_of(StillsOptions)
def stills(options: StillsOptions) -> None:
    """What each part of a still's fit is worth: first frames of CLIPS at equal bytes, one part changed at a time.

    CLIPS: default samples/bbb_320x180.mkv.
    """
    from nqcodec.benchmarks.stills import VARIANTS, measurement

    clips, names = options.clips or (SAMPLE,), options.names(VARIANTS)
    check_save(options.save, clips)
    give(measurement(clips, options.bpp, options.iterations, range(options.seeds), names), options)


@bench_command("motion", MOTION)
@click.argument("clips", nargs=-1)
@guarded
@options_of(MotionOptions)
def motion(options: MotionOptions) -> None:
    """What each part of the vectors is worth: frames of CLIPS at equal bytes, one part changed at a time.

    The fits are the pyramid with vectors ("as it is"), without them, and with the camera's path instead or as well, if
    there is one; with vectors that are denser, sparser or start from 0; with bilinear interpolation; with static grids
    of half the resolution; and with key grids. An iteration has as many frames as with --preset ultrafast.
    CLIPS: default samples/bbb_320x180.mkv.
    """
    from nqcodec.benchmarks.motion import VARIANTS, measurement

    clips, names = options.clips or (SAMPLE,), options.names(VARIANTS)
    check_save(options.save, clips)
    seeds = range(options.seeds)
    give(measurement(clips, options.frames, options.bpp, options.iterations, seeds, names), options)


@bench_command("clips", CLIPS)
@click.argument("clips", nargs=-1)
@guarded
@options_of(ClipsOptions)
def clips(options: ClipsOptions) -> None:
    """What each part of a clip's fit is worth: first frames of CLIPS at equal bytes, one part changed at a time.

    The fits are the default's ("as it is"), one twice as long, one that begins with pictures of half the size and all
    levels of the pyramid but the finest, one of four frames an iteration that takes as long, and some with other
    learning rates of weights and latents. CLIPS: default samples/bbb_320x180.mkv.
    """
    from nqcodec.benchmarks.clips import VARIANTS, measurement

    chosen, names = options.clips or (SAMPLE,), options.names(VARIANTS)
    check_save(options.save, chosen)
    seeds = range(options.seeds)
    give(measurement(chosen, options.frames, options.bpp, options.iterations, seeds, names), options)
