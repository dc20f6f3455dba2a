"""nqtool bench backbones: all backbones at the same rates and within the same time, as a table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nqcodec.cli.common import Level, guarded, log_options, say
from nqcodec.cli.help import Manual
from nqcodec.cli.pages import BACKBONES
from nqcodec.cli.results import check_save, give_out, save_option
from nqcodec.cli.signals import stopped
from nqcodec.errors import UsageError
from nqcodec.media.outputs import refuse_sources

if TYPE_CHECKING:
    from nqcodec.compare.backbones import Order, Results

ANCHORS = "x264,x264:psnr,x265,svt-av1"


@click.command(cls=Manual, page=BACKBONES)
@click.argument("clip", default="samples/bbb_320x180.mkv")
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
@click.option("--frames", type=click.IntRange(1), metavar="N", help="Of the clip at most N frames.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of every fit.")
@click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where to fit.")
@click.option("--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="Of a fit.")
@save_option()
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout instead of the table.")
@guarded
@log_options
def backbones(clip: str, **options: Any) -> None:
    """Fit every backbone to CLIP within the same time at the same rates, and print a Markdown table.

    Steps follow from the speed of each network, measured just before: run nothing else beside it. FOLDER gets the files
    and their figures. Given again, finished files are kept and only what is missing is encoded.
    """
    check_save(options["save"], [clip])
    from nqcodec.compare.backbones import RESULTS
    from nqcodec.compare.runs import STREAMS

    folder = Path(options["folder"] or f"{Path(clip.rstrip('/')).name}.backbones")
    refuse_sources([folder / RESULTS, folder / STREAMS], [clip])
    results = measure(order_of(clip, options), folder, options["quiet"])
    give_out(results.as_dict(), options["save"], options["as_json"], lambda: "\n".join(results.table()))


def order_of(clip: str, options: dict[str, Any]) -> Order:
    """What the options ask for; raises UsageError."""
    from nqcodec.backbones import BACKBONES
    from nqcodec.cli.compare import numbers
    from nqcodec.compare.anchors import anchor_named
    from nqcodec.compare.backbones import Order
    from nqcodec.media.clip import ClipInput

    archs = tuple(options["arch"].split(",")) if options["arch"] else tuple(BACKBONES)
    if len(set(archs)) < len(archs):
        raise UsageError(f"--arch {options['arch']}: name each backbone once")
    anchors = [] if options["anchors"] == "none" else options["anchors"].split(",")
    return Order(
        clip=ClipInput(clip, count=options["frames"]),
        rates=tuple(sorted(numbers("bpp", options["bpp"]))),
        archs=archs,
        anchors=tuple(anchor_named(text) for text in dict.fromkeys(anchors)),
        seconds=options["seconds"],
        seed=options["seed"],
        device=options["device"],
        threads=options["threads"],
    )


def measure(order: Order, folder: Path, quiet: bool) -> Results:
    """Make what is missing, showing progress."""
    from nqcodec.cli.progress import EncodeProgress
    from nqcodec.compare.backbones import run

    try:
        with EncodeProgress(quiet=quiet, bar=True) as progress:
            return run(order, folder, (lambda line: None) if quiet else say, progress)
    except KeyboardInterrupt as error:
        what, code = stopped(error)
        say(f"{what}: finished files are kept in {folder}; give the same command again to go on", Level.ERROR)
        sys.exit(code)
