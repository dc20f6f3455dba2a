"""Files that a decoder refuses for what is around the segments (formats/nq.md, 2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from conformance_vectors.build import File, Vector
from conformance_vectors.containers import VIDEO, header, small_part
from conformance_vectors.faults import (
    FORMAT,
    HASH,
    LEGAL,
    LEGAL_DATA,
    LEVELS,
    PIECES,
    PROGRAM,
    TABLE,
    UNSUPPORTED,
    refused,
    segment,
    with_payload,
)
from nqcodec.bitstream.chunks import FRAMING_BYTES, HEAD_BYTES, SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.index import pack_index
from nqcodec.bitstream.metadata import pack_times
from nqcodec.media.metadata import FrameTimes

TWO = File(VIDEO, [small_part(960), small_part(961, 1)])
"""Two segments and an index."""

CHUNKS = {chunk.kind: chunk for chunk in read_chunks(LEGAL_DATA, "legal")}


def vectors() -> Iterator[Vector]:
    """All of this module."""
    yield from signatures()
    yield from truncations()
    yield from checksums()
    yield from orders()
    yield from kinds()
    yield from headers()
    yield from indices()
    yield from hashes()


def signatures() -> Iterator[Vector]:
    """Files that are not ours at all, and what a text-mode transfer makes of one that is."""
    for name, purpose, data in (
        ("empty", "A file of no bytes.", b""),
        ("signature-foreign", "Another format's signature.", b"\x89PNG\r\n\x1a\n" + LEGAL_DATA[8:]),
        ("signature-text-mode", "Line ends changed on the way.", LEGAL_DATA.replace(b"\r\n", b"\n")),
        ("signature-seven-bits", "The high bit of the first byte lost.", b"\x09" + LEGAL_DATA[1:]),
    ):
        yield refused(name, purpose, data, FORMAT, "refused:signature")


def truncations() -> Iterator[Vector]:
    """A cut at each boundary and within each part, of a file of one segment and of one of two with an index."""
    vhdr, segm, nend = (CHUNKS[kind].offset for kind in ("VHDR", "SEGM", "NEND"))
    for name, where, length in (
        ("signature", "within the signature", 5),
        ("before-header", "after the signature", len(SIGNATURE)),
        ("in-type", "within a chunk's type", vhdr + 2),
        ("in-length", "within a chunk's length", vhdr + 6),
        ("in-header", "within VHDR", vhdr + HEAD_BYTES + 10),
        ("before-crc", "before a chunk's CRC", segm - 4),
        ("in-crc", "within a chunk's CRC", segm - 1),
        ("before-segment", "after VHDR", segm),
        ("in-segment", "within SEGM", segm + HEAD_BYTES + 40),
        ("before-end", "after the last segment: no end chunk", nend),
        ("last-byte", "before the last byte", len(LEGAL_DATA) - 1),
    ):
        yield refused(f"truncated-{name}", f"Cut {where}.", LEGAL_DATA[:length], FORMAT, "refused:truncation")
    first, second, index, _ = list(read_chunks(TWO.data(), "two"))[1:]
    for name, where, length in (
        ("after-first", "after the first of two segments", second.offset),
        ("in-second", "within the second of two segments", second.offset + HEAD_BYTES + 40),
        ("before-index", "before the index", index.offset),
        ("in-index", "within the index", index.offset + HEAD_BYTES + 3),
        ("after-index", "after the index", index.end),
    ):
        assert length > first.end - 1
        yield refused(f"truncated-{name}", f"Cut {where}.", TWO.data()[:length], FORMAT, "refused:truncation")


def checksums() -> Iterator[Vector]:
    """A CRC that does not match, in each chunk."""
    for kind, chunk in CHUNKS.items():
        spoilt = bytearray(LEGAL_DATA)
        spoilt[chunk.offset + HEAD_BYTES + len(chunk.payload)] ^= 1
        yield refused(f"crc-{kind.lower()}", f"A wrong CRC of {kind}.", bytes(spoilt), FORMAT, "refused:crc")
    note = bytearray(pack_chunk("nOTE", b"text"))
    note[9] ^= 32
    spoilt_index = bytearray(TWO.data())
    spoilt_index[-13] ^= 1
    for name, purpose, data in (
        ("ancillary", "A changed byte of an unknown ancillary chunk: it is checked, too.", with_note(bytes(note))),
        ("sidx", "A wrong CRC of SIDX.", bytes(spoilt_index)),
    ):
        yield refused(f"crc-{name}", purpose, data, FORMAT, "refused:crc")


def with_note(chunk: bytes) -> bytes:
    """The legal file with a packed chunk before its segment."""
    return File(VIDEO, [replace(LEGAL, before=chunk)]).data()


def join(chunks: Sequence[tuple[str, bytes]]) -> bytes:
    """A file of chunks in any order."""
    return SIGNATURE + b"".join(pack_chunk(kind, payload) for kind, payload in chunks)


def orders() -> Iterator[Vector]:
    """Chunks that are missing, repeated or misplaced."""
    one, program = LEGAL.sharing(VIDEO, first=True), shared_program()
    chunks = {
        **dict(File(VIDEO, [LEGAL], indexed=True).chunks()),
        "note": ("nOTE", b""),
        "light": ("cLLI", bytes(4)),
        "times": ("fTIM", pack_times(FrameTimes(Fraction(1, 25), 0, ((1, 2),)))),
        "hashes": ("fHSH", b"".join(LEGAL.frame_md5)),
        "clip": ("cLIP", b"\0clip"),
        "program": ("PROG", program),
        "taker": ("SEGM", one.payload),
    }
    named = {name: value if isinstance(value, tuple) else (name, value) for name, value in chunks.items()}
    named["index"] = named["SIDX"]
    for name, purpose, kinds in (
        ("no-header", "VHDR is missing.", "SEGM NEND"),
        ("no-segment", "No segment.", "VHDR NEND"),
        ("no-segment-index", "No segment, and an index.", "VHDR SIDX NEND"),
        ("index-first", "SIDX before VHDR.", "index VHDR SEGM NEND"),
        ("index-before-segment", "SIDX before SEGM, where format 1 had it.", "VHDR index SEGM NEND"),
        ("header-twice", "VHDR twice.", "VHDR VHDR SEGM NEND"),
        ("header-again", "A second VHDR before the end.", "VHDR SEGM VHDR NEND"),
        ("index-twice", "SIDX twice.", "VHDR SEGM index index NEND"),
        ("segment-after-index", "A segment after the index.", "VHDR SEGM index SEGM NEND"),
        ("note-after-index", "An unknown chunk after the index.", "VHDR SEGM index note NEND"),
        ("end-twice", "NEND twice: bytes after the end.", "VHDR SEGM NEND NEND"),
        ("ancillary-first", "An ancillary chunk before VHDR.", "note VHDR SEGM NEND"),
        ("light-after-segment", "A chunk about the whole video after a segment.", "VHDR SEGM light NEND"),
        ("light-before-clip", "A chunk about the whole video among a segment's.", "VHDR clip light SEGM NEND"),
        ("times-after-segment", "Frame times that no segment follows.", "VHDR SEGM times NEND"),
        ("hashes-after-segment", "Frame hashes that no segment follows.", "VHDR SEGM hashes NEND"),
        ("clip-after-segment", "A clip that no segment follows.", "VHDR SEGM clip NEND"),
        ("clip-before-index", "A clip that no segment follows, before the index.", "VHDR SEGM clip index NEND"),
        ("program-after-segment", "A common program that no segment follows.", "VHDR SEGM program NEND"),
        ("program-first", "A common program before VHDR.", "program VHDR taker NEND"),
        ("program-twice", "Two common programs before a segment.", "VHDR program program taker NEND"),
        ("program-missing", "A segment that takes a common program, and none before it.", "VHDR taker NEND"),
        ("program-later", "A common program after the segment that takes it.", "VHDR taker program SEGM NEND"),
    ):
        data = join([named[kind] for kind in kinds.split()])
        yield refused(f"order-{name}", purpose, data, FORMAT, "refused:order")
    for name, purpose, data in (
        ("byte-after-end", "A byte after the end chunk.", LEGAL_DATA + b"\0"),
        ("file-after-end", "Another file after the end chunk.", LEGAL_DATA + LEGAL_DATA),
        ("end-not-empty", "An end chunk that holds a byte.", LEGAL_DATA[:-FRAMING_BYTES] + pack_chunk("NEND", b"\0")),
    ):
        yield refused(f"order-{name}", purpose, data, FORMAT, "refused:end")
    yield from common_programs()


def shared_program() -> bytes:
    """The payload of the PROG of the legal file's segment."""
    return LEVELS + PROGRAM


