"""One legal file from which refused vectors differ by one fault each."""

from __future__ import annotations

import numpy as np

from conformance_vectors.build import File, Part, Vector, hashed, leveled
from conformance_vectors.calm import Calm, calm_network
from conformance_vectors.coding import default_model, pack_network, pack_record, run
from conformance_vectors.containers import OPERATIONS, VIDEO, small_part
from nqcodec.bitstream.levels import LEVELS_BYTES
from nqcodec.bitstream.reader import write_sv
from nqcodec.media.video import Video
from nqcodec.network.integer_network import (
    IntegerNetwork,
    Rescaled,
    derive,
    rescale,
    rescale_factors,
    used_step_indices,
    used_weight,
)
from nqcodec.network.operations import Grid
from nqcodec.synthesis.reference import ReferenceSynthesizer

FORMAT, UNSUPPORTED, LIMIT, HASH = "FormatError", "UnsupportedError", "LimitError", "HashError"

SEED = 950
LEGAL = small_part(SEED)
MD5 = LEGAL.md5
LEVELS = LEGAL.body[:LEVELS_BYTES]
NETWORK = calm_network(VIDEO, OPERATIONS, Calm(SEED))
PROGRAM, TABLE, PIECES = pack_network(NETWORK)
LATENT, WEIGHT, BIAS = (
    pack_record(tensor, default_model(tensor), int(tensor.step_indices[0]))
    for layer in NETWORK.layers
    for tensor in layer.tensors.values()
)
LEGAL_DATA = File(VIDEO, [LEGAL]).data()
LATENT_RUN, WEIGHT_RUN, BIAS_RUN = (
    run(tensor.values, default_model(tensor).scale) for layer in NETWORK.layers for tensor in layer.tensors.values()
)
"""What its common sequence has of each tensor, and no piece has any other."""


def refused(name: str, purpose: str, data: bytes, error: str, *features: str) -> Vector:
    """A vector that must not be played."""
    return Vector(f"refuse-{name}", purpose, data, error, features)


def with_payload(raw: bytes) -> bytes:
    """A file of one segment with any payload."""
    return File(VIDEO, [Part(VIDEO.frames, b"", b"", raw=raw)]).data()


def segment(
    program: bytes = PROGRAM, table: bytes = TABLE, pieces: bytes = PIECES, *, flags: int = 0, levels: bytes = b""
) -> bytes:
    """A file of one segment, the legal one's parts where no others are given, its hash included.

    So a decoder that overlooks a fault of syntax plays the file and is found out. Levels are those of the program, and
    the legal one's where that has none.
    """
    rest = program + table + pieces
    return File(
        VIDEO, [Part(VIDEO.frames, MD5, levels + rest if levels else leveled(VIDEO, rest, LEVELS), flags=flags)]
    ).data()


class Careless(ReferenceSynthesizer):
    """The reference without its checks of ranges and of accumulators, which here may be of any size."""

    def __init__(self, network: IntegerNetwork, video: Video, frames: int):
        super().__init__(NETWORK, VIDEO, VIDEO.frames)
        self._network, self._video, self._frames = network, video, frames
        operations = network.program.operations
        self._factors = [
            derive(network, index) if isinstance(op, Grid) else unbounded(network, index) if op.has_format else None
            for index, op in enumerate(operations)
        ]
        self._last_reader = {i: index for index, op in enumerate(operations) for i in op.inputs}


def unbounded(network: IntegerNetwork, index: int) -> Rescaled:
    """Constants of a convolution whose accumulators may be of any size."""
    layer, frac_in = network.layers[index], network.map_format(network.program.operations[index].inputs[0])[1]
    weight, bias = layer.tensors["weight"], layer.tensors["bias"]
    steps = np.broadcast_to(used_step_indices(weight), bias.values.shape)
    factors = rescale_factors(steps + 8 * (layer.frac - frac_in))
    acc_bias = rescale(bias.values, *rescale_factors(bias.step_indices - steps + 8 * frac_in))
    return Rescaled(*factors, acc_bias.astype(np.int32), used_weight(weight))


def unchecked(network: IntegerNetwork, video: Video) -> bytes:
    """A file of a network that breaks a rule, with the hash of what comes out where nobody minds it."""
    body = leveled(video, b"".join(pack_network(network)))
    return File(video, [hashed(Careless(network, video, video.frames), video.frames, body)]).data()


def record(bits: int, flags: int = 0, step: int = -40, tail: bytes = LATENT[3:]) -> bytes:
    """A tensor's record; the tail is all that follows the step, by default the legal latent's offset and scale."""
    return bytes([bits, flags]) + write_sv(step) + tail


def table(grid: bytes = TABLE[:2], latent: bytes = LATENT, weight: bytes = WEIGHT, bias: bytes = BIAS) -> bytes:
    """Layers of the legal program: format and record of its grid, and of its convolution."""
    return grid + latent + b"\x0c\x0c" + weight + bias
