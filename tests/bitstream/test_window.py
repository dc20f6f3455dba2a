"""Windows in the file: the bytes of paths, paths that are refused, and the version of files that have any."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from bitstream_cases import EVERY_OPERATION, SMALL, WINDOWED
from random_networks import random_network

from nqcodec.bitstream.file import pack_file, parse_file
from nqcodec.bitstream.operations import pack_program, parse_program
from nqcodec.bitstream.reader import Reader
from nqcodec.bitstream.segment import pack_segment
from nqcodec.cli.info import file_info, info_lines
from nqcodec.errors import FormatError
from nqcodec.network.program import Limits, Program
from nqcodec.training.checkpoint import program_from_dict, program_to_dict


def test_a_path_is_told_once_for_windows_that_share_it() -> None:
    program = Program.of(list(WINDOWED), SMALL)
    expected = [
        "07",
        "01 01 04 08 09",
        "0d 01 06 08 01 03 02 00 20 00 02 19 10",
        "0d 02 03 04 02 06 00",
        "06 02 02 02",
        "0d 01 06 08 01 00 01 07 00 00",
        "02 01 06 01 00 00",
        "04 01 02",
    ]
    data = pack_program(program)
    assert data == bytes.fromhex(" ".join(expected))
    assert parse_program(Reader(data), SMALL) == program


def test_a_file_is_of_the_least_version_that_has_its_operations() -> None:
    rng = np.random.default_rng(5)
    programs = (Program.of(list(operations), SMALL) for operations in (EVERY_OPERATION, WINDOWED))
    plain, windowed = (pack_segment(random_network(rng, SMALL, one)).with_md5(bytes(16)) for one in programs)
    for segments, minor in (((plain, plain), 1), ((plain, windowed), 2), ((windowed, plain), 2)):
        data = pack_file(replace(SMALL, frames=6), [(3, one) for one in segments])
        assert parse_file(data, "x.nq").version == (1, minor)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("02 0d 01 06 08 01 00 00", "reads 1 places back"),
        ("02 01 01 06 08 09 0d 01 06 08 01 00 00", "the path of the one before it, and there is none"),
        ("02 01 01 06 08 09 0d 01 06 08 01 00 ff 1f 00 00", "a path of 4095 knots does not fit the 2 bytes left"),
        ("02 01 01 06 08 09 0d 01 06 08 01 00 ff ff 03 00 00", "a path of 65535 knots has more than 4096"),
        ("03 01 01 06 08 09 0d 01 06 08 00 00 01 00 00 00 04 01 02", "window ratio 0 is outside 1..16"),
        ("03 01 01 06 08 09 0d 01 06 08 11 00 01 00 00 00 04 01 02", "window ratio 17 is outside 1..16"),
        ("03 01 01 06 08 09 0d 01 04 05 02 00 01 00 00 00 04 01 02", "a window of 10x8 does not fit into 9x8"),
        ("03 01 01 06 08 09 0d 01 06 08 01 09 01 00 00 00 04 01 02", "window bits 9 is outside 0..8"),
        ("03 01 01 06 08 09 0d 01 06 0a 01 00 01 00 00 00 04 01 02", "a window of 10x6 does not fit into 9x8"),
        ("03 01 01 06 08 09 0d 01 06 08 01 00 01 00 06 00 04 01 02", "a window's path leaves its map of 9x8"),
        ("03 01 01 06 08 09 0d 01 06 08 01 00 01 00 01 00 04 01 02", "a window's path leaves its map of 9x8"),
        ("03 01 01 06 08 09 0d 01 06 08 01 00 01 00 00 04 04 01 02", "a window's path leaves its map of 9x8"),
        ("03 01 01 06 08 09 0d 01 06 08 01 00 02 03 00 00 00 00 00 04 01 02", "in order"),
        ("03 01 01 06 08 09 0d 01 06 08 01 00 01 80 80 80 08 00 00 04 01 02", "at frames 0..16777215"),
    ],
)
def test_windows_that_see_nothing_are_refused(data: str, message: str) -> None:
    """Before a value is decoded: a decoder's kernels never look outside a map."""
    with pytest.raises(FormatError, match=message):
        parse_program(Reader(bytes.fromhex(data), path="bad.nq"), SMALL)


def test_windows_are_told_and_kept() -> None:
    program = Program.of(list(WINDOWED), SMALL)
    segment = pack_segment(random_network(np.random.default_rng(2), SMALL, program))
    text = "\n".join(info_lines(file_info(parse_file(pack_file(SMALL, [(3, segment)]), "x.nq"), Limits())))
    assert "window    height=6 width=8 ratio=1 bits=3 knots=[(0, 16, 0), (2, 3, 8)]" in text
    assert program_from_dict(json.loads(json.dumps(program_to_dict(program))), SMALL) == program
