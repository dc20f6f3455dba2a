"""Phrases that messages of all parts share."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """A number of things whose plural ends in s: "1 frame", "2 frames"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
