"""nqtool bench robustness, md5s: many small encodes, looked at for what they promise and for their bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nqcodec.cli.bench.common import ITERATIONS, SAMPLE, SEED, bench_command, give
from nqcodec.cli.common import guarded, say
from nqcodec.cli.help import HelpPage
from nqcodec.cli.results import check_save
from nqcodec.encoder.options import PRESETS
from nqcodec.errors import NqError

if TYPE_CHECKING:
    from nqcodec.benchmarks.robustness import Outcome

ROBUSTNESS = HelpPage(
    groups={
        "What to encode": ("--count", "--seed", "--preset", "--iterations"),
        "Machine": ("--jobs",),
        "Results": ("--each", "--save", "--json"),
    },
    examples=(
        ("nqtool bench robustness", "200 encodes of parts of the sample: 15 to 20 minutes on two cores."),
        ("nqtool bench robustness clip.mkv --count 20 --iterations 300", "A short look at another clip."),
    ),
    see_also=("BENCHMARKS.md",),
)
MD5S = HelpPage(
    groups={"What to encode": ("--only", "--iterations"), "Results": ("--against", "--save", "--json")},
    examples=(
        ("nqtool bench md5s --save before.json", "At one commit."),
        ("nqtool bench md5s --against before.json", "At another, on the same machine: exit code 1 if a file differs."),
    ),
    see_also=("CONTRIBUTING.md",),
)


@bench_command("robustness", ROBUSTNESS)
@click.argument("clips", nargs=-1)
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Encodes.")
@SEED
@click.option("--preset", type=click.Choice(PRESETS), default="ultrafast", show_default=True, help="Of every encode.")
@click.option(*ITERATIONS, type=click.IntRange(1), help="Of every fit, instead of the preset's.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Encodes at once, a thread each; default: one a core.")
@click.option("--each", is_flag=True, help="A row for every encode, not for every backbone and method.")
@click.pass_context
@guarded
def robustness(
    context: click.Context,
    clips: tuple[str, ...],
    count: int,
    seed: int,
    preset: str,
    iterations: int | None,
    jobs: int | None,
    each: bool,
    **options: Any,
) -> None:
    """Encode small random parts of CLIPS, decode them, and compare with what each fit ended with.

    Sizes from 16x16 to 160x96, 1 to 8 frames, chroma formats, depths, rates, seeds, backbones and methods are drawn. A
    file collapsed if it decodes more than 0.5 dB below its fit. The exit code is 1 if one did, or if an encode failed.
    CLIPS: default samples/bbb_320x180.mkv.
    """
    from nqcodec.benchmarks.robustness import measurement, random_trials, run
    from nqcodec.encoder.options import EncodeSettings
    from nqcodec.native.cpu import available_cores

    chosen, settings = clips or (SAMPLE,), EncodeSettings(preset=preset, iterations=iterations)
    check_save(options["save"], chosen)
    outcomes: list[Outcome] = []
    for outcome in run(random_trials(chosen, count, seed), settings, jobs or available_cores()):
        outcomes.append(outcome)
        say(line(outcome))
    give(measurement(outcomes, settings, seed, each=each), options, progress=False)
    context.exit(1 if any(outcome.collapsed or outcome.error is not None for outcome in outcomes) else 0)


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
@click.option("--only", metavar="NAME[,...]", help="These encodes; default: all.")
@click.option(*ITERATIONS, type=click.IntRange(1), help="Of every fit, instead of its own.")
@click.option("--against", metavar="FILE.json", help="Compare with an earlier result.")
@guarded
def md5s(only: str | None, iterations: int | None, against: str | None, **options: Any) -> None:
    """MD5s of small encodes of the sample with a fixed seed and one thread, to compare two commits on one machine.

    They go through every backbone, both methods, camera paths, vectors, several rates and segments, and take a few
    minutes. The exit code is 1 if a file differs from that of --against.
    """
    from nqcodec.benchmarks.md5s import differences, run
    from nqcodec.benchmarks.results import read_result

    check_save(options["save"], [against])
    earlier = read_result(Path(against)) if against else None
    result = give(run(only.split(",") if only else None, iterations), options)
    if earlier and (differing := differences(earlier, result)):
        raise NqError(f"these differ from {against}: {', '.join(differing)}")
