"""Latents in the context model in a file: records by hand, round trips, and every rule that a record can break."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from random_networks import random_network

from nqcodec.bitstream.file import parse_file
from nqcodec.bitstream.layers import pack_context, parse_record
from nqcodec.bitstream.reader import Reader, write_sv, write_uv
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.cli.info import file_info, info_lines
from nqcodec.entropy.context import record_bytes
from nqcodec.errors import FormatError, NqError
from nqcodec.media.video import Video
from nqcodec.network.integer_network import Context, IntegerNetwork, IntTensor, Layer, validate
from nqcodec.network.operations import Grid, Planes
from nqcodec.network.program import Limits, Program

VIDEO = Video(37, 21, 3)
MEAN = (64, 64, -64, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0)
CONTEXT = Context(180, MEAN, (20, 20, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 7))
CONTEXT_FIELDS = bytes([0x97, 0x42, 0xB4, 1, 0x80, 1, 20, 0x80, 1, 20, 127, 0, 0, 20, 1, 0, 0, 7])
"""Mask of neighbours 0, 1, 2, 4, 8 and 13, base 180, and of each the mean, zigzag, and the scale weight."""

CONTEXT_RECORD = bytes([8, 16, 6]) + CONTEXT_FIELDS
"""Latent of 8 bits, in context, step index 3."""


def latent_network(context: Context | None, step_count: int = 1) -> IntegerNetwork:
    """A grid of smooth latents and the planes it shows."""
    program = Program.of([Grid((), 3, 6, 11, 19), Planes((0,), 2)], VIDEO)
    t, c, y, x = np.meshgrid(*map(np.arange, (3, 6, 11, 19)), indexing="ij")
    values = np.rint(40 * np.sin(0.4 * y + 0.2 * t + c) + 30 * np.cos(0.25 * x - c)).astype(np.int32)
    latent = IntTensor(values, 8, np.arange(8, 8 + step_count, dtype=np.int32), context=context)
    return IntegerNetwork(program, [Layer(12, 4, {"latent": latent}), Layer()])


def test_the_record_in_context_by_hand() -> None:
    assert pack_context(CONTEXT) == CONTEXT_FIELDS
    record = parse_record(Reader(CONTEXT_RECORD), "latent")
    assert (record.bits, record.step_index, record.step_index_scale, record.context) == (8, 3, -1, CONTEXT)
    assert record.model == "context"


@pytest.mark.parametrize("base", [1, 127, 128, 16383, 16384, 65535])
@pytest.mark.parametrize(("mean", "scale"), [(0, 0), (-64, 1), (63, 127), (64, 128), (-65, 0), (255, 255), (-256, 2)])
def test_weights_round_trip_and_their_bytes_are_counted(base: int, mean: int, scale: int) -> None:
    context = Context(base, (0,) * 13 + (mean,), (0, 3) + (0,) * 11 + (scale,))
    packed_context = pack_context(context)
    assert parse_record(Reader(b"\x08\x10\0" + packed_context), "latent").context == context
    assert len(packed_context) == record_bytes(context)


@pytest.mark.parametrize("step_count", [1, 6])
def test_latents_in_context_round_trip(step_count: int) -> None:
    original = latent_network(CONTEXT, step_count)
    data = pack_file(VIDEO, [(3, pack_segment(original))])
    assert len(data) < 0.6 * len(pack_file(VIDEO, [(3, pack_segment(latent_network(None, step_count)))]))
    file = parse_file(data, "x.nq")
    decoded = file.segment(0, threads=3)
    latent, coded = (network.layers[0].tensors["latent"] for network in (original, decoded.network))
    assert np.array_equal(latent.values, coded.values)
    assert (coded.bits, coded.context) == (8, CONTEXT)
    assert np.array_equal(latent.step_indices, coded.step_indices)
    again = pack_segment(decoded.network, md5=decoded.md5).payload(VIDEO)
    assert again == file.index[0].chunk.payload
    for coder in ("python", "torchac"):
        assert pack_segment(original, coder).coded == pack_segment(original).coded
    tensor = file_info(file, Limits())["segments"][0]["operations"][0]["tensors"][0]
    assert (tensor["model"], tensor["context"]["base"]) == ("context", 180)
    assert any(" context " in line for line in info_lines(file_info(file, Limits())))


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("latent", {1: 16 | 1}, "contradict"),
        ("latent", {1: 16 | 4}, "contradict"),
        ("latent", {1: 16 | 8}, "contradict"),
        ("weight", {}, "contradict"),
        ("bias", {}, "contradict"),
        ("latent", {3: 0x97, 4: 0xC2, 5: 1}, "more than 14 neighbours"),
        ("latent", {13: 0}, "neighbour 2 of the mask has no weight"),
        ("latent", {7: 0x80, 8: 4}, "mean weight 256 is outside"),
        ("latent", {7: 0x81, 8: 4}, "mean weight -257 is outside"),
    ],
)
def test_records_in_context_that_break_a_rule(name: str, change: dict[int, int], text: str) -> None:
    record = bytearray(CONTEXT_RECORD)
    for position, value in change.items():
        record[position] = value
    with pytest.raises(FormatError, match=text):
        parse_record(Reader(bytes(record)), name)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (write_uv(0) + write_uv(0), "base 0 is outside"),
        (write_uv(0) + write_uv(65536), "base 65536 is outside"),
        (write_uv(1) + write_uv(1) + write_sv(0) + write_uv(256), "spread weight 256 is outside"),
        (write_uv(1) + write_uv(1) + write_sv(0) + write_uv(0), "neighbour 0 of the mask has no weight"),
        (write_uv(1 << 14) + write_uv(1), "more than 14 neighbours"),
        (write_uv(2**32 - 1) + write_uv(1), "more than 14 neighbours"),
    ],
)
def test_context_fields_outside_their_ranges(fields: bytes, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        parse_record(Reader(b"\x08\x10\0" + fields + bytes(8)), "latent")
    for length in range(len(CONTEXT_RECORD)):
        with pytest.raises(FormatError):
            parse_record(Reader(CONTEXT_RECORD[:length]), "latent")


def test_a_network_with_contexts_that_are_not_legal_is_refused() -> None:
    spoilt = latent_network(Context(0, MEAN, MEAN))
    with pytest.raises(ValueError, match=r"operation 0 \(grid\) latent: context: base 0 is outside"):
        validate(spoilt)
    network_of_conv = random_network(np.random.default_rng(3), VIDEO)
    weight = next(layer.tensors["weight"] for layer in network_of_conv.layers if "weight" in layer.tensors)
    weight.context = CONTEXT
    with pytest.raises(ValueError, match="only a latent has a context model"):
        validate(network_of_conv)


def test_a_segment_in_context_spoilt_under_a_right_crc_never_crashes() -> None:
    """What the CRC cannot see, parsing and rules must: an error of ours or a legal network, nothing else."""
    rng = np.random.default_rng(1)
    segment = pack_segment(latent_network(CONTEXT))
    refused = 0
    for _ in range(300):
        coded = bytearray(segment.program + segment.coded)
        coded[int(rng.integers(0, 33 if rng.random() < 0.5 else len(coded)))] = int(rng.integers(256))
        cut = len(segment.program)
        try:
            damaged = replace(segment, program=bytes(coded[:cut]), coded=bytes(coded[cut:]))
            parse_file(pack_file(VIDEO, [(3, damaged)]), "x.nq").segment(0)
        except NqError:
            refused += 1
    assert refused > 150
