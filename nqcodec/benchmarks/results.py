"""What a benchmark found: a table with the command, machine, commit and date that it belongs to, kept as JSON.

The files in `FOLDER` are the figures that documents show (`nqcodec.benchmarks.tables`).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from nqcodec.decoder.timing import machine
from nqcodec.errors import InputError
from nqcodec.media.atomic import AtomicFile
from nqcodec.native.cpu import available_cores, cpu_levels
from nqcodec.version import __version__

FOLDER = Path(__file__).parent / "results"
"""Where the results that documents show are, one `NAME.json` each."""

CPU_LEVEL_TITLES = {"avx2": "AVX2", "avx512": "AVX-512"}

Cell = str | int | float | bool | None
"""A figure or a name; None where there is nothing to say."""

Cells = Mapping[str, Cell]
"""The cells of a row by the keys of the columns."""

SIGNIFICANT_DIGITS = 7
"""Digits that figures are kept with: more than any measurement has."""


@dataclass(frozen=True)
class Column:
    """A column of a result.

    Attributes:
        key: its name in the rows.
        title: its name for people.
        unit: of its figures, such as "ms", or empty.
        digits: decimals that its figures are shown with; None shows four significant digits.
    """

    key: str
    title: str
    unit: str = ""
    digits: int | None = None

    def as_dict(self) -> dict[str, object]:
        """As plain data, without `digits` where they are not given."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def machine_text(device: str = "cpu") -> str:
    """The machine that figures are taken on: its cores, its CPU and, for "cuda", its GPU."""
    levels = cpu_levels()
    level = CPU_LEVEL_TITLES.get(levels[-1]) if levels else None
    cores = available_cores()
    text = f"{cores} core{'s' if cores > 1 else ''} of {machine()['cpu']}" + (f" ({level})" if level else "")
    if device == "cpu":
        return text
    import torch

    return f"{torch.cuda.get_device_name(device)}; {text}" if torch.cuda.is_available() else f"{device}; {text}"


def current_commit() -> str:
    """The short hash of the commit that this package is checked out at, with "-dirty" where its code differs from it.

    Where the package is not in a Git repository, its version stands for it.
    """
    code = (":/nqcodec", ":/csrc", ":/formats", f":(exclude){FOLDER.name}")
    try:
        # The package may be installed within the repository of something else, which does not track this file.
        _git("ls-files", "--error-unmatch", Path(__file__).name)
        commit = _git("rev-parse", "--short=7", "HEAD")
        return f"{commit}-dirty" if _git("status", "--porcelain", "--untracked-files=no", "--", *code) else commit
    except (OSError, subprocess.CalledProcessError):
        return f"version {__version__}"


