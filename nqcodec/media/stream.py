"""Bytes from a file, a pipe or standard input, read forwards once, with a peek at the first ones."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import BinaryIO

from nqcodec.errors import InputError


def input_error(name: str, error: OSError) -> InputError:
    """The one-line error for an operating system error met while reading `name`."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name}: no such file")
    return InputError(f"{name}: cannot be read: {error.strerror or error}")


class ByteStream:
    """A forward reader that knows its name and offset, and its size where the bytes lie in a regular file.

    Attributes:
        name: its name in messages.
        size: bytes in all, or None for a pipe.
        offset: bytes taken so far.
    """

    def __init__(self, stream: BinaryIO, name: str, size: int | None = None, *, owned: bool = False) -> None:
        """Wrap an open binary stream; with `size` it must be able to seek, and if `owned`, `close` closes it."""
        self._stream, self.name, self.size, self._owned = stream, name, size, owned
        self.offset = 0
        self._head = b""

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> ByteStream:
        """Open a file or a named pipe.

        Raises:
            InputError: it is missing or cannot be read.
        """
        name = os.fspath(path)
        try:
            stream = open(name, "rb")  # noqa: SIM115
            status = os.fstat(stream.fileno())
        except OSError as error:
            raise input_error(name, error) from error
        return cls(stream, name, status.st_size if stat.S_ISREG(status.st_mode) else None, owned=True)

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, or fewer at the end, without taking them."""
        while len(self._head) < count:
            piece = self._take(count - len(self._head))
            if not piece:
                break
            self._head += piece
        return self._head[:count]

    def read(self, count: int) -> bytes:
        """Take `count` bytes, fewer only at the end."""
        data = bytearray(count)
        return bytes(data[: self.read_into(data)])

    def read_into(self, buffer: bytearray) -> int:
        """Fill `buffer`, less only at the end; returns the number of bytes taken."""
        view = memoryview(buffer)
        taken = min(len(self._head), len(view))
        view[:taken], self._head = self._head[:taken], self._head[taken:]
        while taken < len(view):
            piece = self._take(min(len(view) - taken, 1 << 20))
            if not piece:
                break
            view[taken : taken + len(piece)] = piece
            taken += len(piece)
        self.offset += taken
        return taken

    def line(self, limit: int) -> bytes:
        """Take bytes up to and with the next line feed, at most `limit` of them."""
        end = self._head.find(b"\n", 0, limit) + 1
        if not end and len(self._head) < limit:
            # readline, not peek: a live pipe must not wait for bytes after the line.
            self._head += self._guard(self._stream.readline, limit - len(self._head))
            end = self._head.find(b"\n", 0, limit) + 1
        return self.read(end or min(len(self._head), limit))

    def skip(self, count: int) -> int:
        """Pass over `count` bytes, fewer only at the end; returns how many."""
        if self.size is not None:
            count = min(count, self.size - self.offset)
            self.seek(self.offset + count)
            return count
        left = count
        while left and (piece := self.read(min(left, 1 << 20))):
            left -= len(piece)
        return count - left

    def seek(self, offset: int) -> None:
        """Go to a byte of a stream whose size is known."""
        self._stream.seek(offset)
        self.offset, self._head = offset, b""

    def close(self) -> None:
        """Close the file if it was opened here; standard input stays open."""
        if self._owned:
            self._stream.close()

    def _take(self, count: int) -> bytes:
        return self._guard(self._stream.read, count)

    def _guard(self, action: Callable[[int], bytes | None], count: int) -> bytes:
        try:
            return action(count) or b""
        except OSError as error:
            raise input_error(self.name, error) from error
