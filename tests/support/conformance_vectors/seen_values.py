"""Features of a legal file that show only when it is decoded: escapes, low bits, scales, and where maps are clamped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from nqcodec.bitstream.layers import TensorEntry
from nqcodec.entropy import context
from nqcodec.entropy.models import scale_row
from nqcodec.media.video import Video
from nqcodec.network import tables
from nqcodec.network.integer_network import Int16, Int64, IntegerNetwork, IntTensor, channel_axis, used_weight
from nqcodec.network.operations import CUBIC_TAPS, Conv, Warp
from nqcodec.synthesis.reference import ReferenceSynthesizer


def coded_values(entry: TensorEntry, tensor: IntTensor, scales: Int64 | None) -> Iterator[str]:
    """What the events of a tensor show; `scales` are the scale indices of a Gaussian tensor's channels."""
    if tensor.context is not None and entry.record.context is not None:
        points = context.points(tensor.values, tensor.bits, tensor.context)
        table, shifts = tables.logistic(), points.shifts
        yield from _events("context", table.half_width[points.rows], shifts, points.distances)
        yield from (f"context:phase-{phase}" for phase in np.unique(points.rows[shifts == 0] % context.PHASES))
        if np.any((points.rows // context.PHASES == 0) & (shifts == 0)):
            yield "context:scale-0"
        if np.any((points.rows // context.PHASES == 31) & (shifts == 8)):
            yield "context:scale-63"
    elif scales is not None:
        axis = channel_axis(entry.name)
        shape = [1] * tensor.values.ndim
        shape[axis] = scales.size
        rows, shifts = (np.broadcast_to(part.reshape(shape), tensor.values.shape) for part in scale_row(scales))
        distances = tensor.values.astype(np.int64) - entry.record.offset
        yield from _events("model", tables.gaussian().half_width[rows], shifts, distances)


def _events(model: str, half_widths: np.ndarray, shifts: Int64, distances: Int64) -> Iterator[str]:
    h = (distances + ((np.int64(1) << shifts) >> 1)) >> shifts
    if np.any(np.abs(h) > half_widths):
        yield f"{model}:escape"
    if np.any(shifts > 0):
        yield f"{model}:low-bits"


class Watched(ReferenceSynthesizer):
    """The reference, which notes the operations whose maps hold the least and the greatest value of their width."""

    def __init__(self, network: IntegerNetwork, video: Video, frames: int):
        super().__init__(network, video, frames)
        self.found: set[str] = set()

    def map(self, index: int, maps: Mapping[int, Int16], t: int) -> Int16:
        made = super().map(index, maps, t)
        op = self._network.program.operations[index]
        width, _ = self._network.map_format(index)
        is_clamped = op.has_format or (isinstance(op, Warp) and op.taps == CUBIC_TAPS)
        if is_clamped and not (isinstance(op, Conv) and op.activation):
            high = (1 << (width - 1)) - 1
            name = op.name
            self.found |= {f"clamp:{name}-high"} if int(made.max()) == high else set()
            self.found |= {f"clamp:{name}-low"} if int(made.min()) == -high - 1 else set()
        return made


def clamped_weights(network: IntegerNetwork) -> Iterator[str]:
    """Whether weights in the Hadamard domain reach both ends of their used width."""
    for layer in network.layers:
        weight = layer.tensors.get("weight")
        if weight is None or weight.hadamard is None:
            continue
        used, high = used_weight(weight), (1 << (weight.hadamard.used_width - 1)) - 1
        if int(used.max()) == high and int(used.min()) == -high - 1:
            yield "hadamard:clamped"


def clamps(network: IntegerNetwork, video: Video, frames: int) -> Iterator[str]:
    """Where maps, samples and weights are clamped."""
    with Watched(network, video, frames) as synthesizer:
        for t in range(frames):
            for plane in synthesizer.frame(t):
                if int(plane.min()) == 0:
                    yield "clamp:sample-low"
                if int(plane.max()) == (1 << video.depth) - 1:
                    yield "clamp:sample-high"
        yield from synthesizer.found
    yield from clamped_weights(network)
