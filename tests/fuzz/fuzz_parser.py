"""atheris target: the parser (formats/nq.md, 2, 4 and 5): bytes are a file, read as it is and with its CRCs mended.

Any bytes give a description of a file, or a named error.
"""

from __future__ import annotations

from typing import Any

from python_target import main

modules: dict[str, Any] = {}


def prepare() -> None:
    """Import what is fuzzed."""
    import hostile
    import mutations

    modules.update(hostile=hostile, mutations=mutations)


def run(data: bytes) -> None:
    """One input: as it is, and with CRCs mended where its chunks can be told apart."""
    from nqcodec.bitstream.file import parse_file
    from nqcodec.cli.info import file_info, info_lines
    from nqcodec.errors import NqError

    for candidate in (data, mend(data)):
        try:
            file = parse_file(candidate, "hostile.nq", modules["hostile"].LIMITS)
            info_lines(file_info(file, modules["hostile"].LIMITS))
        except NqError:
            continue


def mend(data: bytes) -> bytes:
    """The same chunks with right CRCs and an index that finds its segments, as far as lengths make sense."""
    parts, offset = [], 8
    while offset + 12 <= len(data):
        kind, length = data[offset : offset + 4], int.from_bytes(data[offset + 4 : offset + 8], "little")
        if not (kind.isalpha() and kind.isascii()):
            break
        length = min(length, len(data) - offset - 12)
        parts.append((kind.decode("ascii"), data[offset + 8 : offset + 8 + length]))
        offset += 12 + length
    mended: bytes = modules["mutations"].put_together(parts)
    return mended


if __name__ == "__main__":
    main(run, prepare)
