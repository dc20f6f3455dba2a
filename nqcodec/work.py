"""The folder beside an output in which an encode keeps its checkpoints until the file is complete."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from nqcodec.errors import OutputError, RateError, UsageError
from nqcodec.formats.atomic import AtomicFile

CLAIM = "encode.json"
LOCK = "lock"
"""Held by the encode that works here; the system lets go of it however that ends."""


def work_path(output: Path) -> Path:
    """Where the checkpoints of an encode to `output` are kept."""
    return output.with_name(output.name + ".work")


class WorkFolder:
    """`<output>.work`: removed when the encode is done, kept when it is interrupted and something can be resumed.

    One encode at a time has it: entering raises OutputError while another one works there, or where the system refuses.

    Args:
        output: the file to be written.
        resume: go on with what is there; otherwise leftovers of an earlier encode are removed first.
    """

    def __init__(self, output: Path, resume: bool):
        self.path = work_path(output)
        self.resume = resume
        self._output, self._lock = output, -1

    def __enter__(self) -> WorkFolder:
        try:
            while not self._locked():
                continue
            if not self.resume:
                self._clear()
        except OSError as error:
            self._release()
            raise OutputError(f"{self.path}: cannot keep checkpoints there: {error.strerror}") from error
        return self

    def _locked(self) -> bool:
        """Make the folder and lock it; False if another encode removed it meanwhile."""
        self.path.mkdir(exist_ok=True)
        try:
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._release()
            raise OutputError(
                f"{self._output}: another encode is writing this file: wait for it, or choose another name"
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        try:
            if os.path.samestat(os.fstat(self._lock), os.stat(self.path / LOCK)):
                return True
        except FileNotFoundError:
            pass
        self._release()
        return False

    def _clear(self) -> None:
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A fit made for a rate that cannot be met is of no use to another: its size followed from the rate.
        if isinstance(error, RateError) or not any(self.path.glob("segment*")):
            self.remove()
        self._release()

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
