"""The parts that pages are put together from: HTML by template, with the style that all of them share."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from nqcodec.media.atomic import AtomicFile


def filled(package: str, name: str, fields: Mapping[str, str]) -> str:
    """A template, a data file of a package, with HTML in its fields."""
    return Template((files(package) / name).read_text("utf-8")).substitute(fields)


def write_page(path: Path, package: str, name: str, fields: Mapping[str, str]) -> None:
    """Write a page from a template, whose field `style` is what all pages share; raises OutputError."""
    style = (files("nqcodec.reporting") / "page.css").read_text("utf-8").rstrip("\n")
    with AtomicFile(path) as file:
        file.write(filled(package, name, {"style": style, **fields}).encode())


def subtitle(lines: Iterable[str]) -> str:
    """Lines of text below a heading."""
    return "".join(f'<p class="sub">{html.escape(line)}</p>' for line in lines)


def notes(lines: Iterable[str]) -> str:
    """Lines of text that must not be missed."""
    return "".join(f'<p class="note">{html.escape(line)}</p>' for line in lines)


def definitions(texts: Mapping[str, str]) -> str:
    """The entries of a list of definitions."""
    return "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in texts.items())


def cell(value: object, kind: str = "") -> str:
    """A cell of a table, of a class if that is named."""
    return f"<td{_kind(kind)}>{html.escape(str(value))}</td>"


def table_row(cells: Iterable[str], kind: str = "") -> str:
    """A row of a table from its cells, of a class if that is named."""
    return f"<tr{_kind(kind)}>{''.join(cells)}</tr>"


def _kind(kind: str) -> str:
    """The attribute of a class."""
    return f' class="{kind}"' if kind else ""


def table(head: Iterable[str], body: Iterable[str]) -> str:
    """A table from its titles and rows."""
    titles = "".join(f"<th>{html.escape(title)}</th>" for title in head)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(body)}</tbody></table>"