def common_programs() -> Iterator[Vector]:
    """Common programs that a segment takes, and that are not right."""
    taker = LEGAL.sharing(VIDEO)
    for name, purpose, payload in (
        ("trailing", "A byte after the program.", shared_program() + b"\0"),
        ("cut", "A program without its last byte.", shared_program()[:-1]),
        ("empty", "An empty payload.", b""),
        ("level", "A level one too high.", bytes([LEVELS[0] + 1]) + LEVELS[1:] + PROGRAM),
    ):
        data = File(VIDEO, [replace(taker, before=pack_chunk("PROG", payload))]).data()
        yield refused(f"program-common-{name}", purpose, data, FORMAT, "refused:common-program")
    for place, name in enumerate(("size", "macs", "maps")):
        for change, word in ((1, "high"), (-1, "low")):
            levels = bytes(level + change * (number == place) for number, level in enumerate(LEVELS))
            purpose = f"A level of {name} one too {word}."
            yield refused(f"level-{name}-{word}", purpose, segment(levels=levels), FORMAT, "refused:level")


def kinds() -> Iterator[Vector]:
    """Critical chunks that are unknown, and types that are none."""
    new = pack_chunk("NEWC", b"news")
    for where, file in (
        ("before", File(VIDEO, [replace(LEGAL, before=new)])),
        ("after", File(VIDEO, [LEGAL], end=new)),
    ):
        purpose = f"An unknown critical chunk {where} the segment."
        yield refused(f"critical-chunk-{where}", purpose, file.data(), UNSUPPORTED, "refused:critical-chunk")
    for name, kind in (("digit", b"nOT1"), ("zero", b"\0\0\0\0"), ("latin", b"n\xd6TE")):
        chunk = bytearray(pack_chunk("nOTE", b""))
        chunk[:4] = kind
        purpose = f"A chunk type with a byte that is no ASCII letter ({name})."
        yield refused(f"chunk-type-{name}", purpose, with_note(bytes(chunk)), FORMAT, "refused:chunk-type")


