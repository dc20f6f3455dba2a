"""SIDX, the index of segments behind them (formats/nq.md, 2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nqcodec.bitstream.chunks import FRAMING_BYTES
from nqcodec.bitstream.reader import SIZES, Reader, write_integer, write_uv

INDEX = "SIDX"

INDEXED_SEGMENTS = 16
"""Least segments of a file that gets an index: fewer are found as fast by the lengths of their chunks."""


@dataclass(frozen=True)
class IndexEntry:
    """A segment in the index: its frames, the offset in the file of its SEGM, and that of the PROG it takes, or -1."""

    frames: int
    offset: int
    program: int = -1


def pack_index(entries: Sequence[IndexEntry], end: int) -> bytes:
    """The payload of the SIDX at byte `end`, after these segments.

    Raises:
        ValueError: a distance that the format's integers do not hold.
    """
    out = bytearray(write_uv(len(entries)))
    ends = [*(entry.offset for entry in entries[1:]), end]
    for entry, after in zip(entries, ends, strict=True):
        distance = entry.offset - entry.program if entry.program >= 0 else 0
        out += write_uv(entry.frames) + write_uv(after - entry.offset) + write_uv(distance)
    return bytes(out) + write_integer("u32", len(out) + SIZES["u32"] + FRAMING_BYTES)


def parse_index(reader: Reader) -> list[tuple[int, int, int]]:
    """(frames, distance, program) of each segment, as an index says it; raises FormatError for the payload's end."""
    count = reader.uv("count")
    entries = [(reader.uv("frames"), reader.uv("distance"), reader.uv("program")) for _ in range(count)]
    reader.fixed("u32", "size")
    return entries
