"""python -m nqcodec: nqenc, nqdec and nqtool behind one name, for where they are not on the path."""

from __future__ import annotations

import importlib
from typing import cast

import click

from nqcodec.cli.common import CONTEXT, version_option
from nqcodec.cli.help import HelpGroup
from nqcodec.cli.pages import FRONT

COMMANDS = {"encode": "nqenc", "decode": "nqdec", "tool": "nqtool"}
"""What they are called here, and by themselves; both names are understood."""


class Front(HelpGroup):
    """Imports only the command that is asked for: decoding starts as fast as by nqdec."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names that help shows."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of either name."""
        module = COMMANDS.get(cmd_name, cmd_name)
        if module not in COMMANDS.values():
            return None
        return cast(click.Command, importlib.import_module(f"nqcodec.cli.{module}").main)


@click.group(cls=Front, page=FRONT, context_settings=CONTEXT)
@version_option
def main() -> None:
    """Encode clips to .nq files and decode them, as the commands nqenc, nqdec and nqtool do.

    encode, decode and tool take the words that nqenc, nqdec and nqtool take, and may be called by these names as well.
    """