def headers() -> Iterator[Vector]:
    """Fields of VHDR outside their range, and lengths."""
    legal = header(2, 0)
    for name, purpose, payload in (
        ("longer", "A header of version 2.0 with a byte more.", header(2, 0, b"\0")),
        ("shorter", "A header with a byte less.", legal[:-1]),
        ("shorter-2-9", "A newer minor version's header with a byte less.", header(2, 9)[:-1]),
        ("width-longer-form", "A width in a longer form.", legal[:2] + b"\x88\0" + legal[3:]),
    ):
        yield refused(f"header-{name}", purpose, File(VIDEO, [LEGAL], payload).data(), FORMAT, "refused:header-length")
    for major, minor in ((0, 0), (1, 4), (3, 0), (255, 0)):
        data = File(VIDEO, [LEGAL], header(major, minor, b"\1\2\3")).data()
        purpose = f"Version {major}.{minor}."
        yield refused(f"version-{major}-{minor}", purpose, data, UNSUPPORTED, "refused:major-version")
    yield old_file()
    for name, offset, value in (
        ("width-0", 2, b"\0"),
        ("height-0", 3, b"\0"),
        ("fps-num-0", 4, b"\0"),
        ("fps-den-0", 5, b"\0"),
        ("chroma-4", 6, b"\4"),
        ("depth-7", 7, b"\7"),
        ("depth-13", 7, b"\x0d"),
        ("rgb-420", 10, b"\0"),
        ("full-range-2", 11, b"\2"),
        ("chroma-location-6", 12, b"\6"),
        ("sar-num-0", 13, b"\0"),
        ("sar-den-0", 14, b"\0"),
    ):
        payload = legal[:offset] + value + legal[offset + len(value) :]
        data = File(VIDEO, [LEGAL], payload).data()
        purpose = f"A header field outside its range: {name.replace('-', ' ')}."
        yield refused(f"header-{name}", purpose, data, FORMAT, "refused:header-field")
    for name, offset in (("sar-num-65536", 13), ("sar-den-65536", 14)):
        data = File(VIDEO, [LEGAL], legal[:offset] + b"\x80\x80\4" + legal[offset + 1 :]).data()
        purpose = f"A header field outside its range: {name.replace('-', ' ')}."
        yield refused(f"header-{name}", purpose, data, FORMAT, "refused:header-field")