def _git(*words: str) -> str:
    """What Git prints for a command in this folder."""
    command = ["git", "-C", os.fspath(Path(__file__).parent), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@dataclass(frozen=True)
class Result:
    """The table that a benchmark makes, and what it belongs to.

    Attributes:
        name: of its file in `FOLDER`, without ".json".
        title: what was measured.
        columns: of the table, from left to right.
        rows: a cell for the key of every column.
        note: what a reader of the figures must know, in whole sentences; may be empty.
        command: the command line that made it.
        machine: what it was measured on.
        commit: of the code that was measured.
        date: of the measurement, as YYYY-MM-DD.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Cells]
    note: str = ""
    command: str = ""
    machine: str = field(default_factory=machine_text)
    commit: str = field(default_factory=current_commit)
    date: str = field(default_factory=lambda: date.today().isoformat())

    def as_dict(self) -> dict[str, object]:
        """As plain data, in the order of the file."""
        texts = {name: getattr(self, name) for name in ("name", "title", "command", "machine", "commit", "date")}
        columns = [column.as_dict() for column in self.columns]
        return {**texts, "columns": columns, "rows": [dict(row) for row in self.rows], "note": self.note}

    def column(self, key: str) -> list[Cell]:
        """The cells of a column, from top to bottom."""
        return [row[key] for row in self.rows]

    def write(self, path: Path) -> None:
        """Write the result as JSON, a line for each row; raises OutputError."""
        with AtomicFile(path) as file:
            file.write(json_text(self).encode())


@dataclass(frozen=True)
class Measurement:
    """A benchmark about to run: what its result will be, and its rows, each of which is measured when it is asked for.

    Attributes:
        name, title, columns, note: as a `Result` has them.
        rows: measured one by one. A column that a row has no cell for is empty in it.
        device: "cpu" or the CUDA device that is measured.
        command: the command line that makes it.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Iterable[Cells]
    note: str = ""
    device: str = "cpu"
    command: str = ""

    def results(self) -> Iterator[Result]:
        """The result without rows, and again after each row, so that what has been measured can be kept."""
        result = Result(self.name, self.title, self.columns, (), self.note, self.command, machine_text(self.device))
        yield result
        for row in self.rows:
            cells = {column.key: _rounded(row.get(column.key)) for column in self.columns}
            result = replace(result, rows=(*result.rows, cells))
            yield result

    def result(self) -> Result:
        """The whole result."""
        *_, last = self.results()
        return last


def _rounded(cell: Cell) -> Cell:
    return float(f"{cell:.{SIGNIFICANT_DIGITS}g}") if isinstance(cell, float) else cell


def json_text(result: Result) -> str:
    """The result as JSON: its fields indented, and each column and row on one line."""
    lines = []
    for name, value in result.as_dict().items():
        if isinstance(value, list):
            entries = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in value)
            lines.append(f' "{name}": [\n{entries}\n ]' if entries else f' "{name}": []')
        else:
            lines.append(f' "{name}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_result(path: Path) -> Result:
    """The result that a file holds.

    Raises:
        InputError: it cannot be read, or is not a result: a field is missing, unknown or of another type, the name is
            not the file's, or a row has other keys than the columns.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not a JSON file of a result: {error}") from error
    if wrong := _what_is_wrong(data, path.stem):
        raise InputError(f"{path}: is not a result: {wrong}")
    return Result(**{**data, "columns": [Column(**column) for column in data["columns"]]})


_TEXTS = ("name", "title", "command", "machine", "commit", "date", "note")


def _what_is_wrong(data: Any, name: str) -> str:
    """Why data is not the JSON of a result of that name; empty if it is."""
    if not isinstance(data, dict) or set(data) != {*_TEXTS, "columns", "rows"}:
        return f"it must have the fields {', '.join([*_TEXTS, 'columns', 'rows'])}"
    for field_name in _TEXTS:
        if not isinstance(data[field_name], str) or not (data[field_name] or field_name == "note"):
            return f"{field_name} must be text"
    if data["name"] != name:
        return f"its name is {data['name']}, but that of the file is {name}"
    try:
        date.fromisoformat(data["date"])
    except ValueError:
        return "date must be YYYY-MM-DD"
    return _wrong_columns(data["columns"]) or _wrong_rows(data["rows"], [one["key"] for one in data["columns"]])


def _wrong_columns(columns: Any) -> str:
    """Why data is not the columns of a result; empty if it is."""
    if not isinstance(columns, list) or not columns:
        return "columns must be a list of one or more"
    for column in columns:
        if not isinstance(column, dict) or not {"key", "title"} <= set(column) <= {"key", "title", "unit", "digits"}:
            return f"a column has key, title, unit and perhaps digits: {column}"
        if not all(isinstance(column[name], str) for name in column if name != "digits"):
            return f"key, title and unit of a column are texts: {column}"
        if not isinstance(column.get("digits", 0), int):
            return f"the digits of a column are a whole number: {column}"
    keys = [column["key"] for column in columns]
    return "two columns have the same key" if len(set(keys)) < len(keys) else ""


def _wrong_rows(rows: Any, keys: list[str]) -> str:
    """Why data is not the rows of a result whose columns have these keys; empty if it is."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return "rows must be a list of objects"
    for number, row in enumerate(rows):
        if set(row) != set(keys):
            return f"row {number} must have the keys {', '.join(keys)}"
        if not all(cell is None or isinstance(cell, str | int | float) for cell in row.values()):
            return f"the cells of row {number} must be text, numbers or null"
    return ""
