"""What the three commands share: options, error reporting, exit codes. Only this package prints."""

from __future__ import annotations

import errno
import functools
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import click

from nqcodec.cli.log import Level, log_level, log_options, say
from nqcodec.cli.signals import stopped, terminable
from nqcodec.errors import ClosedPipeError, NqError, UnsupportedError
from nqcodec.version import __version__

__all__ = [
    "CONTEXT",
    "OPTIONAL",
    "Level",
    "fail",
    "guarded",
    "log_options",
    "say",
    "version_option",
    "version_text",
]

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
OPTIONAL = {"torch", "torchac", "safetensors", "av", "imageio", "tqdm", "matplotlib"}
"""Packages that a decoder-only install may lack."""


def fail(error: BaseException, code: int) -> NoReturn:
    """One clear line, after the traceback where debug messages are asked for; then exit."""
    if log_level() >= Level.DEBUG:
        say(traceback.format_exc().rstrip(), Level.DEBUG)
    say(f"error: {error}", Level.ERROR)
    sys.exit(code)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turn the errors of a command into one line and the documented exit code."""

    @functools.wraps(command)
    def run(*args: object, **kwargs: object) -> None:
        try:
            with terminable():
                command(*args, **kwargs)
        except ClosedPipeError as error:
            # Click ends silently on a broken pipe, and sees to it that Python does not flush into it at its exit.
            raise BrokenPipeError(errno.EPIPE, str(error)) from error
        except NqError as error:
            fail(error, error.exit_code)
        except KeyboardInterrupt as error:
            what, code = stopped(error)
            say(f"{what}: nothing was written", Level.ERROR)
            sys.exit(code)
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in OPTIONAL:
                raise
            fail(UnsupportedError(f"this needs {error.name}, which is not installed: pip install {error.name}"), 3)
        except MemoryError:
            fail(MemoryError("out of memory: use fewer frames a segment (--segment) or a smaller frame"), 1)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO):
                raise
            fail(OSError(f"{error.filename or 'output'}: {error.strerror}"), 1)

    return run


def version_text() -> str:
    """Version, format version and backends, for --version."""
    from nqcodec.bitstream import MAJOR, MINOR
    from nqcodec.synthesis.backends import available

    backends = [name if not reason else f"{name} (absent: {reason})" for name, reason in available().items()]
    return f"nqcodec {__version__}, format {MAJOR}.{MINOR}, backends: {', '.join(backends)}"


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(version_text())
        context.exit()


version_option = click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print versions and backends.",
)
