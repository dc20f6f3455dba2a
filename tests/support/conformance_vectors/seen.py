"""Features of a legal file that can be seen in it: what a vector exercises without its maker's saying so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance_vectors.seen_values import clamps, coded_values
from nqcodec.bitstream.file import NqFile, parse_file
from nqcodec.bitstream.layers import TensorEntry, decode_common
from nqcodec.bitstream.metadata import PARSERS
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import SegmentLayout
from nqcodec.bitstream.stream import BEFORE_SEGMENT
from nqcodec.entropy.tensors import PIECE_SYMBOLS
from nqcodec.media.video import Video
from nqcodec.network.hadamard import block_sizes
from nqcodec.network.integer_network import CONTEXT_NEIGHBOURS, Int32, Int64, IntegerNetwork, IntTensor
from nqcodec.network.operations import Conv, Grid, Planes, Upsample, Warp, Window


def seen(data: bytes) -> set[str]:
    """The features of a legal file."""
    file = parse_file(data, "vector")
    found = {*_picture(file.video), *_container(file)}
    for entry in file.index:
        layout, network = entry.layout(), entry.decode().network
        found.update(_program(layout, file.video, entry.frames))
        found.update(_common(layout))
        lists = decode_common(Reader(b""), layout.common, layout.tensors)
        for tensor, each in zip(layout.tensors, lists, strict=True):
            decoded = network.layers[tensor.index].tensors[tensor.name]
            found.update(_tensor(tensor, decoded))
            found.update(coded_values(tensor, decoded, scales_of(tensor, each)))
        found.update(_formats(network))
        found.update(clamps(network, file.video.with_frames(entry.frames), entry.frames))
    return found


def scales_of(entry: TensorEntry, common: dict[str, Int32]) -> Int64 | None:
    """Scale indices of a Gaussian tensor's channels, None for another model; `common` is what `decode_common` gives."""
    record = entry.record
    if record.model != "gaussian":
        return None
    if record.scale_scale < 0:
        return np.array([record.scale], np.int64)
    return common["scale list"].astype(np.int64)


def _picture(video: Video) -> Iterator[str]:
    yield f"chroma:{'rgb' if video.is_rgb else video.chroma.label}"
    yield f"depth:{video.depth}"
    if any(size % sub for size, sub in zip((video.width, video.height), video.chroma.sub, strict=True)):
        yield "picture:odd-size"
    if video.fps.denominator > 1:
        yield "picture:rational-rate"
    if video.sar != 1:
        yield "picture:sample-aspect"


def _container(file: NqFile) -> Iterator[str]:
    yield "segments:1" if len(file.index) == 1 else "segments:many"
    if file.video.frames == 1:
        yield "frames:1"
    chunks = [*file.chunks, *(chunk for entry in file.index for chunk in entry.before)]
    ancillary = {chunk.kind for chunk in chunks if not chunk.critical}
    known = ancillary & {*BEFORE_SEGMENT, *PARSERS}
    yield from (f"chunk:{kind}" for kind in known)
    if ancillary - known:
        yield "chunk:ancillary"
    yield f"version:{file.version[0]}.{file.version[1]}"


def _program(layout: SegmentLayout, video: Video, frames: int) -> Iterator[str]:
    for index, op in enumerate(layout.program.operations):
        yield f"operation:{op.name}"
        if isinstance(op, Conv):
            yield f"activation:{op.activation.name.lower()}"
            yield f"kernel:{'depthwise' if op.depthwise else 'dense'}-{op.kernel}"
        elif isinstance(op, Grid):
            yield "grid:static" if op.times == 1 else "grid:interpolated" if op.times != frames else "grid:every-frame"
        elif isinstance(op, Upsample):
            yield f"upsample:{op.ratio}"
        elif isinstance(op, Window):
            yield f"window:ratio-{op.ratio}"
            yield f"window:bits-{op.bits}"
        elif isinstance(op, Warp):
            yield f"warp:bits-{op.bits}"
            yield f"warp:taps-{op.taps}"
        elif isinstance(op, Planes):
            yield f"planes:{op.ratio}"
            if layout.program.coded_size != (video.width, video.height):
                yield "picture:crop"
        if len(set(op.inputs)) < len(op.inputs):
            yield "program:same-input-twice"
        if any(distance > 1 for distance in (index - i for i in op.inputs)):
            yield "program:distance"


def _tensor(entry: TensorEntry, tensor: IntTensor) -> Iterator[str]:
    record = entry.record
    yield f"model:{record.model}"
    yield f"bits:{entry.name}-{record.bits}"
    if record.step_index_scale >= 0:
        yield "list:steps"
    if record.scale_scale >= 0:
        yield "list:scales"
    if min(record.step_index_scale, record.scale_scale) >= 0:
        yield "list:both"
    if entry.small:
        yield "pieces:small"
    elif len(entry.pieces) > 1:
        yield f"pieces:{record.model}"
    elif tensor.values.size == PIECE_SYMBOLS:
        yield "pieces:full"
    if record.model == "gaussian" and record.offset:
        yield "model:offset"
    if record.hadamard is not None:
        yield from (f"hadamard:block-{size}" for size in block_sizes(entry.shape[1]))
        yield f"hadamard:width-{record.hadamard.used_width}"
        yield f"hadamard:gain-{record.hadamard.gain}"
        yield "hadamard:mixed" if len(block_sizes(entry.shape[1])) > 1 else "hadamard:single"
    if record.context is not None:
        used = zip(record.context.mean, record.context.scale, strict=True)
        yield from (f"context:neighbour-{j}" for j, weights in enumerate(used) if any(weights))
        if all(record.context.mean[j] or record.context.scale[j] for j in range(CONTEXT_NEIGHBOURS)):
            yield "context:all"


def _common(layout: SegmentLayout) -> Iterator[str]:
    if not layout.common.pieces:
        yield "pieces:no-common"
    yield "pieces:own" if any(entry.pieces for entry in layout.tensors) else "pieces:no-own"


def _formats(network: IntegerNetwork) -> Iterator[str]:
    for op, layer in zip(network.program.operations, network.layers, strict=True):
        if op.has_format:
            yield f"width:{layer.width}"
            yield f"frac:{layer.frac}"
