"""nqtool completion: what a shell reads to complete the commands' options and values."""

from __future__ import annotations

import click

from nqcodec.cli.common import guarded
from nqcodec.cli.help import HelpCommand
from nqcodec.cli.pages import COMPLETION
from nqcodec.errors import UnsupportedError

COMMANDS = ("nqenc", "nqdec", "nqtool")
SHELLS = ("bash", "zsh", "fish")


@click.command(cls=HelpCommand, page=COMPLETION)
@click.argument("shell", type=click.Choice(SHELLS))
@guarded
def completion(shell: str) -> None:
    """Print what SHELL (bash, zsh or fish) reads to complete options and values of nqenc, nqdec and nqtool.

    The shell then asks the commands themselves, so that completion is always that of the version installed. bash must
    be 4.4 or newer.
    """
    click.echo("\n".join(script(shell, command) for command in COMMANDS))


def script(shell: str, command: str) -> str:
    """A command's part; raises UnsupportedError for a shell that click cannot serve."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise UnsupportedError(f"this version of click knows no completion for {shell}: pip install --upgrade click")
    # Only the commands' names go into a script. Its source() would run bash to find its version, and warn of old ones.
    parts = found(click.Command(command), {}, command, f"_{command.upper()}_COMPLETE")
    return parts.source_template % parts.source_vars()
