"""--log-level and -q: what is reported on stderr, for each level and each kind of call."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fitting import small_clip
from formats_clips import write

from nqcodec.cli.log import Level, log_level, say
from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.nqenc import main as nqenc
from nqcodec.cli.nqtool import main as nqtool


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames of 32x32."""
    video, frames = small_clip(32, 32, frames=2)
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    write(path, video, frames)
    return path


def decode(*words: object) -> Result:
    return CliRunner().invoke(nqdec, [*map(str, words), "--frames", "0"])


def encode(clip: Path, out: Path, *words: str) -> Result:
    return CliRunner().invoke(nqenc, [str(clip), "--params", "2000", "--iterations", "4", "-o", str(out), *words])


@pytest.mark.parametrize("words", [["-q"], ["--log-level", "quiet"], ["--log-level", "error"], ["--log-level=warning"]])
def test_below_info_a_call_without_fault_says_nothing(
    sample: Path, clip: Path, words: list[str], tmp_path: Path
) -> None:
    for done in (decode(sample, *words), encode(clip, tmp_path / "a.nq", *words)):
        assert (done.exit_code, done.output) == (0, "")


def test_info_is_the_default(sample: Path, clip: Path, tmp_path: Path) -> None:
    for words in ([], ["--log-level", "info"]):
        done = decode(sample, *words)
        assert done.stderr.startswith(f"{sample}: 320x180")
        assert done.stderr.count("\n") == 1
        done = encode(clip, tmp_path / "a.nq", *words)
        assert f"{clip}: 32x32 4:2:0 8 bit, 2 frames" in done.stderr
        assert "EncodeSettings" not in done.stderr


def test_debug_tells_settings_and_plan(sample: Path, clip: Path, tmp_path: Path) -> None:
    done = decode(sample, "--log-level", "debug", "--backend", "reference")
    first, second, *_ = done.stderr.splitlines()
    assert first.startswith("nqcodec ")
    assert second == "frames 0:1, backend reference, segments 1"
    done = encode(clip, tmp_path / "a.nq", "--log-level", "debug", "--seed", "7", "--jobs", "1", "--threads", "1")
    assert "seed=7" in done.stderr
    assert "segment of frames 0:2, as many bytes as it takes" in done.stderr
    assert "jobs 1, threads of each 1" in done.stderr


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ([], "one line"),
        (["-q"], "one line"),
        (["--log-level", "error"], "one line"),
        (["--log-level", "quiet"], "nothing"),
        (["--log-level", "debug"], "traceback"),
    ],
)
def test_an_error_is_reported_at_every_level_but_quiet(tmp_path: Path, words: list[str], reported: str) -> None:
    missing = tmp_path / "missing.nq"
    done = decode(missing, *words)
    line = f"error: {missing}: cannot be read: No such file or directory\n"
    assert done.exit_code == 1
    if reported == "traceback":
        assert "Traceback (most recent call last):" in done.stderr
        assert done.stderr.endswith(line)
    else:
        assert done.stderr == (line if reported == "one line" else "")


def test_two_levels_at_once_are_refused(sample: Path) -> None:
    done = decode(sample, "-q", "--log-level", "debug")
    assert done.exit_code == 2
    assert done.stderr == "error: -q is --log-level error, and --log-level debug says otherwise: give one of them\n"
    assert decode(sample, "-q", "--log-level", "error").exit_code == 0
    assert decode(sample, "--log-level", "loud").exit_code == 2


def test_tools_have_levels_too() -> None:
    words = ["conform", "--only", "op-add", "--backend", "reference", "--log-level"]
    for level in ("quiet", "debug"):
        done = CliRunner().invoke(nqtool, [*words, level])
        assert done.exit_code == 0, done.output
        assert "vectors passed" in done.stdout


def test_outside_of_a_call_the_level_is_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert log_level() is Level.INFO
    say("reported")
    say("not reported", Level.DEBUG)
    say(lambda: pytest.fail("made, although it is not reported"), Level.DEBUG)
    assert capsys.readouterr().err == "reported\n"


def test_the_old_name_of_the_tensorboard_folder_is_no_level(clip: Path, tmp_path: Path) -> None:
    done = encode(clip, tmp_path / "a.nq", "--log", str(tmp_path))
    assert done.exit_code == 2
    assert "No such option" in done.stderr
    assert not (tmp_path / "a.nq").exists()
