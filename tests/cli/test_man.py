"""Manual pages: those in docs/man are what --help says now, hold every option, and render without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from commands import COMMANDS
from manuals import MANUALS

from nqcodec.cli import man
from nqcodec.cli.help import EXIT_CODES

PAGES = Path(__file__).resolve().parents[2] / "docs" / "man"
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"]


def plain(source: str) -> str:
    """A page's text without fonts and escapes."""
    text = re.sub(r"\\f[BIR]", "", source)
    for letter, escape in man._ESCAPES.items():
        if letter != "\\":
            text = text.replace(escape, letter)
    return text.replace("\\&", "").replace(r"\e", "\\")


@pytest.mark.parametrize("name", COMMANDS)
def test_pages_are_up_to_date(name: str) -> None:
    kept = (PAGES / f"{name}.1").read_text("utf-8")
    assert kept == man.man_page(name), "what --help shows has changed: run `make man`"


def test_there_is_a_page_for_every_command() -> None:
    assert {path.stem for path in PAGES.iterdir()} == set(COMMANDS) == set(man.COMMANDS)


@pytest.mark.parametrize("name", MANUALS)
def test_pages_hold_every_option_and_example(name: str) -> None:
    tool, command = name.split(maxsplit=1)[0], MANUALS[name]
    lines = plain(man.man_page(tool)).splitlines()
    if name != tool:
        lines = lines[lines.index(f".SS {name}") + 1 :]
        lines = lines[: next(n for n, line in enumerate(lines) if line.startswith((".SS nqtool", ".SH EXIT")))]
    context = click.Context(command, help_option_names=["-h", "--help"])
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record and isinstance(param, click.Option):
            assert lines[lines.index(record[0]) - 1] == ".TP"
            assert record[1].replace("`", "") in lines
    for call, what in command.page.examples:
        assert {call, what} <= set(lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_pages_have_the_usual_sections(name: str) -> None:
    text = man.man_page(name)
    found = re.findall(r"^\.SH (.+)$", text, re.MULTILINE)
    assert [title for title in found if title != "COMMANDS"] == SECTIONS
    assert ("COMMANDS" in found) == isinstance(COMMANDS[name], click.Group)
    for code, what in EXIT_CODES:
        assert f"\n{code}\n{what}" in plain(text)
    assert re.search(r"\\fBnq(enc|dec)\\fR\(1\)", text)


def test_text_is_escaped() -> None:
    assert man.escaped("--bpp \\n") == r"\-\-bpp \en"
    assert man.escaped(".nq") == r"\&.nq"
    assert man.escaped("'a'") == r"\(aqa\(aq"
    assert man.prose("see `a-b` there") == r"see \fBa\-b\fR there"


def test_paragraphs_that_keep_their_lines_do() -> None:
    command = click.Command("x", help="First.\n\n\b\na  one\nb  two\n\nLast.")
    assert man._description(command) == ["First.", ".PP", ".nf", "a  one", "b  two", ".fi", ".PP", "Last."]


RENDERERS = {
    "groff": ["groff", "-man", "-ww", "-Tutf8"],
    "man": ["man", "--warnings=w", "-l"],
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("program", RENDERERS)
def test_pages_render_without_a_warning(program: str, name: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}")
    words = [*RENDERERS[program], str(PAGES / f"{name}.1")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    said = done.stderr + (done.stdout if program == "mandoc" else "")
    # The pages have no date, so that they change only with what they say.
    assert [line for line in said.splitlines() if "missing date" not in line] == []


def test_pages_are_written_where_asked(tmp_path: Path) -> None:
    done = CliRunner().invoke(man.main, [str(tmp_path)])
    assert done.exit_code == 0, done.output
    for name in COMMANDS:
        assert (tmp_path / f"{name}.1").read_bytes() == (PAGES / f"{name}.1").read_bytes()
    lost = CliRunner().invoke(man.main, [str(tmp_path / "none")])
    assert lost.exit_code == 1
    assert re.fullmatch(r"error: .*nqenc\.1: cannot be written: folder .* does not exist\n", lost.stderr)
