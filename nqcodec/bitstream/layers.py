"""Layers: map formats, records of tensors and their pieces (formats/nq.md, 3.1 and 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nqcodec.bitstream.reader import Reader, write_sv, write_uv
from nqcodec.entropy.context import used_neighbours
from nqcodec.entropy.lists import UInt8, decode_sequence, list_scale
from nqcodec.entropy.models import ADAPTIVE_MAX_BITS, MAX_SCALE
from nqcodec.entropy.tensors import (
    PIECE_SYMBOLS,
    SMALL_VALUES,
    CodedValues,
    TensorModel,
    choose_model,
    decode_all,
    encode_values,
)
from nqcodec.errors import UnsupportedError
from nqcodec.network.integer_network import (
    BITS_RANGE,
    CONTEXT_NEIGHBOURS,
    GAIN_RANGE,
    STEP_INDEX_RANGE,
    USED_WIDTH_RANGE,
    Context,
    Hadamard,
    Int32,
    IntTensor,
    Layer,
    channel_axis,
    check_context,
)

ADAPTIVE, CHANNEL_STEP_INDICES, CHANNEL_SCALES, HADAMARD, CONTEXT = 1, 2, 4, 8, 16
KNOWN_FLAGS = ADAPTIVE | CHANNEL_STEP_INDICES | CHANNEL_SCALES | HADAMARD | CONTEXT


@dataclass(frozen=True)
class TensorRecord:
    """A tensor's record: what the file says of it before its coded values.

    `step_index_scale` and `scale_scale` are the Gaussian scale indices of the side lists, -1 where a list is absent;
    `hadamard` is None for a tensor that is used as it is coded, `context` for one that is not coded in context.
    """

    bits: int
    adaptive: bool
    step_index: int
    step_index_scale: int
    offset: int
    scale: int
    scale_scale: int
    hadamard: Hadamard | None
    context: Context | None = None

    @property
    def model(self) -> str:
        """Name of the entropy model."""
        return "context" if self.context else "adaptive" if self.adaptive else "gaussian"


@dataclass(frozen=True)
class CommonRun:
    """Integers of a tensor in the common sequence: a side list, or the values of a small tensor.

    Attributes:
        what: "step list", "scale list" or "values".
        count: how many integers.
        scale: Gaussian scale index of all.
        offset: what is added to each that is decoded.
    """

    what: str
    count: int
    scale: int
    offset: int


def common_runs(shape: tuple[int, ...], name: str, record: TensorRecord) -> list[CommonRun]:
    """What the common sequence has of a tensor, in order (formats/nq.md, 3.1)."""
    runs, channels = [], shape[channel_axis(name)]
    if record.step_index_scale >= 0:
        runs.append(CommonRun("step list", channels, record.step_index_scale, record.step_index))
    if record.scale_scale >= 0:
        runs.append(CommonRun("scale list", channels, record.scale_scale, record.scale))
    if is_small(shape, record):
        runs.append(CommonRun("values", math.prod(shape), record.scale, record.offset))
    return runs


def is_small(shape: tuple[int, ...], record: TensorRecord) -> bool:
    """Whether the values of a tensor are in the common sequence."""
    return record.model == "gaussian" and record.scale_scale < 0 and math.prod(shape) <= SMALL_VALUES


@dataclass(frozen=True)
class CodedTensor:
    """A tensor ready to be written.

    Attributes:
        record: bytes of its record.
        common: int32 [n], what it has in the common sequence, less its offsets, and uint8 [n], the scale indices.
        data: its own pieces; empty for a small tensor.
    """

    record: bytes
    common: tuple[Int32, UInt8]
    data: bytes


def pack_piece(data: bytes) -> bytes:
    """A piece with its length."""
    return write_uv(len(data)) + data


def pack_context(context: Context) -> bytes:
    """Mask, base and weights of a context model, as a record has them."""
    used = used_neighbours(context)
    weights = (write_sv(context.mean[j]) + write_uv(context.scale[j]) for j in used)
    return write_uv(sum(1 << j for j in used)) + write_uv(context.base) + b"".join(weights)


def code_tensor(tensor: IntTensor, name: str, coder: str | None) -> CodedTensor:
    """Choose the smallest model for a tensor and code it."""
    axis = channel_axis(name)
    model = choose_model(tensor.values, tensor.bits, axis, tensor.context)
    record = record_of(tensor, model)
    lists = {"step list": tensor.step_indices, "scale list": model.scales, "values": tensor.values}
    common, scales = [np.empty(0, np.int64)], [np.empty(0, np.uint8)]
    for run in common_runs(tensor.values.shape, name, record):
        common.append(np.asarray(lists[run.what], np.int64).ravel() - run.offset)
        scales.append(np.full(run.count, run.scale, np.uint8))
    small = is_small(tensor.values.shape, record)
    pieces = [] if small else encode_values(tensor.values, tensor.bits, model, axis, coder)
    together = np.concatenate(common).astype(np.int32), np.concatenate(scales)
    return CodedTensor(pack_record(record), together, b"".join(map(pack_piece, pieces)))


def record_of(tensor: IntTensor, model: TensorModel) -> TensorRecord:
    """The record of a tensor that `model` codes."""
    step_index, step_index_scale = int(tensor.step_indices[0]), -1
    if tensor.step_indices.size > 1:
        step_index = int(np.median(tensor.step_indices))
        step_index_scale = list_scale(tensor.step_indices - step_index)
    scale_scale = -1 if model.scales is None else model.scale_scale
    return TensorRecord(
        tensor.bits,
        model.adaptive,
        step_index,
        step_index_scale,
        model.offset,
        model.scale,
        scale_scale,
        tensor.hadamard,
        model.context,
    )


def pack_record(record: TensorRecord) -> bytes:
    """The bytes of a record."""
    flags = ADAPTIVE if record.adaptive else 0
    body = write_sv(record.step_index)
    if record.step_index_scale >= 0:
        flags |= CHANNEL_STEP_INDICES
        body += bytes([record.step_index_scale])
    if record.context is not None:
        flags |= CONTEXT
        body += pack_context(record.context)
    elif not record.adaptive:
        body += write_sv(record.offset) + bytes([record.scale])
        if record.scale_scale >= 0:
            flags |= CHANNEL_SCALES
            body += bytes([record.scale_scale])
    if record.hadamard is not None:
        flags |= HADAMARD
        body += bytes([record.hadamard.used_width, record.hadamard.gain])
    return bytes([record.bits, flags]) + body


def pack_layer(layer: Layer, coder: str | None) -> tuple[bytes, dict[str, CodedTensor]]:
    """(width and frac, coded tensors by name) of one operation with a format."""
    tensors = {name: code_tensor(tensor, name, coder) for name, tensor in layer.tensors.items()}
    return bytes([layer.width, layer.frac]), tensors


def parse_record(reader: Reader, name: str) -> TensorRecord:
    """Read one tensor's record; raises FormatError or UnsupportedError."""
    start = reader.position
    bits, flags = reader.fixed("u8", f"{name} bits"), reader.fixed("u8", f"{name} flags")
    low, high = BITS_RANGE[name]
    if not low <= bits <= high:
        raise reader.error(f"{name} of {bits} bits, outside {low}..{high}", start)
    if flags & ~KNOWN_FLAGS:
        raise UnsupportedError(
            f"{reader.path}: {name} flags {flags:#04x} are not of this format version: update nqcodec"
        )
    if _contradict(name, bits, flags):
        raise reader.error(f"{name} flags {flags:#04x} contradict one another", start)
    step_index = reader.sv("step")
    if not STEP_INDEX_RANGE[0] <= step_index <= STEP_INDEX_RANGE[1]:
        raise reader.error(f"step index {step_index} is outside {STEP_INDEX_RANGE[0]}..{STEP_INDEX_RANGE[1]}", start)
    step_index_scale = reader.fixed("u8", "step_scale") if flags & CHANNEL_STEP_INDICES else -1
    adaptive, context = bool(flags & ADAPTIVE), _parse_context(reader) if flags & CONTEXT else None
    offset = scale = 0
    scale_scale = -1
    if not adaptive and context is None:
        offset, scale = reader.sv("offset"), reader.fixed("u8", "scale")
        if not -(1 << (bits - 1)) <= offset < 1 << (bits - 1):
            raise reader.error(f"offset {offset} is outside {bits} bits", start)
        scale_scale = reader.fixed("u8", "scale_scale") if flags & CHANNEL_SCALES else -1
    if max(step_index_scale, scale, scale_scale) > MAX_SCALE:
        raise reader.error(f"a scale index is over {MAX_SCALE}", start)
    hadamard = _parse_hadamard(reader) if flags & HADAMARD else None
    return TensorRecord(bits, adaptive, step_index, step_index_scale, offset, scale, scale_scale, hadamard, context)


