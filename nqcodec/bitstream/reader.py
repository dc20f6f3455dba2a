"""Bounded reading and writing of the format's integers (formats/nq.md, 1)."""

from __future__ import annotations

from nqcodec.errors import FormatError

UV_BYTES = 5
SIZES = {"u8": 1, "u16": 2, "u32": 4}


class Reader:
    """Reads integers from one chunk's payload and never past its end.

    Args:
        data: the payload.
        base: its offset in the file, for messages.
        path, chunk: likewise.

    Every method raises FormatError with file, chunk and byte offset.
    """

    def __init__(self, data: bytes, *, base: int = 0, path: str = "", chunk: str = ""):
        self.data, self.base, self.path, self.chunk = data, base, path, chunk
        self.position = 0

    def error(self, what: str, position: int | None = None) -> FormatError:
        """A FormatError for a position in the payload (default: the current one)."""
        at = self.position if position is None else position
        return FormatError(what, path=self.path, chunk=self.chunk, offset=self.base + at)

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.position

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise self.error(f"the chunk ends inside {what}: {count} bytes needed, {self.left} left")
        self.position += count
        return self.data[self.position - count : self.position]

    def fixed(self, kind: str, what: str) -> int:
        """A u8, u16 or u32."""
        return int.from_bytes(self.take(SIZES[kind], what), "little")

    def uv(self, what: str) -> int:
        """An unsigned LEB128 integer below 2^32 in its shortest form."""
        start, value = self.position, 0
        for index in range(UV_BYTES):
            byte = self.take(1, what)[0]
            value |= (byte & 127) << (7 * index)
            if byte < 128:
                if byte == 0 and index:
                    raise self.error(f"{what} is not in its shortest form", start)
                if value >= 1 << 32:
                    raise self.error(f"{what} is {value}, which is not below 2^32", start)
                return value
        raise self.error(f"{what} is longer than {UV_BYTES} bytes", start)

    def sv(self, what: str) -> int:
        """A zigzag-coded signed integer."""
        value = self.uv(what)
        return -((value + 1) >> 1) if value & 1 else value >> 1

    def integer(self, kind: str, what: str) -> int:
        """An integer of any of the format's kinds."""
        if kind in SIZES:
            return self.fixed(kind, what)
        return self.uv(what) if kind == "uv" else self.sv(what)


def write_uv(value: int) -> bytes:
    """Shortest unsigned LEB128; raises ValueError outside 0..2^32-1."""
    if not 0 <= value < 1 << 32:
        raise ValueError(f"{value} does not fit the format's integers")
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_sv(value: int) -> bytes:
    """Zigzag LEB128."""
    return write_uv(2 * value if value >= 0 else -2 * value - 1)


def write_integer(kind: str, value: int) -> bytes:
    """An integer of any of the format's kinds; raises ValueError if it does not fit."""
    if kind in SIZES:
        try:
            return value.to_bytes(SIZES[kind], "little")
        except OverflowError as error:
            raise ValueError(f"{value} does not fit {kind}") from error
    return write_uv(value) if kind == "uv" else write_sv(value)
