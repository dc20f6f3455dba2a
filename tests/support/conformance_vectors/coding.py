"""An integer network to the bytes of a segment, every tensor by the entropy model that a vector names.

The encoder chooses models by size, and may choose better one day; vectors must not change with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nqcodec.bitstream.layers import ADAPTIVE, CHANNEL_SCALES, CHANNEL_STEP_INDICES, CONTEXT, HADAMARD, pack_context
from nqcodec.bitstream.operations import pack_program
from nqcodec.bitstream.reader import write_sv, write_uv
from nqcodec.entropy.lists import IntArray, code_sequence
from nqcodec.entropy.models import MAX_SCALE
from nqcodec.entropy.tensors import SMALL_VALUES, TensorModel, encode_values
from nqcodec.network.integer_network import Int32, Int64, IntegerNetwork, IntTensor, channel_axis

Models = Mapping[tuple[int, str], TensorModel]
"""Entropy model of tensors by operation and name."""

Run = tuple[Int64, int]
"""Integers of the common sequence, int64 [n], less their offset, and the scale index of all."""

ADAPTIVE_MODEL = TensorModel(adaptive=True)
LIST_SCALE, LONG_LIST_SCALE, LONG_LIST = 20, 0, 4096
"""Scale index of a list of steps, and of one of more entries than that, almost all of which are 0."""


def gaussian_scale(values: Int32, offset: int = 0) -> int:
    """Least scale index whose standard deviation reaches the values' root mean square, by integers alone."""
    squares = int((values.astype(np.int64) - offset).ravel() @ (values.astype(np.int64) - offset).ravel())
    count = values.size
    return next((s for s in range(63) if squares**2 << 12 <= count**2 << s), 63)


def default_model(tensor: IntTensor) -> TensorModel:
    """The context model where the tensor has one, else a Gaussian of one scale."""
    if tensor.context is not None:
        return TensorModel(False, context=tensor.context)
    return TensorModel(False, 0, gaussian_scale(tensor.values))


def list_scale(tensor: IntTensor) -> int:
    """Scale index of the list of steps of a tensor that has one."""
    return LONG_LIST_SCALE if tensor.step_indices.size > LONG_LIST else LIST_SCALE


def piece(data: bytes) -> bytes:
    """A piece with its length."""
    return write_uv(len(data)) + data


def pack_record(tensor: IntTensor, model: TensorModel, base_step_index: int) -> bytes:
    """The record of a tensor (formats/nq.md, 4)."""
    flags, out = 0, write_sv(base_step_index)
    if tensor.step_indices.size > 1:
        flags, out = flags | CHANNEL_STEP_INDICES, out + bytes([list_scale(tensor)])
    if model.context is not None:
        flags, out = flags | CONTEXT, out + pack_context(model.context)
    elif model.adaptive:
        flags |= ADAPTIVE
    else:
        out += write_sv(model.offset) + bytes([model.scale])
        if model.scales is not None:
            flags, out = flags | CHANNEL_SCALES, out + bytes([model.scale_scale])
    if tensor.hadamard is not None:
        flags, out = flags | HADAMARD, out + bytes([tensor.hadamard.used_width, tensor.hadamard.gain])
    return bytes([tensor.bits, flags]) + out


def run(values: IntArray, scale: int, offset: int = 0) -> Run:
    """Integers of the common sequence, of any size, at any scale index and offset."""
    return np.asarray(values, np.int64).ravel() - offset, scale


def common(*runs: Run) -> bytes:
    """The pieces of a common sequence."""
    values = np.concatenate([np.empty(0, np.int64), *(each for each, _ in runs)]).astype(np.int32)
    scales = np.concatenate([np.empty(0, np.uint8), *(np.full(each.size, scale, np.uint8) for each, scale in runs)])
    coder = "python" if scales.max(initial=0) > MAX_SCALE else None  # libnq minds such faults
    return b"".join(map(piece, code_sequence(values, scales, coder)))


def is_small(tensor: IntTensor, model: TensorModel) -> bool:
    """Whether a tensor's values are in the common sequence."""
    gaussian = not model.adaptive and model.context is None and model.scales is None
    return gaussian and tensor.values.size <= SMALL_VALUES


def pack_tensor(tensor: IntTensor, name: str, model: TensorModel) -> tuple[bytes, list[Run], bytes]:
    """(record, what the common sequence has, pieces) of a tensor."""
    base_step_index, runs = int(tensor.step_indices[0]), list[Run]()
    if tensor.step_indices.size > 1:
        base_step_index = int(tensor.step_indices.astype(np.int64).sum()) // tensor.step_indices.size
        runs.append(run(tensor.step_indices, list_scale(tensor), base_step_index))
    if model.scales is not None:
        runs.append(run(model.scales, model.scale_scale, model.scale))
    record = pack_record(tensor, model, base_step_index)
    if is_small(tensor, model):
        return record, [*runs, run(tensor.values, model.scale, model.offset)], b""
    pieces = encode_values(tensor.values, tensor.bits, model, channel_axis(name))
    return record, runs, b"".join(map(piece, pieces))


def pack_network(network: IntegerNetwork, models: Models | None = None) -> tuple[bytes, bytes, bytes]:
    """(program, layers, pieces): what follows hash and levels in a segment's payload."""
    table, runs, data = bytearray(), list[Run](), bytearray()
    for index, op in enumerate(network.program.operations):
        layer = network.layers[index]
        if op.has_format:
            table += bytes([layer.width, layer.frac])
        for name, tensor in layer.tensors.items():
            model = (models or {}).get((index, name)) or default_model(tensor)
            record, in_common, coded = pack_tensor(tensor, name, model)
            table += record
            runs += in_common
            data += coded
    return pack_program(network.program), bytes(table), common(*runs) + bytes(data)
