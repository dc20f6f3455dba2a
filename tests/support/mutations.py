"""Damaged .nq files for tests: seeded flips, cuts, splices and lies about lengths, with CRCs as they fall or mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from operation_cases import CASES, OperationCase
from operation_instances import program_around
from random_networks import random_network, random_video

from nqcodec.bitstream.chunks import HEAD_BYTES, SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.index import IndexEntry, pack_index
from nqcodec.bitstream.metadata import PARSERS
from nqcodec.bitstream.reader import Reader, write_uv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.stream import BEFORE_SEGMENT
from nqcodec.bitstream.writer import pack_file
from nqcodec.decoder.decoder import plane_md5
from nqcodec.errors import NqError
from nqcodec.media.video import frame_bytes
from nqcodec.synthesis.backends import open_synthesizer

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "formats" / "conformance"

Parts = list[tuple[str, bytes]]
"""A file's chunks: (type, payload)."""

KINDS = ("VHDR", "SIDX", "SEGM", "NEND", *BEFORE_SEGMENT, *PARSERS, "text", "NEWC")
"""Types that a chunk is renamed to, two of them unknown."""

EXTREMES = (0, 1, 2, 127, 128, 255, 256, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


def random_file(seed: int) -> bytes:
    """A legal file of one to three random segments, with right hashes; every second one has frame hashes.

    Of every third one the segments have one program, which stands in the file once.
    """
    rng = np.random.default_rng(seed)
    video, segments, hashes = random_video(rng), [], []
    lengths = [int(n) for n in rng.integers(1, 4, int(rng.integers(1, 4)))]
    for frames in lengths:
        part, whole = video.with_frames(frames), plane_md5()
        network = random_network(np.random.default_rng(seed) if seed % 3 == 0 else rng, part)
        with open_synthesizer(network, part, frames, "reference") as synthesizer:
            for t in range(frames):
                data, digest = frame_bytes(synthesizer.frame(t)), plane_md5()
                whole.update(data)
                digest.update(data)
                hashes.append(digest.digest())
        segments.append((frames, pack_segment(network, md5=whole.digest())))
    return pack_file(video.with_frames(sum(lengths)), segments, hashes if seed % 2 else ())


def file_around(case: OperationCase) -> bytes:
    """A legal file whose program is about one operation."""
    rng = np.random.default_rng(case.kind.code)
    program, video, _ = program_around(case.make(rng))
    return pack_file(video, [(video.frames, pack_segment(random_network(rng, video, program)))])


def base_files(count: int, vectors: Path = VECTORS) -> list[tuple[str, bytes]]:
    """(name, bytes) of what is damaged: `count` random files, one around each operation, the vectors of a folder."""
    named = [(f"random{seed}", random_file(seed)) for seed in range(count)]
    named += [(f"operation-{case.kind.name}", file_around(case)) for case in CASES]
    found = [(path.stem, path.read_bytes()) for path in sorted(vectors.rglob("*.nq"))]
    return named + [(name, data) for name, data in found if len(data) > len(SIGNATURE)]


def take_apart(data: bytes) -> Parts | None:
    """The chunks of a file; None where its frame is damaged already."""
    try:
        return [(chunk.kind, chunk.payload) for chunk in read_chunks(data, "")]
    except NqError:
        return None


def put_together(parts: Parts, *, index: bool = True) -> bytes:
    """A file of chunks with right CRCs; with `index`, SIDX says where the segments are, if it can."""
    out, entries, program = bytearray(SIGNATURE), list[IndexEntry](), -1
    for kind, payload in parts:
        if kind == "PROG":
            program = len(out)
        elif kind == "SEGM":
            takes = bool(payload[:1] and payload[0] & 1)
            entries.append(IndexEntry(_frames(payload), len(out), program if takes else -1))
        elif kind == "SIDX" and index and entries:
            out += pack_chunk(kind, pack_index(entries, len(out)))
            continue
        out += pack_chunk(kind, payload)
    return bytes(out)


def _frames(payload: bytes) -> int:
    """The frames that a segment's head says, 0 where it is damaged."""
    try:
        return Reader(payload[1:]).uv("frames")
    except NqError:
        return 0


def _change(rng: np.random.Generator, data: bytes) -> bytes:
    """One or a few bits, bytes or lengths of some bytes changed."""
    if not data:
        return bytes([int(rng.integers(256))])
    out, place = bytearray(data), int(rng.integers(len(data)))
    # Syntax is at the front of a payload: half of all damage goes there.
    place = int(rng.integers(min(len(data), 120))) if rng.random() < 0.5 else place
    kind = int(rng.integers(6))
    if kind < 2:
        out[place] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        out[place] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))
    elif kind == 3:
        out[place : place + int(rng.integers(1, 9))] = rng.bytes(int(rng.integers(0, 9)))
    elif kind == 4:
        end = place + int(rng.integers(1, 40))
        out[place:place] = out[place:end]
    else:
        del out[place : place + int(rng.integers(1, 40))]
    return bytes(out)