def _contradict(name: str, bits: int, flags: int) -> bool:
    """True if a tensor of this name and width cannot have these flags."""
    owners = {"weight": HADAMARD | CHANNEL_STEP_INDICES, "bias": 0, "latent": CONTEXT | CHANNEL_STEP_INDICES}
    if flags & (HADAMARD | CHANNEL_STEP_INDICES | CONTEXT) & ~owners[name]:
        return True
    if flags & CONTEXT:
        return bool(flags & (ADAPTIVE | CHANNEL_SCALES))
    return bool(flags & ADAPTIVE) and (bits > ADAPTIVE_MAX_BITS or bool(flags & CHANNEL_SCALES))


def _parse_context(reader: Reader) -> Context:
    start = reader.position
    mask, base = reader.uv("mask"), reader.uv("base")
    if mask >> CONTEXT_NEIGHBOURS:
        raise reader.error(f"context: mask {mask:#x} has more than {CONTEXT_NEIGHBOURS} neighbours", start)
    mean, scale = [0] * CONTEXT_NEIGHBOURS, [0] * CONTEXT_NEIGHBOURS
    for j in (j for j in range(CONTEXT_NEIGHBOURS) if mask >> j & 1):
        mean[j], scale[j] = reader.sv("mean"), reader.uv("spread")
        if mean[j] == scale[j] == 0:
            raise reader.error(f"context: neighbour {j} of the mask has no weight", start)
    context = Context(base, tuple(mean), tuple(scale))
    try:
        check_context(context)
    except ValueError as error:
        raise reader.error(str(error), start) from error
    return context


