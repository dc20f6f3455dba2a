"""The file's frame: signature and chunks with CRC (formats/nq.md, 2)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from nqcodec.errors import FormatError

SIGNATURE = b"\x89NQV\r\n\x1a\n"
HEAD_BYTES = 8
"""Type and length, before the payload."""
FRAMING_BYTES = 12
"""Type, length and CRC: what a chunk costs beyond its payload."""


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


def pack_chunk(kind: str, payload: bytes) -> bytes:
    """Type, length, payload, CRC-32 of type and payload."""
    body = kind.encode("ascii") + payload
    return body[:4] + len(payload).to_bytes(4, "little") + payload + zlib.crc32(body).to_bytes(4, "little")


def read_chunks(data: bytes, path: str) -> Iterator[Chunk]:
    """Every chunk up to and including NEND, its CRC checked.

    Raises:
        FormatError: foreign signature, truncation, bad type, bad CRC, or bytes in or after NEND.
    """
    if not data:
        raise FormatError("the file is empty", path=path)
    if data[: len(SIGNATURE)] != SIGNATURE:
        raise FormatError("this is no .nq file (its first 8 bytes are not the signature)", path=path)
    offset = len(SIGNATURE)
    while True:
        chunk = _read_chunk(data, offset, path)
        yield chunk
        offset += FRAMING_BYTES + len(chunk.payload)
        if chunk.kind == "NEND":
            break
    if chunk.payload:
        raise FormatError("the end chunk is not empty", path=path, chunk="NEND", offset=chunk.offset)
    if offset != len(data):
        raise FormatError(f"{len(data) - offset} bytes follow the end chunk", path=path, chunk="NEND", offset=offset)


def _read_chunk(data: bytes, offset: int, path: str) -> Chunk:
    head = data[offset : offset + HEAD_BYTES]
    if len(head) < HEAD_BYTES:
        raise FormatError("the file is truncated: a chunk should start here", path=path, offset=offset)
    name = head[:4]
    if not name.isalpha() or not name.isascii():
        raise FormatError(f"{name!r} is no chunk type: the file is damaged", path=path, offset=offset)
    kind, length = name.decode("ascii"), int.from_bytes(head[4:], "little")
    end = offset + HEAD_BYTES + length
    if end + 4 > len(data):
        missing = end + 4 - len(data)
        raise FormatError(
            f"the file is truncated or damaged: {missing} bytes of this chunk are missing",
            path=path,
            chunk=kind,
            offset=offset,
        )
    payload = data[offset + HEAD_BYTES : end]
    if zlib.crc32(name + payload) != int.from_bytes(data[end : end + 4], "little"):
        raise FormatError("the CRC does not match: the chunk is damaged", path=path, chunk=kind, offset=offset)
    return Chunk(kind, payload, offset)
