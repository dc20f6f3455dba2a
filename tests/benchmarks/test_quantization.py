"""nqtool bench quantise and ablation: their options, tables and files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nqcodec.benchmarks.training import moving_texture
from nqcodec.cli.nqtool import main
from nqcodec.media.video import Video, frame_bytes


@pytest.fixture
def clip(tmp_path: Path) -> str:
    video = Video(32, 24, 3)
    path = tmp_path / "clip.y4m"
    frames = b"".join(b"FRAME\n" + frame_bytes(frame) for frame in moving_texture(video))
    path.write_bytes(b"YUV4MPEG2 W32 H24 F25:1 C420mpeg2\n" + frames)
    return str(path)


def test_calibrations_at_two_lengths(clip: str, tmp_path: Path) -> None:
    fit, save = tmp_path / "fit.safetensors", tmp_path / "figures.json"
    arguments = ["bench", "quantise", clip, "--section", "calibration", "--bits", "5", "--iterations", "2,4"]
    arguments += ["--params", "2000", "--preset", "ultrafast", "--fit", str(fit), "--save", str(save)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert fit.exists()
    rows = json.loads(save.read_text())["rows"]
    assert {row["iterations"] for row in rows} == {0, 2, 4}
    assert {row["section"] for row in rows} == {"calibration"}
    assert "rounded to nearest" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quantise", "--bits", "4,x"], "--bits"),
        (["quantise", "--iterations", "-3"], "positive numbers"),
        (["ablation", "--bits", "0"], "--bits"),
    ],
)
def test_bad_options_are_named(clip: str, arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["bench", arguments[0], clip, *arguments[1:]])
    assert result.exit_code == 2
    assert said in result.output
