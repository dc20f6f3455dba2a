"""The file's frame: signature and chunks with CRC (formats/nq.md, 2), read as they arrive."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from nqcodec.errors import FormatError

SIGNATURE = b"\x89NQV\r\n\x1a\n"
HEAD_BYTES = 8
"""Type and length, before the payload."""
CRC_BYTES = 4
FRAMING_BYTES = HEAD_BYTES + CRC_BYTES
"""Type, length and CRC: what a chunk costs beyond its payload."""
BLOCK = 1 << 20
"""Bytes that are asked for at once: a chunk may claim 4 GiB and have none of them."""


@dataclass(frozen=True)
class Chunk:
    """One chunk; `offset` is that of its type field in the file."""

    kind: str
    payload: bytes
    offset: int

    @property
    def critical(self) -> bool:
        """True if a decoder that does not know the type must refuse the file."""
        return self.kind[0].isupper()

    @property
    def end(self) -> int:
        """Offset in the file of what follows it."""
        return self.offset + FRAMING_BYTES + len(self.payload)

    @property
    def packed(self) -> bytes:
        """The chunk as it stands in a file."""
        return pack_chunk(self.kind, self.payload)


def pack_chunk(kind: str, payload: bytes) -> bytes:
    """Type, length, payload, CRC-32 of type and payload."""
    body = kind.encode("ascii") + payload
    return body[:4] + len(payload).to_bytes(4, "little") + payload + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


def read_chunks(source: bytes | BinaryIO, path: str) -> Iterator[Chunk]:
    """Every chunk up to and including NEND, its CRC checked, as soon as its last byte has been read.

    Args:
        source: the file, or a stream of it, which may be a pipe: no byte beyond a chunk is waited for.
        path: for messages.

    Raises:
        FormatError: foreign signature, truncation, bad type, bad CRC, or bytes in or after NEND.
        OSError: as the stream does.
    """
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    signature = _take(stream, len(SIGNATURE))
    if not signature:
        raise FormatError("the file is empty", path=path)
    if signature != SIGNATURE:
        raise FormatError("this is no .nq file (its first 8 bytes are not the signature)", path=path)
    offset = len(SIGNATURE)
    while True:
        chunk = _read_chunk(stream, offset, path)
        yield chunk
        offset = chunk.end
        if chunk.kind == "NEND":
            break
    if chunk.payload:
        raise FormatError("the end chunk is not empty", path=path, chunk="NEND", offset=chunk.offset)
    _check_end(stream, offset, path)


def _check_end(stream: BinaryIO, offset: int, path: str) -> None:
    more = _take(stream, len(SIGNATURE))
    if more == SIGNATURE:
        raise FormatError(
            "another file follows the end chunk: nqtool join makes one of several", path=path, offset=offset
        )
    if more:
        raise FormatError("bytes follow the end chunk", path=path, chunk="NEND", offset=offset)


def _take(stream: BinaryIO, count: int) -> bytes:
    """The next `count` bytes, fewer only where the stream ends."""
    parts, left = [], count
    while left and (part := stream.read(min(left, BLOCK))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _read_chunk(stream: BinaryIO, offset: int, path: str) -> Chunk:
    head = _take(stream, HEAD_BYTES)
    if len(head) < HEAD_BYTES:
        raise FormatError("the file is truncated: a chunk should start here", path=path, offset=offset)
    name = head[:4]
    if not name.isalpha() or not name.isascii():
        raise FormatError(f"{name!r} is no chunk type: the file is damaged", path=path, offset=offset)
    kind, length = name.decode("ascii"), int.from_bytes(head[4:], "little")
    payload, crc = _take(stream, length), _take(stream, CRC_BYTES)
    missing = length - len(payload) + CRC_BYTES - len(crc)
    if missing:
        raise FormatError(
            f"the file is truncated or damaged: {missing} bytes of this chunk are missing",
            path=path,
            chunk=kind,
            offset=offset,
        )
    if zlib.crc32(name + payload) != int.from_bytes(crc, "little"):
        raise FormatError("the CRC does not match: the chunk is damaged", path=path, chunk=kind, offset=offset)
    return Chunk(kind, payload, offset)