def _parse_hadamard(reader: Reader) -> Hadamard:
    start = reader.position
    used_width, gain = reader.fixed("u8", "used_width"), reader.fixed("u8", "gain")
    for what, value, (low, high) in (("used_width", used_width, USED_WIDTH_RANGE), ("gain", gain, GAIN_RANGE)):
        if not low <= value <= high:
            raise reader.error(f"{what} {value} is outside {low}..{high}", start)
    return Hadamard(used_width, gain)


@dataclass(frozen=True)
class TensorEntry:
    """A tensor as it lies in the payload: its record and its own pieces, not yet decoded; a small one has none.

    `offset` is the payload position of its first piece; `data_bytes` counts length fields too.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    record: TensorRecord
    pieces: tuple[bytes, ...]
    offset: int
    data_bytes: int

    @property
    def small(self) -> bool:
        """Whether its values are in the common sequence."""
        return is_small(self.shape, self.record)


@dataclass(frozen=True)
class CommonPieces:
    """The pieces of the common sequence, not yet decoded; `offset` is the payload position of the first."""

    pieces: tuple[bytes, ...]
    offset: int
    data_bytes: int


def _take_pieces(reader: Reader, symbols: int, what: str) -> tuple[bytes, ...]:
    count = -(-symbols // PIECE_SYMBOLS)
    if count > reader.left:
        raise reader.error(f"{what} needs {count} pieces, and {reader.left} bytes are left")
    name = f"a piece of {what}"
    return tuple(reader.take(reader.uv(f"length of {name}"), name) for _ in range(count))


def scan_common(reader: Reader, symbols: int) -> CommonPieces:
    """Find the pieces of a common sequence of `symbols` integers; raises FormatError if they leave the payload."""
    start = reader.position
    pieces = _take_pieces(reader, symbols, "the common sequence")
    return CommonPieces(pieces, start, reader.position - start)


def scan_tensor(reader: Reader, index: int, name: str, shape: tuple[int, ...], record: TensorRecord) -> TensorEntry:
    """Find a tensor's pieces without decoding them; raises FormatError if they leave the payload."""
    start = reader.position
    pieces = () if is_small(shape, record) else _take_pieces(reader, math.prod(shape), name)
    return TensorEntry(index, name, shape, record, pieces, start, reader.position - start)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A tensor whose side lists are decoded: its step indices, and its values as they are coded, or decoded."""

    entry: TensorEntry
    step_indices: Int32
    coded: CodedValues | None
    values: Int32 | None = None

    @staticmethod
    def of(entry: TensorEntry, common: dict[str, Int32]) -> _Opened:
        """Check what the common sequence has of a tensor; raises ValueError."""
        record = entry.record
        step_indices = common.get("step list", np.array([record.step_index], np.int32))
        _check_within(step_indices, STEP_INDEX_RANGE, "the step list")
        scales = common.get("scale list")
        if scales is not None:
            _check_within(scales, (0, MAX_SCALE), "the scale list")
        if "values" in common:
            low, high = -(1 << (record.bits - 1)), (1 << (record.bits - 1)) - 1
            _check_within(common["values"], (low, high), f"a value of {record.bits} bits")
            return _Opened(entry, step_indices, None, common["values"].reshape(entry.shape))
        scale_scale = max(record.scale_scale, 0)
        model = TensorModel(record.adaptive, record.offset, record.scale, scales, scale_scale, record.context)
        axis = channel_axis(entry.name)
        return _Opened(entry, step_indices, CodedValues.of(entry.pieces, entry.shape, record.bits, model, axis))

    def tensor(self, values: Int32) -> IntTensor:
        """The tensor with its decoded `values`."""
        record = self.entry.record
        return IntTensor(values, record.bits, self.step_indices, record.hadamard, record.context)


def _check_within(values: Int32, bounds: tuple[int, int], what: str) -> None:
    if int(values.min()) < bounds[0] or int(values.max()) > bounds[1]:
        raise ValueError(f"{what} leaves {bounds[0]}..{bounds[1]}")


def decode_common(reader: Reader, common: CommonPieces, entries: list[TensorEntry]) -> list[dict[str, Int32]]:
    """For each tensor what the common sequence has of it, int32 [n] by `CommonRun.what`, offsets added.

    Raises:
        FormatError: a damaged piece.
    """
    runs = [common_runs(entry.shape, entry.name, entry.record) for entry in entries]
    scales = [np.full(run.count, run.scale, np.uint8) for each in runs for run in each]
    try:
        values = decode_sequence(common.pieces, np.concatenate([np.empty(0, np.uint8), *scales]))
    except ValueError as error:
        raise reader.error(f"the common sequence: {error}", common.offset) from error
    found, position = list[dict[str, Int32]](), 0
    for each in runs:
        lists = {}
        for run in each:
            lists[run.what] = (values[position : position + run.count].astype(np.int64) + run.offset).astype(np.int32)
            position += run.count
        found.append(lists)
    return found


def decode_tensors(reader: Reader, entries: list[TensorEntry], common: CommonPieces, threads: int) -> list[IntTensor]:
    """Decode tensors, beside one another on up to `threads` threads.

    Raises:
        FormatError: of the first tensor that is damaged, whatever `threads`.
    """
    opened: list[_Opened] = []
    failed: tuple[TensorEntry, ValueError] | None = None
    for entry, lists in zip(entries, decode_common(reader, common, entries), strict=True):
        try:
            opened.append(_Opened.of(entry, lists))
        except ValueError as error:
            # Those before it are decoded all the same: one of them may be damaged too.
            failed = entry, error
            break
    decoded = iter(decode_all([each.coded for each in opened if each.coded], threads=threads))
    tensors = []
    for each in opened:
        values = next(decoded) if each.values is None else each.values
        if isinstance(values, ValueError):
            failed = each.entry, values
            break
        tensors.append(each.tensor(values))
    if failed:
        entry, cause = failed
        raise reader.error(f"operation {entry.index} {entry.name}: {cause}", entry.offset) from cause
    return tensors
