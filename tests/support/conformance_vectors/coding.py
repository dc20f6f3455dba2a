"""An integer network to the bytes of a segment, every tensor by the entropy model that a vector names.

The encoder chooses models by size, and may choose better one day; vectors must not change with it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nqcodec.bitstream.layers import ADAPTIVE, CHANNEL_SCALES, CHANNEL_STEP_INDICES, CONTEXT, HADAMARD, pack_context
from nqcodec.bitstream.operations import pack_program
from nqcodec.bitstream.reader import write_sv, write_uv
from nqcodec.entropy.lists import code_list
from nqcodec.entropy.tensors import TensorModel, encode_values
from nqcodec.network.integer_network import Int32, IntegerNetwork, IntTensor, channel_axis

Models = Mapping[tuple[int, str], TensorModel]
"""Entropy model of tensors by operation and name."""

ADAPTIVE_MODEL = TensorModel(adaptive=True)
LIST_SCALE = 20
"""Scale index of a list of steps."""


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


def piece(data: bytes) -> bytes:
    """A piece with its length."""
    return write_uv(len(data)) + data


def pack_record(tensor: IntTensor, model: TensorModel, base_step_index: int) -> bytes:
    """The record of a tensor (formats/nq.md, 4)."""
    flags, out = 0, write_sv(base_step_index)
    if tensor.step_indices.size > 1:
        flags, out = flags | CHANNEL_STEP_INDICES, out + bytes([LIST_SCALE])
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


def pack_tensor(tensor: IntTensor, name: str, model: TensorModel) -> tuple[bytes, bytes]:
    """(record, side lists and pieces) of a tensor."""
    base_step_index, side = int(tensor.step_indices[0]), b""
    if tensor.step_indices.size > 1:
        base_step_index = int(tensor.step_indices.astype(np.int64).sum()) // tensor.step_indices.size
        side += piece(code_list(tensor.step_indices - base_step_index, LIST_SCALE)[1])
    if model.scales is not None:
        side += piece(code_list(model.scales - model.scale, model.scale_scale)[1])
    pieces = encode_values(tensor.values, tensor.bits, model, channel_axis(name))
    return pack_record(tensor, model, base_step_index), side + b"".join(map(piece, pieces))


def pack_network(network: IntegerNetwork, models: Models | None = None) -> tuple[bytes, bytes, bytes]:
    """(program, layers, pieces): what follows the hash in a segment's payload."""
    table, data = bytearray(), bytearray()
    for index, op in enumerate(network.program.operations):
        layer = network.layers[index]
        if op.has_format:
            table += bytes([layer.width, layer.frac])
        for name, tensor in layer.tensors.items():
            record, coded = pack_tensor(tensor, name, (models or {}).get((index, name)) or default_model(tensor))
            table += record
            data += coded
    return pack_program(network.program), bytes(table), bytes(data)
