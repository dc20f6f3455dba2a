"""What an analysis found: its numbers, kept as JSON and CSV, from which its picture can be drawn again."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nqcodec.errors import InputError, UnsupportedError
from nqcodec.media.atomic import AtomicFile

SUFFIXES = ("json", "csv", "png")
"""Of the files of a finding."""
VERSION = 1
"""Of the JSON; another is refused."""

FINDINGS_ID = "nqcodec-findings"
"""Id of the element of a page that holds findings as JSON."""

_EMBEDDED = re.compile(rf'<script type="application/json" id="{FINDINGS_ID}">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Table:
    """Rows of figures under names, as CSV has them; None is an empty cell."""

    names: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Finding:
    """The numbers of one analysis.

    Attributes:
        kind: which analysis, a name of `nqcodec.reporting.kinds.KINDS`.
        title: of the picture.
        data: JSON values.
    """

    kind: str
    title: str
    data: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"nqcodec_finding": VERSION, **asdict(self)}


def read_findings(path: Path) -> list[Finding]:
    """The findings of a JSON file of one, of a folder of such files, or of a page of `nqenc --report`.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    try:
        if path.is_dir():
            texts = [file.read_text("utf-8") for file in sorted(path.glob("*.json"))]
            found = [json.loads(text) for text in texts]
        elif path.suffix.lower() in {".html", ".htm"}:
            found = json.loads((_EMBEDDED.search(path.read_text("utf-8")) or ["", "[]"])[1])
        else:
            found = [json.loads(path.read_text("utf-8"))]
        kept = [one for one in found if isinstance(one, dict) and one.get("nqcodec_finding") == VERSION]
        findings = [Finding(one["kind"], one["title"], one["data"]) for one in kept]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read as saved numbers: {error}") from error
    if not findings:
        raise InputError(f"{path}: holds no numbers of nqtool analyse or of nqenc --report")
    return findings


def embedded(findings: list[Finding]) -> str:
    """Findings as an element of a page, for `read_findings`."""
    text = json.dumps([finding.as_dict() for finding in findings]).replace("</", "<\\/")
    return f'<script type="application/json" id="{FINDINGS_ID}">{text}</script>'


def write_finding(finding: Finding, table: Table, picture: bytes, folder: Path) -> None:
    """Write <kind>.json, <kind>.csv and <kind>.png; raises OutputError."""
    text = json.dumps(finding.as_dict()) + "\n"
    contents = text.encode(), csv_text(table).encode(), picture
    for suffix, content in zip(SUFFIXES, contents, strict=True):
        with AtomicFile(folder / f"{finding.kind}.{suffix}") as file:
            file.write(content)


def csv_text(table: Table) -> str:
    """A table as CSV, figures with six significant digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.names)
    writer.writerows([[f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in table.rows])
    return text.getvalue()


def check_matplotlib(what: str) -> None:
    """Raise UnsupportedError where matplotlib is missing, which `what` needs: before the long part."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UnsupportedError(f"{what} needs matplotlib: pip install 'nqcodec[plots]'") from error
