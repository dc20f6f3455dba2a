"""A second decoder of .nq files, written from formats/nq.md alone: proof that the specification is enough.

    python nqdecode.py IN.nq OUT.yuv

It writes raw planar frames: Y, U, V (or G, B, R) of each frame, one byte a sample at depth 8 and two, little-endian,
above. It exits with 0; on a file that it refuses it prints one line, leaves no output, and exits with 1 (not a legal
file), 3 (unsupported), 4 (over a limit of section 8) or 5 (a hash differs). It imports the standard library only and
shares no code with the project; numbers in brackets are sections of formats/nq.md, whose integer tables it reads from
formats/tables.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import isqrt, prod
from operator import mul
from pathlib import Path

TABLES = Path(__file__).resolve().parents[2] / "formats" / "tables"
EXIT_CODES = {"error": 1, "unsupported": 3, "limit": 4, "hash": 5}


class RefusalError(Exception):
    """A file that must not be decoded. `kind` is one of EXIT_CODES."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


def need(condition: bool, message: str, kind: str = "error") -> None:
    """Raise RefusalError unless the condition holds."""
    if not condition:
        raise RefusalError(kind, message)


def clamp(value: int, least: int, greatest: int) -> int:
    """[1]"""
    return least if value < least else greatest if value > greatest else value


# ---------------------------------------------------------------------------------------------- tables


def load_table(name: str, keys: Sequence[str], sha256: str) -> dict[str, list[list[int]]]:
    """Lists of a file of formats/tables, checked against the specification's SHA-256; a flat list becomes [list]."""
    content = json.loads((TABLES / name).read_text())
    lists = {key: content[key] if isinstance(content[key][0], list) else [content[key]] for key in keys}
    flat = [entry for key in keys for row in lists[key] for entry in row]
    digest = hashlib.sha256(struct.pack(f"<{len(flat)}i", *flat)).hexdigest()
    need(digest == sha256, f"the table {name} is not that of the specification")
    return lists


def load_cumulative(name: str, sha256: str) -> list[list[int]]:
    """Rows of cumulative frequencies, 0 first and 65536 last [3.2]."""
    return [[0, *accumulate(row)] for row in load_table(name, ["frequencies"], sha256)["frequencies"]]


GAUSSIAN = load_cumulative("gaussian.json", "1e16486e8bdbc3b4b63999b6cd2ee56f016eb86ac559552566a085f63328e8bb")
LOGISTIC = load_cumulative("logistic.json", "6d5ea815a645b77bfa105a116d57472e87ecf642f2386ae176e7f08ee9be611b")
SINE = load_table("sine.json", ["sine"], "0bd4d3323a34013d96c313c4a038324ebf4fb3e138d2a7d4d23da5570bd6deba")["sine"][0]
ACTIVATIONS = load_table(
    "activations.json",
    ["gelu", "silu", "half_tanh"],
    "02ec43b3b3a63a50509527ed94fdb023a4c081dab7b6bccdb80f638b0113c2b2",
)


# -------------------------------------------------------------------------------- bytes and chunks [1, 2]


class Reader:
    """Integers from bytes, in order; reading past the end is a RefusalError. `where` names the bytes in messages."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data, self.where, self.at = data, where, 0

    def take(self, count: int) -> bytes:
        need(count <= len(self.data) - self.at, f"{self.where} ends at byte {len(self.data)}, inside a field")
        self.at += count
        return self.data[self.at - count : self.at]

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def u8(self, name: str, least: int = 0, greatest: int = 255) -> int:
        value = self.unsigned(1)
        need(least <= value <= greatest, f"{self.where}: {name} is {value}, not {least} to {greatest}")
        return value

    def uv(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.unsigned(1)
            value |= (byte & 127) << shift
            if byte < 128:
                need(byte > 0 or shift == 0, f"{self.where}: a uv is longer than it must be")
                need(value < 1 << 32, f"{self.where}: a uv is 2^32 or more")
                return value
        raise RefusalError("error", f"{self.where}: a uv has more than 5 bytes")

    def sv(self) -> int:
        value = self.uv()
        return -(value + 1 >> 1) if value & 1 else value >> 1

    def end(self) -> None:
        need(self.at == len(self.data), f"{self.where} has {len(self.data) - self.at} bytes too many")


ABOUT_VIDEO = {"mDCV", "cLLI", "dMTX", "eNCD"}
OF_SEGMENT = {"cLIP", "PROG", "fTIM", "fHSH"}
KNOWN = {"VHDR", "SEGM", "SIDX", "NEND", *ABOUT_VIDEO, *OF_SEGMENT}


@dataclass
class Header:
    """VHDR [2.1]: the fields that decoding needs."""

    width: int
    height: int
    depth: int
    subsampling: list[tuple[int, int]]  # (sx, sy) of each plane


@dataclass
class Segment:
    """A segment before its program is read [2.2]; `program` is None where the payload has its own."""

    frames: int
    md5: bytes
    rest: Reader
    program: bytes | None
    hashes: bytes | None
    start: int
    program_start: int


def read_chunks(data: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Offset, type and payload of each chunk up to NEND [2]."""
    reader = Reader(data, "the file")
    need(reader.take(min(8, len(data))) == b"\x89NQV\r\n\x1a\n", "no .nq signature")
    kind = ""
    while kind != "NEND":
        start = reader.at
        name = reader.take(4)
        need(name.isalpha(), f"the chunk type at byte {start} is not four ASCII letters")
        kind = name.decode("ascii")
        payload = reader.take(reader.unsigned(4))
        need(zlib.crc32(name + payload) == reader.unsigned(4), f"the CRC of chunk {kind} at byte {start} is wrong")
        need(kind in KNOWN or kind[0].islower(), f"critical chunk {kind} at byte {start}", "unsupported")
        yield start, kind, payload
    reader.end()


def read_header(payload: bytes) -> Header:
    """[2.1]"""
    reader = Reader(payload, "VHDR")
    major, minor = reader.unsigned(1), reader.unsigned(1)
    need(major == 2, f"version {major}.{minor}", "unsupported")
    width, height, fps_num, fps_den = (reader.uv() for _ in range(4))
    need(min(width, height, fps_num, fps_den) >= 1, "VHDR: a size or the frame rate is 0")
    chroma, depth = reader.u8("chroma", 0, 3), reader.u8("depth", 8, 12)
    _primaries, _transfer, matrix = reader.take(3)
    need(matrix != 0 or chroma == 3, "VHDR: matrix 0 needs chroma 3")
    reader.u8("full_range", 0, 1)
    reader.u8("chroma_location", 0, 5)
    aspect = reader.uv(), reader.uv()
    need(min(aspect) >= 1 and max(aspect) <= 65535, "VHDR: the sample aspect ratio is out of range")
    if minor == 0:
        reader.end()
    need(width * height <= 1 << 26, f"{width} x {height} pixels", "limit")
    sub = [(), ((2, 2),) * 2, ((2, 1),) * 2, ((1, 1),) * 2][chroma]
    return Header(width, height, depth, [(1, 1), *sub])


