"""H.264 and HEVC byte streams (ITU-T H.264 and H.265, Annex B), as far as removing encoders' remarks needs.

x264 writes 0.7 kB and x265 2.3 kB about itself into each stream. Short clips at low rates would pay 10 % for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_START_CODE = re.compile(rb"\x00?\x00\x00\x01")
_USER_DATA = 5
"""user_data_unregistered: where encoders describe themselves."""
_PICTURE_HASH = 132
"""decoded_picture_hash of HEVC: serves to check a decode, not to make it."""
_REMARKS = frozenset({_USER_DATA, _PICTURE_HASH})


def units(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(start code, NAL unit) of each unit; together they are the stream."""
    starts = [match.span() for match in _START_CODE.finditer(stream)]
    for number, (begin, end) in enumerate(starts):
        stop = starts[number + 1][0] if number + 1 < len(starts) else len(stream)
        yield stream[begin:end], stream[end:stop]


def message_types(unit: bytes, codec: str) -> list[int]:
    """Payload types of the messages of an SEI unit, in order; empty for any other unit.

    Args:
        unit: a NAL unit without its start code.
        codec: "h264" or "hevc".
    """
    if codec == "h264":
        is_sei, header = unit[0] & 31 == 6, 1
    else:
        is_sei, header = (unit[0] >> 1) & 63 in {39, 40}, 2
    if not is_sei:
        return []
    payload = unit[header:].replace(b"\x00\x00\x03", b"\x00\x00")
    types, at = [], 0
    while at < len(payload) and payload[at:].rstrip(b"\x00") != b"\x80":
        values = []
        for _ in ("type", "size"):
            value = 0
            while at < len(payload) and payload[at] == 255:
                value, at = value + 255, at + 1
            values.append(value + (payload[at] if at < len(payload) else 0))
            at += 1
        types.append(values[0])
        at += values[1]
    return types


def without_remarks(stream: bytes, codec: str) -> bytes:
    """A stream without SEI units that hold nothing but user data and picture hashes; it decodes to the same pictures.

    Args:
        stream: byte stream of Annex B.
        codec: "h264" or "hevc".
    """
    kept = []
    for start, unit in units(stream):
        types = message_types(unit, codec)
        if not types or not set(types) <= _REMARKS:
            kept.append(start + unit)
    return b"".join(kept)
