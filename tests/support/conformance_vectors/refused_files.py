"""Files that a decoder refuses for what is around the segments (formats/nq.md, 2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from conformance_vectors.build import File, Vector
from conformance_vectors.containers import VIDEO, header, small_part
from conformance_vectors.faults import FORMAT, HASH, LEGAL, LEGAL_DATA, UNSUPPORTED, body, refused
from nqcodec.bitstream.chunks import FRAMING_BYTES, HEAD_BYTES, SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.header import IndexEntry

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
    """A cut at each boundary and within each part."""
    vhdr, sidx, segm, nend = (CHUNKS[kind].offset for kind in ("VHDR", "SIDX", "SEGM", "NEND"))
    for name, where, length in (
        ("signature", "within the signature", 5),
        ("before-header", "after the signature", len(SIGNATURE)),
        ("in-type", "within a chunk's type", vhdr + 2),
        ("in-length", "within a chunk's length", vhdr + 6),
        ("in-header", "within VHDR", vhdr + HEAD_BYTES + 10),
        ("before-crc", "before a chunk's CRC", sidx - 4),
        ("in-crc", "within a chunk's CRC", sidx - 1),
        ("before-index", "after VHDR", sidx),
        ("in-index", "within SIDX", sidx + HEAD_BYTES + 9),
        ("before-segment", "after SIDX", segm),
        ("in-segment", "within SEGM", segm + HEAD_BYTES + 40),
        ("before-end", "after the last segment: no end chunk", nend),
        ("last-byte", "before the last byte", len(LEGAL_DATA) - 1),
    ):
        yield refused(f"truncated-{name}", f"Cut {where}.", LEGAL_DATA[:length], FORMAT, "refused:truncation")


def checksums() -> Iterator[Vector]:
    """A CRC that does not match, in each chunk."""
    for kind, chunk in CHUNKS.items():
        spoilt = bytearray(LEGAL_DATA)
        spoilt[chunk.offset + HEAD_BYTES + len(chunk.payload)] ^= 1
        yield refused(f"crc-{kind.lower()}", f"A wrong CRC of {kind}.", bytes(spoilt), FORMAT, "refused:crc")
    note = bytearray(pack_chunk("nOTE", b"text"))
    note[9] ^= 32
    data = File(VIDEO, [LEGAL], before={0: bytes(note)}).data()
    yield refused(
        "crc-ancillary",
        "A changed byte of an unknown ancillary chunk: it is checked, too.",
        data,
        FORMAT,
        "refused:crc",
    )


def join(chunks: Sequence[tuple[str, bytes]]) -> bytes:
    """A file of chunks in any order."""
    return SIGNATURE + b"".join(pack_chunk(kind, payload) for kind, payload in chunks)


def orders() -> Iterator[Vector]:
    """Chunks that are missing, repeated or misplaced."""
    by_kind = {kind: (kind, chunk.payload) for kind, chunk in CHUNKS.items()}
    note = ("nOTE", b"")
    for name, purpose, kinds in (
        ("no-header", "VHDR is missing.", ("SIDX", "SEGM", "NEND")),
        ("no-index", "SIDX is missing.", ("VHDR", "SEGM", "NEND")),
        ("no-segment", "SEGM is missing.", ("VHDR", "SIDX", "NEND")),
        ("index-first", "SIDX before VHDR.", ("SIDX", "VHDR", "SEGM", "NEND")),
        ("index-last", "SIDX after SEGM.", ("VHDR", "SEGM", "SIDX", "NEND")),
        ("header-twice", "VHDR twice.", ("VHDR", "VHDR", "SIDX", "SEGM", "NEND")),
        ("header-again", "A second VHDR before the end.", ("VHDR", "SIDX", "SEGM", "VHDR", "NEND")),
        ("index-twice", "SIDX twice.", ("VHDR", "SIDX", "SIDX", "SEGM", "NEND")),
        ("segment-twice", "A segment that the index does not name.", ("VHDR", "SIDX", "SEGM", "SEGM", "NEND")),
        ("end-twice", "NEND twice: bytes after the end.", ("VHDR", "SIDX", "SEGM", "NEND", "NEND")),
        ("ancillary-first", "An ancillary chunk before VHDR.", ("nOTE", "VHDR", "SIDX", "SEGM", "NEND")),
        ("ancillary-second", "An ancillary chunk before SIDX.", ("VHDR", "nOTE", "SIDX", "SEGM", "NEND")),
    ):
        chunks = [by_kind.get(kind, note) for kind in kinds]
        yield refused(f"order-{name}", purpose, join(chunks), FORMAT, "refused:order")
    for name, purpose, data in (
        ("byte-after-end", "A byte after the end chunk.", LEGAL_DATA + b"\0"),
        ("end-not-empty", "An end chunk that holds a byte.", LEGAL_DATA[:-FRAMING_BYTES] + pack_chunk("NEND", b"\0")),
    ):
        yield refused(f"order-{name}", purpose, data, FORMAT, "refused:end")


def kinds() -> Iterator[Vector]:
    """Critical chunks that are unknown, and types that are none."""
    for position, where in ((0, "before"), (1, "after")):
        data = File(VIDEO, [LEGAL], before={position: pack_chunk("NEWC", b"news")}).data()
        purpose = f"An unknown critical chunk {where} the segment."
        yield refused(f"critical-chunk-{where}", purpose, data, UNSUPPORTED, "refused:critical-chunk")
    for name, kind in (("digit", b"nOT1"), ("zero", b"\0\0\0\0"), ("latin", b"n\xd6TE")):
        chunk = bytearray(pack_chunk("nOTE", b""))
        chunk[:4] = kind
        data = File(VIDEO, [LEGAL], before={0: bytes(chunk)}).data()
        purpose = f"A chunk type with a byte that is no ASCII letter ({name})."
        yield refused(f"chunk-type-{name}", purpose, data, FORMAT, "refused:chunk-type")


def headers() -> Iterator[Vector]:
    """Fields of VHDR outside their range, and lengths."""
    legal = header(1, 1)
    for name, purpose, payload in (
        ("major-0", "Major version 0, which does not exist.", header(0, 1)),
        ("longer", "A header of version 1.1 with a byte more.", header(1, 1, b"\0")),
        ("longer-1-0", "A header of version 1.0 with a byte more.", header(1, 0, b"\0")),
        ("shorter", "A header with a byte less.", legal[:-1]),
        ("shorter-1-9", "A newer minor version's header with a byte less.", header(1, 9)[:-1]),
    ):
        yield refused(f"header-{name}", purpose, File(VIDEO, [LEGAL], payload).data(), FORMAT, "refused:header-length")
    for minor in (2, 3, 4):
        data = File(VIDEO, [LEGAL], header(1, minor, b"\0")).data()
        vector = refused(
            f"header-longer-1-{minor}",
            f"A header of version 1.{minor} with a byte more.",
            data,
            FORMAT,
            "refused:header-length",
        )
        yield replace(vector, minor=minor)
    for major in (2, 255):
        data = File(VIDEO, [LEGAL], header(major, 0, b"\1\2\3")).data()
        yield refused(f"version-{major}", f"Major version {major}.", data, UNSUPPORTED, "refused:major-version")
    for name, offset, value in (
        ("width-0", 2, bytes(4)),
        ("height-0", 6, bytes(4)),
        ("frames-0", 10, bytes(4)),
        ("fps-num-0", 14, bytes(4)),
        ("fps-den-0", 18, bytes(4)),
        ("chroma-4", 22, b"\4"),
        ("depth-7", 23, b"\7"),
        ("depth-13", 23, b"\x0d"),
        ("rgb-420", 26, b"\0"),
        ("full-range-2", 27, b"\2"),
        ("chroma-location-6", 28, b"\6"),
        ("sar-num-0", 29, bytes(2)),
        ("sar-den-0", 31, bytes(2)),
    ):
        payload = legal[:offset] + value + legal[offset + len(value) :]
        data = File(VIDEO, [LEGAL], payload).data()
        purpose = f"A header field outside its range: {name.replace('-', ' ')}."
        yield refused(f"header-{name}", purpose, data, FORMAT, "refused:header-field")


def indices() -> Iterator[Vector]:
    """An index that does not say what the file holds."""
    parts = [small_part(960), small_part(961, 1)]
    file = File(VIDEO, parts)
    first, second = file.index()
    for name, purpose, entries in (
        ("offset", "An offset one byte off.", [replace(first, offset=first.offset + 1), second]),
        ("length", "A length one byte off.", [first, replace(second, length=second.length - 1)]),
        ("order", "Entries in the wrong order.", [second, first]),
        ("no-frames", "A segment of no frames.", [replace(first, frames=0), replace(second, frames=3)]),
        ("too-few-frames", "Frames that do not add up.", [first, replace(second, frames=2)]),
        ("huge-offset", "An offset beyond any file.", [first, replace(second, offset=(1 << 64) - 1)]),
    ):
        yield refused(f"index-{name}", purpose, replace(file, entries=entries).data(), FORMAT, "refused:index")
    chunks = dict(file.chunks()[:2])
    for name, purpose, index in (
        ("count-0", "An index of no segments.", bytes(4)),
        ("count-too-large", "A count beyond the chunk.", b"\xff\xff\xff\xff" + chunks["SIDX"][4:]),
        ("trailing-byte", "A byte after the last entry.", chunks["SIDX"] + b"\0"),
    ):
        made = join([("VHDR", chunks["VHDR"]), ("SIDX", index), *file.chunks()[2:]])
        yield refused(f"index-{name}", purpose, made, FORMAT, "refused:index")
    entries = [IndexEntry(2, first.offset, first.length)]
    lone = replace(file, header=header(1, 1), entries=entries)
    # The index is one entry shorter than what follows was laid out for; its offset must be right all the same.
    shift = len(chunks["SIDX"]) - 20
    lone = replace(lone, entries=[replace(entries[0], offset=first.offset - shift)])
    yield refused("index-too-short", "A segment more than the index names.", lone.data(), FORMAT, "refused:index")


def hashes() -> Iterator[Vector]:
    """Segments whose planes are not those of their hash."""
    for name, number, purpose in (("first", 0, "first of two segments"), ("last", 1, "last of two segments")):
        parts = [small_part(970), small_part(971)]
        payload = bytearray(parts[number].payload)
        payload[1] ^= 128
        parts[number] = replace(parts[number], payload=bytes(payload))
        data = File(VIDEO, parts).data()
        yield refused(f"hash-{name}", f"A wrong hash of the {purpose}.", data, HASH, "refused:hash")
    payload = LEGAL.payload
    yield refused(
        "segment-flags", "A segment flag of another version.", body(b"\1" + payload[1:]), UNSUPPORTED, "refused:flags"
    )
    yield refused("segment-empty", "A segment of no bytes.", body(b""), FORMAT, "refused:payload-end")
