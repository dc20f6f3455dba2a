"""nqdec --clip: a clip of a file of several, by name or number, with --frames counted within it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from segmented import segmented

from nqcodec.bitstream.file import parse_file
from nqcodec.cli.nqdec import main as nqdec
from nqcodec.decoder.decoder import Decoder
from nqcodec.media.video import frame_bytes

DATA = segmented([1, 2, 3, 4], clips=["a", "b", None, "2"], metadata=None)
FRAMES = [frame_bytes(frame) for frame in Decoder(parse_file(DATA, "x.nq")).frames()]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "x.nq"
    path.write_bytes(DATA)
    return path


def decode(*words: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(nqdec, [*map(str, words)], input=stdin)


@pytest.mark.parametrize(
    ("clip", "frames", "shown"),
    [
        ("a", None, (0, 2)),
        ("b", None, (2, 6)),
        ("b", "1:3", (3, 5)),
        ("b", "0.04s:", (3, 6)),
        ("1", None, (2, 6)),
        ("2", None, (6, 8)),  # a name goes before a number
        ("b", "3", (5, 6)),
    ],
)
def test_a_clip_by_name_or_number(clip: str, frames: str | None, shown: tuple[int, int], source: Path) -> None:
    words = ["--frames", frames] if frames else []
    expected = b"".join(FRAMES[slice(*shown)])
    done = decode(source, "--clip", clip, *words, "-o", "-", "--raw")
    assert done.exit_code == 0, done.output
    assert done.stdout_bytes == expected
    assert decode("-", "--clip", clip, *words, "-o", "-", "--raw", stdin=DATA).stdout_bytes == expected


def test_pictures_are_numbered_as_in_the_clip(source: Path, tmp_path: Path) -> None:
    assert decode(source, "--clip", "b", "--frames", "1:3", "-o", tmp_path / "p" / "%05d.png").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["00001.png", "00002.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--clip", "c"], "has no clip c; there are 0 'a', 1 'b', 2 '2'"),
        (["--clip", "3"], "has no clip 3"),
        (["--clip", "b", "--frames", "2:5"], "not within 0:4"),
    ],
)
def test_what_is_not_there_is_named(words: list[str], said: str, source: Path) -> None:
    done = decode(source, *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_names_that_are_not_one_clips_ask_for_a_number(tmp_path: Path) -> None:
    path = tmp_path / "x.nq"
    path.write_bytes(segmented([1, 2], clips=["a", "a"]))
    assert "2 clips have the name a: give a number" in decode(path, "--clip", "a").stderr
    assert decode(path, "--clip", "1").exit_code == 0
    path.write_bytes(segmented([1, 2]))
    assert "it has no clips" in decode(path, "--clip", "0").stderr


def test_info_lists_clips(source: Path) -> None:
    said = decode(source, "--info").stdout
    assert "clip 1 'b': frames 2:6" in said
