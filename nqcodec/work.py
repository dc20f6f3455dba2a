"""The folder beside an output in which an encode keeps its checkpoints until the file is complete."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from nqcodec.errors import OutputError, RateError, UsageError
from nqcodec.formats.atomic import AtomicFile

CLAIM = "encode.json"


def work_path(output: Path) -> Path:
    """Where the checkpoints of an encode to `output` are kept."""
    return output.with_name(output.name + ".work")


class WorkFolder:
    """`<output>.work`: removed when the encode is done, kept when it is interrupted and something can be resumed.

    Args:
        output: the file to be written.
        resume: go on with what is there; otherwise leftovers of an earlier encode are removed first.
    """

    def __init__(self, output: Path, resume: bool):
        self.path = work_path(output)
        self.resume = resume

    def __enter__(self) -> WorkFolder:
        try:
            if not self.resume and self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot keep checkpoints there: {error.strerror}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A fit made for a rate that cannot be met is of no use to another: its size followed from the rate.
        if isinstance(error, RateError) or not any(self.path.glob("segment*")):
            self.remove()

    def claim(self, what: dict[str, Any]) -> None:
        """Say what this folder is about; raises UsageError if --resume meets another clip's or setting's folder."""
        text = json.dumps(what, sort_keys=True)
        path = self.path / CLAIM
        if self.resume and path.exists() and path.read_text("utf-8") != text:
            raise UsageError(
                f"{self.path}: was left by an encode of another clip, rate or settings: drop --resume to start anew"
            )
        with AtomicFile(path) as file:
            file.write(text.encode())

    def remove(self) -> None:
        """The encode is complete or has left nothing worth keeping."""
        shutil.rmtree(self.path, ignore_errors=True)
