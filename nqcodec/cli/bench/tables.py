"""nqtool bench tables: the tables of a document, made from result files."""

from __future__ import annotations

from pathlib import Path

import click

from nqcodec.cli.common import guarded, say
from nqcodec.cli.help import HelpCommand, HelpPage
from nqcodec.errors import InputError, NqError

TABLES = HelpPage(
    groups={"What to do": ("--check", "--results")},
    examples=(
        ("nqtool bench decode --save nqcodec/benchmarks/results/decode.json", "First, a result."),
        ("nqtool bench tables", "Then the tables of BENCHMARKS.md, made from all results."),
        ("nqtool bench tables --check", "Exit code 1 if a table is out of date, or a result in no table."),
    ),
    see_also=("BENCHMARKS.md",),
)


@click.command("tables", cls=HelpCommand, page=TABLES)
@click.argument("document", metavar="[FILE]", default="BENCHMARKS.md")
@click.option("--check", is_flag=True, help="Write nothing; fail if a table is out of date or a result in no table.")
@click.option(
    "--results", "folder", metavar="FOLDER", help="Where the results are; default: benchmarks/results of the package."
)
@guarded
def tables(document: str, check: bool, folder: str | None) -> None:
    """Make the tables of a Markdown document from result files, which `nqtool bench NAME --save FILE.json` writes.

    What stands between the lines `<!-- result: NAME -->` and `<!-- end -->` of FILE, by default BENCHMARKS.md, becomes
    the table of NAME.json, with its command, machine, commit and date below.
    """
    from nqcodec.benchmarks.results import FOLDER
    from nqcodec.benchmarks.tables import filled, read_results, stale
    from nqcodec.media.atomic import AtomicFile

    path = Path(document)
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    results = read_results(Path(folder) if folder else FOLDER)
    if not check:
        with AtomicFile(path) as file:
            file.write(filled(text, document, results).encode())
    elif wrong := stale(text, document, results):
        raise NqError("; ".join([f"{document}: {wrong[0]}", *wrong[1:]]))
    else:
        say(f"{document}: all tables are up to date")
