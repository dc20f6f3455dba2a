"""nqtool bench md5s: clips that need what they are for, files that repeat, and differences that are found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nqcodec.backbones import BACKBONES
from nqcodec.benchmarks.md5s import CLIPS, ENCODES, differences, write_clip
from nqcodec.benchmarks.results import read_result
from nqcodec.cli.nqtool import main
from nqcodec.media.source import open_source

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sample is."""
    monkeypatch.chdir(ROOT)


def test_encodes_cover_backbones_and_clips() -> None:
    options = " ".join(encode.options for encode in ENCODES.values())
    assert all(f"--arch {name}" in options for name in BACKBONES if name != "pyramid")
    assert {encode.clip for encode in ENCODES.values()} == set(CLIPS)


def test_the_clips_move_as_they_are_said_to(tmp_path: Path) -> None:
    clips = {}
    for name in CLIPS:
        with open_source(write_clip(name, tmp_path)) as source:
            clips[name] = [frame[0] for frame in source]
    pan, parts = clips["pan"], clips["parts"]
    assert np.array_equal(pan[1][:-2, :-4], pan[0][2:, 4:])
    changed = np.abs(parts[1].astype(int) - parts[0]).astype(bool)
    assert changed.any()
    assert not changed[:16].any()
    assert np.array_equal(parts[1][16:64, 26:74], parts[0][16:64, 24:72])
    assert np.array_equal(parts[1][80:120, 132:180], parts[0][80:120, 136:184])


def test_a_file_repeats_and_another_is_found(tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    words = ["bench", "md5s", "--only", "one-frame", "--iterations", "2"]
    first = CliRunner().invoke(main, [*words, "--save", str(path)])
    assert first.exit_code == 0, first.output
    again = CliRunner().invoke(main, [*words, "--against", str(path)])
    assert again.exit_code == 0, again.output
    data = json.loads(path.read_text("utf-8"))
    data["rows"][0]["md5"] = "0" * 32
    path.write_text(json.dumps(data), "utf-8")
    result = read_result(path)
    assert differences(replace(result, rows=[]), result) == ["one-frame"]
    wrong = CliRunner().invoke(main, [*words, "--against", str(path)])
    assert wrong.exit_code == 1
    assert "these differ from" in wrong.stderr
    assert wrong.stderr.rstrip().endswith("one-frame")


def test_an_encode_that_there_is_none_of_is_an_error_of_usage() -> None:
    done = CliRunner().invoke(main, ["bench", "md5s", "--only", "vhs"])
    assert done.exit_code == 2
    assert "there is no encode vhs" in done.stderr


def test_an_encode_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODES, "one-frame", replace(ENCODES["one-frame"], options="--bpp 0.00001"))
    done = CliRunner().invoke(main, ["bench", "md5s", "--only", "one-frame"])
    assert done.exit_code == 1
    assert "the encode one-frame failed: error: " in done.stderr
