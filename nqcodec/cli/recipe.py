"""nqtool bench recipe: the default fit and codec against a paper's way to train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nqcodec.cli.common import guarded, say
from nqcodec.cli.help import Manual
from nqcodec.cli.pages import RECIPE
from nqcodec.cli.quantise import show
from nqcodec.cli.results import check_save, save_option
from nqcodec.compare.configurations import PAPERS
from nqcodec.media.outputs import refuse_sources


@click.command(cls=Manual, page=RECIPE)
@click.argument("clip", default="samples/bbb_320x180.mkv")
@click.option("-o", "--output", "folder", metavar="FOLDER", help="Where files go; default: CLIP.recipe.")
@click.option(
    "--recipe", type=click.Choice(list(PAPERS)), default="hnerv", show_default=True, help="The paper's training."
)
@click.option("--bpp", default="0.1", show_default=True, metavar="X[,Y...]", help="Rates.")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Of the recipe, instead of its full length.")
@click.option("--frames", type=click.IntRange(1), metavar="N", help="Of the clip at most N frames.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of every fit.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where to fit.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Of a fit.")
@save_option()
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout.")
@guarded
def recipe(clip: str, folder: str | None, **options: Any) -> None:
    """Compare our fit with a paper's of the same network, and our default with its file in the same time and bytes.

    The paper's recipe runs at its full length; our fit gets 1/16, 1/8, 1/4 ... of its time until it is as good. Run
    nothing else beside it.
    """
    from nqcodec.cli.compare import numbers
    from nqcodec.compare.recipe import Order, run
    from nqcodec.compare.runs import STREAMS
    from nqcodec.media.clip import ClipInput

    check_save(options["save"], [clip])
    rates = tuple(sorted(numbers("bpp", options["bpp"])))
    shared = {name: options[name] for name in ("recipe", "steps", "seed", "device", "threads")}
    order = Order(clip=ClipInput(clip, count=options["frames"]), rates=rates, **shared)
    target = Path(folder or f"{Path(clip.rstrip('/')).name}.recipe")
    refuse_sources([target / STREAMS], [clip])
    figures = run(order, target, say)
    show(options, figures)