def check_about_video(kind: str, payload: bytes) -> None:
    """Chunks on which no sample depends, refused only where they break a rule [2.7 to 2.9]."""
    reader = Reader(payload, kind)
    if kind == "mDCV":
        values = struct.unpack("<8H2I", reader.take(24))
        need(max(values[:8]) <= 50000, "mDCV: a chromaticity above 1")
        need(values[8] >= values[9], "mDCV: the least luminance is above the greatest")
    elif kind == "cLLI":
        reader.take(4)
    elif kind == "dMTX":
        for _ in range(9):
            reader.sv()
    else:
        text = reader.take(len(payload))
        need(1 <= len(text) <= 4096, f"eNCD: a text of {len(text)} bytes")
        need(all(32 <= byte <= 126 for byte in text), "eNCD: a character that is not printable ASCII")
    reader.end()


def check_times(payload: bytes, frames: int) -> None:
    """[2.6]"""
    reader = Reader(payload, "fTIM")
    need(min(struct.unpack("<2I", reader.take(8))) >= 1, "fTIM: the tick has a 0")
    reader.uv()
    while frames > 0:
        code = reader.uv()
        count = reader.uv() if code & 1 else 1
        need(code >= 2, "fTIM: a frame of no ticks")
        need(count > code & 1, f"fTIM: a run of {count} frames")
        frames -= count
    need(frames == 0, "fTIM: times of more frames than the segment has")
    reader.end()


def check_clip(payload: bytes) -> None:
    """[2.10]"""
    reader = Reader(payload, "cLIP")
    reader.uv()
    name = payload[reader.at :]
    need(1 <= len(name) <= 255, f"cLIP: a name of {len(name)} bytes")
    need(all(byte >= 32 and byte != 127 for byte in name), "cLIP: a control character in the name")
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusalError("error", "cLIP: the name is not UTF-8") from None


def read_segment(payload: bytes, start: int, own: dict[str, bytes], program: tuple[int, bytes] | None) -> Segment:
    """The head of a segment [2.2] with the chunks that belong to it; `program` is the last PROG."""
    reader = Reader(payload, "SEGM")
    flags = reader.unsigned(1)
    need(flags <= 1, f"segment flags {flags}", "unsupported")
    frames = reader.uv()
    need(frames >= 1, "a segment of no frames")
    md5 = reader.take(16)
    if "fTIM" in own:
        check_times(own["fTIM"], frames)
    if "cLIP" in own:
        check_clip(own["cLIP"])
    hashes = own.get("fHSH")
    need(hashes is None or len(hashes) == 16 * frames, "fHSH does not have 16 bytes a frame")
    if not flags:
        return Segment(frames, md5, reader, None, hashes, start, start)
    if program is None:
        raise RefusalError("error", f"the segment at byte {start} takes a program, and there is no PROG before it")
    return Segment(frames, md5, reader, program[1], hashes, start, program[0])


def check_index(payload: bytes, start: int, segments: list[Segment]) -> None:
    """[2.5]"""
    reader = Reader(payload, "SIDX")
    need(reader.uv() == len(segments), "SIDX: the number of segments is another")
    ends = [*(segment.start for segment in segments[1:]), start]
    for segment, end in zip(segments, ends, strict=True):
        told = reader.uv(), reader.uv(), reader.uv()
        right = segment.frames, end - segment.start, segment.start - segment.program_start
        need(told == right, f"SIDX: a segment of {told}, and it is {right}")
    need(reader.unsigned(4) == len(payload) + 12, "SIDX: its size is another")
    reader.end()


def read_file(data: bytes) -> Iterator[tuple[Header, Segment]]:
    """Check the order of the chunks, and give each segment with the header [2]."""
    chunks = read_chunks(data)
    start, kind, payload = next(chunks)
    need(kind == "VHDR", f"the first chunk is {kind}, not VHDR")
    header = read_header(payload)
    start, kind, payload = next(chunks)
    found: set[str] = set()
    while kind in ABOUT_VIDEO or kind not in KNOWN:
        if kind in ABOUT_VIDEO:
            need(kind not in found, f"{kind} is repeated")
            check_about_video(kind, payload)
            found.add(kind)
        start, kind, payload = next(chunks)
    segments: list[Segment] = []
    own: dict[str, bytes] = {}
    program: tuple[int, bytes] | None = None
    frames = 0
    while kind in OF_SEGMENT or kind == "SEGM" or kind not in KNOWN:
        if kind in OF_SEGMENT:
            need(kind not in own, f"{kind} at byte {start} is repeated")
            own[kind] = payload
            program = (start, payload) if kind == "PROG" else program
        elif kind == "SEGM":
            segments.append(read_segment(payload, start, own, program))
            frames += segments[-1].frames
            need(frames <= 1 << 24, f"{frames} frames", "limit")
            own = {}
            yield header, segments[-1]
        start, kind, payload = next(chunks)
    need(not own, "a chunk that belongs to a segment, and none follows")
    need(bool(segments), "no segment")
    if kind == "SIDX":
        check_index(payload, start, segments)
        start, kind, payload = next(chunks)
    need(kind == "NEND", f"chunk {kind} at byte {start} is repeated or misplaced")
    need(not payload, "NEND has a payload")
    need(next(chunks, None) is None, "a chunk after NEND")


# ------------------------------------------------------------------------------- program and layers [4, 5, 8]

CODES = [
    "grid", "conv", "shuffle", "planes", "upsample", "concat", "add", "mul", "norm", "frequency", "fold", "tile",
    "window", "warp",
]  # fmt: skip
FIELDS = {  # v: uv, b: u8
    "grid": "vvvv", "conv": "vbbb", "shuffle": "v", "planes": "b", "upsample": "bvv", "fold": "vv", "tile": "vv",
    "window": "vvbb", "warp": "bb",
}  # fmt: skip
INPUTS = {"grid": 0, "frequency": 0, "add": 2, "mul": 2, "warp": 2}  # the others but concat: 1
WITH_FORMAT = {"grid", "conv", "concat", "add", "mul", "norm", "frequency"}
ADAPTIVE, STEPS, SCALES, HADAMARD, CONTEXT = 1, 2, 4, 8, 16  # flags of a tensor
BITS = {"weight": 8, "bias": 16, "latent": 12}  # the most that a tensor may have
NEIGHBOURS = [  # (dt, dc, dy, dx) [3.6]
    (0, 0, 0, -1), (0, 0, -1, 0), (0, 0, -1, -1), (0, 0, -1, 1), (-1, 0, 0, 0), (-1, 0, 0, 1), (-1, 0, 1, 0),
    (0, -1, 0, 0), (0, 0, 0, -2), (0, 0, -2, 0), (-1, 0, 0, -1), (-1, 0, -1, 0), (0, -1, 0, 1), (0, -1, 1, 0),
]  # fmt: skip


