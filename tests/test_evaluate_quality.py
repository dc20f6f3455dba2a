"""Quality figures against FFmpeg's own filters and against cases with known answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fitting import small_clip

from nqcodec.evaluate.quality import DEFINITIONS, ClipQuality, has_ssim, measure
from nqcodec.evaluate.vmaf import PairFilter, has_vmaf, pooled_mean
from nqcodec.video import Chroma, Frame, Video


def noisy(video: Video, frames: list[Frame], strength: float = 6.0) -> list[Frame]:
    generator = np.random.default_rng(1)
    peak = (1 << video.depth) - 1
    return [
        tuple(np.clip(p + generator.normal(0, strength, p.shape), 0, peak).round().astype(p.dtype) for p in frame)
        for frame in frames
    ]


def test_psnr_equals_that_of_ffmpeg(tmp_path: Path) -> None:
    """The filter that VMAF goes through, with another comparison in its place."""
    pytest.importorskip("av")
    video, frames = small_clip(96, 64)
    decoded = noisy(video, frames)
    quality = measure(frames, decoded, video)
    log = tmp_path / "log.txt"
    compare = PairFilter(video, "psnr", f"stats_file={log}")
    for wanted, shown in zip(frames, decoded, strict=True):
        compare.add(wanted, shown)
    compare.finish()
    lines = [dict(pair.split(":") for pair in line.split()) for line in log.read_text().splitlines()]
    assert len(lines) == len(frames)
    for line, row in zip(lines, quality.rows, strict=True):
        assert float(line["psnr_y"]) == pytest.approx(row["y"], abs=0.006)
        assert float(line["psnr_v"]) == pytest.approx(row["v"], abs=0.006)
    # FFmpeg's average is of the mean squared error over all samples.
    errors = [float(line["mse_avg"]) for line in lines]
    assert 10 * np.log10(255**2 / np.mean(errors)) == pytest.approx(quality.means()["yuv_mse"], abs=0.006)


@pytest.mark.skipif(not has_ssim(), reason="needs torch and pytorch-msssim")
def test_similarity_is_one_for_equal_clips_and_falls_with_noise() -> None:
    video, frames = small_clip(176, 168, frames=2)
    same = measure(frames, frames, video).means()
    assert (same["ssim"], same["ms_ssim"], same["yuv_mse"]) == (pytest.approx(1), pytest.approx(1), 100.0)
    little, much = (measure(frames, noisy(video, frames, s), video).means() for s in (3, 20))
    assert 1 > little["ssim"] > much["ssim"]
    assert 1 > little["ms_ssim"] > much["ms_ssim"]


@pytest.mark.skipif(not has_ssim(), reason="needs torch and pytorch-msssim")
def test_depth_does_not_change_similarity() -> None:
    video, frames = small_clip(32, 32, frames=1)
    deep, decoded = Video(32, 32, 1, depth=10), noisy(video, frames)
    by_depth = [
        measure(frames, decoded, video).means()["ssim"],
        measure(*[[tuple(p.astype(np.uint16) * 4 for p in f) for f in c] for c in (frames, decoded)], deep).means()[
            "ssim"
        ],
    ]
    assert by_depth[0] == pytest.approx(by_depth[1], abs=2e-3)


def test_small_pictures_have_no_ms_ssim_and_grey_ones_no_chroma() -> None:
    video, frames = small_clip(36, 22, frames=2)
    assert "ms_ssim" not in measure(frames, frames, video).means()
    grey, frames = small_clip(36, 22, frames=2, chroma=Chroma.C400)
    means = measure(frames, frames, grey).means()
    assert "u" not in means
    assert means["yuv"] == means["y"] == 100.0


def test_clips_of_different_length_are_refused() -> None:
    video, frames = small_clip()
    with pytest.raises(ValueError, match="shorter"):
        measure(frames, frames[:-1], video)
    with pytest.raises(ValueError, match="no frames"):
        ClipQuality(video).means()


def test_vmaf_is_read_from_its_log() -> None:
    log = json.dumps({"frames": [], "pooled_metrics": {"vmaf": {"min": 1.0, "mean": 87.5, "harmonic_mean": 80.0}}})
    assert pooled_mean(log) == 87.5


@pytest.mark.skipif(not has_vmaf(), reason="this FFmpeg has no libvmaf")
def test_vmaf_is_high_for_equal_clips() -> None:
    video, frames = small_clip(192, 128)
    assert measure(frames, frames, video).means()["vmaf"] > 90


def test_every_figure_has_a_definition() -> None:
    video, frames = small_clip(176, 168, frames=1)
    assert set(measure(frames, frames, video).means()) - {"u", "v"} <= set(DEFINITIONS)
