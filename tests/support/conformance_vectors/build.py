"""What a vector is, and files from networks: hashes come from the reference backend, offsets from what is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from random_networks import random_network

from conformance_vectors.coding import Models, pack_network
from conformance_vectors.draws import Draws
from nqcodec.bitstream import LEAST_MINOR
from nqcodec.bitstream.chunks import FRAMING_BYTES, SIGNATURE, pack_chunk, read_chunks
from nqcodec.bitstream.header import pack_video
from nqcodec.bitstream.index import INDEX, IndexEntry, pack_index
from nqcodec.bitstream.levels import LEVELS_BYTES, Cost, pack_levels
from nqcodec.bitstream.operations import parse_program
from nqcodec.bitstream.reader import Reader, write_uv
from nqcodec.bitstream.segment import COMMON_PROGRAM, MD5_BYTES, parse_segment
from nqcodec.bitstream.stream import PROGRAM
from nqcodec.errors import NqError
from nqcodec.media.video import Video, frame_bytes
from nqcodec.network.integer_network import IntegerNetwork
from nqcodec.network.operations import Operation
from nqcodec.network.program import Limits, Program
from nqcodec.synthesis.reference import ReferenceSynthesizer


@dataclass(frozen=True)
class Vector:
    """One vector.

    Attributes:
        name: of its files.
        purpose: what it is for, a sentence.
        data: the file.
        error: class of `nqcodec.errors` that refuses it; empty for a legal file.
        features: what it shows beyond the features that can be seen in a legal file.
        minor: least minor version of the specification that has what it needs, operations aside.
    """

    name: str
    purpose: str
    data: bytes
    error: str = ""
    features: tuple[str, ...] = ()
    minor: int = LEAST_MINOR


@dataclass(frozen=True)
class Part:
    """A segment in the making.

    Attributes:
        frames: T.
        md5: of its planes.
        body: what follows the hash: levels, program, layers and pieces, or the last two alone with bit 0 of `flags`.
        frame_md5: MD5 of each frame.
        flags: of the segment.
        before: packed chunks that belong to it.
        raw: the payload, in place of all that.
    """

    frames: int
    md5: bytes
    body: bytes
    frame_md5: tuple[bytes, ...] = ()
    flags: int = 0
    before: bytes = b""
    raw: bytes | None = None

    @property
    def payload(self) -> bytes:
        """The payload of SEGM."""
        return bytes([self.flags]) + write_uv(self.frames) + self.md5 + self.body if self.raw is None else self.raw

    def sharing(self, video: Video, *, first: bool = False) -> Part:
        """The same segment of `video` with the program of a PROG, which stands before the `first` one."""
        rest, levels = Reader(self.body[LEVELS_BYTES:]), self.body[:LEVELS_BYTES]
        parse_program(rest, video)
        program = levels + rest.data[: rest.position]
        before = pack_chunk(PROGRAM, program) if first else b""
        return replace(self, body=rest.data[rest.position :], flags=COMMON_PROGRAM, before=self.before + before)


@dataclass(frozen=True)
class File:
    """A file in the making, whose index follows from its parts.

    Attributes:
        video: description.
        parts: the segments.
        header: payload of VHDR; None packs `video`.
        about: packed chunks about the whole video.
        end: packed chunks after the last segment.
        indexed: whether there is an index; None for one where there are several segments.
        index: what its payload is; None for what the parts are.
    """

    video: Video
    parts: Sequence[Part]
    header: bytes | None = None
    about: bytes = b""
    end: bytes = b""
    indexed: bool | None = None
    index: bytes | None = None

    def chunks(self) -> list[tuple[str, bytes]]:
        """(type, payload) of the chunks in order."""
        return [(chunk.kind, chunk.payload) for chunk in read_chunks(self.data(), "vector")]

    def entries(self) -> tuple[list[IndexEntry], int]:
        """(where the segments lie, where the index begins)."""
        header = pack_video(self.video) if self.header is None else self.header
        offset, program, entries = len(SIGNATURE) + FRAMING_BYTES + len(header) + len(self.about), -1, []
        for part in self.parts:
            for kind, start in chunk_starts(part.before):
                program = offset + start if kind == PROGRAM.encode() else program
            offset += len(part.before)
            entries.append(IndexEntry(part.frames, offset, program if part.flags & COMMON_PROGRAM else -1))
            offset += FRAMING_BYTES + len(part.payload)
        return entries, offset + len(self.end)

    def data(self) -> bytes:
        """The bytes."""
        header = pack_video(self.video) if self.header is None else self.header
        out = SIGNATURE + pack_chunk("VHDR", header) + self.about
        for part in self.parts:
            out += part.before + pack_chunk("SEGM", part.payload)
        out += self.end
        if self.index is not None or (len(self.parts) > 1 if self.indexed is None else self.indexed):
            out += pack_chunk(INDEX, pack_index(*self.entries()) if self.index is None else self.index)
        return out + pack_chunk("NEND", b"")


def chunk_starts(packed: bytes) -> Iterator[tuple[bytes, int]]:
    """(type, offset) of each of some packed chunks, which may be spoilt."""
    start = 0
    while start < len(packed):
        yield packed[start : start + 4], start
        start += FRAMING_BYTES + int.from_bytes(packed[start + 4 : start + 8], "little")


def leveled(video: Video, body: bytes, otherwise: bytes = bytes(LEVELS_BYTES)) -> bytes:
    """Levels and then what follows them, which begins with a program; `otherwise` where that is not legal."""
    try:
        return pack_levels(Cost.of(parse_program(Reader(body), video), video)) + body
    except NqError:
        return otherwise + body


def sealed(video: Video, frames: int, body: bytes) -> Part:
    """A segment from program, layers and pieces, with the hash that the reference gives."""
    video = video.with_frames(frames)
    part = Part(frames, bytes(MD5_BYTES), leveled(video, body))
    network = parse_segment(Reader(part.payload), video, Limits()).network
    with ReferenceSynthesizer(network, video, frames) as synthesizer:
        return hashed(synthesizer, frames, part.body)


def hashed(synthesizer: ReferenceSynthesizer, frames: int, body: bytes) -> Part:
    """A segment with the hash of what a synthesizer makes; `body` begins with the levels."""
    whole, hashes = hashlib.md5(usedforsecurity=False), []
    for t in range(frames):
        planes = frame_bytes(synthesizer.frame(t))
        whole.update(planes)
        hashes.append(hashlib.md5(planes, usedforsecurity=False).digest())
    return Part(frames, whole.digest(), body, tuple(hashes))


def part(video: Video, network: IntegerNetwork, models: Models | None = None) -> Part:
    """A segment of `video.frames` frames."""
    return sealed(video, video.frames, b"".join(pack_network(network, models)))


def file(video: Video, network: IntegerNetwork, models: Models | None = None) -> bytes:
    """A file of one segment."""
    return File(video, [part(video, network, models)]).data()


def network_of(seed: int, video: Video, operations: Sequence[Operation]) -> IntegerNetwork:
    """A program with random formats, steps and integers."""
    draws = Draws(seed)
    return random_network(draws, video, Program.of(list(operations), video))  # type: ignore[arg-type]


def file_of(seed: int, video: Video, operations: Sequence[Operation]) -> bytes:
    """A file of one segment with a random network."""
    return file(video, network_of(seed, video, operations))