def old_file() -> Vector:
    """A file as version 1.4 of the format had it: a header of 33 bytes, and the index before the segment."""
    fields = struct.pack("<5I", VIDEO.width, VIDEO.height, VIDEO.frames, 25, 1) + header(2, 0)[6:13]
    payload = b"\0" + LEGAL.md5 + PROGRAM + TABLE + PIECES
    start = len(SIGNATURE) + FRAMING_BYTES + 33 + FRAMING_BYTES + 20
    index = struct.pack("<IIQI", 1, VIDEO.frames, start, len(payload))
    chunks = [("VHDR", b"\1\4" + fields + struct.pack("<2H", 1, 1)), ("SIDX", index), ("SEGM", payload), ("NEND", b"")]
    return refused("version-1-4-file", "A file of version 1.4.", join(chunks), UNSUPPORTED, "refused:major-version")


def indices() -> Iterator[Vector]:
    """An index that does not say what the file holds."""
    entries, end = TWO.entries()
    first, second = entries
    right = pack_index(entries, end)
    for name, purpose, changed, at in (
        ("distance", "A distance one byte off.", [replace(first, offset=first.offset + 1), second], end),
        ("last-distance", "A last distance one byte off.", entries, end + 1),
        ("frames", "Frames of another number.", [replace(first, frames=3), second], end),
        ("no-frames", "A segment of no frames.", [replace(first, frames=0), second], end),
        ("order", "Frames in the wrong order.", [replace(first, frames=1), replace(second, frames=2)], end),
        ("program", "A program for a segment that has its own.", [first, replace(second, program=first.offset)], end),
        ("too-short", "A segment more than the index names.", [first], end),
        ("too-long", "A segment less than the index names.", [*entries, second], end),
    ):
        data = replace(TWO, index=pack_index(changed, at)).data()
        yield refused(f"index-{name}", purpose, data, FORMAT, "refused:index")
    for name, purpose, index in (
        ("count-0", "An index of no segments.", b"\0" + struct.pack("<I", 17)),
        ("empty", "An index of no fields.", b""),
        ("count-too-large", "A count beyond the chunk.", b"\xff\xff\xff\xff\x0f" + right[1:]),
        ("longer-form", "A count in a longer form.", b"\x82\0" + right[1:-4] + struct.pack("<I", len(right) + 13)),
        ("size", "A size one byte off.", right[:-4] + struct.pack("<I", len(right) + 11)),
        ("trailing-byte", "A byte after the size.", right + b"\0"),
    ):
        yield refused(f"index-{name}", purpose, replace(TWO, index=index).data(), FORMAT, "refused:index")
    sharing = [LEGAL.sharing(VIDEO, first=True), LEGAL.sharing(VIDEO)]
    entries, end = File(VIDEO, sharing).entries()
    for name, purpose, program in (
        ("program-0", "No program for a segment that takes one.", -1),
        ("program-distance", "A distance to a program one byte off.", entries[1].program + 1),
    ):
        data = File(VIDEO, sharing, index=pack_index([entries[0], replace(entries[1], program=program)], end)).data()
        yield refused(f"index-{name}", purpose, data, FORMAT, "refused:index")


def hashes() -> Iterator[Vector]:
    """Segments whose planes are not those of their hash, and heads that are not right."""
    for name, number, purpose in (("first", 0, "first of two segments"), ("last", 1, "last of two segments")):
        parts = [small_part(970), small_part(971)]
        md5 = parts[number].md5
        parts[number] = replace(parts[number], md5=bytes([md5[0] ^ 128]) + md5[1:])
        data = File(VIDEO, parts).data()
        yield refused(f"hash-{name}", f"A wrong hash of the {purpose}.", data, HASH, "refused:hash")
    for bit in range(2, 8):
        purpose = f"Segment flag bit {bit}, of a later version."
        yield refused(f"segment-flags-{bit}", purpose, segment(flags=1 << bit), UNSUPPORTED, "refused:flags")
    needing = LEGAL.payload
    needing = b"\2" + needing[1:2] + b"\1\1" + needing[2:]
    data = File(VIDEO, [LEGAL, replace(LEGAL, raw=needing)], indexed=False).data()
    purpose = "A segment that needs the one before it, of a later version."
    yield refused("segment-needs", purpose, data, UNSUPPORTED, "refused:flags")
    for name, purpose, raw in (
        ("empty", "A segment of no bytes.", b""),
        ("no-frames", "A segment of no frames.", b"\0\0" + LEGAL.payload[2:]),
        ("frames-long", "A number of frames in a longer form.", b"\0\x82\0" + LEGAL.payload[2:]),
        ("cut-hash", "A segment that ends within its hash.", LEGAL.payload[:17]),
        ("cut-levels", "A segment that ends within its levels.", LEGAL.payload[:20]),
    ):
        yield refused(f"segment-{name}", purpose, with_payload(raw), FORMAT, "refused:payload-end")
