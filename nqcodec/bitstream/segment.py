"""SEGM: one segment's network and hash <-> bytes (formats/nq.md, 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nqcodec.bitstream import LEAST_MINOR
from nqcodec.bitstream.layers import (
    TensorEntry,
    TensorRecord,
    decode_tensors,
    pack_layer,
    parse_record,
    scan_tensor,
)
from nqcodec.bitstream.operations import minor_version, pack_program, parse_program
from nqcodec.bitstream.reader import Reader
from nqcodec.errors import LimitError, UnsupportedError
from nqcodec.media.video import Video
from nqcodec.network.integer_network import IntegerNetwork, Layer, validate
from nqcodec.network.program import Limits, Program

MD5_BYTES = 16
NO_MD5 = bytes(MD5_BYTES)


@dataclass(frozen=True)
class PackedSegment:
    """A SEGM payload and where its bytes go.

    Attributes:
        payload: the bytes; `with_md5` sets the hash, which is known only once the payload has been decoded.
        parts: bytes by part: "header" (flags, hash), "program", "step sizes" (formats, models and side lists) and one
            entry for each tensor, "<operation index> <operation> <tensor>".
        minor: least minor version of the format that has all of it.
    """

    payload: bytes
    parts: dict[str, int]
    minor: int = LEAST_MINOR

    def with_md5(self, md5: bytes) -> PackedSegment:
        """The same segment with its hash in place."""
        return replace(self, payload=self.payload[:1] + md5 + self.payload[1 + MD5_BYTES :])


def pack_segment(network: IntegerNetwork, coder: str | None = None, md5: bytes = NO_MD5) -> PackedSegment:
    """Code a network that passes `validate`.

    `coder` is native, python or torchac, None the fastest present; all give the same bytes.
    """
    program = pack_program(network.program)
    table, data = bytearray(), bytearray()
    parts = {"header": 1 + MD5_BYTES, "program": len(program), "step sizes": 0}
    for index, op in enumerate(network.program.operations):
        if not op.has_format:
            continue
        head, tensors = pack_layer(network.layers[index], coder)
        table += head
        parts["step sizes"] += len(head)
        for name, coded in tensors.items():
            table += coded.record
            data += coded.side + coded.data
            parts["step sizes"] += len(coded.record) + len(coded.side)
            parts[f"{index} {op.name} {name}"] = len(coded.data)
    return PackedSegment(b"\0" + md5 + program + bytes(table) + bytes(data), parts, minor_version(network.program))


def payload_size(network: IntegerNetwork) -> int:
    """Bytes of the payload of a network that passes `validate`."""
    return len(pack_segment(network).payload)


@dataclass(frozen=True)
class SegmentLayout:
    """A payload taken apart but not entropy-decoded: what `nqdec --info` shows.

    Attributes:
        md5: hash of the segment's planes.
        program: the network's operations.
        formats: (width, frac) of each operation, (0, 0) where it has none of its own.
        tensors: the coded tensors in file order.
        parts: bytes by part, named as in `PackedSegment.parts`.
    """

    md5: bytes
    program: Program
    formats: list[tuple[int, int]]
    tensors: list[TensorEntry]
    parts: dict[str, int]


@dataclass(frozen=True)
class Segment:
    """A decoded SEGM payload."""

    network: IntegerNetwork
    md5: bytes
    parts: dict[str, int]


def scan_segment(reader: Reader, video: Video, limits: Limits) -> SegmentLayout:
    """Take a payload apart. Limits are checked first: nothing of the network's size is allocated before.

    Raises:
        FormatError, UnsupportedError, LimitError.
    """
    flags = reader.fixed("u8", "segment flags")
    if flags:
        raise UnsupportedError(
            f"{reader.path}: segment flags {flags:#04x} are not of this format version: update nqcodec"
        )
    md5 = reader.take(MD5_BYTES, "the segment's MD5")
    program = parse_program(reader, video)
    try:
        program.check_limits(video, limits)
    except LimitError as error:
        raise LimitError(f"{reader.path}: {error}") from error
    parts = {"header": 1 + MD5_BYTES, "program": reader.position - 1 - MD5_BYTES}
    start = reader.position
    formats, records = _parse_table(reader, program)
    parts["step sizes"] = reader.position - start
    tensors = []
    for index, name, record in records:
        entry = scan_tensor(reader, index, name, program.tensors(index)[name], record)
        parts["step sizes"] += entry.side_bytes
        parts[f"{index} {program.operations[index].name} {name}"] = entry.data_bytes
        tensors.append(entry)
    if reader.left:
        raise reader.error(f"{reader.left} bytes follow the last piece")
    return SegmentLayout(md5, program, formats, tensors, parts)


def _parse_table(reader: Reader, program: Program) -> tuple[list[tuple[int, int]], list[tuple[int, str, TensorRecord]]]:
    formats, records = [], []
    for index, op in enumerate(program.operations):
        formats.append((reader.fixed("u8", "width"), reader.fixed("u8", "frac")) if op.has_format else (0, 0))
        records += [(index, name, parse_record(reader, name)) for name in program.tensors(index)]
    return formats, records


def parse_segment(reader: Reader, video: Video, limits: Limits, threads: int = 1) -> Segment:
    """Read and entropy-decode a segment; raises FormatError, UnsupportedError or LimitError."""
    layout = scan_segment(reader, video, limits)
    layers = [Layer(width, frac) for width, frac in layout.formats]
    for entry, tensor in zip(layout.tensors, decode_tensors(reader, layout.tensors, threads), strict=True):
        layers[entry.index].tensors[entry.name] = tensor
    network = IntegerNetwork(layout.program, layers)
    try:
        validate(network)
    except ValueError as error:
        raise reader.error(f"the network is not legal: {error}", 0) from error
    return Segment(network, layout.md5, layout.parts)
