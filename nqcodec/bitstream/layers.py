"""Layer records: map formats, bit widths, step indices and entropy models (formats/nq.md, 4), and side lists."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nqcodec.bitstream.reader import Reader, write_sv, write_uv
from nqcodec.entropy.context import used_neighbours
from nqcodec.entropy.lists import code_list, decode_list
from nqcodec.entropy.models import ADAPTIVE_MAX_BITS, MAX_SCALE
from nqcodec.entropy.tensors import CodedValues, TensorModel, choose_model, decode_all, encode_values
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
PIECE_SYMBOLS = 1 << 16
"""Symbols of a piece (formats/nq.md, 3.1)."""


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
class CodedTensor:
    """A tensor ready to be written: its record and its pieces, side lists apart."""

    record: bytes
    side: bytes
    data: bytes


def _piece(data: bytes) -> bytes:
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
    flags = ADAPTIVE if model.adaptive else 0
    side, step_index_bytes, model_bytes = b"", b"", b""
    base_step_index = int(tensor.step_indices[0])
    if tensor.step_indices.size > 1:
        flags |= CHANNEL_STEP_INDICES
        base_step_index = int(np.median(tensor.step_indices))
        step_index_scale, coded = code_list(tensor.step_indices - base_step_index)
        side, step_index_bytes = _piece(coded), bytes([step_index_scale])
    if model.context is not None:
        flags |= CONTEXT
        model_bytes = pack_context(model.context)
    elif not model.adaptive:
        model_bytes = write_sv(model.offset) + bytes([model.scale])
        if model.scales is not None:
            flags |= CHANNEL_SCALES
            _, coded = code_list(model.scales - model.scale, model.scale_scale)
            side, model_bytes = side + _piece(coded), model_bytes + bytes([model.scale_scale])
    if tensor.hadamard is not None:
        flags |= HADAMARD
        model_bytes += bytes([tensor.hadamard.used_width, tensor.hadamard.gain])
    record = bytes([tensor.bits, flags]) + write_sv(base_step_index) + step_index_bytes + model_bytes
    pieces = encode_values(tensor.values, tensor.bits, model, axis, coder)
    return CodedTensor(record, side, b"".join(map(_piece, pieces)))


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
    """A tensor as it lies in the payload: its record and its pieces, not yet decoded.

    `offset` is the payload position of its first piece; `side_bytes` and `data_bytes` count length fields too.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    record: TensorRecord
    step_index_list: bytes
    scale_list: bytes
    pieces: tuple[bytes, ...]
    offset: int
    side_bytes: int
    data_bytes: int


def _take_piece(reader: Reader, what: str) -> bytes:
    return reader.take(reader.uv(f"length of {what}"), what)


def scan_tensor(reader: Reader, index: int, name: str, shape: tuple[int, ...], record: TensorRecord) -> TensorEntry:
    """Find a tensor's pieces without decoding them; raises FormatError if they leave the payload."""
    start = reader.position
    step_index_list = _take_piece(reader, f"{name} step list") if record.step_index_scale >= 0 else b""
    scale_list = _take_piece(reader, f"{name} scale list") if record.scale_scale >= 0 else b""
    middle = reader.position
    count = -(-math.prod(shape) // PIECE_SYMBOLS)
    if count > reader.left:
        raise reader.error(f"{name} needs {count} pieces, and {reader.left} bytes are left")
    pieces = tuple(_take_piece(reader, f"a piece of {name}") for _ in range(count))
    sizes = middle - start, reader.position - middle
    return TensorEntry(index, name, shape, record, step_index_list, scale_list, pieces, start, *sizes)


def _decode_list(data: bytes, count: int, base: int, scale: int, bounds: tuple[int, int], what: str) -> Int32:
    values = decode_list(data, count, scale).astype(np.int64) + base
    if int(values.min()) < bounds[0] or int(values.max()) > bounds[1]:
        raise ValueError(f"the {what} list leaves {bounds[0]}..{bounds[1]}")
    return values.astype(np.int32)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A tensor whose side lists are decoded: its step indices, and its values as they are coded."""

    entry: TensorEntry
    step_indices: Int32
    coded: CodedValues

    @staticmethod
    def of(entry: TensorEntry) -> _Opened:
        """Decode the side lists; raises ValueError."""
        record, axis = entry.record, channel_axis(entry.name)
        channels = entry.shape[axis]
        step_indices, scales = np.array([record.step_index], np.int32), None
        if record.step_index_scale >= 0:
            step_indices = _decode_list(
                entry.step_index_list, channels, record.step_index, record.step_index_scale, STEP_INDEX_RANGE, "step"
            )
        if record.scale_scale >= 0:
            bounds = (0, MAX_SCALE)
            scales = _decode_list(entry.scale_list, channels, record.scale, record.scale_scale, bounds, "scale")
        scale_scale = max(record.scale_scale, 0)
        model = TensorModel(record.adaptive, record.offset, record.scale, scales, scale_scale, record.context)
        return _Opened(entry, step_indices, CodedValues.of(entry.pieces, entry.shape, record.bits, model, axis))

    def tensor(self, values: Int32) -> IntTensor:
        """The tensor with its decoded `values`."""
        record = self.entry.record
        return IntTensor(values, record.bits, self.step_indices, record.hadamard, record.context)


def decode_tensors(reader: Reader, entries: list[TensorEntry], threads: int) -> list[IntTensor]:
    """Decode tensors, beside one another on up to `threads` threads.

    Raises:
        FormatError: of the first tensor that is damaged, whatever `threads`.
    """
    opened: list[_Opened] = []
    failed: tuple[TensorEntry, ValueError] | None = None
    for entry in entries:
        try:
            opened.append(_Opened.of(entry))
        except ValueError as error:
            # Those before it are decoded all the same: one of them may be damaged too.
            failed = entry, error
            break
    tensors = []
    for each, values in zip(opened, decode_all([each.coded for each in opened], threads=threads), strict=False):
        if isinstance(values, ValueError):
            failed = each.entry, values
            break
        tensors.append(each.tensor(values))
    if failed:
        entry, cause = failed
        raise reader.error(f"operation {entry.index} {entry.name}: {cause}", entry.offset) from cause
    return tensors
