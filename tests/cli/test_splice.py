"""nqtool cut and nqtool join: what they write, what they refuse, and that nothing is harmed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from segmented import segmented

from nqcodec.cli.nqtool import main as nqtool

DATA = segmented([1, 2, 1])


def tool(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(nqtool, [*map(str, words)], input=stdin)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "x.nq"
    path.write_bytes(DATA)
    return path


def test_parts_are_cut_and_joined_again(source: Path, tmp_path: Path) -> None:
    first, last, again = tmp_path / "a.nq", tmp_path / "b.nq", tmp_path / "again.nq"
    done = tool("cut", source, "0:2", "-o", first)
    assert done.exit_code == 0, done.output
    assert done.stderr == f"{source} -> {first}: 2 frames in 1 segment, {first.stat().st_size} bytes\n"
    assert tool("cut", source, "0.08s:0.24s", "-o", last, "-q").output == ""
    assert tool("join", first, last, "-o", again).exit_code == 0
    assert again.read_bytes() == DATA
    assert "clip 1 'b': frames 2:6" in tool("info", _joined(tmp_path, first, last)).stdout


def test_info_tells_how_a_file_is_laid_out(source: Path, tmp_path: Path) -> None:
    source.write_bytes(segmented([2, 3, 4]))
    assert "layout  3 segments, no index, hashes of segments alone" in tool("info", source).stdout
    source.write_bytes(segmented([4] * 16, hashed=True))
    said = tool("info", source).stdout
    assert "layout  16 segments, 1 common program, with an index, hashes of 32 frames" in said
    assert "program an earlier one's" in said
    assert "needs no other segment" in said
    assert "levels: at most" in said


def _joined(folder: Path, *parts: Path) -> Path:
    made = folder / "clips.nq"
    assert tool("join", "--clips", *parts, "-o", made).exit_code == 0
    return made


def test_standard_input_and_output(source: Path) -> None:
    part = tool("cut", "-", "2:6", "-o", "-", stdin=DATA)
    assert part.exit_code == 0
    assert part.stdout_bytes == tool("cut", source, "2:6", "-o", "-", "-q").stdout_bytes
    begin = tool("cut", source, "0:2", "-o", "-").stdout_bytes
    begins = source.with_name("begin.nq")
    begins.write_bytes(begin)
    assert tool("join", begins, "-", "-o", "-", stdin=part.stdout_bytes).stdout_bytes == DATA


def test_places_that_are_no_borders_name_the_nearest(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.nq"
    out.write_bytes(b"precious")
    done = tool("cut", source, "1:4", "-o", out)
    assert done.exit_code == 2
    assert "nearest are 0 and 2 for 1" in done.stderr
    done = tool("cut", source, "0:7", "-o", out)
    assert done.exit_code == 2
    assert f"{source}: 0:7: not within 0:6" in done.stderr
    assert out.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.nq", "x.nq"]


def test_sources_are_never_overwritten(source: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.nq"
    link.symlink_to(source)
    for words in (("cut", source, "0:2", "-o", link), ("join", source, source, "-o", source)):
        done = tool(*words, "-y")
        assert done.exit_code == 2
        assert "would overwrite the input" in done.stderr
    assert source.read_bytes() == DATA


def test_outputs_are_kept_where_that_is_asked(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.nq"
    out.write_bytes(b"precious")
    assert tool("cut", source, "0:2", "-o", out, "-n").exit_code == 1
    assert out.read_bytes() == b"precious"
    assert tool("cut", source, "0:2", "-o", out).exit_code == 0
    assert out.read_bytes() != b"precious"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("cut", "x.nq", "0:2"), 2, "name the file to make"),
        (("cut", "x.nq", "0:2", "-o", "out.mp4"), 2, "nqenc writes .nq files"),
        (("cut", "none.nq", "0:2", "-o", "out.nq"), 1, "none.nq: cannot be read"),
        (("join", "x.nq", "other.nq", "-o", "out.nq"), 1, "width is"),
        (("join", "-", "-", "-o", "out.nq"), 2, "standard input is one file"),
        (("join", "-o", "out.nq"), 2, "Missing argument"),
        (("cut", "x.nq", "0:2", "-o", "no/out.nq"), 1, "does not exist"),
        (("cut", "x.nq", "0:2", "-o", "."), 1, "is a folder"),
    ],
)
def test_errors(
    words: tuple[str, ...], code: int, said: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.nq").write_bytes((Path(__file__).resolve().parents[2] / "samples/bbb_32x18.nq").read_bytes())
    done = tool(*words)
    assert done.exit_code == code
    assert said in done.stderr
    assert not list(tmp_path.glob("out*"))


def test_what_is_whole_of_a_cut_file_is_saved(source: Path, tmp_path: Path) -> None:
    source.write_bytes(DATA[:-60])
    out = tmp_path / "out.nq"
    done = tool("cut", source, "0:4", "-o", out)
    assert done.exit_code == 0
    assert "warning: " in done.stderr
    assert "truncated" in done.stderr
    assert "2 segments" in tool("cut", out, "0:4", "-o", tmp_path / "same.nq").stderr
    assert tool("join", source, source, "-o", tmp_path / "both.nq").exit_code == 1
