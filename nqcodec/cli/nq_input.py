"""The .nq file that a command names: a path, or - for standard input."""

from __future__ import annotations

import sys

from nqcodec.bitstream.file import NqFile, read_file, read_stream
from nqcodec.errors import InputError, UsageError
from nqcodec.network.program import Limits

STDIN = "standard input"
"""The `NqFile.path` of what came from there."""


def open_nq(path: str, limits: Limits) -> NqFile:
    """Read and check a .nq file; "-" is standard input, read to its end: the index may need every byte.

    Raises:
        UsageError: standard input is a terminal.
        InputError, FormatError, UnsupportedError, LimitError: as `nqcodec.bitstream.file.read_file`.
    """
    if path != "-":
        return read_file(path, limits)
    if sys.stdin.isatty():
        raise UsageError("- reads a .nq file from standard input, and that is a terminal: pipe one in")
    try:
        return read_stream(sys.stdin.buffer, STDIN, limits)
    except OSError as error:
        raise InputError(f"{STDIN}: cannot be read: {error.strerror}") from error
