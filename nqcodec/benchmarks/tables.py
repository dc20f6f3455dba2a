"""Tables of results: in documents, between `<!-- result: NAME -->` and `<!-- end -->`, and on a terminal.

`nqtool bench tables` fills documents anew from the result files, so that no figure in them is typed by hand.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from nqcodec.benchmarks.results import Cell, Column, Result, read_result
from nqcodec.errors import InputError

LINE_LENGTH = 120
"""Columns that a line of prose below a table has at most."""

DOCUMENTS = ("BENCHMARKS.md", "docs/component-benchmarks.md")
"""What shows the results: the first what users of encoders ask, the second the parts of the codec."""

BEGIN = re.compile(r"<!-- result: ([\w.-]+) -->")
END = "<!-- end -->"


def read_results(folder: Path) -> dict[str, Result]:
    """All results in a folder by name; empty where there is no such folder. Raises InputError as `read_result`."""
    return {path.stem: read_result(path) for path in sorted(folder.glob("*.json"))}


def tables_in(text: str, name: str) -> list[str]:
    """The names of the results that a document shows, from top to bottom.

    Args:
        text: of the document.
        name: of the document, for errors.

    Raises:
        InputError: a table has no end, or an end no beginning.
    """
    names: list[str] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        begin = BEGIN.fullmatch(line)
        if (begin and inside) or (line == END and not inside):
            raise InputError(f"{name}: line {number}: {line} stands where it cannot: each table has its own {END}")
        if begin:
            names.append(begin[1])
        inside = bool(begin) or (inside and line != END)
    if inside:
        raise InputError(f"{name}: the table of {names[-1]} has no line {END}")
    return names


def filled(text: str, name: str, results: Mapping[str, Result]) -> str:
    """A document with all its tables made anew.

    Args:
        text: of the document.
        name: of the document, for errors.
        results: by name.

    Raises:
        InputError: there is no result of a name, or as `tables_in`.
    """
    lines: list[str] = []
    for wanted in tables_in(text, name):
        if wanted not in results:
            raise InputError(f"{name}: there is no result {wanted} to make a table of")
    inside = False
    for line in text.splitlines():
        inside = inside and line != END
        if not inside:
            lines.append(line)
        if begin := BEGIN.fullmatch(line):
            lines += markdown(results[begin[1]])
            inside = True
    return "".join(f"{line}\n" for line in lines)


def stale(documents: Mapping[str, str], results: Mapping[str, Result]) -> list[str]:
    """What is wrong with the tables of documents, a line each: one differs from its results, or none shows a result.

    Args:
        documents: texts by name.
        results: by name.

    Raises:
        InputError: as `filled`.
    """
    shown = {each for name, text in documents.items() for each in tables_in(text, name)}
    wrong = [
        f"{name}: a table differs from its result: run nqtool bench tables"
        for name, text in documents.items()
        if filled(text, name, results) != text
    ]
    return wrong + [
        f"the result {each} is in no table of {' or '.join(documents)}" for each in results if each not in shown
    ]


def markdown(result: Result) -> list[str]:
    """The lines of a result in a document: the table, how it was made, and its note."""
    columns = _filled_columns(result)
    lines = [
        _line([_title(column) for column in columns]),
        _line(["---" if _has_text(result, column) else "---:" for column in columns]),
        *(_line(cells) for cells in _cells(result, columns)),
        "",
        *_wrapped(f"`{result.command}`, {result.machine}, commit {result.commit}, {result.date}."),
    ]
    return [*lines, "", *_wrapped(result.note)] if result.note else lines


def plain(result: Result) -> list[str]:
    """The lines of a result on a terminal: its title, and columns in which text stands left and figures right."""
    columns = _filled_columns(result)
    table = [[_title(column) for column in columns], *_cells(result, columns)]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    sides = ["<" if _has_text(result, column) else ">" for column in columns]
    lines = [result.title]
    for cells in table:
        padded = (f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True))
        lines.append("  ".join(padded).rstrip())
    return [*lines, *_wrapped(result.note)] if result.note else lines


def _filled_columns(result: Result) -> list[Column]:
    """The columns that a row has something in; all of them where there are no rows."""
    filled = [column for column in result.columns if any(cell is not None for cell in result.column(column.key))]
    return filled or list(result.columns)


def _has_text(result: Result, column: Column) -> bool:
    return any(isinstance(cell, str) for cell in result.column(column.key))


def _cells(result: Result, columns: Sequence[Column]) -> list[list[str]]:
    """The text of each row's cells."""
    return [[shown(row[column.key], column) for column in columns] for row in result.rows]


def shown(cell: Cell, column: Column) -> str:
    """A cell as text: its figures with the column's decimals, and thousands set off."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    if column.digits is not None:
        return f"{cell:,.{column.digits}f}"
    return f"{cell:,}" if isinstance(cell, int) else f"{cell:.4g}"


def _title(column: Column) -> str:
    return f"{column.title}, {column.unit}" if column.unit else column.title


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, LINE_LENGTH, break_long_words=False, break_on_hyphens=False)
