"""--help and -h: every option in its group, examples that parse, exit codes and variables that exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from commands import COMMANDS, calls, read
from manuals import MANUALS

from nqcodec import errors
from nqcodec.cli.common import CONTEXT
from nqcodec.cli.help import EXIT_CODES, LAST, HelpCommand, grouped

ROOT = Path(__file__).resolve().parents[2]
FIRST_SCREEN = 24
"""Lines of a terminal, at 80 columns."""


def shown(command: click.Command, *words: str, columns: int = 80) -> str:
    # click keeps a command's help option from its first call on, so every call has to name it alike.
    names = CONTEXT["help_option_names"]
    runner = CliRunner()
    done = runner.invoke(command, list(words), prog_name="program", terminal_width=columns, help_option_names=names)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("name", MANUALS)
def test_pages_name_options_that_exist(name: str) -> None:
    command = MANUALS[name]
    known = {option for param in command.params for option in param.opts}
    named = [option for names in command.page.groups.values() for option in names]
    assert set(named) | set(command.page.short) <= known
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("name", [name for name, one in MANUALS.items() if isinstance(one, HelpCommand)])
def test_help_shows_every_option_once_and_says_what_it_does(name: str) -> None:
    command = MANUALS[name]
    text = shown(command, "--help", columns=110)
    context = click.Context(command, help_option_names=["-h", "--help"], terminal_width=110)
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    records = [option.get_help_record(context) for option in options]
    for record in records:
        if record is not None:
            head, what = record
            assert text.count(f"\n  {head}") == 1
            assert re.sub(r"\[.*\]", "", what).strip(), f"{head} has no help"
    assert "RANGE" not in text
    for title in (*command.page.groups, "Examples", "Exit codes", "Environment"):
        assert f"\n{title}:\n" in text


@pytest.mark.parametrize("name", ["nqenc", "nqdec"])
def test_the_first_screen_is_one(name: str) -> None:
    command = COMMANDS[name]
    text = shown(command, "-h")
    assert len(text.splitlines()) <= FIRST_SCREEN
    assert "--help" in text
    nothing = CliRunner().invoke(command, [], prog_name="program", terminal_width=80)
    assert nothing.exit_code == 2
    assert nothing.stderr == text
    assert nothing.stdout == ""


def test_an_option_that_no_group_names_is_shown_in_the_last() -> None:
    page = MANUALS["nqenc"].page
    option = click.Option(["--new"])
    assert grouped(page, [option]) == {LAST: [option]}


@pytest.mark.parametrize("name", MANUALS)
def test_examples_are_calls_that_the_commands_understand(name: str) -> None:
    examples = MANUALS[name].page.examples
    assert examples
    for line, what in examples:
        assert what.endswith(".")
        for words in calls(line):
            read(words)


def test_exit_codes_are_those_of_the_errors() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.NqError)]
    assert {code for code, _ in EXIT_CODES} == {str(kind.exit_code) for kind in kinds} | {"0", "130"}


def test_variables_are_those_that_the_code_reads() -> None:
    reported = {
        variable for one in MANUALS.values() for names, _ in one.page.environment for variable in names.split(", ")
    }
    sources = [ROOT / "setup.py", *(path for path in (ROOT / "nqcodec").rglob("*.py") if path.parent.name != "cli")]
    read_ones = {
        name for path in sources for name in re.findall(r'environ\.get\("(NQCODEC_\w+)"', path.read_text("utf-8"))
    }
    assert {name for name in reported if name.startswith("NQCODEC")} == read_ones
