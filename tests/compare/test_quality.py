"""Quality figures against FFmpeg's own filters and against cases with known answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from fitting import small_clip

from nqcodec.compare.quality import DEFINITIONS, ClipQuality, measure
from nqcodec.errors import UnsupportedError
from nqcodec.media.metrics.similarity import has_ssim
from nqcodec.media.metrics.vmaf import PairFilter, PairProgram, frame_scores, has_vmaf, vmaf_program, vmaf_source
from nqcodec.media.video import Chroma, Frame, Video


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
    frames = [
        {"frameNum": n, "metrics": {"integer_motion": 0.0, "vmaf": v}} for n, v in ((0, 80.5), (2, 70.0), (1, 99))
    ]
    log = json.dumps({"frames": frames, "pooled_metrics": {"vmaf": {"min": 70.0, "mean": 83.2}}})
    assert frame_scores(log) == [80.5, 99.0, 70.0]


PROGRAM = """#!{python}
import pathlib, sys
arguments = " ".join(sys.argv[1:])
data = sys.stdin.buffer.read()
pathlib.Path({seen!r}).write_bytes(data)
pathlib.Path({seen!r} + ".arguments").write_text(arguments)
if "fails" in arguments:
    sys.exit("first line\\nthe reason")
"""


def stub(folder: Path) -> tuple[Path, Path]:
    """(a program in ffmpeg's place, where it leaves what it was given)."""
    program, seen = folder / "ffmpeg", folder / "seen"
    program.write_text(PROGRAM.format(python=sys.executable, seen=str(seen)))
    program.chmod(0o755)
    return program, seen


@pytest.mark.parametrize("chroma", [Chroma.C420, Chroma.C444])
def test_a_program_is_given_both_clips_in_one_picture(tmp_path: Path, chroma: Chroma) -> None:
    pytest.importorskip("av")
    video, frames = small_clip(37, 23, frames=2, chroma=chroma)
    decoded = noisy(video, frames)
    program, seen = stub(tmp_path)
    compare = PairProgram(str(program), video, "libvmaf", "log_fmt=json", tmp_path)
    for wanted, shown in zip(frames, decoded, strict=True):
        compare.add(wanted, shown)
    compare.finish()
    data, at = np.frombuffer(seen.read_bytes(), np.uint8), 0
    for wanted, shown in zip(frames, decoded, strict=True):
        for number, (height, width) in enumerate(video.plane_shapes):
            rows = 24 // chroma.plane_sub(number)[1]
            for plane in (shown[number], wanted[number]):
                half = data[at : at + rows * width].reshape(rows, width)
                assert (half[:height] == plane).all()
                at += rows * width
    assert at == len(data)
    arguments = Path(f"{seen}.arguments").read_text()
    assert "-s 37x48" in arguments
    assert "crop=37:23:0:24:exact=1[r]" in arguments


def test_a_program_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    pytest.importorskip("av")
    video, frames = small_clip(frames=1)
    compare = PairProgram(str(stub(tmp_path)[0]), video, "fails", "", tmp_path)
    compare.add(frames[0], frames[0])
    with pytest.raises(UnsupportedError, match="cannot compare these clips: the reason"):
        compare.finish()


def test_a_program_without_the_filter_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nqcodec.media.metrics.vmaf._library_has_vmaf", lambda: False)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr("nqcodec.media.metrics.vmaf._output", lambda program, option: " .. psnr  VV->V\n")
    vmaf_program.cache_clear()
    try:
        assert not has_vmaf()
        assert vmaf_source() is None
        monkeypatch.setattr("nqcodec.media.metrics.vmaf._output", lambda program, option: " .. libvmaf  VV->V\n")
        monkeypatch.setattr("shutil.which", lambda name: "/opt/ffmpeg")
        vmaf_program.cache_clear()
        assert vmaf_program() == "/opt/ffmpeg"
        assert has_vmaf()
    finally:
        vmaf_program.cache_clear()


@pytest.mark.skipif(vmaf_program() is None, reason="no ffmpeg program with libvmaf")
@pytest.mark.parametrize("chroma", [Chroma.C420, Chroma.C422])
def test_a_programs_psnr_is_ours(tmp_path: Path, chroma: Chroma) -> None:
    """The way that VMAF goes, with another comparison in its place."""
    program = vmaf_program()
    assert program is not None
    video, frames = small_clip(66, 35, frames=3, chroma=chroma, depth=10)
    decoded = noisy(video, frames)
    log = tmp_path / "log.txt"
    compare = PairProgram(program, video, "psnr", f"stats_file={log}", tmp_path)
    for wanted, shown in zip(frames, decoded, strict=True):
        compare.add(wanted, shown)
    compare.finish()
    lines = [dict(pair.split(":") for pair in line.split()) for line in log.read_text().splitlines()]
    found = [(float(line["psnr_y"]), float(line["psnr_v"])) for line in lines]
    rows = measure(frames, decoded, video).rows
    assert found == [(pytest.approx(row["y"], abs=0.006), pytest.approx(row["v"], abs=0.006)) for row in rows]


@pytest.mark.skipif(not has_vmaf(), reason="no FFmpeg here has libvmaf")
def test_vmaf_is_high_for_equal_clips() -> None:
    video, frames = small_clip(192, 128)
    assert measure(frames, frames, video).means()["vmaf"] > 90


def test_every_figure_has_a_definition() -> None:
    video, frames = small_clip(176, 168, frames=1)
    assert set(measure(frames, frames, video).means()) - {"u", "v"} <= set(DEFINITIONS)
