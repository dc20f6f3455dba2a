"""Nested figures as text."""

from __future__ import annotations

from typing import Any


def lines(data: Any, indent: str) -> list[str]:
    """Nested figures as indented lines."""
    if not isinstance(data, dict):
        return [f"{indent}{data}"]
    out = []
    for name, value in data.items():
        if isinstance(value, dict):
            out += [f"{indent}{name}", *lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            if all(is_row(entry, value[0]) for entry in value):
                out += [f"{indent}{name}", *table(value, indent + "  ")]
                continue
            for entry in value:
                out += [f"{indent}{name}", *lines(entry, indent + "  ")]
        else:
            out.append(f"{indent}{name:<28} {shown(value)}")
    return out


def is_row(entry: dict[str, Any], first: dict[str, Any]) -> bool:
    """Whether an entry of a list is a row of the table that its first entry begins: the same names, single figures."""
    return list(entry) == list(first) and not any(isinstance(value, dict | list) for value in entry.values())


def table(rows: list[dict[str, Any]], indent: str) -> list[str]:
    """Rows with the same names as lines under them; the first column to the left, figures to the right."""
    cells = [list(rows[0]), *([shown(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    out = []
    for first, *rest in cells:
        figures = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        out.append("  ".join([f"{indent}{first:<{widths[0]}}", *figures]))
    return out


def shown(value: Any) -> str:
    """A figure as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
