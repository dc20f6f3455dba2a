"""Windows in the file: the bytes of paths, and paths that are refused."""

from __future__ import annotations

import pytest
from bitstream_cases import SMALL, WINDOWED

from nqcodec.bitstream.operations import pack_program, parse_program
from nqcodec.bitstream.reader import Reader
from nqcodec.errors import FormatError
from nqcodec.network.program import Program


def test_a_path_is_stored_once_for_windows_that_share_it() -> None:
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


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("02 0d 01 06 08 01 00 00", "reads 1 places back"),
        ("02 01 01 06 08 09 0d 01 06 08 01 00 00", "the path of the one before it, and there is none"),
        ("02 01 01 06 08 09 0d 01 06 08 01 00 ff 1f 00 00", "a path of 4095 knots does not fit the 2 bytes left"),
        ("02 01 01 06 08 09 0d 01 06 08 01 00 ff ff 03 00 00", "a path of 65535 knots has more than 4096"),
    ],
)
def test_paths_that_are_none_are_refused(data: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        parse_program(Reader(bytes.fromhex(data), path="bad.nq"), SMALL)
