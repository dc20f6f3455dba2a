"""From floats in a quantizer to the integer network of the file, and back to floats for comparison."""

from __future__ import annotations

import numpy as np
import torch

from nqcodec.errors import LimitError
from nqcodec.fit.clip import PackedClip
from nqcodec.fit.network import FloatNetwork
from nqcodec.network import (
    WIDTH_RANGE,
    IntegerNetwork,
    IntTensor,
    Layer,
    rescale,
    rescale_factors,
    validate,
)
from nqcodec.program import Conv, Program
from nqcodec.quantize.maps import MapFormat, choose_formats, spread_frames
from nqcodec.quantize.quantizers import along_channels, dequantise
from nqcodec.quantize.settings import QuantSettings
from nqcodec.quantize.transform import QuantTransform, tensor_names

ACCUMULATOR = 1 << 31
"""Magnitude that no accumulator may reach (formats/nq.md, 6.3)."""


def integer_network(program: Program, tensors: dict[str, IntTensor], formats: dict[int, MapFormat]) -> IntegerNetwork:
    """The network of integer tensors by key and map formats by operation index, checked by `validate`.

    Map formats are narrowed where an accumulator or a rescale would leave its range.

    Raises:
        LimitError: if no format makes the network legal.
    """
    layers = [Layer() for _ in program.operations]
    for index, form in formats.items():
        layers[index].width, layers[index].frac = form.width, form.frac
    for tensor in tensor_names(program):
        layers[tensor.index].tensors[tensor.name] = tensors[tensor.key]
    network = IntegerNetwork(program, layers)
    _narrow(network)
    try:
        validate(network)
    except ValueError as error:
        raise LimitError(f"the network cannot be computed in 32-bit integers: {error}: fit a smaller one") from error
    return network


def export(network: FloatNetwork, transform: QuantTransform) -> IntegerNetwork:
    """The integer network that `transform` makes of `network`; raises LimitError as `integer_network` does."""
    return integer_network(network.program, transform.integers(network), transform.formats)


def settle_formats(network: FloatNetwork, clip: PackedClip, transform: QuantTransform, settings: QuantSettings) -> None:
    """Choose the map formats of `transform` for the tensors that it makes, legal ones."""
    frames = spread_frames(clip.frames, settings.frames)
    transform.round_maps = False
    transform.formats = choose_formats(network, clip, transform, frames, settings.map_width, settings.head_width)
    layers = export(network, transform).layers
    transform.formats = {index: MapFormat(layers[index].width, layers[index].frac) for index in transform.formats}


def _narrow(network: IntegerNetwork) -> None:
    """Drop low bits of inputs until each convolution's accumulator and bias rescale are legal, or 8 bits are left."""
    for index, op in enumerate(network.program.operations):
        if not isinstance(op, Conv):
            continue
        source = op.inputs[0]
        while not network.program.operations[source].has_format:
            source = network.program.operations[source].inputs[0]
        given = network.layers[source]
        while not _fits_accumulator(network, index) and given.width > WIDTH_RANGE[0]:
            given.width, given.frac = given.width - 1, max(given.frac - 1, 0)


def _fits_accumulator(network: IntegerNetwork, index: int) -> bool:
    """Whether convolution `index` keeps formats/nq.md 6.3's bound and its bias has a legal rescale."""
    weight, bias = (network.layers[index].tensors[name] for name in ("weight", "bias"))
    width, frac = network.map_format(network.program.operations[index].inputs[0])
    try:
        factors = rescale_factors(bias.steps - np.broadcast_to(weight.steps, bias.values.shape) + 8 * frac)
    except ValueError:
        return False
    reach = np.abs(weight.values.astype(np.int64)).sum(axis=(1, 2, 3)) << (width - 1)
    return int((reach + np.abs(rescale(bias.values, *factors))).max()) < ACCUMULATOR


def dequantised(network: IntegerNetwork, frames: int, dtype: torch.dtype = torch.float32) -> FloatNetwork:
    """The float network with the integers' values, for a segment of `frames` frames; exact decoding is compared to it.

    Tensors are of `dtype`; maps too, and they are neither rounded nor clamped.
    """
    result = FloatNetwork(network.program, frames)
    result.dtype = dtype
    for tensor in tensor_names(network.program):
        integers = network.layers[tensor.index].tensors[tensor.name]
        steps = along_channels(torch.tensor(integers.steps), tensor.name, integers.values.ndim)
        value = dequantise(torch.tensor(integers.values).to(dtype), steps)
        result.tensors[tensor.key] = torch.nn.Parameter(value)
    return result
