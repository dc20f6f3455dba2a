"""nqenc --metrics: SSIM, MS-SSIM and VMAF of the decoded frames of the finished file, or an error before the fit."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fitting import small_clip
from formats_clips import write

import nqcodec
from nqcodec.cli.nqenc import main
from nqcodec.decoder.decoder import decode
from nqcodec.errors import UnsupportedError, UsageError
from nqcodec.media.metrics.perceptual import (
    DEFINITIONS,
    NAMES,
    PerceptualMeter,
    check_pictures,
    figure_names,
    measurable,
)
from nqcodec.media.metrics.similarity import has_ssim
from nqcodec.media.metrics.vmaf import has_vmaf
from nqcodec.media.source import open_source
from nqcodec.media.video import Chroma, Frame, Video

NEEDS_SSIM = pytest.mark.skipif(not has_ssim(), reason="needs torch and pytorch-msssim")
NEEDS_VMAF = pytest.mark.skipif(not has_vmaf(), reason="no FFmpeg here has libvmaf")


def written(path: Path, video: Video, frames: list[Frame]) -> Path:
    write(path, video, frames)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four frames of 48x32."""
    return written(tmp_path_factory.mktemp("clip") / "clip.y4m", *small_clip(48, 32, frames=4))


def nqenc(clip: Path, out: Path, *words: object) -> Result:
    return CliRunner().invoke(main, [str(clip), "-o", str(out), "--jobs", "1", "--iterations", "12", *map(str, words)])


