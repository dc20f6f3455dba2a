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
        ("nqtool bench tables", "Then the tables of both documents, made from all results."),
        ("nqtool bench tables --check", "Exit code 1 if a table is out of date, or a result in no table."),
    ),
    see_also=("BENCHMARKS.md", "docs/component-benchmarks.md"),
)


@click.command("tables", cls=HelpCommand, page=TABLES)
@click.argument("documents", metavar="[FILE]...", nargs=-1)
@click.option("--check", is_flag=True, help="Write nothing; fail if a table is out of date or a result in no table.")
@click.option(
    "--results", "folder", metavar="FOLDER", help="Where the results are; default: benchmarks/results of the package."
)
@guarded
def tables(documents: tuple[str, ...], check: bool, folder: str | None) -> None:
    """Make the tables of Markdown documents from result files, which `nqtool bench NAME --save FILE.json` writes.

    What stands between the lines `<!-- result: NAME -->` and `<!-- end -->` of each FILE, by default BENCHMARKS.md and
    docs/component-benchmarks.md, becomes the table of NAME.json, with its command, machine, commit and date below.
    """
    from nqcodec.benchmarks.results import FOLDER
    from nqcodec.benchmarks.tables import DOCUMENTS, filled, read_results, stale
    from nqcodec.media.atomic import AtomicFile

    texts = {document: _text(document) for document in documents or DOCUMENTS}
    results = read_results(Path(folder) if folder else FOLDER)
    if not check:
        for document, text in {name: filled(text, name, results) for name, text in texts.items()}.items():
            with AtomicFile(Path(document)) as file:
                file.write(text.encode())
    elif wrong := stale(texts, results):
        raise NqError("; ".join(wrong))
    else:
        say(f"{', '.join(texts)}: all tables are up to date")


def _text(document: str) -> str:
    """Of the document with that name; raises InputError if it cannot be read."""
    try:
        return Path(document).read_text("utf-8")
    except (OSError, ValueError) as error:
        raise InputError(f"{document}: cannot be read: {error}") from error
