"""Every command with a page of help, by the words that call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click
from commands import COMMANDS

from nqcodec.cli.help import HelpCommand, HelpGroup


def manuals(commands: Mapping[str, click.Command], parent: str = "") -> Iterator[tuple[str, HelpCommand | HelpGroup]]:
    """(name, command) of each command, every group followed by what it holds."""
    for word, command in commands.items():
        assert isinstance(command, HelpCommand | HelpGroup)
        name = f"{parent} {word}".strip()
        yield name, command
        if isinstance(command, click.Group):
            yield from manuals(command.commands, name)


MANUALS = dict(manuals(COMMANDS))
