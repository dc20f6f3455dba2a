"""How much a command prints on stderr: --log-level, as ffmpeg and x265 have it, and -q for errors alone.

The level belongs to the call: click keeps it with the call's context, so that `say` needs no argument for it.
Libraries that print by themselves (x265, SVT-AV1 and FFmpeg write to standard error's file descriptor, past
`sys.stderr`) are silenced by `native_silence`.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

import click

from nqcodec.cli.signals import outliving_terminal
from nqcodec.errors import UsageError


class Level(IntEnum):
    """Levels of messages: those up to the call's level are printed."""

    QUIET = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4


STDERR = 2
"""Standard error's file descriptor, whatever `sys.stderr` is."""
_KEY = "nqcodec.log_level"
_NAMES = [level.name.lower() for level in Level]


def log_level() -> Level:
    """The level of the call that runs: info where nothing else was asked for."""
    context = click.get_current_context(silent=True)
    return Level.INFO if context is None else Level(context.meta.get(_KEY, Level.INFO))


def say(text: str | Callable[[], str] = "", level: Level = Level.INFO) -> None:
    """A line for the user, on stderr, if the call's level allows it: stdout may be the video.

    A function is called for the line only if it is printed: for lines that take time to make.
    """
    if level <= log_level():
        with outliving_terminal():
            click.echo(text if isinstance(text, str) else text(), err=True)


def log_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --log-level and -q; the command gets `quiet`, which says that nothing below a warning is printed.

    It belongs under `guarded`, which reports the error of giving both.
    """

    @functools.wraps(command)
    def run(*args: object, log_level: str | None, quiet: bool, **kwargs: object) -> None:
        if quiet and log_level not in (None, "error"):
            raise UsageError(f"-q is --log-level error, and --log-level {log_level} says otherwise: give one of them")
        level = Level.ERROR if quiet else Level[(log_level or "info").upper()]
        click.get_current_context().meta[_KEY] = level
        command(*args, quiet=level < Level.INFO, **kwargs)

    options = (
        click.option(
            "--log-level",
            type=click.Choice(_NAMES),
            help="What is printed on stderr, up to: quiet (nothing but the exit code), error, warning, info, debug "
            "(settings and plan as well, and where an error arose); default: info.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Only errors: --log-level error."),
    )
    result: Callable[..., None] = run
    for option in reversed(options):
        result = option(result)
    return result


@contextmanager
def native_silence(quiet: bool = True) -> Iterator[None]:
    """Discard what anyone writes to standard error in the block, if `quiet`; exceptions pass and are reported later."""
    try:
        kept = os.dup(STDERR) if quiet else None
    except OSError:
        kept = None  # There is no standard error to silence.
    if kept is None:
        yield
        return
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, STDERR)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, STDERR)
        os.close(nowhere)
        os.close(kept)
