"""Statuses that functions of the C libraries return, and the errors raised for them."""

from __future__ import annotations

import ctypes
from enum import IntEnum

from nqcodec.errors import NqError, UnsupportedError


class Status(IntEnum):
    """NqStatus of csrc/include/nq/abi.h, where each is explained."""

    OK = 0
    BAD_PROGRAM = 1
    NO_RESOURCES = 2
    BAD_LEVEL = 3
    DEVICE_ERROR = 4
    BAD_ARGUMENT = 5
    NO_ROOM = 6
    BAD_EVENT = 7
    BAD_VALUE = 8
    BAD_LENGTH = 9
    BAD_ESCAPE = 10
    OUT_OF_RANGE = 11


TEXT = {
    Status.BAD_PROGRAM: "the program or frame is not valid",
    Status.NO_RESOURCES: "not enough memory or threads",
    Status.BAD_LEVEL: "this CPU does not have the instruction set asked for",
    Status.DEVICE_ERROR: "failed",
    Status.BAD_ARGUMENT: "an argument is not valid",
    Status.NO_ROOM: "the coded piece is larger than its buffer",
    Status.BAD_EVENT: "an event's interval is empty or leaves 0..65536",
    Status.BAD_VALUE: "a value that its model cannot code",
    Status.BAD_LENGTH: "a piece of more or fewer bytes than its symbols take",
    Status.BAD_ESCAPE: "an escape of more than 20 bits",
    Status.OUT_OF_RANGE: "a value is outside its bits",
}
"""Messages for each status but OK."""


def check_status(status: int, what: str = "", detail: str = "") -> None:
    """Raise for a status other than OK, with a message that says `what` failed and why: `detail` or the status's text.

    Raises:
        MemoryError: memory or threads that the system refuses.
        UnsupportedError: an instruction set that this CPU does not have.
        NqError: an error of the device.
        ValueError: anything else that was refused.
    """
    if status == Status.OK:
        return
    message = ": ".join(part for part in (what, detail or TEXT[Status(status)]) if part)
    if status == Status.NO_RESOURCES:
        raise MemoryError(message)
    if status == Status.BAD_LEVEL:
        raise UnsupportedError(message)
    if status == Status.DEVICE_ERROR:
        raise NqError(message)
    raise ValueError(message)


def device_error(library: ctypes.CDLL, status: int) -> str:
    """The device's own words for what a status of libnq_cuda means; empty where it is no error of the device."""
    if status != Status.DEVICE_ERROR:
        return ""
    library.nq_cuda_error.restype = ctypes.c_char_p
    return bytes(library.nq_cuda_error()).decode(errors="replace")
