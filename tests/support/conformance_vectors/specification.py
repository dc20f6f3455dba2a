"""What the specification says, rule by rule: the units of formats/nq.md that a vector must exercise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

SPECIFICATION = Path(__file__).resolve().parents[3] / "formats" / "nq.md"
NORMATIVE = range(1, 9)
"""Sections of the decoding process; 9 is informative."""


@dataclass(frozen=True)
class Unit:
    """A sentence, a row of a table or a formula, with the number and the title of its section."""

    section: str
    title: str
    text: str


def units(text: str) -> list[Unit]:
    """All normative units of the specification in order. Headings, table heads and notes are none."""
    found: list[Unit] = []
    section = title = ""
    for block in _blocks(text):
        heading = re.match(r"#+ (\d+(?:\.\d+)*)\.? (.*)", block[0])
        if heading:
            section, title = heading.groups()
        elif section and int(section.split(".")[0]) in NORMATIVE and not block[0].startswith("#"):
            found += [Unit(section, title, part) for part in _parts(block)]
    return found


def _blocks(text: str) -> list[list[str]]:
    """Runs of lines of one kind: a heading, a table, formulas, a list item, a paragraph."""
    blocks: list[list[str]] = []
    kind = ""
    for line in text.splitlines():
        now = next(
            (k for k, start in (("", ""), ("#", "#"), ("|", "|"), ("f", "    ")) if start and line.startswith(start)),
            "p",
        )
        if not line.strip():
            kind = ""
            continue
        if now != kind or now == "#" or line.startswith(("- ", "*Note")):
            blocks.append([])
        blocks[-1].append(line)
        kind = now
    return blocks


def _parts(block: list[str]) -> list[str]:
    first = block[0]
    if first.startswith("|"):
        return [" ".join(row.split()) for row in block[2:]]
    if first.startswith("    "):
        return [" ".join(line.split()) for line in block]
    if first.startswith("*Note"):
        return []
    joined = " ".join(" ".join(block).split())
    return [part for part in re.split(r"(?<=[.;]) (?=[A-Z`*(\d])", joined) if part]
