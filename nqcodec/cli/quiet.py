"""Silence for --quiet where libraries print by themselves: x265, SVT-AV1 and FFmpeg write to standard error's file
descriptor, past `sys.stderr`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2
"""Standard error's file descriptor, whatever `sys.stderr` is."""


@contextmanager
def native_silence(quiet: bool = True) -> Iterator[None]:
    """Discard what anyone writes to standard error in the block, if `quiet`; exceptions pass, to be told after it."""
    try:
        kept = os.dup(STDERR) if quiet else None
    except OSError:
        kept = None  # There is no standard error to silence.
    if kept is None:
        yield
        return
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, STDERR)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, STDERR)
        os.close(nowhere)
        os.close(kept)
