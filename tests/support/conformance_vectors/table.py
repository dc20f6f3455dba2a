"""formats/conformance/README.md: its text, and the table of the specification's rules and their vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance_vectors.rules import exercises, ruled

MARK = "<!-- Made by tests/support/conformance_vectors/table.py from here on -->\n"
SHOWN = 4
"""Vectors that a row names; it counts the others."""

Descriptors = Mapping[str, Mapping[str, Any]]


def rows(descriptors: Descriptors) -> list[tuple[str, str, list[str]]]:
    """(section and title, rule, names of its vectors) of every rule in order."""
    made = []
    for unit, patterns in ruled():
        names = [name for name, descriptor in descriptors.items() if exercises(patterns, name, descriptor["features"])]
        made.append((f"{unit.section} {unit.title}", unit.text, sorted(names)))
    return made


def lines(descriptors: Descriptors) -> list[str]:
    """The table and the counts before it, as Markdown."""
    refused = sum("error" in one for one in descriptors.values())
    out = [
        f"{len(descriptors)} vectors, {len(descriptors) - refused} of them legal and {refused} to be refused; "
        f"{sum(one['bytes'] for one in descriptors.values())} bytes, "
        f"{sum(one.get('macs', 0) for one in descriptors.values()) / 1e6:.1f} million multiply-accumulates.",
    ]
    section = ""
    for title, rule, names in rows(descriptors):
        if title != section:
            section = title
            out += ["", f"### {title}", "", "| rule | vectors |", "| --- | --- |"]
        out.append(f"| {cell(rule)} | {named(names)} |")
    return out


def cell(rule: str) -> str:
    """A rule's text as a cell of a table."""
    return rule.strip("|").removeprefix("- ").strip().replace("|", "\\|").replace("*", "\\*")


def named(names: list[str]) -> str:
    """A few vectors, spread over the list so that those that are refused show too, and the count of the others."""
    if len(names) <= SHOWN:
        return ", ".join(names)
    chosen = [names[i * (len(names) - 1) // (SHOWN - 1)] for i in range(SHOWN)]
    return f"{', '.join(chosen)} and {len(names) - SHOWN} more"


def readme(path: Path, descriptors: Descriptors) -> str:
    """The file's text with its table made anew."""
    text = path.read_text(encoding="utf-8").partition(MARK)[0]
    return text + MARK + "\n" + "\n".join(lines(descriptors)) + "\n"
