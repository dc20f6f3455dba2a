"""What a shell offers for the values of options and arguments, from their metavars; click knows the options' names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

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


TEXT = CompletedText()
