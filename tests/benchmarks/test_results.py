"""Results of benchmarks: what a file of one must be, and the tables that documents and terminals show of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result as Answer

from nqcodec.benchmarks.results import FOLDER, Column, Result, current_commit, json_text, machine_text, read_result
from nqcodec.benchmarks.tables import LINE_LENGTH, filled, markdown, plain
from nqcodec.cli.nqtool import main
from nqcodec.errors import InputError
from nqcodec.native.cpu import available_cores

ROOT = Path(__file__).resolve().parents[2]
RESULT = Result(
    name="speed",
    title="Decoding speed",
    command="nqtool bench speed --threads 2",
    columns=[
        Column("case", "case"),
        Column("fps", "frames a second", "1/s", 1),
        Column("macs", "multiplications"),
        Column("gain", "gain"),
        Column("exact", "exact"),
    ],
    rows=[
        {"case": "a|b", "fps": 1234.56, "macs": 1_000_000, "gain": 0.123456, "exact": True},
        {"case": "c", "fps": 7, "macs": None, "gain": -2.0, "exact": False},
    ],
    note="Both were measured in one run. " * 6,
)
DOCUMENT = "# Speed\n\n<!-- result: speed -->\nold\n<!-- end -->\n\nThe end.\n"


def tables(*words: object) -> Answer:
    return CliRunner().invoke(main, ["bench", "tables", *map(str, words)])


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, list[object]]:
    """A document whose table is out of date, and the words that name it and the folder of its result."""
    (tmp_path / "results").mkdir()
    RESULT.write(tmp_path / "results" / "speed.json")
    (tmp_path / "doc.md").write_text(DOCUMENT, "utf-8")
    return tmp_path / "doc.md", [tmp_path / "doc.md", "--results", tmp_path / "results"]


def test_a_result_knows_its_machine_commit_and_date() -> None:
    assert RESULT.date == date.today().isoformat()
    assert re.match(rf"{available_cores()} cores? of \w", RESULT.machine)
    assert machine_text("cuda").endswith(machine_text())
    assert re.fullmatch(r"[0-9a-f]{7,}(-dirty)?|version .+", current_commit())


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    RESULT.write(tmp_path / "speed.json")
    assert read_result(tmp_path / "speed.json") == RESULT
    data = json.loads((tmp_path / "speed.json").read_text("utf-8"))
    assert list(data) == ["name", "title", "command", "machine", "commit", "date", "columns", "rows", "note"]
    assert data["columns"][1] == {"key": "fps", "title": "frames a second", "unit": "1/s", "digits": 1}
    assert "digits" not in data["columns"][0]
    assert json.loads(json_text(replace(RESULT, rows=[])))["rows"] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "other"}, "its name is other"),
        ({"command": ""}, "command must be text"),
        ({"note": None}, "note must be text"),
        ({"date": "today"}, "date must be"),
        ({"more": 1}, "must have the fields"),
        ({"columns": []}, "a list of one or more"),
        ({"columns": [{"key": "case"}]}, "a column has"),
        ({"columns": [{"key": "case", "title": 1}]}, "are texts"),
        ({"columns": [{"key": "case", "title": "case", "digits": "1"}]}, "a whole number"),
        ({"columns": [{"key": "case", "title": "case"}] * 2}, "the same key"),
        ({"rows": {}}, "a list of objects"),
        ({"rows": [{"case": "a"}]}, "row 0 must have the keys"),
        ({"columns": [{"key": "case", "title": "case"}], "rows": [{"case": []}]}, "cells of row 0"),
    ],
)
def test_what_is_no_result_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    path.write_text(json.dumps({**RESULT.as_dict(), **changes}), "utf-8")
    with pytest.raises(InputError, match=f"speed.json.*{said}"):
        read_result(path)
    path.write_text("[", "utf-8")
    with pytest.raises(InputError, match="is not a JSON file"):
        read_result(path)


def test_a_table_in_a_document_has_units_digits_and_its_origin() -> None:
    lines = markdown(RESULT)
    assert lines[:5] == [
        "| case | frames a second, 1/s | multiplications | gain | exact |",
        "| --- | ---: | ---: | ---: | ---: |",
        r"| a\|b | 1,234.6 | 1,000,000 | 0.1235 | yes |",
        "| c | 7.0 |  | -2 | no |",
        "",
    ]
    below = " ".join(lines[5:])
    for known in (f"`{RESULT.command}`", RESULT.machine, RESULT.commit, RESULT.date, RESULT.note.strip()):
        assert known in below
    assert max(map(len, lines)) <= LINE_LENGTH


def test_a_table_on_a_terminal_has_figures_to_the_right() -> None:
    title, head, first, second, *_ = plain(RESULT)
    assert title == "Decoding speed"
    assert first.index("1,234.6") + len("1,234.6") == second.index("7.0") + len("7.0") == head.index("1/s") + 3


def test_a_column_in_which_no_row_has_anything_is_left_out() -> None:
    empty = replace(RESULT, columns=[*RESULT.columns, Column("none", "nothing")])
    rows = [{**row, "none": None} for row in RESULT.rows]
    for table in (markdown, plain):
        assert table(replace(empty, rows=rows)) == table(RESULT)
        assert "nothing" in table(replace(empty, rows=[]))[table is plain]


def test_tables_are_made_and_then_up_to_date(place: tuple[Path, list[object]]) -> None:
    path, words = place
    stale = tables(*words, "--check")
    assert stale.exit_code == 1
    assert "a table differs from its result" in stale.stderr
    assert path.read_text("utf-8") == DOCUMENT
    assert tables(*words).exit_code == 0
    made = path.read_text("utf-8")
    assert made == DOCUMENT.replace("old", "\n".join(markdown(RESULT)))
    assert tables(*words, "--check").exit_code == 0
    assert filled(made, "doc.md", {"speed": RESULT}) == made


def test_a_result_in_no_table_fails_the_check(place: tuple[Path, list[object]]) -> None:
    path, words = place
    tables(*words)
    replace(RESULT, name="unused").write(path.parent / "results" / "unused.json")
    done = tables(*words, "--check")
    assert done.exit_code == 1
    assert "the result unused is in no table" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- result: none -->\n<!-- end -->\n", "there is no result none"),
        ("<!-- result: speed -->\n", "has no line <!-- end -->"),
        ("<!-- end -->\n", "line 1: <!-- end --> stands where it cannot"),
        ("<!-- result: speed -->\n<!-- result: speed -->\n<!-- end -->\n", "line 2"),
    ],
)
def test_a_document_with_wrong_marks_is_left_as_it_is(place: tuple[Path, list[object]], text: str, said: str) -> None:
    path, words = place
    path.write_text(text, "utf-8")
    for more in ([], ["--check"]):
        done = tables(*words, *more)
        assert done.exit_code == 1
        assert said in done.stderr
    assert path.read_text("utf-8") == text
    assert tables(path.parent / "no.md").exit_code == 1


def test_several_documents_share_the_results(place: tuple[Path, list[object]]) -> None:
    path, (first, *folder) = place
    replace(RESULT, name="other").write(path.parent / "results" / "other.json")
    second = path.parent / "second.md"
    second.write_text(DOCUMENT.replace("speed", "other"), "utf-8")
    for done in (tables(first, second, *folder), tables(first, second, *folder, "--check")):
        assert done.exit_code == 0, done.output
    assert all("\nold\n" not in each.read_text("utf-8") for each in (path, second))
    second.write_text(DOCUMENT, "utf-8")
    wrong = tables(first, second, *folder, "--check")
    assert wrong.exit_code == 1
    assert f"{second}: a table differs" in wrong.stderr
    assert "the result other is in no table" in wrong.stderr


def test_no_document_is_written_where_one_is_wrong(place: tuple[Path, list[object]]) -> None:
    path, (first, *folder) = place
    (path.parent / "wrong.md").write_text("<!-- end -->\n", "utf-8")
    assert tables(first, path.parent / "wrong.md", *folder).exit_code == 1
    assert path.read_text("utf-8") == DOCUMENT


def test_the_tables_of_the_benchmarks_are_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = tables("--check")
    assert done.exit_code == 0, done.output
    assert FOLDER.parent.name == "benchmarks"
