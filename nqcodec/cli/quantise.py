"""nqtool bench quantise, ablation: ways to quantise compared on one fit of one clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nqcodec.cli.common import guarded
from nqcodec.cli.figures import lines
from nqcodec.cli.help import Manual
from nqcodec.cli.pages import ABLATION, QUANTISE
from nqcodec.cli.results import check_save, give_out, save_option
from nqcodec.decoder.timing import machine
from nqcodec.training.presets import PLAIN_PRESETS
from nqcodec.training.recipes import RECIPES

SECTIONS = ("allocation", "quantizers", "calibration")


def of_one_fit(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which fit is quantised and where figures go."""
    options: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.argument("clip", default="samples/bbb_320x180.mkv"),
        click.option("--fit", metavar="FILE.safetensors", help="A saved fit to take, or where to keep the one made."),
        click.option(
            "--params", type=click.IntRange(1), default=40_000, show_default=True, help="Parameters of the HNeRV made."
        ),
        click.option(
            "--preset",
            type=click.Choice(list(PLAIN_PRESETS)),
            default="fast",
            show_default=True,
            help="Of the fit made.",
        ),
        click.option(
            "--recipe", type=click.Choice(list(RECIPES)), help="Make the fit as a paper does, not by the preset."
        ),
        click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="CPU threads."),
        click.option(
            "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of fit and calibrations."
        ),
        save_option(),
        click.option("--json", "as_json", is_flag=True, help="JSON on stdout."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command(cls=Manual, page=QUANTISE)
@of_one_fit
@click.option(
    "--section", "sections", type=click.Choice(SECTIONS), multiple=True, help="What to compare; default: everything."
)
@click.option(
    "--bits", default="3,4", show_default=True, metavar="X[,Y...]", help="Coded bits a parameter to compare at."
)
@click.option(
    "--steps", default="400", show_default=True, metavar="N[,M...]", help="Of calibration; allocation takes the first."
)
@guarded
def quantise(clip: str, sections: tuple[str, ...], bits: str, steps: str, **options: Any) -> None:
    """Compare allocations, quantizers and calibrations on one fit of CLIP at equal bytes.

    PSNR-YUV (6:1:1, dB) is of what the decoder shows; for quantizers, of floats.
    """
    from nqcodec.benchmarks.quantization import run
    from nqcodec.cli.compare import numbers

    check_save(options["save"], [clip, options["fit"]])
    counts = tuple(round(count) for count in numbers("steps", steps))
    show(
        options,
        run(
            clip,
            sections=sections or SECTIONS,
            bits=tuple(numbers("bits", bits)),
            finetune_steps=counts,
            **_fit_options(options),
        ),
    )


@click.command(cls=Manual, page=ABLATION)
@of_one_fit
@click.option("--bits", type=click.FloatRange(1, 8), default=4.0, show_default=True, help="Coded bits a parameter.")
@click.option("--steps", type=click.IntRange(1), default=800, show_default=True, help="Of every calibration.")
@guarded
def ablation(clip: str, bits: float, steps: int, **options: Any) -> None:
    """What each ingredient of quantisation is worth on one fit of CLIP, against NeuroQuant's method."""
    from nqcodec.benchmarks.ablation import run

    check_save(options["save"], [clip, options["fit"]])
    show(options, run(clip, bits=bits, steps=steps, **_fit_options(options)))


def _fit_options(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "fit_path": Path(options["fit"]) if options["fit"] else None,
        "parameters": options["params"],
        "preset": options["preset"],
        "recipe": options["recipe"],
        "threads": options["threads"],
        "seed": options["seed"],
    }


def show(options: dict[str, Any], figures: dict[str, Any]) -> None:
    """Figures on stdout, and in the file asked for."""
    result = {"machine": machine(), **figures}
    give_out(result, options["save"], options["as_json"], lambda: "\n".join(lines(result, "")))
