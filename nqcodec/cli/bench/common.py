"""What all benchmarks share: the command line is kept, and their table is shown and saved."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nqcodec.cli.common import say
from nqcodec.cli.help import HelpCommand, HelpPage
from nqcodec.cli.results import save_option

if TYPE_CHECKING:
    from nqcodec.benchmarks.results import Measurement, Result

SAMPLE = "samples/bbb_320x180.mkv"
WORDS = "nqcodec.cli.bench.words"
"""Where click's context keeps the words of a call."""

ITERATIONS = ("--iterations", "--steps", "iterations")
"""The names of an option that is a number of optimizer iterations, as `nqenc` has it, and the parameter's."""

MACHINE_THREADS = click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads; default: all cores.")
FIT_THREADS = click.option(
    "--threads", type=click.IntRange(1, 1024), default=1, show_default=True, help="CPU threads of a fit."
)
SEED = click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of every fit, and of all draws."
)
DEVICE = click.option("--device", default="cpu", show_default=True, metavar="cpu|cuda", help="Where to fit.")
FRAMES = click.option("--frames", type=click.IntRange(1), metavar="N", help="Of the clip at most N frames.")


class BenchCommand(HelpCommand):
    """A command that remembers the words that it is called with, for its result."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of a call."""
        ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)


def bench_command(name: str, page: HelpPage) -> Callable[[Callable[..., Any]], click.Command]:
    """A command of `nqtool bench` with options for its result."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        function = click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")(function)
        function = save_option("Write the result there as JSON; FILE becomes its name.")(function)
        return click.command(name, cls=BenchCommand, page=page)(function)

    return decorate


def called() -> str:
    """The command line of the benchmark that runs, without what says where its result goes."""
    context = click.get_current_context()
    words: list[str] = []
    given = iter(context.meta[WORDS])
    for word in given:
        if word == "--save":
            next(given)
        elif word != "--json" and not word.startswith("--save="):
            words.append(word)
    return shlex.join(["nqtool", "bench", str(context.info_name), *words])


def give(measurement: Measurement, options: dict[str, Any], *, progress: bool = True) -> Result:
    """Measure, and give the result out as the options say: as a table or as JSON on stdout, and in a file.

    The file is written after every row, so that what has been measured is kept if the rest is interrupted.

    Args:
        measurement: not yet run.
        options: `save` and `as_json`.
        progress: print each row on stderr as it comes.
    """
    from nqcodec.benchmarks.tables import plain, shown

    save = options["save"]
    name = Path(save).stem if save else measurement.name
    for result in replace(measurement, name=name, command=called()).results():
        if save and result.rows:
            result.write(Path(save))
        if progress and result.rows:
            cells = (shown(result.rows[-1][column.key], column) for column in result.columns)
            say("  ".join(cell for cell in cells if cell))
    click.echo(json.dumps(result.as_dict(), indent=1) if options["as_json"] else "\n".join(plain(result)))
    return result
