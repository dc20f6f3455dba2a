"""Types of options' values, as click has them: what a shell offers for a value, and what its text stands for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from nqcodec.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

FILES = re.compile(r"\b(CLIP|FILE|OUT|SAVED)\b|\.json\b")
"""Metavars of values that may be the name of a file."""
FOLDERS = re.compile(r"\b(FOLDER|DIR)\b")
"""Those of values that may be the name of a folder, and of nothing else if `FILES` does not match."""


class CompletedText(click.types.StringParamType):
    """Text whose metavar says what a shell offers for it: paths for `FILES` and `FOLDERS`, and the words in small
    letters of alternatives such as "auto|none|N"."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What a word begun as `incomplete` may become."""
        from click.shell_completion import CompletionItem

        metavar = param.metavar or (param.name or "").upper()
        words = metavar.split("|") if "|" in metavar else []
        items = [CompletionItem(word) for word in words if word.islower() and word.startswith(incomplete)]
        if FILES.search(metavar):
            items.append(CompletionItem(incomplete, type="file"))
        elif FOLDERS.search(metavar):
            items.append(CompletionItem(incomplete, type="dir"))
        return items


class ParsedText(CompletedText):
    """Text that stands for another value.

    Args:
        parse: the value of a text; raises ValueError, saying what to write instead.
    """

    def __init__(self, parse: Callable[[str], object]):
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value; raises UsageError, which `HelpCommand` prints in a line. What is no text is the default."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            raise UsageError(f"{param.opts[-1] if param else ''} {value}: {error}".lstrip()) from error


TEXT = CompletedText()
