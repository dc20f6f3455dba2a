"""Files that appear whole or not at all.

Bytes go to a temporary file in the destination's own folder, which takes the destination's name by one rename. Until
then an existing file of that name is untouched, and a failure (Ctrl-C included) leaves no trace.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from nqcodec.errors import OutputError

REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the system allows",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "the file system is read-only",
    errno.EISDIR: "it is a folder",
    errno.EPIPE: "closed by its reader before the end",
}
"""Messages for the most common errors of the system."""

Buffer = bytes | bytearray | memoryview


class RawOutput(Protocol):
    """An unbuffered binary stream: `write` takes what it can and returns how many bytes that was."""

    def write(self, data: Buffer, /) -> int | None: ...


def output_error(name: str | os.PathLike[str], error: OSError) -> OutputError:
    """The one-line error for an operating system error met while writing `name`."""
    folder = Path(name).parent
    if error.errno == errno.ENOENT:
        reason = f"folder {folder} does not exist"
    elif error.errno == errno.ENOTDIR:
        reason = f"{folder} is not a folder"
    else:
        reason = REASONS.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"{os.fspath(name)}: cannot be written: {reason}")


def write_all(stream: RawOutput, data: Buffer) -> None:
    """Write every byte of `data` to a stream that may take less at a time.

    Raises:
        OSError: as the stream does, or EAGAIN where it takes nothing.
    """
    view = memoryview(data).cast("B")
    while view:
        count = stream.write(view)
        if not count:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        view = view[count:]


class AtomicFile:
    """A file written under a temporary name: `commit` renames it to `path`, `abort` removes it.

    As a context manager it commits when the block ends and aborts on any exception. A link is followed to its target.
    A device or a pipe cannot be replaced, so bytes go straight into it.

    Attributes:
        path: the destination, as given.
        temporary: the file that holds the bytes until the commit, for writers that want a name. It has no suffix to
            guess a format from.

    Raises:
        OutputError: from every method when the system refuses; nothing is left behind then.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, sync: bool = False, folder: str | os.PathLike[str] | None = None
    ) -> None:
        """Open the temporary file; with `sync`, `commit` waits until the disk holds the bytes.

        The temporary file is in `folder` where that is given and on the destination's file system: a folder that is
        cleared anyway, should this process be killed.
        """
        self.path, self._sync = Path(path), sync
        self._target = Path(os.path.realpath(self.path))
        try:
            self._in_place = self._target.exists() and not stat.S_ISREG(self._target.stat().st_mode)
            name = f".{self._target.name[:32]}.{secrets.token_hex(4)}.tmp"
            near = self._target.parent
            if folder is not None and os.stat(folder).st_dev == os.stat(near).st_dev:
                near = Path(folder)
            self.temporary = self._target if self._in_place else near / name
            # Mode 0o666 less the umask, as any new file: mkstemp's 0o600 would survive the rename.
            flags = os.O_WRONLY | (0 if self._in_place else os.O_CREAT | os.O_EXCL)
            self._file = open(os.open(self.temporary, flags, 0o666), "wb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise output_error(self.path, error) from error

    def write(self, data: Buffer) -> None:
        """Append bytes, unbuffered, so that a full disk shows here; on an error the file is aborted."""
        try:
            write_all(self._file, data)
        except OSError as error:
            self.abort()
            raise output_error(self.path, error) from error

    def commit(self) -> None:
        """Give the file its name. Does nothing after an earlier `commit` or `abort`."""
        if self._file.closed:
            return
        try:
            if self._sync and not self._in_place:
                os.fsync(self._file.fileno())
            self._file.close()
            if not self._in_place:
                os.replace(self.temporary, self._target)
        except OSError as error:
            self._discard()
            raise output_error(self.path, error) from error

    def abort(self) -> None:
        """Remove the temporary file. Does nothing after an earlier `commit` or `abort`."""
        if not self._file.closed:
            self._discard()

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        if not self._in_place:
            with contextlib.suppress(OSError):
                os.unlink(self.temporary)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.abort()
