"""--progress json, bar and none: lines that a program can follow, and what contradicts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fitting import small_clip
from formats_clips import write

from nqcodec.cli import progress
from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.nqenc import main as nqenc
from nqcodec.cli.progress import FrameProgressJson, ProgressLines

KEYS = ["input", "stage", "iteration", "of", "psnr", "bytes", "eta", "elapsed"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of 48x32."""
    video, frames = small_clip(48, 32, frames=4)
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    write(path, video, frames)
    return path


def encode(clip: Path, out: Path, *words: str) -> Result:
    words = ("--iterations", "60", "--jobs", "1", "--bpp", "3", "-o", str(out), *words)
    done = CliRunner().invoke(nqenc, [str(clip), *words])
    assert done.exit_code == 0, done.output
    return done


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_encode_tells_its_stages_and_its_end(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "JSON_SECONDS", 0.0)
    out = tmp_path / "a.nq"
    done = encode(clip, out, "--progress", "json", "-q", "--json")
    reported, report = lines(done.stderr), json.loads(done.stdout)
    assert all(list(line)[: len(KEYS)] == KEYS for line in reported)
    assert {line["input"] for line in reported} == {str(clip)}
    fit = [line for line in reported if line["stage"] == "fit"]
    assert [line["iteration"] for line in fit][:2] == [25, 50]
    assert all(line["psnr"] > 0 and line["bytes"] > 0 for line in fit)
    assert all(line["eta"] is None or line["eta"] >= 0 for line in fit), "none before the pace is known"
    assert [line["elapsed"] for line in reported] == sorted(line["elapsed"] for line in reported)
    end = reported[-1]
    assert (end["stage"], end["output"], end["bytes"]) == ("done", str(out), out.stat().st_size)
    assert end["psnr"] == pytest.approx(report["psnr"]["yuv"], rel=1e-4)
    assert [line["stage"] for line in reported].count("done") == 1


def test_messages_are_the_logs(clip: Path, tmp_path: Path) -> None:
    """Without -q they stand between the objects, as text."""
    done = encode(clip, tmp_path / "a.nq", "--progress", "json")
    text = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert text[0].startswith(f"{clip}: 48x32 4:2:0 8 bit, 4 frames")
    assert lines("\n".join(line for line in done.stderr.splitlines() if line.startswith("{")))[-1]["stage"] == "done"


def test_decoding_tells_its_frames(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "JSON_SECONDS", 0.0)
    words = [str(sample), "--frames", "2:7", "-o", str(tmp_path / "o.yuv"), "--progress", "json", "-q"]
    done = CliRunner().invoke(nqdec, words)
    assert done.exit_code == 0, done.output
    reported = lines(done.stderr)
    assert [(line["stage"], line["iteration"], line["of"]) for line in reported] == [
        ("decode", n, 5) for n in range(1, 6)
    ]
    assert all(line["fps"] > 0 for line in reported)
    assert reported[-1]["eta"] == 0


def test_lines_are_few_but_the_first_and_the_last_come(capsys: pytest.CaptureFixture[str]) -> None:
    with FrameProgressJson("clip.nq", 1000) as progress:
        for _ in range(1000):
            progress.update()
    reported = lines(capsys.readouterr().err)
    assert reported[0]["iteration"] == 1
    assert reported[-1]["iteration"] == 1000
    assert len(reported) < 20


def test_figures_are_json_whatever_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    out = ProgressLines()
    out.write("clip", "fit", 1, 1, psnr=math.inf, eta=math.nan, loss=-math.inf, **{"lambda": 8.2345678e-5})
    (line,) = lines(capsys.readouterr().err)
    assert (line["psnr"], line["eta"], line["loss"], line["bytes"]) == (None, None, None, None)
    assert line["lambda"] == 8.23457e-5


def test_none_shows_no_progress_and_keeps_the_messages(
    clip: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nqcodec.cli.progress.LINE_SECONDS", 0.0)
    shown = encode(clip, tmp_path / "a.nq", "--progress", "bar").stderr
    assert "fit 25/60" in shown
    for words in (["--progress", "none"], ["--no-progress"], ["--no-progress", "--progress", "none"]):
        quiet = encode(clip, tmp_path / "a.nq", *words).stderr
        assert "fit 25/60" not in quiet
        assert f"{clip}: 48x32" in quiet
    done = CliRunner().invoke(nqdec, [str(sample), "--frames", "0", "--progress", "none"])
    assert done.stderr.count("\n") == 1


def test_contradictions_are_refused(clip: Path, tmp_path: Path) -> None:
    words = [str(clip), "--bpp", "3", "-o", str(tmp_path / "a.nq"), "--no-progress", "--progress", "json"]
    done = CliRunner().invoke(nqenc, words)
    assert done.exit_code == 2
    assert done.stderr == "error: --no-progress contradicts --progress json: give one of them\n"
