"""nqenc --report, --csv and --tensorboard: complete pages, tables that agree with the decoder, both methods."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from fitting import small_clip
from formats_clips import write

from nqcodec.cli.nqenc import main
from nqcodec.cli.nqtool import main as nqtool
from nqcodec.decoder.decoder import decode, plane_md5
from nqcodec.media.video import frame_bytes
from nqcodec.reporting.finding import read_findings
from nqcodec.training.presets import PHASES, Phase

pytest.importorskip("matplotlib")
METHODS = {"rate-aware": ["--iterations", "60"], "plain": ["--arch", "hnerv", "--iterations", "8"]}
STAGES = {"rate-aware": {"fit", "further"}, "plain": {"fit", "sensitivity", "finetune"}}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small clip as y4m."""
    video, frames = small_clip(64, 48, frames=6)
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    write(path, video, frames)
    return path


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short calibrations."""
    monkeypatch.setitem(PHASES, "calibration", Phase(0.25, 16))
    monkeypatch.setitem(PHASES, "brief calibration", Phase(1 / 16, 8))


def nqenc(*words: object) -> Result:
    return CliRunner().invoke(main, [*map(str, words), "--jobs", "1"])


@pytest.mark.parametrize("method", METHODS)
def test_page_and_table_hold_what_the_file_is(clip: Path, tmp_path: Path, method: str) -> None:
    words = [clip, "--bpp", "2,4", "-o", tmp_path / "{name}_{bpp}.nq", *METHODS[method]]
    extra = ["--report", tmp_path / "{name}_{bpp}.html", "--csv", tmp_path / "{bpp}.csv"]
    done = nqenc(*words, *extra, "--json")
    assert done.exit_code == 0, done.output
    assert f"see {tmp_path / '2.csv'}" in done.stderr
    for rate, report in zip(("2", "4"), json.loads(done.stdout), strict=True):
        check_table(tmp_path / f"{rate}.csv", tmp_path / f"clip_{rate}.nq", report)
        page = tmp_path / f"clip_{rate}.html"
        text = page.read_text("utf-8")
        assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]+"', text)
        assert text.count("data:image/png;base64,") == 9
        assert text.count("<svg") == 3
        assert str(report["bytes"]) in text
        findings = {finding.kind: finding.data for finding in read_findings(page)}
        assert findings["bits"]["bytes"] == report["bytes"]
        assert [row["yuv"] for row in findings["frames"]["rows"]] == pytest.approx(
            [row["yuv"] for row in report["frame_psnr"]], abs=1e-4
        )
        check_curve(findings["fit"]["points"], method, rate)
    drawn = CliRunner().invoke(nqtool, ["plot", str(tmp_path / "clip_2.html"), "-o", str(tmp_path / "plots"), "-q"])
    assert (drawn.exit_code, drawn.output) == (0, "")
    assert {path.suffix for path in (tmp_path / "plots").glob("fit.*")} == {".png", ".csv", ".json"}


def check_table(path: Path, file: Path, report: dict[str, object]) -> None:
    """The table's MD5s and figures are those of a decode."""
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    digests = []
    for frame in decode(file):
        digest = plane_md5()
        digest.update(frame_bytes(frame))
        digests.append(digest.hexdigest())
    assert [row["md5"] for row in rows] == digests == report["frame_md5"]
    assert [row["frame"] for row in rows] == [str(number) for number in range(6)]
    assert sum(float(row["y"]) for row in rows) / 6 == pytest.approx(report["psnr"]["y"], abs=1e-3)  # type: ignore[index]
    assert float(rows[5]["seconds"]) == 0.2


def check_curve(points: list[dict[str, object]], method: str, rate: str) -> None:
    """All figures of both methods are there."""
    stages = {point["stage"] for point in points}
    # The middle of two rates is nearer to neither: the first is fitted, the other goes on from there.
    assert stages <= STAGES[method]
    assert {"fit"} <= stages
    assert all(point["loss"] is not None and point["psnr"] is not None for point in points if point["stage"] == "fit")
    last = points[-1]
    assert last["loss"] is not None
    assert last["lambda"] is not None
    assert last["size"]
    assert len(last["step_indices"]) > 5  # type: ignore[arg-type]
    if method == "plain":
        assert stages == STAGES[method]


def test_the_log_is_one_that_tensorboard_reads(clip: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = nqenc(clip, "--bpp", "3", "-o", tmp_path / "a.nq", "--tensorboard", tmp_path / "log", *METHODS["rate-aware"])
    assert done.exit_code == 0, done.output
    runs = {}
    for folder in (tmp_path / "log").iterdir():
        runs[folder.name] = accumulator.EventAccumulator(str(folder)).Reload()
    assert set(runs) == {"clip.y4m", "a.nq"}
    tags = set(runs["clip.y4m"].Tags()["scalars"])
    assert {"fit 0/PSNR-YUV", "fit 0/loss", "fit 0/bytes", "fit 0/lambda"} <= tags
    assert any(tag.startswith("fit 0, step sizes/") for tag in tags)
    assert [event.step for event in runs["clip.y4m"].Scalars("fit 0/loss")][:2] == [25, 50]
    assert len(runs["a.nq"].Scalars("frames/PSNR-YUV")) == 6


def test_what_is_missing_is_told_before_the_fit(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for option, package, extra in (("report", "matplotlib", "plots"), ("tensorboard", "tensorboard", "tensorboard")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            patch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
            done = nqenc(clip, "--bpp", "2", "-o", tmp_path / "a.nq", f"--{option}", tmp_path / "x")
        assert done.exit_code == 3
        assert done.stderr == f"error: --{option} needs {package}: pip install 'nqcodec[{extra}]'\n"


def test_names_are_checked_before_the_fit(clip: Path, tmp_path: Path) -> None:
    cases = [
        (2, "use {name} or {bpp}", ["--bpp", "2,4", "-o", tmp_path / "{bpp}.nq", "--report", tmp_path / "a.html"]),
        (2, "is the encoded file itself", ["--bpp", "2", "-o", tmp_path / "a.nq", "--csv", tmp_path / "a.nq"]),
        (1, "is a folder", ["--bpp", "2", "-o", tmp_path / "a.nq", "--csv", tmp_path]),
        (1, "does not exist", ["--bpp", "2", "-o", tmp_path / "a.nq", "--report", tmp_path / "no" / "a.html"]),
    ]
    for code, text, words in cases:
        done = nqenc(clip, *words)
        assert (done.exit_code, done.stderr.count("\n")) == (code, 1), done.output
        assert text in done.stderr
