"""Every error that nqcodec raises on purpose, each with the exit code its commands answer with.

Exit codes: 1 failed, 2 usage, 3 unsupported version or feature, 4 over a limit, 5 hash mismatch.
A message is one line that names what was wrong, where, and what to do about it.
"""

from __future__ import annotations


class NqError(Exception):
    """Base of all errors raised on purpose; its text is one line for the user."""

    exit_code = 1


class InputError(NqError):
    """A source clip that cannot be read: missing, empty, cut, or not what the options say."""


class OutputError(NqError):
    """A destination that cannot be written: full disk, missing folder, unknown extension."""


class ClosedPipeError(OutputError):
    """Whoever reads standard output has stopped, as `head` does: no news for a user, so commands end silently."""


class RateError(NqError):
    """A rate that no network can meet for this clip; the text says what is possible."""


class UsageError(NqError):
    """Options that contradict one another or do not apply."""

    exit_code = 2


class UnsupportedError(NqError):
    """A file or feature that this version, machine or build does not know."""

    exit_code = 3


class LimitError(NqError):
    """A file that asks for more memory, parameters or arithmetic than the limits allow."""

    exit_code = 4


class HashError(NqError):
    """Decoded planes that differ from the hash in the file or from the one given."""

    exit_code = 5


class FormatError(NqError):
    """A damaged or foreign ``.nq`` file: names the file, the chunk and the byte offset."""

    def __init__(self, what: str, *, path: str = "", chunk: str = "", offset: int | None = None):
        self.what, self.path, self.chunk, self.offset = what, path, chunk, offset
        place = [path] if path else []
        if chunk:
            place.append(f"chunk {chunk}")
        if offset is not None:
            place.append(f"byte {offset}")
        super().__init__(": ".join([", ".join(place), what]) if place else what)