def ssim_by_definition(reference: np.ndarray[Any, Any], decoded: np.ndarray[Any, Any]) -> float:
    """SSIM as published, with a Gaussian window of 11 and no padding, written out."""
    taps = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blurred(plane: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        rows = np.apply_along_axis(np.convolve, 0, plane, taps, "valid")
        return np.apply_along_axis(np.convolve, 1, rows, taps, "valid")

    a, b = reference.astype(np.float64), decoded.astype(np.float64)
    mean_a, mean_b = blurred(a), blurred(b)
    spread_a, spread_b, both = (
        blurred(x * y) - m * n
        for x, y, m, n in ((a, a, mean_a, mean_a), (b, b, mean_b, mean_b), (a, b, mean_a, mean_b))
    )
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    levels = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return float(np.mean(levels * (2 * both + c2) / (spread_a + spread_b + c2)))


@NEEDS_SSIM
def test_figures_are_of_the_frames_that_the_file_decodes_to(clip: Path, tmp_path: Path) -> None:
    out, table = tmp_path / "a.nq", tmp_path / "a.csv"
    done = nqenc(clip, out, "--bpp", "3", "--metrics", "ssim", "--json", "--csv", table, "--segment", "2")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    with open_source(clip) as source:
        wanted = [ssim_by_definition(a[0], b[0]) for a, b in zip(source, decode(out), strict=True)]
    assert [row["ssim"] for row in report["frame_metrics"]] == pytest.approx(wanted, abs=1e-4)
    assert report["metrics"] == {"ssim": pytest.approx(np.mean(wanted), abs=1e-4)}
    assert report["definitions"]["ssim"] == DEFINITIONS["ssim"]
    assert f"SSIM {report['metrics']['ssim']:.4g}" in done.stderr
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert [float(row["ssim"]) for row in rows] == pytest.approx(wanted, abs=1e-3)


@NEEDS_SSIM
def test_every_rate_is_measured_and_the_file_is_the_same(clip: Path, tmp_path: Path) -> None:
    words = ["--bpp", "2,4", "--threads", "1"]
    assert nqenc(clip, tmp_path / "plain_{bpp}.nq", *words).exit_code == 0
    done = nqenc(clip, tmp_path / "{bpp}.nq", *words, "--metrics", "ssim", "--json")
    assert done.exit_code == 0, done.output
    first, second = (report["metrics"]["ssim"] for report in json.loads(done.stdout))
    assert 0 < first < 1
    assert 0 < second < 1
    assert first != second
    for rate in (2, 4):
        assert (tmp_path / f"{rate}.nq").read_bytes() == (tmp_path / f"plain_{rate}.nq").read_bytes()


@NEEDS_SSIM
def test_python_takes_the_same_names(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.nq"
    report = nqcodec.encode(clip, out, params=2000, iterations=4, metrics=["ssim"])
    assert 0 < report.metrics["ssim"] < 1
    assert nqcodec.encode(clip, out, params=2000, iterations=4).metrics == {}
    with pytest.raises(UsageError, match="--metrics psnr-hvs: choose of ssim, ms-ssim, vmaf"):
        nqcodec.encode(clip, out, params=2000, iterations=4, metrics=["psnr-hvs"])


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        ("sim", 2, "error: --metrics sim: choose of ssim, ms-ssim, vmaf, with commas between them\n"),
        ("ssim,ssim", 2, "error: --metrics ssim,ssim: name each metric once\n"),
        (
            "vmaf",
            3,
            "error: --metrics vmaf needs an ffmpeg with libvmaf, and none is here: "
            "pip install 'nqcodec[vmaf]' brings one\n",
        ),
        ("ssim", 3, "error: --metrics: SSIM and MS-SSIM need pytorch-msssim: pip install 'nqcodec[compare]'\n"),
    ],
)
def test_what_cannot_be_measured_is_reported_before_the_clip_is_read(
    names: str, code: int, said: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nqcodec.media.metrics.perceptual.has_vmaf", lambda: False)
    monkeypatch.setattr("nqcodec.media.metrics.similarity.has_ssim", lambda: False)
    done = nqenc(clip, tmp_path / "a.nq", "--bpp", "3", "--metrics", names)
    assert (done.exit_code, done.stderr) == (code, said)
    assert list(tmp_path.iterdir()) == []


@NEEDS_SSIM
def test_a_picture_too_small_is_reported_before_the_fit(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nqcodec.encoder.jobs.run_jobs", lambda *_, **__: pytest.fail("the fit began"))
    done = nqenc(clip, tmp_path / "a.nq", "--bpp", "3", "--metrics", "ssim,ms-ssim", "-q")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: --metrics ms-ssim: needs sides of at least 161 pixels, and the clip has 48x32: leave it out\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_vmaf_is_tried_on_a_frame_before_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def __init__(self, video: Video) -> None:
            """Takes every clip."""

        def add(self, reference: Frame, decoded: Frame) -> None:
            assert [plane.shape for plane in decoded] == [(32, 48), (16, 24), (16, 24)]

        def finish(self) -> list[float]:
            raise UnsupportedError("ffmpeg cannot compare these clips: no such format")

    monkeypatch.setattr("nqcodec.media.metrics.perceptual.Vmaf", Refusing)
    with pytest.raises(UnsupportedError, match="no such format"):
        check_pictures(["vmaf"], Video(48, 32, 4))


@NEEDS_SSIM
@NEEDS_VMAF
def test_all_three_together(tmp_path: Path) -> None:
    clip = written(tmp_path / "clip.y4m", *small_clip(192, 176, frames=2))
    done = nqenc(clip, tmp_path / "a.nq", "--bpp", "0.5", "--metrics", ",".join(NAMES), "--json", "-q")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert list(report["metrics"]) == ["ssim", "ms_ssim", "vmaf"]
    for name, value in report["metrics"].items():
        assert value == pytest.approx(np.mean([row[name] for row in report["frame_metrics"]]))
        assert 0 <= value <= (100 if name == "vmaf" else 1)


@NEEDS_VMAF
@pytest.mark.parametrize(
    ("chroma", "depth"), [(Chroma.C420, 8), (Chroma.C422, 10), (Chroma.C444, 12), (Chroma.C400, 8)]
)
def test_vmaf_of_equal_clips_is_high_in_every_format(chroma: Chroma, depth: int) -> None:
    video, frames = small_clip(96, 64, frames=2, chroma=chroma, depth=depth)
    check_pictures(["vmaf"], video)
    meter = PerceptualMeter(video, ["vmaf"])
    for frame in frames:
        meter.add(frame, frame)
    assert meter.finish()["vmaf"] > 90


def test_names_are_checked_and_sizes_measurable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nqcodec.media.metrics.perceptual.has_vmaf", lambda: True)
    monkeypatch.setattr("nqcodec.media.metrics.similarity.has_ssim", lambda: True)
    assert figure_names(NAMES) == ("ssim", "ms_ssim", "vmaf")
    assert measurable(Video(160, 400, 1)) == ("ssim", "vmaf")
    assert measurable(Video(161, 161, 1)) == ("ssim", "ms_ssim", "vmaf")
    assert measurable(Video(10, 400, 1)) == ("vmaf",)
    with pytest.raises(ValueError, match="no frames"):
        PerceptualMeter(Video(16, 16, 1), ["ssim"]).finish()
