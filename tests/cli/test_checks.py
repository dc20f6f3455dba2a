"""What the commands refuse by their options alone: names, clips and options that contradict one another."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import COMMANDS
from formats_clips import assert_same, noise, video, write

from nqcodec.cli import checks
from nqcodec.encoder.rate import Rate
from nqcodec.errors import UsageError
from nqcodec.media.clip import ClipInput
from nqcodec.media.libav_write import CONTAINERS
from nqcodec.media.source import RAW_EXTENSIONS


def refused(command: str, code: int, *words: object) -> str:
    """The one line that a call is refused with."""
    done = CliRunner().invoke(COMMANDS[command], list(map(str, words)), prog_name=command)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    described = video("420", 8, (32, 24))
    write(tmp_path / "clip.y4m", described, noise(described))
    return tmp_path / "clip.y4m"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".y4m", ".yuv", ".PNG"])
def test_an_output_that_is_no_nq_file_is_asked_about(clip: Path, suffix: str) -> None:
    out = clip.with_name(f"out{suffix}")
    reported = refused("nqenc", 2, clip, "--bpp", "1", "-o", out)
    assert f"did you mean -o {clip.with_name('out.nq')}?" in reported
    assert f"nqdec {clip.with_name('out.nq')} -o {out}" in reported
    assert [path.name for path in clip.parent.iterdir()] == ["clip.y4m"]


def test_extensions_of_other_formats_are_all_known() -> None:
    assert {*CONTAINERS, *RAW_EXTENSIONS} <= checks.OTHERS
    assert set(CONTAINERS) <= checks.VIDEO
    assert not checks.VIDEO & RAW_EXTENSIONS


def test_a_second_clip_that_does_not_exist_is_named_first(clip: Path) -> None:
    gone = clip.with_name("gone.y4m")
    assert refused("nqenc", 1, clip, gone, "--bpp", "1", "-o", "out.nq") == f"error: {gone}: no such file"
    assert "write a pattern" in refused("nqenc", 2, clip, clip, "--bpp", "1", "-o", "out.nq")


def test_a_call_takes_one_rate(clip: Path) -> None:
    assert refused("nqenc", 2, clip, "--bpp", "1", "--quality", "3", "-o", "out.nq").endswith("and --params")
    assert refused("nqenc", 2, clip, "--bpp", "1", "--params", "3", "-o", "out.nq").endswith("and --params")
    with pytest.raises(UsageError, match="--quality 50 is a good start"):
        Rate()


def test_more_than_the_clip_has_uncompressed_is_refused_at_once(clip: Path) -> None:
    reported = refused("nqenc", 1, clip, "--bpp", "100", "-q", "-o", clip.with_name("out.nq"))
    assert "100.00000 bpp" in reported
    assert "is more than the clip takes uncompressed: the most is " in reported
    assert [path.name for path in clip.parent.iterdir()] == ["clip.y4m"]


@pytest.mark.parametrize(
    ("words", "needle"),
    [
        (["--raw"], "--raw: says how to write"),
        (["--codec", "libx264"], "--codec: says how to write"),
        (["--codec-option", "crf=3"], "--codec-option: says how to write"),
        (["--raw", "-o", "{folder}/a.y4m"], "--raw contradicts -o"),
        (["--raw", "-o", "{folder}/a.mp4"], "--raw contradicts -o"),
        (["--raw", "-o", "{folder}/new/"], "--raw contradicts -o"),
        (["--raw", "-o", "{folder}"], "--raw contradicts -o"),
        (["--info", "-o", "{folder}/a.y4m"], "leave out --output"),
        (["--bench", "--md5"], "leave out --md5"),
        (["--info", "--bench"], "exclude each other"),
    ],
)
def test_options_of_nqdec_that_contradict_are_errors_alike(
    sample: Path, tmp_path: Path, words: list[str], needle: str
) -> None:
    assert needle in refused("nqdec", 2, sample, *(word.format(folder=tmp_path) for word in words))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["clip.y4m", "clip.mkv", "pictures"])
@pytest.mark.parametrize(
    ("option", "value"), [("--input-res", "64x64"), ("--input-csp", "i422"), ("--input-depth", "10"), ("--fps", "30")]
)
def test_raw_options_that_contradict_the_clip_are_errors_alike(
    tmp_path: Path, name: str, option: str, value: str
) -> None:
    described = video("rgb" if name == "pictures" else "420", 8, (32, 24))
    write(f"{tmp_path}/pictures/" if name == "pictures" else tmp_path / name, described, noise(described))
    if (name, option) == ("pictures", "--fps"):
        return  # Pictures have no rate that it could contradict.
    reported = refused("nqenc", 2, tmp_path / name, option, value, "--bpp", "1", "-q", "-o", tmp_path / "out.nq")
    assert f"{option} {value} contradicts the clip, which has " in reported


def test_raw_planes_go_where_the_name_asks_for_nothing_else(sample: Path, tmp_path: Path) -> None:
    for name in ("a.yuv", "a.bin"):
        words = [str(sample), "--raw", "--frames", "3", "-q", "-o", str(tmp_path / name)]
        assert CliRunner().invoke(COMMANDS["nqdec"], words).exit_code == 0
        assert (tmp_path / name).stat().st_size == 320 * 180 * 3 // 2


@pytest.mark.parametrize(("name", "raw"), [("clip.y4m", False), ("clip.mkv", False), ("clip.yuv", True)])
def test_standard_input_may_be_of_any_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, raw: bool
) -> None:
    described = video("420", 8, (32, 24))
    write(tmp_path / name, described, noise(described))
    size = (32, 24) if raw else None
    with (tmp_path / name).open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        copied = ClipInput("-", input_res=size).as_file(tmp_path)
    assert copied.describe().frames == 3
    assert_same(copied.frames(), noise(described))
