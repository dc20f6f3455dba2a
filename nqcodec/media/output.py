"""Where bytes of a finished clip go: a file that appears whole, or standard output."""

from __future__ import annotations

import sys
from typing import BinaryIO, Protocol

from nqcodec.errors import ClosedPipeError, UsageError
from nqcodec.media.atomic import Buffer, RawOutput, output_error, write_all


class ByteOutput(Protocol):
    """The interface that the byte-wise writers need; `AtomicFile` and `StandardOutput` have it."""

    def write(self, data: Buffer) -> None: ...

    def commit(self) -> None: ...

    def abort(self) -> None: ...


class StandardOutput:
    """Standard output as a `ByteOutput`; what is written cannot be taken back.

    Bytes go around the buffer of `sys.stdout`, so that a reader that goes away is noticed here and not when Python
    exits.

    Raises:
        UsageError: it is a terminal.
        OutputError: from `write`, when the disk behind it is full, or the reader has gone (`ClosedPipeError`).
    """

    def __init__(self, stream: BinaryIO | None = None) -> None:
        """Use `stream`, by default `sys.stdout.buffer`."""
        stream = stream or sys.stdout.buffer
        if stream.isatty():
            raise UsageError("-: standard output is a terminal; send the video to a pipe or a file")
        self._raw: RawOutput = getattr(stream, "raw", stream)
        self._stream = stream

    def write(self, data: Buffer) -> None:
        """Write bytes at once."""
        try:
            self._stream.flush()
            write_all(self._raw, data)
        except BrokenPipeError as error:
            raise ClosedPipeError(str(output_error("standard output", error))) from error
        except OSError as error:
            raise output_error("standard output", error) from error

    def commit(self) -> None:
        """Does nothing, because bytes are written at once."""

    def abort(self) -> None:
        """Does nothing, because written bytes cannot be removed."""
