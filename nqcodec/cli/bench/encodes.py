"""nqtool bench robustness, md5s and encoding: what encodes promise, whether their bytes changed, and what they take."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nqcodec.cli.bench.common import MACHINE, SAMPLE, bench_command, give
from nqcodec.cli.common import guarded, say
from nqcodec.cli.help import HelpPage
from nqcodec.cli.options import groups_of, options_of
from nqcodec.cli.results import RESULTS, ResultOptions, check_save
from nqcodec.encoder.option import option, same_option
from nqcodec.encoder.option_text import parse_names
from nqcodec.encoder.options import PRESETS, EncodeSettings
from nqcodec.errors import NqError, UsageError

if TYPE_CHECKING:
    from nqcodec.benchmarks.robustness import Outcome

WHAT = "What to encode"


@dataclass(frozen=True, kw_only=True)
class RobustnessOptions(ResultOptions):
    """What a call of nqtool bench robustness says."""

    clips: tuple[str, ...]
    count: int = option(200, "Encodes.", WHAT, range=(1, None), show_default=True)
    seed: int = same_option(EncodeSettings, "seed", help="Of every fit, and of all draws.", group=WHAT)
    preset: str = option("ultrafast", "Of every encode.", WHAT, choices=PRESETS, show_default=True)
    iterations: int | None = same_option(
        EncodeSettings, "iterations", help="Of every fit, instead of the preset's.", group=WHAT
    )
    jobs: int | None = option(None, "Encodes at once, a thread each; default: one a core.", MACHINE, range=(1, 1024))
    each: bool = option(False, "A row for every encode, not for every backbone and method.", RESULTS)


@dataclass(frozen=True, kw_only=True)
class Md5sOptions(ResultOptions):
    """What a call of nqtool bench md5s says."""

    only: tuple[str, ...] | None = option(
        None, "These encodes; default: all.", WHAT, metavar="NAME[,...]", parse=parse_names
    )
    iterations: int | None = same_option(
        EncodeSettings, "iterations", help="Of every fit, instead of its own.", group=WHAT
    )
    against: str | None = option(None, "Compare with an earlier result.", RESULTS, metavar="FILE.json")


@dataclass(frozen=True, kw_only=True)
class EncodingOptions(ResultOptions):
    """What a call of nqtool bench encoding says."""

    sizes: tuple[str, ...] | None = option(
        None,
        "Of the pictures; default: 320x180, 640x360, 1280x720 and 1920x1080.",
        WHAT,
        metavar="WxH[,...]",
        parse=parse_names,
    )
    frames: tuple[str, ...] | None = option(
        None, "Of the clips; default: 32 and 300.", WHAT, metavar="N[,...]", parse=parse_names
    )
    threads: int | None = option(None, "Of a fit; default: one a core.", MACHINE, range=(1, 1024))


ROBUSTNESS = HelpPage(
    groups=groups_of(RobustnessOptions),
    examples=(
        ("nqtool bench robustness", "200 encodes of parts of the sample: 15 to 20 minutes on two cores."),
        ("nqtool bench robustness clip.mkv --count 20 --iterations 300", "A short look at another clip."),
    ),
    see_also=("BENCHMARKS.md",),
)
MD5S = HelpPage(
    groups=groups_of(Md5sOptions),
    examples=(
        ("nqtool bench md5s --save before.json", "At one commit."),
        ("nqtool bench md5s --against before.json", "At another, on the same machine: exit code 1 if a file differs."),
    ),
    see_also=("CONTRIBUTING.md",),
)


ENCODING = HelpPage(
    groups=groups_of(EncodingOptions),
    examples=(("nqtool bench encoding --sizes 640x360 --frames 60", "Of clips like yours."),),
    see_also=("BENCHMARKS.md",),
)


@bench_command("robustness", ROBUSTNESS)
@click.argument("clips", nargs=-1)
@guarded
@options_of(RobustnessOptions)
def robustness(options: RobustnessOptions) -> None:
    """Encode small random parts of CLIPS, decode them, and compare with what each fit ended with.

    Sizes from 16x16 to 160x96, 1 to 8 frames, chroma formats, depths, rates, seeds, backbones and methods are drawn. A
    file collapsed if it decodes more than 0.5 dB below its fit. The exit code is 1 if one did, or if an encode failed.
    CLIPS: default samples/bbb_320x180.mkv.
    """
    from nqcodec.benchmarks.robustness import measurement, random_trials, run
    from nqcodec.native.cpu import available_cores

    chosen = options.clips or (SAMPLE,)
    settings = EncodeSettings(preset=options.preset, iterations=options.iterations)
    check_save(options.save, chosen)
    outcomes: list[Outcome] = []
    trials = random_trials(chosen, options.count, options.seed)
    for outcome in run(trials, settings, options.jobs or available_cores()):
        outcomes.append(outcome)
        say(line(outcome))
    give(measurement(outcomes, settings, options.seed, each=options.each), options, progress=False)
    if any(outcome.collapsed or outcome.error is not None for outcome in outcomes):
        sys.exit(1)


def line(outcome: Outcome) -> str:
    """One encode as text."""
    trial = outcome.trial
    what = (
        f"{trial.number:4d}  {trial.width}x{trial.height} x {trial.frames}  {trial.chroma.label} {trial.depth} bit  "
        f"{trial.bpp:.3f} bpp  {trial.arch} {trial.method} seed {trial.seed}"
    )
    if outcome.error is not None:
        return f"{what}: {outcome.error}"
    verdict = "  COLLAPSED" if outcome.collapsed else ""
    again = "" if outcome.again is None else f"  made again in {outcome.again:.1f} s"
    return (
        f"{what}: {outcome.size} of {outcome.asked} bytes, fit {outcome.fit:.2f} dB, file {outcome.file:.2f} dB"
        f"{again}{verdict}"
    )


@bench_command("md5s", MD5S)
@guarded
@options_of(Md5sOptions)
def md5s(options: Md5sOptions) -> None:
    """MD5s of small encodes of the sample with a fixed seed and one thread, to compare two commits on one machine.

    They go through every backbone, both methods, camera paths, vectors, several rates and segments, and take a few
    minutes. The exit code is 1 if a file differs from that of --against.
    """
    from nqcodec.benchmarks.md5s import differences, run
    from nqcodec.benchmarks.results import read_result

    check_save(options.save, [options.against])
    earlier = read_result(Path(options.against)) if options.against else None
    result = give(run(options.only, options.iterations), options)
    if earlier and (differing := differences(earlier, result)):
        raise NqError(f"these differ from {options.against}: {', '.join(differing)}")


@bench_command("encoding", ENCODING)
@guarded
@options_of(EncodingOptions)
def encoding(options: EncodingOptions) -> None:
    """Minutes and memory of an encode with each preset, from a few iterations of fits of made-up clips."""
    from nqcodec.benchmarks.encoding import LENGTHS, SIZES, run
    from nqcodec.native.cpu import available_cores

    check_save(options.save)
    sizes = [_size(text) for text in options.sizes] if options.sizes else list(SIZES)
    lengths = [_number(text) for text in options.frames] if options.frames else list(LENGTHS)
    give(run(sizes, lengths, options.threads or available_cores()), options)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return _number(width), _number(height)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 16 <= int(text) <= 10_000):
        raise UsageError(f"{text!r} is no number from 16 to 10000: write sizes as 640x360, and frames as 60")
    return int(text)
