"""What a vector is, and files from networks: hashes come from the reference backend, offsets from what is written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from random_networks import random_network

from conformance_vectors.coding import Models, pack_network
from conformance_vectors.draws import Draws
from nqcodec.bitstream import LEAST_MINOR
from nqcodec.bitstream.chunks import FRAMING_BYTES, SIGNATURE, pack_chunk
from nqcodec.bitstream.header import INDEX_ENTRY_BYTES, IndexEntry, pack_index, pack_video
from nqcodec.bitstream.operations import minor_version
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import MD5_BYTES, parse_segment
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
    """A segment in the making: frames, payload with its hash, MD5 of each frame."""

    frames: int
    payload: bytes
    frame_md5: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class File:
    """A file in the making, whose index follows from its parts.

    Attributes:
        video: description; `frames` is taken from the parts unless `header` is given.
        parts: the segments.
        header: payload of VHDR; None packs `video`.
        before: packed chunks before the segment of that number, or before NEND for the number of segments.
        entries: what the index says; None for where the segments are.
        minor: version of the format, unless `header` is given.
    """

    video: Video
    parts: Sequence[Part]
    header: bytes | None = None
    before: Mapping[int, bytes] = field(default_factory=dict)
    entries: Sequence[IndexEntry] | None = None
    minor: int = LEAST_MINOR

    def index(self) -> list[IndexEntry]:
        """Where the segments lie."""
        header = self.header_payload()
        fixed = len(SIGNATURE) + FRAMING_BYTES + len(header) + FRAMING_BYTES + 4
        offset = fixed + INDEX_ENTRY_BYTES * len(self.parts)
        entries = []
        for number, part in enumerate(self.parts):
            offset += len(self.before.get(number, b""))
            entries.append(IndexEntry(part.frames, offset, len(part.payload)))
            offset += FRAMING_BYTES + len(part.payload)
        return entries

    def header_payload(self) -> bytes:
        """Payload of VHDR."""
        if self.header is not None:
            return self.header
        return pack_video(self.video.with_frames(sum(part.frames for part in self.parts)), self.minor)

    def chunks(self) -> list[tuple[str, bytes]]:
        """(type, payload) of the critical chunks in order."""
        index = pack_index(list(self.index() if self.entries is None else self.entries))
        segments = [("SEGM", part.payload) for part in self.parts]
        return [("VHDR", self.header_payload()), ("SIDX", index), *segments, ("NEND", b"")]

    def data(self) -> bytes:
        """The bytes."""
        out = bytearray(SIGNATURE)
        for position, (kind, payload) in enumerate(self.chunks()):
            out += self.before.get(position - 2, b"") + pack_chunk(kind, payload)
        return bytes(out)


def sealed(video: Video, frames: int, body: bytes) -> Part:
    """A segment from all that follows its hash, with the hash that the reference gives."""
    video = video.with_frames(frames)
    network = parse_segment(Reader(bytes(1 + MD5_BYTES) + body), video, Limits()).network
    with ReferenceSynthesizer(network, video, frames) as synthesizer:
        return hashed(synthesizer, frames, body)


def hashed(synthesizer: ReferenceSynthesizer, frames: int, body: bytes) -> Part:
    """A segment with the hash of what a synthesizer makes."""
    whole, hashes = hashlib.md5(usedforsecurity=False), []
    for t in range(frames):
        planes = frame_bytes(synthesizer.frame(t))
        whole.update(planes)
        hashes.append(hashlib.md5(planes, usedforsecurity=False).digest())
    return Part(frames, b"\0" + whole.digest() + body, tuple(hashes))


def part(video: Video, network: IntegerNetwork, models: Models | None = None) -> Part:
    """A segment of `video.frames` frames."""
    return sealed(video, video.frames, b"".join(pack_network(network, models)))


def file(video: Video, network: IntegerNetwork, models: Models | None = None) -> bytes:
    """A file of one segment."""
    return File(video, [part(video, network, models)], minor=minor_version(network.program)).data()


def network_of(seed: int, video: Video, operations: Sequence[Operation]) -> IntegerNetwork:
    """A program with random formats, steps and integers."""
    draws = Draws(seed)
    return random_network(draws, video, Program.of(list(operations), video))  # type: ignore[arg-type]


def file_of(seed: int, video: Video, operations: Sequence[Operation]) -> bytes:
    """A file of one segment with a random network."""
    return file(video, network_of(seed, video, operations))