@dataclass
class Tensor:
    """A tensor's record [4]; `steps`, `scales` (one a channel) and `values` (flat) come from its pieces."""

    role: str
    shape: tuple[int, ...]
    bits: int = 0
    flags: int = 0
    step: int = 0
    step_scale: int = 0
    offset: int = 0
    scale: int = 0
    scale_scale: int = 0
    base: int = 0
    neighbours: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)  # dt, dc, dy, dx, a, b
    used_width: int = 0
    gain: int = 0
    steps: list[int] = field(default_factory=list)
    scales: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    @property
    def axis(self) -> int:
        return 1 if self.role == "latent" else 0

    @property
    def low(self) -> int:
        return -(1 << self.bits - 1)

    @property
    def high(self) -> int:
        return (1 << self.bits - 1) - 1


Shape = tuple[int, int, int]
Knot = tuple[int, int, int]  # time, row, column
Map = list[list[int]]  # channels, each its H W values


@dataclass
class Operation:
    """An operation, its inputs as indices, its fields, its tensors, the shape and format of its map."""

    name: str
    inputs: list[int]
    fields: list[int]
    turns: list[tuple[int, int]] = field(default_factory=list)  # (step, phase) of a frequency
    path: list[Knot] = field(default_factory=list)  # of a window
    shape: Shape = (0, 0, 0)
    tensors: list[Tensor] = field(default_factory=list)
    width: int = 0
    frac: int = 0

    def clamp(self, value: int) -> int:
        """To the width of the map [6.1]."""
        return clamp(value, -(1 << self.width - 1), (1 << self.width - 1) - 1)


def read_program(reader: Reader) -> list[Operation]:
    """The operations, their maps' shapes and their tensors' [5]."""
    count = reader.uv()
    need(1 <= count <= 4096, f"a program of {count} operations")
    program: list[Operation] = []
    for number in range(count):
        code = reader.unsigned(1)
        need(1 <= code <= len(CODES), f"operation code {code}", "unsupported")
        name = CODES[code - 1]
        fan_in = reader.u8("concat n", 1, 16) if name == "concat" else INPUTS.get(name, 1)
        distances = [reader.uv() for _ in range(fan_in)]
        need(all(1 <= d <= number for d in distances), f"operation {number} reads one that is not before it")
        op = Operation(name, [number - d for d in distances], [])
        op.fields = [reader.uv() if letter == "v" else reader.unsigned(1) for letter in FIELDS.get(name, "")]
        if name == "frequency":
            n = reader.uv()
            numbers = struct.unpack(f"<{2 * n}I", reader.take(8 * n))
            op.turns = list(zip(numbers[:n], numbers[n:], strict=True))
        if name == "window":
            before = [earlier.path for earlier in program if earlier.name == "window"]
            op.path = read_path(reader) or (before[-1] if before else [])
        need((name == "planes") == (number == count - 1), "planes is not the last operation, or not only that")
        op.shape = map_shape(op, [program[i].shape for i in op.inputs], number)
        program.append(op)
    return program


def read_path(reader: Reader) -> list[Knot]:
    """The knots that a window has of its own, which may be none [5]."""
    count = reader.uv()
    need(count <= 4096, f"a path of {count} knots")
    knots: list[Knot] = []
    time = row = column = 0
    for _ in range(count):
        time, row, column = time + reader.uv(), row + reader.sv(), column + reader.sv()
        knots.append((time, row, column))
    return knots


