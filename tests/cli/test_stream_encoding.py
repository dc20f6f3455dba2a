"""nqenc -o -: the file that goes out is the one that a name would get, and what needs it again is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fitting import small_clip

from nqcodec.bitstream.file import parse_file
from nqcodec.cli.nqenc import main as nqenc
from nqcodec.media.sink import open_sink

HOW = ["--segment", "2", "--bpp", "6", "--iterations", "20", "--threads", "1", "--no-metadata"]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.y4m"
    video, frames = small_clip(frames=4)
    with open_sink(path, video) as sink:
        for frame in frames:
            sink.write(frame)
    return path


def encode(*words: object) -> Result:
    return CliRunner().invoke(nqenc, [*map(str, words)])


def test_a_stream_is_the_file_that_a_name_would_get(clip: Path, tmp_path: Path) -> None:
    named = tmp_path / "named.nq"
    assert encode(clip, *HOW, "--jobs", 1, "-o", named).exit_code == 0
    streamed = encode(clip, *HOW, "--jobs", 1, "-o", "-")
    assert streamed.exit_code == 0, streamed.output
    assert streamed.stdout_bytes == named.read_bytes()
    assert "-> standard output" in streamed.stderr
    assert [entry.frames for entry in parse_file(streamed.stdout_bytes, "x.nq").index] == [2, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.y4m", "named.nq"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--json"], "--save FILE.json"),
        (["--csv", "x.csv"], "name a file"),
        (["--report", "x.html"], "name a file"),
        (["--resume"], "name a file to go on with"),
    ],
)
def test_what_needs_the_file_again_is_refused(
    words: list[str], said: str, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    done = encode(clip, *HOW, *words, "-o", "-")
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout_bytes == b""
    assert [path.name for path in clip.parent.iterdir()] == ["clip.y4m"]


def test_several_clips_or_rates_do_not_fit_into_one_stream(clip: Path) -> None:
    assert encode(clip, clip, "--bpp", 1, "-o", "-").exit_code == 2
    assert encode(clip, "--bpp", "1,2", "-o", "-").exit_code == 2
