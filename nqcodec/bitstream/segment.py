"""SEGM and PROG: one segment's network and hash <-> bytes (formats/nq.md, 2.2 and 2.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nqcodec.bitstream import LEAST_MINOR
from nqcodec.bitstream.layers import (
    CommonPieces,
    TensorEntry,
    TensorRecord,
    common_runs,
    decode_tensors,
    pack_layer,
    pack_piece,
    parse_record,
    scan_common,
    scan_tensor,
)
from nqcodec.bitstream.levels import LEVELS_BYTES, Cost, check_levels, pack_levels, parse_levels
from nqcodec.bitstream.operations import minor_version, pack_program, parse_program
from nqcodec.bitstream.reader import Reader, write_uv
from nqcodec.entropy.lists import code_sequence
from nqcodec.errors import LimitError, UnsupportedError
from nqcodec.media.video import Video
from nqcodec.network.integer_network import IntegerNetwork, Layer, validate
from nqcodec.network.operations import Window
from nqcodec.network.program import Limits, Program

MD5_BYTES = 16
NO_MD5 = bytes(MD5_BYTES)
COMMON_PROGRAM, NEEDS = 1, 2
"""Flags of a segment."""

HEAD_BYTES = 1 + MD5_BYTES + LEVELS_BYTES
"""Bytes of a payload before the program, its number of frames not counted."""

COMMON_SEQUENCE = "common sequence"
"""The part of a segment's bytes that has its side lists and small tensors."""


@dataclass(frozen=True)
class SegmentHead:
    """What a segment says of itself before its program.

    Attributes:
        frames: T.
        md5: of its planes.
        takes_program: whether its program is that of the last PROG before it.
    """

    frames: int
    md5: bytes
    takes_program: bool


