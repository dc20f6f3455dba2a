"""-y and -n, and the question that a terminal is asked before a file is replaced, as ffmpeg has them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from nqcodec.encoder.option import option
from nqcodec.errors import OutputError, UsageError


@dataclass(frozen=True, kw_only=True)
class ReplaceOptions:
    """-y and -n of the commands that write files."""

    overwrite: bool = option(False, "Replace existing files without asking.", "Files", flags=("-y", "--overwrite"))
    no_overwrite: bool = option(
        False, "Never replace an existing file: that is an error.", "Files", flags=("-n", "--no-overwrite")
    )


def may_replace(outputs: Iterable[Path], overwrite: bool, no_overwrite: bool) -> None:
    """Go on if existing outputs may be replaced: by -y, by the answer on a terminal, or where nobody can be asked.

    Raises:
        UsageError: -y and -n together.
        OutputError: one exists and is to be kept.
    """
    if overwrite and no_overwrite:
        raise UsageError("-y replaces existing files and -n keeps them: give one of them")
    existing = [path for path in outputs if path.is_file()]
    if not existing or overwrite:
        return
    more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
    if no_overwrite:
        raise OutputError(f"{existing[0]}{more}: there already, and -n keeps it: name another output, or give -y")
    if _can_ask() and not _answer(f"{existing[0]}{more}: there already. Replace? [y/N] "):
        raise OutputError(f"{existing[0]}{more}: kept, and nothing was done")


def _can_ask() -> bool:
    """Whether somebody sits at both ends; a clip on standard input is no one."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def _answer(question: str) -> bool:
    click.echo(question, nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