def map_shape(op: Operation, inputs: list[Shape], number: int) -> Shape:
    """[C, H, W] of the operation's map, and its tensors; the last column of the tables of section 5 is checked here."""
    name, f = op.name, op.fields
    legal = True
    c, h, w = inputs[0] if inputs else (0, 0, 0)
    shape = (c, h, w)
    if name == "grid":
        legal, shape = min(f) >= 1 and f[0] <= 1 << 22, (f[1], f[2], f[3])
        op.tensors = [Tensor("latent", tuple(f))]
    elif name == "conv":
        out, kernel, depthwise, activation = f
        need(activation <= 4, f"operation {number}: activation {activation}", "unsupported")
        legal = out >= 1 and kernel % 2 == 1 and depthwise <= 1 and (not depthwise or out == c)
        shape = (out, h, w)
        op.tensors = [Tensor("weight", (out, 1 if depthwise else c, kernel, kernel)), Tensor("bias", (out,))]
    elif name in ("shuffle", "fold"):
        rows, columns = f * 2 if name == "shuffle" else f
        legal = min(rows, columns) >= 1 and c % (rows * columns) == 0
        shape = (c // max(rows * columns, 1), h * rows, w * columns)
    elif name == "planes":
        legal = 1 <= f[0] <= 16
    elif name == "upsample":
        legal, shape = 1 <= f[0] <= 16 and 1 <= f[1] <= h * f[0] and 1 <= f[2] <= w * f[0], (c, f[1], f[2])
    elif name == "tile":
        legal, shape = min(f) >= 1, (c, f[0], f[1])
    elif name == "window":
        legal, shape = window_fits(op, h, w), (c * f[2] ** 2, f[0], f[1])
    elif name == "warp":
        legal = f[0] <= 8 and f[1] in (2, 4) and inputs[1] == (2, h, w) and max(h, w) <= 65536
    elif name == "concat":
        legal, shape = len({s[1:] for s in inputs}) == 1, (sum(s[0] for s in inputs), h, w)
    elif name in ("add", "mul"):
        legal = inputs[0] == inputs[1]
    elif name == "norm":
        legal = c <= 65536
    else:
        legal, shape = len(op.turns) >= 1, (2 * len(op.turns), 1, 1)
    need(legal, f"operation {number}, {name}: its fields and inputs do not fit")
    return shape


def window_fits(op: Operation, h: int, w: int) -> bool:
    """Whether a window has fields in range and a path, which keeps it inside its input's h rows of w values [5]."""
    height, width, ratio, bits = op.fields
    down, across = h - height * ratio, w - width * ratio
    legal = min(height, width) >= 1 and 1 <= ratio <= 16 and bits <= 8 and min(down, across) >= 0
    legal &= bool(op.path) and op.path[-1][0] < 1 << 24
    legal &= all(k[0] < following[0] for k, following in pairwise(op.path))
    return legal and all(0 <= row <= down << bits and 0 <= column <= across << bits for _, row, column in op.path)


def macs(op: Operation) -> int:
    """Multiply-accumulates of a frame [8]."""
    size = prod(op.shape)
    if op.name == "conv":
        return size * prod(op.tensors[0].shape[1:])
    if op.name == "warp":
        return size * {2: 4, 4: 20}[op.fields[1]]
    return size * {"grid": 2, "upsample": 4, "norm": 4, "window": 4, "add": 1, "mul": 1}.get(op.name, 0)


def level(quantity: int) -> int:
    """The least one that stands for a quantity [8.1]."""
    return next(e for e in range(1 << 12) if 4 + (e & 3) << (e >> 2) >= quantity)


def check_picture_and_limits(program: list[Operation], header: Header, levels: bytes) -> None:
    """The needs of planes [5, 6.6], the limits [8] and the levels [8.1]."""
    (channels, h, w), ratio = program[-1].shape, program[-1].fields[0]
    need(h * ratio >= header.height and w * ratio >= header.width, "the last map does not cover the picture")
    need(all(ratio % s == 0 for pair in header.subsampling for s in pair), "planes: ratio and chroma do not fit")
    taken = sum(ratio // sy * (ratio // sx) for sx, sy in header.subsampling)
    need(channels == taken, f"planes takes {taken} channels, and the map has {channels}")
    need(h * ratio * w * ratio <= 1 << 26, "too many coded pixels", "limit")
    size = sum(prod(t.shape) for op in program for t in op.tensors)
    need(size <= 1 << 26, "too many integers in tensors", "limit")
    work = sum(macs(op) for op in program) // (header.width * header.height)
    need(work <= 1 << 22, f"{work} multiply-accumulates a pixel", "limit")
    last_use = list(range(len(program)))
    for number, op in enumerate(program):
        for i in op.inputs:
            last_use[i] = number
    live, dying, most = 0, [0] * len(program), 0
    for number, op in enumerate(program[:-1]):
        live += 2 * prod(op.shape)
        most = max(most, live)
        dying[last_use[number]] += 2 * prod(op.shape)
        need(live <= 1 << 31, f"the maps alive at operation {number} take {live} bytes", "limit")
        live -= dying[number]
    need(list(levels) == [level(size), level(work), level(most)], f"levels {list(levels)} are not the program's")


def read_layers(reader: Reader, program: list[Operation]) -> None:
    """Formats of all maps, and the tensors' records [4]."""
    for op in program:
        if op.name in WITH_FORMAT:
            op.width, op.frac = reader.u8("width", 8, 14), reader.u8("frac", 0, 20)
            for tensor in op.tensors:
                read_record(reader, tensor, depthwise=op.name == "conv" and op.fields[2] == 1)
        else:
            op.width, op.frac = program[op.inputs[0]].width, program[op.inputs[0]].frac


def read_record(reader: Reader, tensor: Tensor, depthwise: bool) -> None:
    """A tensor's record, whose flags must go together [4]."""
    tensor.bits = reader.u8(f"{tensor.role} bits", 2, BITS[tensor.role])
    tensor.flags = flags = reader.unsigned(1)
    need(flags < 32, f"tensor flags {flags}", "unsupported")
    legal = not flags & ADAPTIVE or (tensor.bits <= 8 and not flags & SCALES)
    legal &= not flags & STEPS or tensor.role != "bias"
    legal &= not flags & HADAMARD or (tensor.role == "weight" and not depthwise)
    legal &= not flags & CONTEXT or (tensor.role == "latent" and not flags & (ADAPTIVE | SCALES))
    need(legal, f"{tensor.role} flags {flags} do not go together")
    tensor.step = reader.sv()
    need(-320 <= tensor.step <= 320, f"{tensor.role} step {tensor.step}")
    if flags & STEPS:
        tensor.step_scale = reader.u8("step_scale", 0, 63)
    if not flags & (ADAPTIVE | CONTEXT):
        tensor.offset = reader.sv()
        need(tensor.low <= tensor.offset <= tensor.high, f"{tensor.role} offset {tensor.offset}")
        tensor.scale = reader.u8("scale", 0, 63)
    if flags & SCALES:
        tensor.scale_scale = reader.u8("scale_scale", 0, 63)
    if flags & CONTEXT:
        read_context(reader, tensor)
    if flags & HADAMARD:
        tensor.used_width, tensor.gain = reader.u8("used_width", 8, 12), reader.u8("gain", 0, 6)


def read_context(reader: Reader, tensor: Tensor) -> None:
    """The record's part for the context model [4]."""
    mask, tensor.base = reader.uv(), reader.uv()
    need(mask < 1 << 14 and 1 <= tensor.base <= 65535, f"context model: mask {mask}, base {tensor.base}")
    for j in range(14):
        if mask >> j & 1:
            mean, spread = reader.sv(), reader.uv()
            legal = -256 <= mean <= 255 and spread <= 255 and (mean, spread) != (0, 0)
            need(legal, f"context model: neighbour {j} has weights {mean} and {spread}")
            tensor.neighbours.append((*NEIGHBOURS[j], mean, spread))


# ------------------------------------------------------------------------------------ entropy coding [3]


class Coder:
    """The arithmetic decoder of one piece [3.2]."""

    def __init__(self, piece: bytes) -> None:
        self.piece = piece
        self.low, self.high, self.shifts = 0, (1 << 32) - 1, 0
        self.code = int.from_bytes(piece[:4].ljust(4, b"\0"), "big")

    def event(self, cumulative: Sequence[int]) -> int:
        """A symbol."""
        low = self.low
        size = self.high - low + 1
        x = bisect_right(cumulative, ((self.code - low + 1) * 65536 - 1) // size) - 1
        self.high = low + (size * cumulative[x + 1] >> 16) - 1
        self.low = low + (size * cumulative[x] >> 16)
        self.shift_out()
        return x

    def shift_out(self) -> None:
        """The repeated step after an event; bits past the end of the piece are 0."""
        low, high, code, at, piece = self.low, self.high, self.code, self.shifts + 32, self.piece
        while True:
            if high < 1 << 31:
                less = 0
            elif low >= 1 << 31:
                less = 1 << 31
            elif low >= 1 << 30 and high < 3 << 30:
                less = 1 << 30
            else:
                break
            bit = piece[at >> 3] >> 7 - (at & 7) & 1 if at >> 3 < len(piece) else 0
            low, high, code, at = 2 * (low - less), 2 * (high - less) + 1, 2 * (code - less) + bit, at + 1
        self.low, self.high, self.code, self.shifts = low, high, code, at - 32

    def bypass(self, bits: int) -> int:
        """A bypass number."""
        value = 0
        for _ in range(bits):
            value = 2 * value + self.event((0, 32768, 65536))
        return value

    def rounded(self, cumulative: Sequence[int], k: int) -> int:
        """u of 3.3 and 3.6: h with its escape, and k low bits."""
        half_width = len(cumulative) // 2 - 1
        h = self.event(cumulative) - half_width
        if h == half_width + 1:
            sign = self.bypass(1)
            bits = 1
            while not self.bypass(1):
                bits += 1
                need(bits <= 20, "an escape of more than 20 bits")
            magnitude = half_width + (1 << bits - 1 | self.bypass(bits - 1))
            h = -magnitude if sign else magnitude
        return (h << k) + self.bypass(k) - (1 << k >> 1)

    def finish(self) -> None:
        """Check the length of the piece after its last event."""
        right = (self.shifts + 9) // 8
        need(len(self.piece) == right, f"a piece has {len(self.piece)} bytes, not {right}")


def split_scale(scale: int) -> tuple[int, int]:
    """k and row [3.3]"""
    k = 0 if scale < 32 else scale - 28 >> 2
    return k, scale - 4 * k


class Adaptive:
    """One context of the adaptive model [3.4]."""

    def __init__(self, symbols: int) -> None:
        self.top = 65536 - symbols << 13
        self.fast = [self.top * i // symbols for i in range(1, symbols)]
        self.slow = list(self.fast)
        self.count = 0

    def decode(self, coder: Coder) -> int:
        """A symbol; the estimates follow it."""
        middle = [i + (f + g >> 14) for i, (f, g) in enumerate(zip(self.fast, self.slow, strict=True), 1)]
        x = coder.event([0, *middle, 65536])
        rate = (self.count + 4).bit_length() - 1
        targets = [0] * x + [self.top] * (len(middle) - x)
        self.fast = [f + (t - f >> min(rate, 8)) for f, t in zip(self.fast, targets, strict=True)]
        self.slow = [g + (t - g >> min(rate, 12)) for g, t in zip(self.slow, targets, strict=True)]
        self.count = min(self.count + 1, 4092)
        return x


Model = Callable[[Coder, int], int]  # the value at a place of the array


def gaussian_model(tensor: Tensor) -> Model:
    """3.3, with the scale index of each channel."""
    inner = prod(tensor.shape[tensor.axis + 1 :])
    rows = [(GAUSSIAN[row], k) for k, row in map(split_scale, tensor.scales)]

    def value(coder: Coder, place: int) -> int:
        return tensor.offset + coder.rounded(*rows[place // inner % len(rows)])

    return value


def adaptive_model(bits: int) -> Model:
    """3.4, as it starts."""
    if bits <= 4:
        only = Adaptive(1 << bits)
        return lambda coder, place: only.decode(coder) - (1 << bits - 1)
    first, second = Adaptive(1 << bits - 4), [Adaptive(16) for _ in range(1 << bits - 4)]

    def value(coder: Coder, place: int) -> int:
        high = first.decode(coder)
        return 16 * high + second[high].decode(coder) - (1 << bits - 1)

    return value


def context_model(tensor: Tensor) -> Model:
    """3.6; it reads the values decoded so far from `tensor.values`."""
    _, channels, height, width = tensor.shape
    residuals: list[int] = []

    def value(coder: Coder, place: int) -> int:
        rest, x = divmod(place, width)
        rest, y = divmod(rest, height)
        t, c = divmod(rest, channels)
        mean, sig = 4, tensor.base
        for dt, dc, dy, dx, a, b in tensor.neighbours:
            if t + dt >= 0 and c + dc >= 0 and 0 <= y + dy < height and 0 <= x + dx < width:
                at = place + ((dt * channels + dc) * height + dy) * width + dx
                mean += a * tensor.values[at]
                sig += b * residuals[at]
        p = clamp(mean >> 3, 8 * tensor.low, 8 * tensor.high)
        n = sig.bit_length()
        k, row = split_scale(clamp(4 * n + (4 * sig >> n - 1) - 28, 0, 63))
        m = p + 4 >> 3
        phi = p - 8 * m
        u = coder.rounded(LOGISTIC[5 * row + (abs(phi) if k == 0 else 0)], k)
        result = m + u if phi >= 0 else m - u
        residuals.append(abs(8 * result - p))
        return result

    return value


def read_piece(reader: Reader, model: Model, values: list[int], count: int) -> None:
    """Append `count` integers of one piece [3.1]."""
    coder = Coder(reader.take(reader.uv()))
    for place in range(len(values), len(values) + count):
        values.append(model(coder, place))
    coder.finish()


def is_small(tensor: Tensor) -> bool:
    """Whether the values are in the common sequence [3.1]."""
    return prod(tensor.shape) <= 4096 and not tensor.flags & (ADAPTIVE | CONTEXT | SCALES)


def read_common(reader: Reader, tensors: list[Tensor]) -> None:
    """The common sequence: lists of all tensors, and the values of small ones [3.1]."""
    scales: list[int] = []
    for tensor in tensors:
        channels = tensor.shape[tensor.axis]
        scales += [tensor.step_scale] * (channels if tensor.flags & STEPS else 0)
        scales += [tensor.scale_scale] * (channels if tensor.flags & SCALES else 0)
        scales += [tensor.scale] * (prod(tensor.shape) if is_small(tensor) else 0)
    rows = [(GAUSSIAN[row], k) for k, row in map(split_scale, range(64))]
    found: list[int] = []
    while len(found) < len(scales):
        count = min(65536, len(scales) - len(found))
        read_piece(reader, lambda coder, place: coder.rounded(*rows[scales[place]]), found, count)
    entries = iter(found)
    for tensor in tensors:
        channels = tensor.shape[tensor.axis]
        tensor.steps, tensor.scales = [tensor.step] * channels, [tensor.scale] * channels
        if tensor.flags & STEPS:
            tensor.steps = [tensor.step + next(entries) for _ in range(channels)]
            need(all(-320 <= step <= 320 for step in tensor.steps), "a step index of a list is out of range")
        if tensor.flags & SCALES:
            tensor.scales = [tensor.scale + next(entries) for _ in range(channels)]
            need(all(0 <= scale <= 63 for scale in tensor.scales), "a scale index of a list is out of range")
        if is_small(tensor):
            tensor.values = [tensor.offset + next(entries) for _ in range(prod(tensor.shape))]
            legal = all(tensor.low <= value <= tensor.high for value in tensor.values)
            need(legal, f"a {tensor.role} value has more than {tensor.bits} bits")


def read_tensor(reader: Reader, tensor: Tensor) -> None:
    """The pieces of a tensor that is not small [3.1]; each value is checked as it comes [3.5]."""
    model = context_model(tensor) if tensor.flags & CONTEXT else gaussian_model(tensor)

    def checked(coder: Coder, place: int) -> int:
        value = model(coder, place)
        need(tensor.low <= value <= tensor.high, f"{tensor.role} value {value} has more than {tensor.bits} bits")
        return value

    total = prod(tensor.shape)
    while len(tensor.values) < total:
        if tensor.flags & ADAPTIVE:
            model = adaptive_model(tensor.bits)  # each piece starts afresh
        read_piece(reader, checked, tensor.values, min(65536, total - len(tensor.values)))


# ------------------------------------------------------------------------------ integer arithmetic [6.1, 6.3, 6.5]

Scaling = tuple[int, int, int]  # M, 2^(S-1), S


def scaling(exponent: int) -> Scaling:
    """The constants of a rescale [6.1]."""
    shift = 15 - (exponent >> 3)
    need(1 <= shift <= 46, f"a rescale shifts by {shift}, not 1 to 46")
    return (32768, 35734, 38968, 42495, 46341, 50535, 55109, 60097)[exponent & 7], 1 << shift - 1, shift


def rescale(value: int, by: Scaling) -> int:
    """[6.1]"""
    return value * by[0] + by[1] >> by[2]


def shift(value: int, n: int) -> int:
    """[6.5]"""
    return value + (1 << n - 1) >> n if n > 0 else value << -n


def activation(code: int, op: Operation) -> Callable[[int], int]:
    """6.5: from p, already clamped."""
    if code == 0:
        return lambda p: p
    if code == 1:
        return lambda p: max(p, 0)
    table = ACTIVATIONS[("gelu", "silu", "half_tanh")[code - 2]][0]
    if code == 4:
        return lambda p: op.clamp(shift(table[clamp(p + 8 >> 4, -2048, 2047) + 2048], 15 - op.frac))
    return lambda p: p * table[clamp(shift(p, op.frac - 8), -2048, 2047) + 2048] + (1 << 14) >> 15


def hadamard(tensor: Tensor) -> None:
    """Replace coded integers by the weights as used, and steps by theirs [6.3.1]."""
    out, channels, k, _ = tensor.shape
    area = k * k
    sizes = [4096] * (channels // 4096) + [1 << bit for bit in range(11, -1, -1) if channels >> bit & 1]
    greatest = (1 << tensor.used_width - 1) - 1
    result = [0] * len(tensor.values)
    for tap in range(out * area):
        start = tap // area * channels * area + tap % area
        for size in sizes:
            by = scaling(8 * tensor.gain - 4 * (size.bit_length() - 1))
            places = range(start, start + size * area, area)
            s = [tensor.values[place] for place in places]
            h = 1
            while h < size:
                s = [s[j] + s[j + h] if not j & h else s[j - h] - s[j] for j in range(size)]
                h *= 2
            for place, value in zip(places, s, strict=True):
                result[place] = clamp(rescale(value, by), -greatest - 1, greatest)
            start += size * area
    tensor.values = result
    tensor.steps = [step - 8 * tensor.gain for step in tensor.steps]


# ------------------------------------------------------------------------------------- operations [6.2 to 6.13]

Evaluate = Callable[[int, list[Map]], Map]  # from the frame's number and the input maps


def prepare_grid(op: Operation, frames: int) -> Evaluate:
    """6.2, for a segment of `frames` frames."""
    times, channels, h, w = op.tensors[0].shape
    size = channels * h * w
    values = op.tensors[0].values
    scalings = [scaling(step + 8 * (op.frac - 16)) for step in op.tensors[0].steps]

    def evaluate(t: int, _: list[Map]) -> Map:
        p = clamp((((2 * t + 1) * times - frames) << 16) // (2 * frames), 0, (times - 1) << 16)
        i, f = p >> 16, p & 65535
        here, there = (values[n * size : (n + 1) * size] for n in (i, min(i + 1, times - 1)))
        blend = [a * (65536 - f) + b * f for a, b in zip(here, there, strict=True)]
        starts = range(0, size, h * w)
        return [
            [op.clamp(rescale(v, by)) for v in blend[start : start + h * w]]
            for start, by in zip(starts, scalings, strict=True)
        ]

    return evaluate


def prepare_conv(op: Operation, source: Operation) -> Evaluate:
    """6.3, its bound on accumulators included, and 6.5."""
    weight, bias = op.tensors
    if weight.flags & HADAMARD:
        hadamard(weight)
    out, fan_in, k, _ = weight.shape
    depthwise, code = op.fields[2:]
    size = fan_in * k * k
    rows = [weight.values[o * size : (o + 1) * size] for o in range(out)]
    target = 12 if code == 4 else op.frac
    scalings = [scaling(step + 8 * (target - source.frac)) for step in weight.steps]
    bias_scalings = [scaling(bias.step - step + 8 * source.frac) for step in weight.steps]
    biases = list(map(rescale, bias.values, bias_scalings))
    for row, b in zip(rows, biases, strict=True):
        need((sum(map(abs, row)) << source.width - 1) + abs(b) < 1 << 31, "an accumulator can pass 32 bits")
    act = activation(code, op)
    least, greatest = (-32768, 32767) if code == 4 else (op.clamp(-(1 << 20)), op.clamp(1 << 20))

    def evaluate(_: int, inputs: list[Map]) -> Map:
        convolved = convolve(inputs[0], rows, k, source.shape[1], source.shape[2], bool(depthwise))
        return [
            [act(clamp(rescale(acc + b, by), least, greatest)) for acc in channel]
            for channel, b, by in zip(convolved, biases, scalings, strict=True)
        ]

    return evaluate


def convolve(x: Map, rows: list[list[int]], k: int, h: int, w: int, depthwise: bool) -> Iterator[list[int]]:
    """The sums of 6.3 without the bias, an output channel at a time.

    A channel becomes one long integer, the sum of value * 2^(32 lane) with lane = pitch y + x; the lanes of zeros
    after each row pad on both sides. A weight times it is all its products at once, and a tap a shift by lanes. The
    bound of 6.3 keeps each lane's sum in 32 bits. Taps that meet only padding are left out.
    """
    q, down, across = k // 2, min(k // 2, h - 1), min(k // 2, w - 1)
    pitch, zeros = w + across, [0] * across
    packed = [pack([v for y in range(h) for v in channel[y * w : (y + 1) * w] + zeros]) for channel in x]
    reach = [(a, b) for a in range(-down, down + 1) for b in range(-across, across + 1)]
    taps = [((q + a) * k + q + b, 32 * ((down - a) * pitch + across - b)) for a, b in reach]
    first = down * pitch + across
    lanes = h * pitch + 2 * first
    offset = int.from_bytes(b"\0\0\0\x80" * lanes, "little")
    for o, row in enumerate(rows):
        maps = packed[o : o + 1] if depthwise else packed
        total = sum(sum(map(mul, row[tap :: k * k], maps)) << by for tap, by in taps)
        sums = struct.unpack(f"<{lanes}I", (total + offset).to_bytes(4 * lanes, "little"))
        starts = range(first, first + h * pitch, pitch)
        yield [v - (1 << 31) for start in starts for v in sums[start : start + w]]


def pack(values: list[int]) -> int:
    """The sum of values[lane] * 2^(32 lane)."""
    raw = struct.pack(f"<{len(values)}I", *[v + (1 << 31) for v in values])
    return int.from_bytes(raw, "little") - int.from_bytes(b"\0\0\0\x80" * len(values), "little")


def prepare_fold(op: Operation, source: Operation) -> Evaluate:
    """6.4: shuffle and fold."""
    rows, columns = op.fields * 2 if op.name == "shuffle" else op.fields
    w, size = source.shape[2], rows * columns

    def evaluate(_: int, inputs: list[Map]) -> Map:
        return [interleave(inputs[0][c * size : (c + 1) * size], rows, columns, w) for c in range(op.shape[0])]

    return evaluate


def interleave(channels: Map, rows: int, columns: int, w: int) -> list[int]:
    """One plane of (H rows) (W columns) values from rows * columns channels of H rows of w values."""
    result = [0] * (len(channels) * len(channels[0]))
    pitch = w * columns
    for n, channel in enumerate(channels):
        a, b = divmod(n, columns)
        for y in range(len(channel) // w):
            start = (y * rows + a) * pitch
            result[start + b : start + pitch : columns] = channel[y * w : (y + 1) * w]
    return result


def prepare_frequency(op: Operation) -> Evaluate:
    """6.7"""

    def evaluate(t: int, _: list[Map]) -> Map:
        result: Map = []
        for step, phase in op.turns:
            i = (phase + t * step + (1 << 19)) % (1 << 32) >> 20
            result += [[op.clamp(shift(SINE[n & 4095], 15 - op.frac))] for n in (i, i + 1024)]
        return result

    return evaluate


def meeting(count: int, size: int, r: int) -> list[tuple[int, int, int]]:
    """i0, i1 and the weight f of i1, for each of `count` rows or columns of an upsample [6.8]."""
    result = []
    for y in range(count):
        i, rest = divmod(2 * y + 1 - r, 2 * r)
        result.append((clamp(i, 0, size - 1), clamp(i + 1, 0, size - 1), (128 * rest + r) // (2 * r)))
    return result


def prepare_upsample(op: Operation, source: Operation) -> Evaluate:
    """6.8"""
    _, h, w = source.shape
    down, across = meeting(op.fields[1], h, op.fields[0]), meeting(op.fields[2], w, op.fields[0])

    def channel(x: list[int]) -> list[int]:
        result = []
        for y0, y1, f in down:
            pairs = zip(x[y0 * w : (y0 + 1) * w], x[y1 * w : (y1 + 1) * w], strict=True)
            row = [a * (128 - f) + b * f for a, b in pairs]
            result += [(row[x0] * (128 - g) + row[x1] * g + (1 << 13)) >> 14 for x0, x1, g in across]
        return result

    return lambda _, inputs: [channel(x) for x in inputs[0]]


def prepare_tile(op: Operation, source: Operation) -> Evaluate:
    """6.9"""
    _, h, w = source.shape
    places = [y % h * w + x % w for y in range(op.shape[1]) for x in range(op.shape[2])]
    return lambda _, inputs: [[channel[place] for place in places] for channel in inputs[0]]


def prepare_concat(op: Operation, sources: list[Operation]) -> Evaluate:
    """6.10"""

    def evaluate(_: int, inputs: list[Map]) -> Map:
        return [
            [op.clamp(shift(v, source.frac - op.frac)) for v in channel]
            for source, x in zip(sources, inputs, strict=True)
            for channel in x
        ]

    return evaluate


def prepare_binary(op: Operation, sources: list[Operation]) -> Evaluate:
    """6.11: add and mul."""
    fa, fb = (source.frac for source in sources)
    e = max(fa, fb)

    def added(a: int, b: int) -> int:
        return op.clamp(shift((a << e - fa) + (b << e - fb), e - op.frac))

    def multiplied(a: int, b: int) -> int:
        return op.clamp(shift(a * b, fa + fb - op.frac))

    each = added if op.name == "add" else multiplied
    return lambda _, inputs: [list(map(each, a, b)) for a, b in zip(*inputs, strict=True)]


def prepare_norm(op: Operation) -> Evaluate:
    """6.12"""

    def position(x: tuple[int, ...]) -> list[int]:
        m = 256 * sum(x) // len(x)
        d = [256 * v - m for v in x]
        r = max(isqrt(sum(map(mul, d, d)) // len(x) << 16), 1)
        scale = (1 << 46) // r
        return [op.clamp(v * scale + (1 << 37 - op.frac) >> 38 - op.frac) for v in d]

    return lambda _, inputs: [list(c) for c in zip(*map(position, zip(*inputs[0], strict=True)), strict=True)]


def place_of_window(path: list[Knot], t: int) -> tuple[int, int]:
    """p of the rows and of the columns at frame t [6.13]."""
    k = bisect_right(path, t, key=lambda knot: knot[0]) - 1  # the last knot not after t
    if k < 0 or k == len(path) - 1:
        return path[max(k, 0)][1:]
    (start, *here), (end, *there) = path[k : k + 2]
    n = end - start
    row, column = (a + (2 * (b - a) * (t - start) + n) // (2 * n) for a, b in zip(here, there, strict=True))
    return row, column


def prepare_window(op: Operation, source: Operation) -> Evaluate:
    """6.13; what is outside the map counts as 0, and its weight is 0."""
    height, width, ratio, bits = op.fields
    w, rows, columns = source.shape[2], height * ratio, width * ratio
    one = 1 << bits

    def channel(x: list[int], down: int, across: int) -> Map:
        """The ratio^2 channels of the output that come from one of the input."""
        (i, f), (j, g) = divmod(down, one), divmod(across, one)
        lines = []
        for y in range(i, i + rows + 1):
            line = [*x[y * w : (y + 1) * w], 0][j : j + columns + 1] if y * w < len(x) else [0] * (columns + 1)
            lines.append([(one - g) * a + g * b for a, b in pairwise(line)])
        s = [
            [shift((one - f) * a + f * b, 2 * bits) for a, b in zip(upper, lower, strict=True)]
            for upper, lower in pairwise(lines)
        ]
        return [[v for line in s[a::ratio] for v in line[b::ratio]] for a in range(ratio) for b in range(ratio)]

    def evaluate(t: int, inputs: list[Map]) -> Map:
        place = place_of_window(op.path, t)
        return [result for x in inputs[0] for result in channel(x, *place)]

    return evaluate


def weights_of_four(h: int) -> tuple[int, ...]:
    """w[h] [6.14]"""
    a, opposite = (3 * d * (32 - d) ** 2 + 1024 >> 11 for d in (h, 32 - h))
    b = 32 + ((h - 16) * (2300 - (h - 16) ** 2) + 512 >> 10)
    return -a, 64 + a - b, b + opposite, -opposite


def prepare_warp(op: Operation, sources: list[Operation]) -> Evaluate:
    """6.14"""
    _, h, w = op.shape
    n = sources[1].frac + op.fields[0] - 5

    def place(at: int, row: int, column: int) -> tuple[int, int, int, int]:
        """i, f, j and g for the output at that index and its vector."""
        y, x = divmod(at, w)
        p, q = clamp(32 * y + shift(row, n), 0, 32 * (h - 1)), clamp(32 * x + shift(column, n), 0, 32 * (w - 1))
        return *divmod(p, 32), *divmod(q, 32)

    def between_two(x: list[int], i: int, f: int, j: int, g: int) -> int:
        """What is outside the map has weight 0."""
        at, below = i * w + j, min(i + 1, h - 1) * w + j
        upper, lower = ((32 - g) * x[k] + (g * x[k + 1] if g else 0) for k in (at, below))
        return shift((32 - f) * upper + f * lower, 10)

    def between_four(x: list[int], i: int, f: int, j: int, g: int) -> int:
        columns = [clamp(j - 1 + k, 0, w - 1) for k in range(4)]
        total = 0
        for r, down in enumerate(weights_of_four(f)):
            row = clamp(i - 1 + r, 0, h - 1) * w
            total += down * sum(across * x[row + k] for k, across in zip(columns, weights_of_four(g), strict=True))
        return op.clamp(shift(total, 12))

    between = between_two if op.fields[1] == 2 else between_four

    def evaluate(_: int, inputs: list[Map]) -> Map:
        places = [place(at, *vector) for at, vector in enumerate(zip(*inputs[1], strict=True))]
        return [[between(x, *one) for one in places] for x in inputs[0]]

    return evaluate


def prepare(op: Operation, sources: list[Operation], frames: int) -> Evaluate:
    """Check what the operation's integers must keep, and give its function."""
    if op.name == "grid":
        return prepare_grid(op, frames)
    if op.name in ("frequency", "norm"):
        return (prepare_frequency if op.name == "frequency" else prepare_norm)(op)
    if op.name in ("concat", "add", "mul", "warp"):
        return {"concat": prepare_concat, "warp": prepare_warp}.get(op.name, prepare_binary)(op, sources)
    one = {"conv": prepare_conv, "upsample": prepare_upsample, "tile": prepare_tile, "window": prepare_window}
    return one.get(op.name, prepare_fold)(op, sources[0])


# ------------------------------------------------------------------------------------ frames [6, 6.6, 7]


def picture(x: Map, source: Operation, ratio: int, header: Header) -> bytes:
    """The planes of a frame as bytes [6.6, 7]."""
    result = bytearray()
    half, top, first = 1 << header.depth - 1, (1 << header.depth) - 1, 0
    for sx, sy in header.subsampling:
        a, b = ratio // sy, ratio // sx
        plane = interleave(x[first : first + a * b], a, b, source.shape[2])
        first += a * b
        rows, columns, pitch = -(-header.height // sy), -(-header.width // sx), source.shape[2] * b
        for y in range(rows):
            row = plane[y * pitch : y * pitch + columns]
            samples = [clamp(shift(v, source.frac - header.depth) + half, 0, top) for v in row]
            result += bytes(samples) if header.depth == 8 else struct.pack(f"<{columns}H", *samples)
    return bytes(result)


def decode_segment(segment: Segment, header: Header) -> Iterator[bytes]:
    """Each frame's planes; the segment's hash is checked after the last [2.2, 7]."""
    reader, md5 = segment.rest, hashlib.md5()
    source = reader if segment.program is None else Reader(segment.program, "PROG")
    levels = source.take(3)
    program = read_program(source)
    if segment.program is not None:
        source.end()
    check_picture_and_limits(program, header, levels)
    read_layers(reader, program)
    tensors = [tensor for op in program for tensor in op.tensors]
    read_common(reader, tensors)
    for tensor in tensors:
        read_tensor(reader, tensor)
    reader.end()
    *working, planes = program
    functions = [prepare(op, [program[i] for i in op.inputs], segment.frames) for op in working]
    for t in range(segment.frames):
        maps: list[Map] = []
        for op, function in zip(working, functions, strict=True):
            maps.append(function(t, [maps[i] for i in op.inputs]))
        last = planes.inputs[0]
        frame = picture(maps[last], program[last], planes.fields[0], header)
        md5.update(frame)
        if segment.hashes is not None:
            right = segment.hashes[16 * t : 16 * t + 16]
            need(hashlib.md5(frame).digest() == right, f"the MD5 of frame {t} of a segment differs", "hash")
        yield frame
    need(md5.digest() == segment.md5, "the MD5 of a segment differs", "hash")


def decode(data: bytes) -> Iterator[bytes]:
    """The planes of each frame of a file; RefusalError wherever the file is found to be none."""
    for header, segment in read_file(data):
        yield from decode_segment(segment, header)


def main(arguments: list[str]) -> int:
    """The command; the result is its exit code."""
    if len(arguments) != 2:
        print("usage: nqdecode.py IN.nq OUT.yuv", file=sys.stderr)
        return 2
    source, target = Path(arguments[0]), Path(arguments[1])
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as output:
            for frame in decode(source.read_bytes()):
                output.write(frame)
        os.replace(part, target)
    except (RefusalError, OSError, MemoryError) as error:
        print(f"{source}: {error or 'out of memory'}", file=sys.stderr)
        return EXIT_CODES[error.kind] if isinstance(error, RefusalError) else 1
    finally:
        part.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
