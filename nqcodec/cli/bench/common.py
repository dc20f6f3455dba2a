"""What all benchmarks share: the command line is kept, and their table is shown and saved."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nqcodec.cli.common import say
from nqcodec.cli.help import HelpCommand, HelpPage
from nqcodec.cli.results import ResultOptions
from nqcodec.encoder.option import option, same_option
from nqcodec.encoder.options import EncodeSettings

if TYPE_CHECKING:
    from nqcodec.benchmarks.results import Measurement, Result

SAMPLE = "samples/bbb_320x180.mkv"
WORDS = "nqcodec.cli.bench.words"
"""Where click's context keeps the words of a call."""

MACHINE = "Machine"


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How the fits of a benchmark are made."""

    device: str = option("cpu", "Where to fit.", MACHINE, metavar="cpu|cuda", show_default=True)
    threads: int = option(1, "CPU threads of a fit.", MACHINE, range=(1, 1024), show_default=True)
    seed: int = same_option(EncodeSettings, "seed", help="Of every fit, and of all draws.")


class BenchCommand(HelpCommand):
    """A command that remembers the words that it is called with, for its result."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of a call."""
        ctx.meta[WORDS] = tuple(args)
        return super().parse_args(ctx, args)


def bench_command(name: str, page: HelpPage) -> Callable[[Callable[..., None]], click.Command]:
    """A command of `nqtool bench`."""
    return click.command(name, cls=BenchCommand, page=page)


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


def give(measurement: Measurement, options: ResultOptions, *, progress: bool = True) -> Result:
    """Measure, and give the result out as the options say: as a table or as JSON on stdout, and in a file.

    The file is written after every row, so that what has been measured is kept if the rest is interrupted.

    Args:
        measurement: not yet run.
        options: where to.
        progress: print each row on stderr as it comes.
    """
    from nqcodec.benchmarks.tables import plain, shown

    save = options.save
    name = Path(save).stem if save else measurement.name
    for result in replace(measurement, name=name, command=called()).results():
        if save and result.rows:
            result.write(Path(save))
        if progress and result.rows:
            cells = (shown(result.rows[-1][column.key], column) for column in result.columns)
            say("  ".join(cell for cell in cells if cell))
    click.echo(json.dumps(result.as_dict(), indent=1) if options.as_json else "\n".join(plain(result)))
    return result
