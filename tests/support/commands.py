"""Command lines as they stand in documents and in help: taken apart, and read by the commands themselves."""

from __future__ import annotations

import shlex
from typing import Any

import click

from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.nqenc import main as nqenc
from nqcodec.cli.nqtool import main as nqtool

COMMANDS: dict[str, click.Command] = {"nqenc": nqenc, "nqdec": nqdec, "nqtool": nqtool}
ENDS = {"|", ">", "&&", ";", "<"}


def calls(line: str) -> list[list[str]]:
    """The calls of our commands in a line of shell: each its words, up to a pipe or a redirection."""
    found: list[list[str]] = []
    open_call = False
    for word in shlex.split(line, comments=True):
        if word in ENDS:
            open_call = False
        elif word in COMMANDS and not open_call:
            found.append([word])
            open_call = True
        elif open_call:
            found[-1].append(word)
    return found


def read(words: list[str]) -> dict[str, Any]:
    """The options that a call gives, by the command's own parser.

    Raises:
        click.UsageError: an option or command that does not exist, or a value that is not allowed.
    """
    command: click.Command = COMMANDS[words[0]]
    name, arguments, parent = words[0], words[1:], None
    while True:
        try:
            context = command.make_context(name, list(arguments), parent)
        except click.exceptions.Exit:  # --help and --version
            return {}
        if not isinstance(command, click.Group):
            return context.params
        chosen, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None, chosen
        command, name, arguments, parent = found, chosen or "", rest, context
