"""nqtool bench robustness: whether files show what their fits promised, over many small random encodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nqcodec.cli.common import CONTEXT, guarded, say
from nqcodec.cli.help import Manual
from nqcodec.cli.pages import ROBUSTNESS
from nqcodec.training.presets import PLAIN_PRESETS

if TYPE_CHECKING:
    from nqcodec.benchmarks.robustness import Outcome


@click.command("robustness", cls=Manual, page=ROBUSTNESS, context_settings=CONTEXT)
@click.argument("clips", nargs=-1)
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Encodes.")
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of everything that is drawn."
)
@click.option(
    "--preset", type=click.Choice(list(PLAIN_PRESETS)), default="ultrafast", show_default=True, help="Of every encode."
)
@click.option("--steps", type=click.IntRange(1), help="Of every fit, instead of the preset's.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Encodes at once, a thread each; default: one a core.")
@click.option("--save", metavar="FILE.json", help="Write the figures there as well, with every encode.")
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
@click.pass_context
@guarded
def robustness(
    context: click.Context,
    clips: tuple[str, ...],
    count: int,
    seed: int,
    preset: str,
    steps: int | None,
    jobs: int | None,
    save: str | None,
    as_json: bool,
) -> None:
    """Encode small random parts of CLIPS, decode them, and compare with what each fit ended with.

    Sizes from 16x16 to 160x96, 1 to 8 frames, chroma formats, depths, rates, seeds, backbones and methods are drawn. A
    file collapsed if it decodes more than 0.5 dB below its fit. The exit code is 1 if one did, or if an encode failed.
    CLIPS: default samples/bbb_320x180.mkv.
    """
    from nqcodec.benchmarks.robustness import run
    from nqcodec.decoder.timing import machine
    from nqcodec.encoder.options import EncodeSettings
    from nqcodec.native.cpu import available_cores

    settings = EncodeSettings(preset=preset, steps=steps)
    chosen = clips or ("samples/bbb_320x180.mkv",)
    figures = run(chosen, count, seed, settings, jobs or available_cores(), lambda outcome: say(line(outcome)))
    result: dict[str, Any] = {"machine": machine(), "clips": list(chosen), **figures}
    text = json.dumps(result, indent=1)
    if save:
        Path(save).write_text(text + "\n", encoding="utf-8")
    click.echo(text if as_json else "\n".join(summary_lines(result)))
    context.exit(1 if result["collapsed"] or result["failed"] else 0)


def line(outcome: Outcome) -> str:
    """One encode as text."""
    trial = outcome.trial
    what = (
        f"{trial.number:4d}  {trial.width}x{trial.height} x {trial.frames}  {trial.chroma.label} {trial.depth} bit  "
        f"{trial.bpp:.3f} bpp  {trial.arch} {trial.method} seed {trial.seed}"
    )
    if outcome.error is not None:
        return f"{what}: {outcome.error}"
    assert outcome.size is not None
    assert outcome.asked is not None
    verdict = "  COLLAPSED" if outcome.collapsed else ""
    again = "" if outcome.again is None else f"  taken again in {outcome.again:.1f} s"
    return (
        f"{what}: {outcome.size} of {outcome.asked} bytes, fit {outcome.fit:.2f} dB, file {outcome.file:.2f} dB"
        f"{again}{verdict}"
    )


def summary_lines(result: dict[str, Any]) -> list[str]:
    """The summary as text."""

    def shown(name: str, unit: str, factor: float = 1.0) -> str:
        return "none" if result[name] is None else f"{factor * result[name]:.2f} {unit}"

    return [
        f"{result['trials']} encodes, {result['failed']} failed, {result['collapsed']} collapsed, "
        f"{result['taken_again']} taken again",
        f"worst difference between fit and file: {shown('worst_lost_db', 'dB')}",
        "bytes used of those asked for: "
        f"median {shown('median_used', '%', 100)}, least {shown('least_used', '%', 100)}",
    ]
