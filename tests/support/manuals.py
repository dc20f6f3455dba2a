"""Every command with a page of help, by the words that call it."""

from __future__ import annotations

from collections.abc import Iterator

import click
from commands import COMMANDS

from nqcodec.cli.help import Manual, ManualGroup
from nqcodec.cli.nqtool import Bench


def manuals() -> Iterator[tuple[str, Manual | ManualGroup]]:
    for name, command in COMMANDS.items():
        assert isinstance(command, Manual | ManualGroup)
        yield name, command
        if isinstance(command, click.Group):
            for inner, one in command.commands.items():
                if isinstance(one, Manual):
                    yield f"{name} {inner}", one
    for name, command in Bench.own.items():
        assert isinstance(command, Manual)
        yield f"nqtool bench {name}", command


MANUALS = dict(manuals())