@dataclass(frozen=True)
class PackedSegment:
    """A coded network, and where its bytes go.

    Attributes:
        md5: of the segment's planes; `with_md5` sets it, since it is known only once the rest has been decoded.
        program: the operations.
        coded: layers and pieces.
        cost: parameters, multiply-accumulates a frame and bytes of maps of the program.
        parts: bytes by part: "header" (flags, hash, levels), "program", "step sizes" (formats and records),
            "common sequence" (side lists and small tensors) and one entry for each other tensor,
            "<operation index> <operation> <tensor>".
        can_repeat: whether other segments may have the same program: none with a camera's path.
        minor: least minor version of the format that has all of it.
    """

    md5: bytes
    program: bytes
    coded: bytes
    cost: tuple[int, int, int]
    parts: dict[str, int]
    can_repeat: bool = True
    minor: int = LEAST_MINOR

    def with_md5(self, md5: bytes) -> PackedSegment:
        """The same segment with its hash in place."""
        return replace(self, md5=md5)

    @property
    def size(self) -> int:
        """Bytes of the payload with a program of its own, its number of frames not counted."""
        return HEAD_BYTES + len(self.program) + len(self.coded)

    def common_program(self, video: Video) -> bytes:
        """The payload of the PROG from which the segment can take its program."""
        parameters, macs, map_bytes = self.cost
        levels = pack_levels(Cost(parameters, macs // (video.width * video.height), map_bytes))
        return levels + self.program

    def payload(self, video: Video, *, takes_program: bool = False) -> bytes:
        """The payload of SEGM for a segment of `video.frames` frames."""
        head = bytes([COMMON_PROGRAM if takes_program else 0]) + write_uv(video.frames) + self.md5
        return head + (b"" if takes_program else self.common_program(video)) + self.coded


def pack_segment(network: IntegerNetwork, coder: str | None = None, md5: bytes = NO_MD5) -> PackedSegment:
    """Code a network that passes `validate`.

    `coder` is native, python or torchac, None the fastest present; all give the same bytes.
    """
    program = pack_program(network.program)
    table, data = bytearray(), bytearray()
    values, scales = [np.empty(0, np.int32)], [np.empty(0, np.uint8)]
    parts = {"header": HEAD_BYTES, "program": len(program), "step sizes": 0, COMMON_SEQUENCE: 0}
    for index, op in enumerate(network.program.operations):
        if not op.has_format:
            continue
        head, tensors = pack_layer(network.layers[index], coder)
        table += head
        for name, coded in tensors.items():
            table += coded.record
            data += coded.data
            values.append(coded.common[0])
            scales.append(coded.common[1])
            if coded.data:
                parts[f"{index} {op.name} {name}"] = len(coded.data)
    common = b"".join(map(pack_piece, code_sequence(np.concatenate(values), np.concatenate(scales), coder)))
    parts |= {"step sizes": len(table), COMMON_SEQUENCE: len(common)}
    program_cost = network.program.parameters, network.program.macs, network.program.map_bytes
    can_repeat = not any(isinstance(op, Window) for op in network.program.operations)
    coded_bytes = bytes(table) + common + bytes(data)
    return PackedSegment(md5, program, coded_bytes, program_cost, parts, can_repeat, minor_version(network.program))


def payload_size(network: IntegerNetwork) -> int:
    """Bytes of the payload of a network that passes `validate`, its number of frames not counted."""
    return pack_segment(network).size


@dataclass(frozen=True)
class SegmentLayout:
    """A payload taken apart, before entropy decoding.

    Attributes:
        head: number of frames and hash.
        program: the operations.
        levels: those of size, MACs and maps.
        formats: (width, frac) of each operation, (0, 0) for one without a format.
        common: pieces of side lists and small tensors.
        tensors: in file order.
        parts: bytes by part, named as in `PackedSegment.parts`, number of frames in "header"; a program that is
            taken from a PROG has 0.
    """

    head: SegmentHead
    program: Program
    levels: bytes
    formats: list[tuple[int, int]]
    common: CommonPieces
    tensors: list[TensorEntry]
    parts: dict[str, int]


@dataclass(frozen=True)
class Segment:
    """A decoded SEGM payload."""

    network: IntegerNetwork
    md5: bytes
    parts: dict[str, int]


def parse_head(reader: Reader) -> SegmentHead:
    """Read what stands before levels and program.

    Raises:
        FormatError: a segment of no frames, or the payload's end.
        UnsupportedError: a segment that needs earlier ones, or flags of another version.
    """
    flags = reader.fixed("u8", "segment flags")
    if flags & NEEDS:
        raise UnsupportedError(
            f"{reader.path}: a segment needs earlier ones, which this format version does not have: update nqcodec"
        )
    if flags & ~COMMON_PROGRAM:
        raise UnsupportedError(
            f"{reader.path}: segment flags {flags:#04x} are not of this format version: update nqcodec"
        )
    start = reader.position
    frames = reader.uv("number of frames")
    if not frames:
        raise reader.error("a segment without frames", start)
    return SegmentHead(frames, reader.take(MD5_BYTES, "the segment's MD5"), bool(flags & COMMON_PROGRAM))


def scan_segment(reader: Reader, video: Video, limits: Limits, common: Reader | None = None) -> SegmentLayout:
    """Take a payload apart. Limits are checked first: nothing of the network's size is allocated before.

    Args:
        reader: of the payload.
        video: of the file; its number of frames is not used.
        limits: what the segment may ask for.
        common: reader of the last PROG before the segment.

    Raises:
        FormatError, UnsupportedError, LimitError.
    """
    head = parse_head(reader)
    if head.takes_program and common is None:
        raise reader.error("the segment takes the program of a PROG chunk, and there is none before it", 0)
    parts = {"header": reader.position, "program": 0}
    if head.takes_program and common is not None:
        levels, program = parse_program_chunk(common, video.with_frames(head.frames), limits)
    else:
        levels, program = _parse_program(reader, video.with_frames(head.frames), limits)
        parts["header"] += LEVELS_BYTES
        parts["program"] = reader.position - parts["header"]
    start = reader.position
    formats, records = _parse_table(reader, program)
    parts["step sizes"] = reader.position - start
    shapes = [program.tensors(index)[name] for index, name, _ in records]
    runs = [common_runs(shape, name, record) for shape, (_, name, record) in zip(shapes, records, strict=True)]
    together = scan_common(reader, sum(run.count for each in runs for run in each))
    parts[COMMON_SEQUENCE] = together.data_bytes
    tensors = []
    for shape, (index, name, record) in zip(shapes, records, strict=True):
        entry = scan_tensor(reader, index, name, shape, record)
        if not entry.small:
            parts[f"{index} {program.operations[index].name} {name}"] = entry.data_bytes
        tensors.append(entry)
    if reader.left:
        raise reader.error(f"{reader.left} bytes follow the last piece")
    return SegmentLayout(head, program, levels, formats, together, tensors, parts)


def parse_program_chunk(reader: Reader, video: Video, limits: Limits) -> tuple[bytes, Program]:
    """Levels and program of a PROG for a segment of `video.frames` frames; raises as `scan_segment`."""
    found = _parse_program(reader, video, limits)
    if reader.left:
        raise reader.error(f"{reader.left} bytes follow the program")
    return found


def _parse_program(reader: Reader, video: Video, limits: Limits) -> tuple[bytes, Program]:
    """Levels and program of a SEGM or a PROG, each compared with the other, and with the limits."""
    start = reader.position
    levels = parse_levels(reader)
    program = parse_program(reader, video)
    try:
        program.check_limits(video, limits)
    except LimitError as error:
        raise LimitError(f"{reader.path}: {error}") from error
    check_levels(reader, start, levels, Cost.of(program, video))
    return levels, program


def _parse_table(reader: Reader, program: Program) -> tuple[list[tuple[int, int]], list[tuple[int, str, TensorRecord]]]:
    formats, records = [], []
    for index, op in enumerate(program.operations):
        where = f"of operation {index}"
        has = op.has_format
        formats.append((reader.fixed("u8", f"width {where}"), reader.fixed("u8", f"frac {where}")) if has else (0, 0))
        records += [(index, name, parse_record(reader, name)) for name in program.tensors(index)]
    return formats, records


def parse_segment(
    reader: Reader, video: Video, limits: Limits, threads: int = 1, common: Reader | None = None
) -> Segment:
    """Read and entropy-decode a segment; arguments and errors as those of `scan_segment`."""
    layout = scan_segment(reader, video, limits, common)
    layers = [Layer(width, frac) for width, frac in layout.formats]
    decoded = decode_tensors(reader, layout.tensors, layout.common, threads)
    for entry, tensor in zip(layout.tensors, decoded, strict=True):
        layers[entry.index].tensors[entry.name] = tensor
    network = IntegerNetwork(layout.program, layers)
    try:
        validate(network)
    except ValueError as error:
        raise reader.error(f"the network is not legal: {error}", 0) from error
    return Segment(network, layout.head.md5, layout.parts)
