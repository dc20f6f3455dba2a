"""Manual pages nqenc.1, nqdec.1 and nqtool.1 for man(1), from what --help is made of (`make man`).

python -m nqcodec.cli.man FOLDER
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from nqcodec.cli.common import guarded
from nqcodec.cli.help import EXIT_CODES, HelpCommand, HelpGroup, HelpPage, grouped
from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.nqenc import main as nqenc
from nqcodec.cli.nqtool import main as nqtool
from nqcodec.media.atomic import AtomicFile
from nqcodec.version import __version__

COMMANDS: dict[str, click.Command] = {"nqenc": nqenc, "nqdec": nqdec, "nqtool": nqtool}
_ESCAPES = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "~": r"\(ti", "^": r"\(ha"}
_AS_IT_IS = "\b"
"""click's mark for a paragraph that keeps its lines."""


def escaped(text: str) -> str:
    """Text as roff shows it unchanged: hyphens that can be copied into a shell, no control character at the start."""
    shown = "".join(_ESCAPES.get(letter, letter) for letter in text)
    return rf"\&{shown}" if shown.startswith(".") else shown


def prose(text: str) -> str:
    """The same, with what stands between backticks in bold."""
    parts = re.split(r"`([^`]+)`", text)
    return "".join(rf"\fB{escaped(part)}\fR" if number % 2 else escaped(part) for number, part in enumerate(parts))


def man_page(name: str) -> str:
    """The source of a command's page, for the macros man(7)."""
    command = COMMANDS[name]
    assert isinstance(command, HelpCommand | HelpGroup)
    what = command.get_short_help_str(limit=1000).rstrip(".").split(": ")[0]
    lines = [
        r".\" Made by `make man` from what --help shows; do not edit.",
        f'.TH {name.upper()} 1 "" "nqcodec {__version__}" "User Commands"',
        ".SH NAME",
        rf"{name} \- {escaped(what[0].lower() + what[1:])}",
        ".SH SYNOPSIS",
        *_synopsis(name, command),
        ".SH DESCRIPTION",
        *_description(command),
        ".SH OPTIONS",
        *_options(name, command, sections=True),
    ]
    if isinstance(command, click.Group):
        lines += [".SH COMMANDS", *(line for inner, one in _inner(name, command) for line in _section(inner, one))]
    lines += [".SH EXAMPLES", *_list(command.page.examples)]
    lines += [".SH EXIT STATUS", *_list(EXIT_CODES)]
    lines += [".SH ENVIRONMENT", *_list(_environment(name, command))]
    lines += [".SH SEE ALSO", _see_also(command.page)]
    return "\n".join(lines) + "\n"


def _inner(name: str, group: click.Group) -> Iterator[tuple[str, HelpCommand | HelpGroup]]:
    """(name, command) of what a group holds, each group within it followed by what that holds."""
    for inner, command in group.commands.items():
        assert isinstance(command, HelpCommand | HelpGroup)
        yield f"{name} {inner}", command
        if isinstance(command, click.Group):
            yield from _inner(f"{name} {inner}", command)


def _section(name: str, command: HelpCommand | HelpGroup) -> list[str]:
    """A command of a group; its options' groups are paragraphs."""
    return [
        f".SS {escaped(name)}",
        *_synopsis(name, command),
        ".PP",
        *_description(command),
        *_options(name, command, sections=False),
        ".PP",
        r"\fIExamples\fR",
        *_list(command.page.examples),
    ]


def _context(name: str, command: click.Command) -> click.Context:
    return click.Context(command, info_name=name, help_option_names=["-h", "--help"])


def _synopsis(name: str, command: click.Command) -> list[str]:
    pieces = command.collect_usage_pieces(_context(name, command))
    return [rf"\fB{escaped(name)}\fR {escaped(' '.join(pieces))}"]


def _description(command: click.Command) -> list[str]:
    """The paragraphs of a command's own text. Lines of those that begin with `_AS_IT_IS` are not filled."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines += [".PP"] * bool(lines)
        if paragraph.startswith(_AS_IT_IS):
            lines += [".nf", *map(prose, paragraph.removeprefix(_AS_IT_IS).strip("\n").splitlines()), ".fi"]
        else:
            lines.append(prose(" ".join(paragraph.split())))
    return lines


def _options(name: str, command: HelpCommand | HelpGroup, *, sections: bool) -> list[str]:
    """Options under the titles of their groups, which are sections of the second level or paragraphs."""
    context = _context(name, command)
    lines: list[str] = []
    for title, params in grouped(command.page, command.get_params(context)).items():
        lines += [f".SS {escaped(title)}"] if sections else [".PP", rf"\fI{escaped(title)}\fR"]
        lines += _list([record for param in params if (record := param.get_help_record(context))])
    return lines


def _list(records: Iterable[tuple[str, str]]) -> list[str]:
    """Terms in bold, each with its text."""
    return [line for term, text in records for line in (".TP", rf"\fB{escaped(term)}\fR", prose(text))]


def _environment(name: str, command: HelpCommand | HelpGroup) -> list[tuple[str, str]]:
    """Variables of a command and of those within it, each once."""
    pages = [command.page]
    if isinstance(command, click.Group):
        pages += [one.page for _, one in _inner(name, command)]
    return list(dict.fromkeys(variable for page in pages for variable in page.environment))


def _see_also(page: HelpPage) -> str:
    """Pointers, those to other commands as man pages have them."""
    pages = re.compile(rf"^({'|'.join(COMMANDS)}) --help$")
    shown = []
    for pointer in page.see_also:
        found = pages.match(pointer)
        shown.append(rf"\fB{found[1]}\fR(1)" if found else escaped(pointer))
    return "; ".join(shown)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@guarded
def main(folder: Path) -> None:
    """Write the manual pages to FOLDER."""
    for name in COMMANDS:
        with AtomicFile(folder / f"{name}.1") as file:
            file.write(man_page(name).encode("utf-8"))


if __name__ == "__main__":
    sys.exit(main())
