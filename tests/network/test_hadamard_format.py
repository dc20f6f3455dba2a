"""Weights in the Hadamard domain: what they are used as, the rules, the record in the file, every decoder."""

from __future__ import annotations

import numpy as np
import pytest
import slow_evaluator as slow

from nqcodec.bitstream.file import parse_file
from nqcodec.bitstream.layers import parse_record
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.cli.info import file_info, info_lines
from nqcodec.errors import FormatError, UnsupportedError
from nqcodec.media.video import Video
from nqcodec.native.cpu import cpu_levels
from nqcodec.network.integer_network import (
    Hadamard,
    IntegerNetwork,
    IntTensor,
    Layer,
    derive,
    used_step_indices,
    used_weight,
    validate,
)
from nqcodec.network.operations import Conv, Grid, Operation, Planes
from nqcodec.network.program import Limits, Program
from nqcodec.synthesis import hadamard as native
from nqcodec.synthesis.native import NativeSynthesizer
from nqcodec.synthesis.reference import ReferenceSynthesizer

VIDEO = Video(8, 6, 2)
USUAL = Hadamard(10, 3)


def weight(channels: int, hadamard: Hadamard | None, bits: int = 5, seed: int = 0, kernel: int = 3) -> IntTensor:
    """Random weights [6, channels, kernel, kernel]."""
    low, high = -(1 << (bits - 1)), 1 << (bits - 1)
    values = np.random.default_rng(seed).integers(low, high, (6, channels, kernel, kernel)).astype(np.int32)
    return IntTensor(values, bits, np.array([-40], np.int32), hadamard)


def network(channels: int = 13, hadamard: Hadamard | None = USUAL, *, seed: int = 0) -> IntegerNetwork:
    """Latents into a 3 x 3 head, whose weight is in the Hadamard domain."""
    program = Program.of([Grid((), 2, channels, 3, 4), Conv((0,), 6, 3), Planes((1,), 2)], VIDEO)
    rng = np.random.default_rng(seed)
    latents = rng.integers(-8, 8, (2, channels, 3, 4)).astype(np.int32)
    bias = IntTensor(rng.integers(-99, 99, 6).astype(np.int32), 8, np.array([-70], np.int32))
    layers = [
        Layer(12, 8, {"latent": IntTensor(latents, 4, np.array([-20], np.int32))}),
        Layer(14, 13, {"weight": weight(channels, hadamard, seed=seed), "bias": bias}),
        Layer(),
    ]
    return IntegerNetwork(program, layers)


@pytest.mark.parametrize("channels", [1, 2, 3, 13, 53, 64])
@pytest.mark.parametrize("gain", [0, 3, 6])
@pytest.mark.parametrize("used_width", [8, 12])
def test_weights_as_used_are_those_of_sign_matrices(channels: int, gain: int, used_width: int) -> None:
    tensor = weight(channels, Hadamard(used_width, gain), bits=8, seed=channels)
    expected = np.array(slow.conv_weight(tensor))
    assert np.array_equal(used_weight(tensor), expected)
    if native.available():
        assert np.array_equal(used_weight(tensor, native.transform), expected)
    if gain == 6 and used_width == 8:
        assert {-128, 127} <= set(expected.reshape(-1).tolist()), "nothing was clamped"


def test_weights_as_used_approximate_the_orthonormal_transform() -> None:
    """Half a unit of the used grid, and M's 2^-16 of the value, is all that the rescale loses."""
    tensor = weight(53, Hadamard(12, 4), bits=4)
    real, first = tensor.values.astype(np.float64), 0
    for size in (32, 16, 4, 1):
        signs = [[(-1.0) ** bin(i & j).count("1") for j in range(size)] for i in range(size)]
        part = slice(first, first + size)
        real[:, part] = np.einsum("ij,ojab->oiab", np.array(signs) * size**-0.5, real[:, part])
        first += size
    error = used_weight(tensor) * 2.0**-4 - real
    assert np.abs(error).max() <= 0.5 * 2.0**-4 + 2**-15 * np.abs(real).max()
    assert used_step_indices(tensor).tolist() == [-72]


def test_a_fan_in_of_one_is_a_shift() -> None:
    tensor = weight(1, Hadamard(12, 2))
    assert np.array_equal(used_weight(tensor), tensor.values * 4)


def test_a_plain_weight_is_used_as_it_is() -> None:
    tensor = weight(7, None)
    assert used_weight(tensor) is tensor.values
    assert used_step_indices(tensor) is tensor.step_indices


