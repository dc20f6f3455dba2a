"""Files taken apart byte by byte: no byte is left out, and the page in formats/ shows the sample that it is about."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hexdump_page import FILE, PAGE, ROOT, page
from mutations import random_file

from nqcodec.bitstream.hexdump import dump_lines, file_fields
from nqcodec.cli.nqtool import main as nqtool
from nqcodec.decoder.conformance import load_vectors


def test_the_page_shows_the_sample() -> None:
    text = PAGE.read_text("utf-8")
    assert text == page(text)
    assert FILE in text


@pytest.mark.parametrize("seed", range(6))
def test_fields_are_all_bytes_in_order(seed: int) -> None:
    data = random_file(seed)
    assert b"".join(field.data for field in file_fields(data, "x.nq")) == data


def test_fields_of_legal_vectors_are_all_their_bytes() -> None:
    legal = [vector for vector in load_vectors() if not vector.error]
    assert len(legal) > 300
    for vector in legal:
        data, offset = vector.path.read_bytes(), 0
        for field in file_fields(data, vector.name):
            assert field.offset == offset
            offset += len(field.data)
        assert offset == len(data)


def test_long_fields_are_cut_short() -> None:
    lines = list(dump_lines(file_fields((ROOT / FILE).read_bytes(), FILE)))
    assert any(line.endswith("more bytes") for line in lines)
    assert max(map(len, lines)) < 120


def test_the_command_refuses_what_is_no_file(tmp_path: Path) -> None:
    other = tmp_path / "x.nq"
    other.write_bytes((ROOT / FILE).read_bytes()[:200])
    done = CliRunner().invoke(nqtool, ["info", "--hex", str(other)])
    assert done.exit_code == 1
    assert "chunk SEGM, byte 83: the file is truncated" in done.stderr
    done = CliRunner().invoke(nqtool, ["info", "--hex", "--json", str(ROOT / FILE)])
    assert done.exit_code == 2
