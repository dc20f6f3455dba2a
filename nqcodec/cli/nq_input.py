"""The .nq file that a command names: a path, or - for standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nqcodec.bitstream.file import NqFile, read_file, read_signed, read_stream
from nqcodec.bitstream.stream import NqStream
from nqcodec.errors import InputError, UsageError
from nqcodec.network.program import Limits

STDIN = "standard input"
"""The `NqFile.path` of what came from there."""


def open_nq(path: str, limits: Limits, *, partly: bool = False) -> NqFile:
    """Read and check a .nq file; "-" is standard input, read to its end.

    `partly` is that of `nqcodec.bitstream.file.read_file`.

    Raises:
        UsageError: standard input is a terminal.
        InputError, FormatError, UnsupportedError, LimitError: as `nqcodec.bitstream.file.read_file`.
    """
    if path != "-":
        return read_file(path, limits, partly=partly)
    _check_stdin()
    with reading_stdin():
        return read_stream(sys.stdin.buffer, STDIN, limits, partly=partly)


def read_bytes(path: str) -> bytes:
    """All bytes of a file or of standard input, unchecked but for the signature; raises as `open_nq`."""
    if path == "-":
        _check_stdin()
        with reading_stdin():
            return read_signed(sys.stdin.buffer)
    try:
        with Path(path).open("rb") as file:
            return read_signed(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def open_stdin(limits: Limits) -> NqStream:
    """A .nq file from standard input, which is read as it is decoded, within `reading_stdin`; raises as `open_nq`."""
    _check_stdin()
    with reading_stdin():
        return NqStream(sys.stdin.buffer, STDIN, limits)


@contextmanager
def reading_stdin() -> Iterator[None]:
    """Turn what the system says of standard input into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{STDIN}: cannot be read: {error.strerror}") from error


def _check_stdin() -> None:
    if sys.stdin.isatty():
        raise UsageError("- reads a .nq file from standard input, and that is a terminal: pipe one in")
