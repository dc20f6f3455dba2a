"""From floats in a quantizer to the integer network of the file, and back to floats for comparison."""

from __future__ import annotations

from dataclasses import replace

from nqcodec.errors import LimitError
from nqcodec.network.integer_network import (
    GAIN_RANGE,
    WIDTH_RANGE,
    IntegerNetwork,
    IntTensor,
    Layer,
    derive,
    validate,
)
from nqcodec.network.operations import Conv
from nqcodec.network.program import Program
from nqcodec.quantization.hadamard import choose_use, input_format_index
from nqcodec.quantization.map_formats import MapFormat, choose_formats, spread_frames
from nqcodec.quantization.settings import QuantSettings
from nqcodec.quantization.transform import QuantTransform, tensor_names
from nqcodec.synthesis.hadamard import fastest
from nqcodec.training.clip import PackedClip
from nqcodec.training.network import FloatNetwork


def integer_network(program: Program, tensors: dict[str, IntTensor], formats: dict[int, MapFormat]) -> IntegerNetwork:
    """The network of integer tensors by key and map formats by operation index, checked by `validate`.

    If an accumulator or a rescale would leave its range, the gains of weights and the widths of maps are reduced.

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
        validate(network, fastest())
    except ValueError as error:
        raise LimitError(f"the network cannot be computed in 32-bit integers: {error}: fit a smaller one") from error
    return network


def export(network: FloatNetwork, transform: QuantTransform) -> IntegerNetwork:
    """The integer network that `transform` makes of `network`; raises LimitError as `integer_network` does."""
    return integer_network(network.program, transform.integers(network), transform.formats)


def fix_formats(network: FloatNetwork, clip: PackedClip, transform: QuantTransform, settings: QuantSettings) -> None:
    """Choose legal map formats and Hadamard gains for the tensors that `transform` makes, and set them in it."""
    frames = spread_frames(clip.frames, settings.frames)
    transform.round_maps = False
    transform.formats = choose_formats(network, clip, transform, frames, settings.map_width, settings.head_width)
    integers = transform.integers(network)
    for tensor in tensor_names(network.program):
        if tensor.key in transform.hadamard:
            width = transform.formats[input_format_index(network.program, tensor.index)].width
            transform.hadamard[tensor.key] = choose_use(integers[tensor.key].values, width)
    layers = export(network, transform).layers
    for tensor in tensor_names(network.program):
        how = layers[tensor.index].tensors[tensor.name].hadamard
        if how is not None:
            transform.hadamard[tensor.key] = how
    transform.formats = {index: MapFormat(layers[index].width, layers[index].frac) for index in transform.formats}


def _narrow(network: IntegerNetwork) -> None:
    """Make each convolution legal: reduce the gain of a weight in the Hadamard domain, then the width of its input."""
    for index, op in enumerate(network.program.operations):
        if not isinstance(op, Conv):
            continue
        tensors, given = network.layers[index].tensors, network.layers[input_format_index(network.program, index)]
        while not _is_legal(network, index):
            how = tensors["weight"].hadamard
            if how is not None and how.gain > GAIN_RANGE[0]:
                tensors["weight"] = replace(tensors["weight"], hadamard=replace(how, gain=how.gain - 1))
            elif given.width > WIDTH_RANGE[0]:
                given.width, given.frac = given.width - 1, max(given.frac - 1, 0)
            else:
                break


def _is_legal(network: IntegerNetwork, index: int) -> bool:
    """Whether the accumulator and the rescales of convolution `index` stay within their ranges (formats/nq.md, 6.3)."""
    try:
        derive(network, index, fastest())
    except ValueError:
        return False
    return True