def flip(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """One to four bits anywhere, CRCs as they are."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        out[int(rng.integers(len(out)))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """The file's beginning."""
    return data[: int(rng.integers(len(data)))]


def splice(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: int(rng.integers(len(data)))] + other[int(rng.integers(len(other))) :]


def length_lie(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """A chunk's length field that says something else, its CRC as it is."""
    parts, offset = take_apart(data) or [], len(SIGNATURE)
    chosen = int(rng.integers(len(parts))) if parts else 0
    for _, payload in parts[:chosen]:
        offset += HEAD_BYTES + 4 + len(payload)
    lie = int(rng.choice([*EXTREMES, len(data), int(rng.integers(2 * len(data)))]))
    return data[: offset + 4] + lie.to_bytes(4, "little") + data[offset + 8 :]


def mended(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """A payload changed, CRC and index mended: what gets past the file's frame."""
    parts = take_apart(data)
    if parts is None:
        return flip(rng, data, other)
    weights = np.array([6.0 if kind == "SEGM" else 1.0 for kind, _ in parts])
    chosen = int(rng.choice(len(parts), p=weights / weights.sum()))
    kind, payload = parts[chosen]
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        payload = _change(rng, payload)
    parts[chosen] = (kind, payload)
    return put_together(parts, index=kind != "SIDX")


def mended_cut(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """A segment cut short or made longer, CRC and index mended."""
    parts = take_apart(data)
    if parts is None:
        return cut(rng, data, other)
    chosen = int(rng.choice([number for number, (kind, _) in enumerate(parts) if kind == "SEGM"] or [0]))
    kind, payload = parts[chosen]
    size = int(rng.integers(len(payload) + 20))
    parts[chosen] = (kind, (payload + rng.bytes(20))[:size])
    return put_together(parts)


def header_lie(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """A byte of VHDR, of a segment's head or of SIDX in place of which an extreme value stands, CRC mended."""
    parts = take_apart(data)
    if parts is None:
        return flip(rng, data, other)
    chosen = int(
        rng.choice([number for number, (kind, _) in enumerate(parts) if kind in ("VHDR", "SEGM", "SIDX")] or [0])
    )
    kind, payload = parts[chosen]
    place = int(rng.integers(max(1, min(len(payload), 24))))
    value = write_uv(int(rng.choice(EXTREMES)))
    parts[chosen] = (kind, payload[:place] + value + payload[place + 1 :])
    return put_together(parts, index=False)


def shuffled_chunks(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """Chunks left out, doubled, exchanged with another file's, renamed or put elsewhere; index and CRCs mended."""
    parts, more = take_apart(data), take_apart(other) or []
    if not parts:
        return flip(rng, data, other)
    kind, place = int(rng.integers(5)), int(rng.integers(len(parts)))
    if kind == 0:
        del parts[place]
    elif kind == 1:
        parts.insert(place, parts[int(rng.integers(len(parts)))])
    elif kind == 2 and more:
        same = [part for part in more if part[0] == parts[place][0]]
        parts[place] = same[0] if same else more[0]
    elif kind == 3:
        parts[place] = (str(rng.choice(KINDS)), parts[place][1])
    else:
        parts.insert(int(rng.integers(len(parts))), parts.pop(place))
    return put_together(parts, index=bool(rng.integers(2)))


Mutation = Callable[[np.random.Generator, bytes, bytes], bytes]
MUTATIONS: dict[str, tuple[Mutation, int]] = {
    "flip": (flip, 2),
    "cut": (cut, 2),
    "splice": (splice, 1),
    "length-lie": (length_lie, 1),
    "mended": (mended, 10),
    "mended-cut": (mended_cut, 1),
    "header-lie": (header_lie, 2),
    "chunks": (shuffled_chunks, 2),
}
"""Each kind of damage, and how often it is taken against the others."""


def mutants(name: str, data: bytes, others: list[bytes], seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged versions of a file, each with a name that `mutant` makes it again from."""
    for number in range(count):
        yield f"{name}:{seed}:{number}", mutant(data, others, seed, number)


def mutant(data: bytes, others: list[bytes], seed: int, number: int) -> bytes:
    """Damaged version `number` of a file."""
    rng = np.random.default_rng([seed, number])
    names = list(MUTATIONS)
    weights = np.array([MUTATIONS[name][1] for name in names], float)
    damage = MUTATIONS[names[int(rng.choice(len(names), p=weights / weights.sum()))]][0]
    return damage(rng, data, others[int(rng.integers(len(others)))])
