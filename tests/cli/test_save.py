"""--save FILE.json: what --json prints, in a file, on every command; checked before anything long begins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from commands import COMMANDS
from fitting import small_clip
from formats_clips import write
from manuals import MANUALS

from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.nqenc import main as nqenc
from nqcodec.cli.nqtool import main as nqtool


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two frames of 32x32."""
    video, frames = small_clip(32, 32, frames=2)
    path = tmp_path / "clip.y4m"
    write(path, video, frames)
    return path


def call(command: click.Command, *words: object) -> Result:
    return CliRunner().invoke(command, [*map(str, words)])


def saved_and_printed(command: click.Command, folder: Path, *words: object) -> tuple[Any, Any]:
    """(what --save wrote, what --json printed) of one call; figures of time are the same only within one."""
    path = folder / "saved.json"
    done = call(command, *words, "--save", path, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(path.read_text("utf-8")), json.loads(done.stdout)


def every_command() -> dict[str, click.Command]:
    return {name: command for name, command in MANUALS.items() if not isinstance(command, click.Group)}


@pytest.mark.parametrize("name", every_command())
def test_whatever_prints_json_saves_it_too(name: str) -> None:
    options = {option for param in every_command()[name].params for option in param.opts}
    assert ("--json" in options) == ("--save" in options)
    assert set(COMMANDS) == {"nqenc", "nqdec", "nqtool"}


def test_a_report_is_saved(clip: Path, tmp_path: Path) -> None:
    words = [clip, "--iterations", "4", "--jobs", "1", "-q"]
    saved, printed = saved_and_printed(nqenc, tmp_path, *words, "--params", "2000", "-o", tmp_path / "a.nq")
    assert saved == printed
    assert saved["bytes"] == (tmp_path / "a.nq").stat().st_size
    done = call(nqenc, *words, "--bpp", "3,4", "-o", tmp_path / "{bpp}.nq", "--save", tmp_path / "both.json")
    assert (done.exit_code, done.output) == (0, "")
    rows = json.loads((tmp_path / "both.json").read_text("utf-8"))
    assert [row["bytes"] for row in rows] == [(tmp_path / f"{rate}.nq").stat().st_size for rate in (3, 4)]


@pytest.mark.parametrize("words", [["--frames", "0:2"], ["--info"], ["--bench", "--frames", "0:2"]])
def test_what_nqdec_tells_is_saved(sample: Path, words: list[str], tmp_path: Path) -> None:
    saved, printed = saved_and_printed(nqdec, tmp_path, sample, *words, "-q")
    assert saved == printed


def test_the_summary_of_a_full_decode_has_the_md5(sample: Path, sample_md5: str, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    done = call(nqdec, sample, "-o", tmp_path / "out.y4m", "--save", path, "-q")
    assert (done.exit_code, done.output) == (0, "")
    saved = json.loads(path.read_text("utf-8"))
    assert (saved["md5"], saved["frames"]) == (sample_md5, 32)


def test_tools_save_what_they_print(sample: Path, tmp_path: Path) -> None:
    saved, printed = saved_and_printed(nqtool, tmp_path, "info", sample)
    assert saved == printed
    path = tmp_path / "two.json"
    assert call(nqtool, "info", sample, sample, "--save", path).exit_code == 0
    assert json.loads(path.read_text("utf-8")) == [saved, saved]
    saved, printed = saved_and_printed(nqtool, tmp_path, "conform", "--only", "op-add", "--backend", "reference")
    assert saved == printed
    assert saved["reference"]["passed"] > 0
    saved, printed = saved_and_printed(nqtool, tmp_path, "conform", "--only", "op-add", "--list")
    assert saved == printed
    saved, printed = saved_and_printed(nqtool, tmp_path, "bench", "latents", "--file", sample)
    assert saved == printed


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("no/where.json", 1, "does not exist"),
        ("folder", 1, "is a folder"),
        ("clip.y4m", 2, "would overwrite the input"),
        ("a.nq", 2, "is the output itself"),
        ("-", 2, "takes the name of a file"),
    ],
)
def test_a_name_that_will_not_do_is_reported_before_the_fit(
    clip: Path, name: str, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nqcodec.encoder.encode.encode_clips", lambda *_: pytest.fail("the fit began"))
    (tmp_path / "folder").mkdir()
    before = clip.read_bytes()
    save, out = tmp_path / name if name != "-" else "-", tmp_path / "a.nq"
    done = call(nqenc, clip, "--params", "2000", "-o", out, "--save", save)
    assert done.exit_code == code
    said = said.replace("the clip", str(clip)).replace("the output", str(out))
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert clip.read_bytes() == before
    assert not out.exists()


def test_nqdec_overwrites_neither_its_file_nor_its_output(sample: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.nq"
    copy.write_bytes(sample.read_bytes())
    for save, said in (copy, "would overwrite the input"), (tmp_path / "out.y4m", "itself, which this call writes"):
        done = call(nqdec, copy, "-o", tmp_path / "out.y4m", "--save", save)
        assert done.exit_code == 2
        assert said in done.stderr
    assert copy.read_bytes() == sample.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["copy.nq"]