def test_the_accumulator_bound_is_that_of_weights_as_used() -> None:
    """One coded 1 in a block of 4: used as 4 weights of 2^(gain - 1). Only their sum decides."""
    operations: list[Operation] = [Grid((), 1, 4096, 3, 4), Conv((0,), 6, 1), Planes((1,), 2)]
    program = Program.of(operations, VIDEO)
    latent = IntTensor(np.zeros((1, 4096, 3, 4), np.int32), 4, np.array([-24], np.int32))
    values = np.zeros((6, 4096, 1, 1), np.int32)
    values[:, 0] = 64  # used as 4096 weights of 64 * 2^gain / 64
    bias = IntTensor(np.zeros(6, np.int32), 8, np.array([-48], np.int32))

    def with_gain(gain: int) -> IntegerNetwork:
        tensor = IntTensor(values, 8, np.array([-40], np.int32), Hadamard(12, gain))
        return IntegerNetwork(
            program, [Layer(14, 8, {"latent": latent}), Layer(14, 13, {"weight": tensor, "bias": bias}), Layer()]
        )

    validate(with_gain(5))
    assert (derive(with_gain(5), 1).values == 32).all()
    with pytest.raises(ValueError, match="overflow"):  # 4096 * 64 * 2^13 = 2^31
        validate(with_gain(6))


@pytest.mark.parametrize("hadamard", [Hadamard(7, 0), Hadamard(13, 0), Hadamard(8, -1), Hadamard(8, 7)])
def test_ranges(hadamard: Hadamard) -> None:
    with pytest.raises(ValueError, match=r"outside (8\.\.12|0\.\.6)"):
        validate(network(hadamard=hadamard))


def test_only_dense_weights_have_a_hadamard_domain() -> None:
    for name, index in (("latent", 0), ("bias", 1)):
        spoilt = network()
        spoilt.layers[index].tensors[name].hadamard = Hadamard(8, 0)
        with pytest.raises(ValueError, match=f"{name}: only the weight of a dense convolution"):
            validate(spoilt)
    operations: list[Operation] = [Grid((), 2, 6, 3, 4), Conv((0,), 6, 3, depthwise=True), Planes((1,), 2)]
    spoilt = network(6)
    spoilt.program = Program.of(operations, VIDEO)
    spoilt.layers[1].tensors["weight"] = weight(1, Hadamard(8, 0))
    with pytest.raises(ValueError, match="only the weight of a dense convolution"):
        validate(spoilt)
    with pytest.raises(FormatError, match="only the weight of a dense convolution"):
        parse_file(pack_file(VIDEO, [(2, pack_segment(spoilt))]), "x.nq").segment(0)


@pytest.mark.parametrize("channels", [1, 13, 64])
def test_files_round_trip_and_every_decoder_agrees(channels: int) -> None:
    original = network(channels, seed=channels)
    data = pack_file(VIDEO, [(2, pack_segment(original))])
    plain = pack_file(VIDEO, [(2, pack_segment(network(channels, None, seed=channels)))])
    assert len(data) == len(plain) + 2, "used_width and gain are a byte each"
    decoded = parse_file(data, "x.nq").segment(0).network
    tensor = decoded.layers[1].tensors["weight"]
    assert tensor.hadamard == USUAL
    assert np.array_equal(tensor.values, original.layers[1].tensors["weight"].values)
    reference = ReferenceSynthesizer(decoded, VIDEO, 2)
    for t in range(2):
        planes = reference.frame(t)
        assert [plane.tolist() for plane in planes] == slow.slow_frame(decoded, VIDEO, 2, t)
        for cpu in cpu_levels():
            with NativeSynthesizer(decoded, VIDEO, 2, cpu=cpu) as synthesizer:
                assert all(map(np.array_equal, synthesizer.frame(t), planes)), cpu


RECORD = bytes([5, 0b1001, 0, 10, 3])
"""Weight of 5 bits, adaptive, Hadamard, step index 0, used_width 10, gain 3."""


def test_the_record_by_hand() -> None:
    record = parse_record(Reader(RECORD), "weight")
    assert (record.bits, record.adaptive, record.step_index, record.hadamard) == (5, True, 0, USUAL)


@pytest.mark.parametrize(
    ("name", "position", "value", "error"),
    [
        ("weight", 3, 7, FormatError),
        ("weight", 3, 13, FormatError),
        ("weight", 4, 7, FormatError),
        ("weight", 1, 0b101001, UnsupportedError),
        ("bias", 1, 0b1001, FormatError),
        ("latent", 1, 0b1001, FormatError),
    ],
)
def test_records_that_break_a_rule(name: str, position: int, value: int, error: type[Exception]) -> None:
    record = bytearray(RECORD)
    record[position] = value
    with pytest.raises(error):
        parse_record(Reader(bytes(record)), name)


def test_truncated_record() -> None:
    for length in range(len(RECORD)):
        with pytest.raises(FormatError):
            parse_record(Reader(RECORD[:length]), "weight")


def test_info_shows_it() -> None:
    file = parse_file(pack_file(VIDEO, [(2, pack_segment(network()))]), "x.nq")
    info = file_info(file, Limits())
    tensors = {entry["name"]: entry for entry in info["segments"][0]["operations"][1]["tensors"]}
    assert tensors["weight"]["hadamard"] == {"used_width": 10, "gain": 3}
    assert tensors["bias"]["hadamard"] is None
    assert any("hadamard, used at 10 bits, gain 3" in line for line in info_lines(info))
