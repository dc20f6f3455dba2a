"""Warps in the file: their bytes, those that are refused, and the version of files that have any."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from bitstream_cases import EVERY_OPERATION, SMALL, WINDOWED, assert_packs, assert_same
from random_networks import random_network

from nqcodec.bitstream.file import NqFile, pack_file, parse_file
from nqcodec.bitstream.operations import minor_version, parse_program
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import pack_segment
from nqcodec.cli.info import file_info, info_lines
from nqcodec.errors import FormatError
from nqcodec.network.operations import Conv, Grid, Operation, Planes, Warp, Window
from nqcodec.network.program import Limits, Program
from nqcodec.training.checkpoint import program_from_dict, program_to_dict

WARPED: tuple[Operation, ...] = (
    Grid((), 2, 4, 6, 8),
    Grid((), 3, 2, 8, 9),
    Window((1,), 6, 8, 1, 3, ((0, 16, 0), (2, 3, 8))),
    Warp((0, 2), 0),
    Warp((3, 2), 8),
    Conv((4,), 6, 1),
    Planes((5,), 2),
)
"""Two warps in a row by the vectors of a window."""

PROGRAMS = {1: EVERY_OPERATION, 2: WINDOWED, 3: WARPED}
"""Programs by the least minor version that has their operations."""


def warped_file() -> NqFile:
    """A file of one random network with warps."""
    network = random_network(np.random.default_rng(3), SMALL, Program.of(list(WARPED), SMALL))
    return parse_file(pack_file(SMALL, [(3, pack_segment(network))]), "x.nq")


def test_a_warp_is_its_code_two_distances_and_its_bits() -> None:
    program = Program.of(list(WARPED), SMALL)
    expected = [
        "07",
        "01 02 04 06 08",
        "01 03 02 08 09",
        "0d 01 06 08 01 03 02 00 20 00 02 19 10",
        "0e 03 01 00",
        "0e 01 02 08",
        "02 01 06 01 00 00",
        "04 01 02",
    ]
    assert_packs(program, expected)


@pytest.mark.parametrize("seed", range(4))
def test_networks_with_warps_round_trip(seed: int) -> None:
    original = random_network(np.random.default_rng(seed), SMALL, Program.of(list(WARPED), SMALL))
    decoded = parse_file(pack_file(SMALL, [(3, pack_segment(original))]), "x.nq").segment(0).network
    assert_same(original, decoded)
    assert decoded.map_format(4) == decoded.map_format(0)


@pytest.mark.parametrize("minors", [(1,), (2,), (3,), (1, 3), (3, 1), (2, 3), (3, 2), (1, 2), (1, 2, 3)])
def test_a_file_is_of_the_least_version_that_has_the_operations_of_all_segments(minors: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    segments = []
    for minor in minors:
        program = Program.of(list(PROGRAMS[minor]), SMALL)
        assert minor_version(program) == minor
        segments.append((3, pack_segment(random_network(rng, SMALL, program)).with_md5(bytes(16))))
    data = pack_file(replace(SMALL, frames=3 * len(minors)), segments)
    assert parse_file(data, "x.nq").version == (1, max(minors))


@pytest.mark.parametrize(
    ("warp", "message"),
    [
        ("0e 02 01 09", "warp bits 9 is outside 0..8"),
        ("0e 02 01 ff", "warp bits 255 is outside 0..8"),
        ("0e 01 02 00", r"a warp of \(2, 6, 8\) needs vectors of \(2, 6, 8\), not \(4, 6, 8\)"),
        ("0e 02 02 00", r"a warp of \(4, 6, 8\) needs vectors of \(2, 6, 8\), not \(4, 6, 8\)"),
        ("0e 02 00 00", "reads 0 places back"),
        ("0e 00 01 00", "reads 0 places back"),
        ("0e 02 03 00", "reads 3 places back"),
    ],
)
def test_warps_that_lack_what_they_need_are_refused(warp: str, message: str) -> None:
    """Before a value is decoded: a decoder's kernels never look outside a map."""
    data = f"05 01 01 04 06 08 01 01 02 06 08 {warp} 02 01 06 01 00 00 04 01 02"
    with pytest.raises(FormatError, match=message):
        parse_program(Reader(bytes.fromhex(data), path="bad.nq"), SMALL)


@pytest.mark.parametrize(("warp", "field"), [("0e", "distance"), ("0e 02", "distance"), ("0e 02 01", "bits")])
def test_a_warp_that_ends_early_is_named(warp: str, field: str) -> None:
    data = bytes.fromhex(f"05 01 01 04 06 08 01 01 02 06 08 {warp}")
    with pytest.raises(FormatError, match=f"ends inside .*{field}"):
        parse_program(Reader(data, path="bad.nq"), SMALL)


@pytest.mark.parametrize("shape", ["02 05 08", "02 07 08", "02 06 07", "02 06 09", "01 06 08", "03 06 08", "02 01 01"])
def test_vectors_have_two_channels_and_the_size_of_the_map(shape: str) -> None:
    data = f"05 01 01 04 06 08 01 01 {shape} 0e 02 01 00 02 01 06 01 00 00 04 01 02"
    with pytest.raises(FormatError, match=r"needs vectors of \(2, 6, 8\)"):
        parse_program(Reader(bytes.fromhex(data), path="bad.nq"), SMALL)


def test_a_warp_counts_four_multiply_accumulates_a_value() -> None:
    without = [Grid((), 2, 4, 6, 8), Grid((), 3, 2, 6, 8), Conv((0,), 6, 1), Planes((2,), 2)]
    with_warp = [*without[:2], Warp((0, 1), 3), Conv((2,), 6, 1), Planes((3,), 2)]
    assert Program.of(with_warp, SMALL).macs - Program.of(without, SMALL).macs == 4 * 4 * 6 * 8


def test_warps_are_told_and_kept() -> None:
    text = "\n".join(info_lines(file_info(warped_file(), Limits())))
    assert "warp      bits=8" in text
    program = Program.of(list(WARPED), SMALL)
    assert program_from_dict(json.loads(json.dumps(program_to_dict(program))), SMALL) == program
