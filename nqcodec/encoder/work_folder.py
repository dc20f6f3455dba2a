"""The folder beside an output in which an encode keeps its checkpoints until the file is complete."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from nqcodec.errors import NqError, OutputError, UsageError
from nqcodec.media.atomic import AtomicFile

CLAIM = "encode.json"
LOCK = "lock"
"""Held by the encode that works here; the system lets go of it however that ends."""
ASIDE = "earlier"
"""Begins the names of folders of checkpoints that `fresh` moved aside; a number follows."""


def work_path(output: Path) -> Path:
    """Where the checkpoints of an encode to `output` are kept."""
    return output.with_name(output.name + ".work")


class WorkFolder:
    """`<output>.work`: removed when the encode is done, kept when it is interrupted and something can be resumed.

    Checkpoints of an earlier encode outlive every encode that does not finish a file: one that starts anew moves them
    aside, and they come back where it ends without checkpoints of its own.

    One encode at a time has the folder: entering raises OutputError while another one works there, where the system
    refuses, or where something else has the folder's name.

    Args:
        output: the file to be written.
        resume: go on with the checkpoints that are there.
        fresh: start anew although there are checkpoints.

    Attributes:
        found: whether there were checkpoints on entering.

    Raises:
        UsageError: on entering, where there are checkpoints and neither `resume` nor `fresh` is set.
    """

    def __init__(self, output: Path, resume: bool, fresh: bool = False):
        self.path = work_path(output)
        self.resume, self.fresh, self.found = resume, fresh, False
        self._output, self._lock, self._removed = output, -1, False

    def __enter__(self) -> WorkFolder:
        try:
            while not self._locked():
                continue
            self._open()
        except OSError as error:
            self._release()
            raise OutputError(f"{self.path}: cannot keep checkpoints there: {error.strerror}") from error
        except NqError:
            self._release()
            raise
        return self

    def _open(self) -> None:
        """Make the folder what this encode begins with."""
        if not self._has_checkpoints():
            self._clear()
            self._bring_back()
        self.found = self._has_checkpoints()
        if self.found and self.fresh:
            self._move_aside()
        elif self.found and not self.resume:
            raise UsageError(
                f"{self.path}: holds the checkpoint of an encode{self._of_clip()}, {self._age()} old: go on from it "
                "with --resume, or start anew with --fresh"
            )

    def _locked(self) -> bool:
        """Make the folder and lock it; False if another encode removed it meanwhile."""
        self.path.mkdir(exist_ok=True)
        try:
            self._check_ours()
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

    def _check_ours(self) -> None:
        """Raise OutputError where the folder is somebody else's: everything in it goes when the file is complete."""
        names = os.listdir(self.path)
        if names and LOCK not in names and CLAIM not in names:
            raise OutputError(
                f"{self.path}: is where checkpoints go, and holds something else: move that away, or choose another "
                "output"
            )

    def _has_checkpoints(self) -> bool:
        return any(self.path.glob("segment*"))

    def _of_clip(self) -> str:
        """The clip that the checkpoints are of, as words to append; empty where the claim cannot be read."""
        try:
            return f" of {json.loads((self.path / CLAIM).read_text('utf-8'))['clip']}"
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _age(self) -> str:
        """How long ago the newest checkpoint was written, in words."""
        newest = max(path.stat().st_mtime for path in self.path.glob("segment*"))
        return in_words(max(0.0, time.time() - newest))

    def _aside(self) -> list[Path]:
        """Folders of checkpoints that were moved aside, the newest last."""
        return sorted(self.path.glob(f"{ASIDE}*"), key=lambda path: int(path.name.removeprefix(ASIDE)))

    def _contents(self) -> list[Path]:
        """What the encode itself keeps here."""
        return [path for path in self.path.iterdir() if path.name != LOCK and not path.name.startswith(ASIDE)]

    def _move_aside(self) -> None:
        earlier = self._aside()
        number = int(earlier[-1].name.removeprefix(ASIDE)) + 1 if earlier else 1
        folder = self.path / f"{ASIDE}{number}"
        contents = self._contents()
        folder.mkdir()
        for path in contents:
            path.rename(folder / path.name)

    def _bring_back(self) -> None:
        """Undo the last `_move_aside` that was not undone yet."""
        for folder in self._aside()[-1:]:
            for path in folder.iterdir():
                path.rename(self.path / path.name)
            folder.rmdir()

    def _clear(self) -> None:
        """Remove what the encode keeps here, but not what was moved aside."""
        for path in self._contents():
            _remove(path)

    def _release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Once the folder is removed, one of its name is another encode's.
        if not self._removed and not self._has_checkpoints():
            with contextlib.suppress(OSError):
                self._clear()
                self._bring_back()
            if not self._has_checkpoints():
                self.remove()
        self._release()

    def discard(self) -> None:
        """Remove the checkpoints of this encode, which no other can use; those of an earlier one stay."""
        if not self._resumes():
            with contextlib.suppress(OSError):
                self._clear()

    def _resumes(self) -> bool:
        """Whether checkpoints here may be an earlier encode's."""
        return self.found and not self.fresh

    def claim(self, what: dict[str, Any]) -> None:
        """Say what this folder is about; raises UsageError if --resume meets another clip's or setting's folder."""
        text = json.dumps(what, sort_keys=True)
        path = self.path / CLAIM
        if self._resumes() and path.exists() and path.read_text("utf-8") != text:
            raise UsageError(
                f"{self.path}: was left by an encode of another clip, rate or settings: repeat those, or start anew "
                "with --fresh"
            )
        with AtomicFile(path) as file:
            file.write(text.encode())

    def remove(self) -> None:
        """The encode is complete, or there is nothing worth keeping."""
        self._removed = True
        with contextlib.suppress(OSError):
            for path in self.path.iterdir():
                if path.name != LOCK:
                    _remove(path)
            # Last, so that what another encode finds meanwhile is still known to be ours.
            (self.path / LOCK).unlink()
            self.path.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def in_words(seconds: float) -> str:
    """A span of time in its largest whole unit, such as "3 hours"."""
    count, unit = int(seconds), "second"
    for size, name in ((60, "minute"), (3600, "hour"), (86400, "day")):
        if seconds >= size:
            count, unit = int(seconds // size), name
    return f"{count} {unit}{'' if count == 1 else 's'}"
