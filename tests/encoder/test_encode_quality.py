"""Encodes of real frames for a quality or a PSNR: what is reached, several files of one fit, segments, resuming."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rateaware_cases import crop

from nqcodec.decoder.decoder import probe
from nqcodec.encoder.clip_job import ClipJob, Output
from nqcodec.encoder.encode import encode, encode_clips
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.report import EncodeReport
from nqcodec.encoder.size_estimate import SHORT_FIT
from nqcodec.errors import UsageError
from nqcodec.media.clip import ClipInput
from nqcodec.media.sink import open_sink
from nqcodec.media.video import Video

QUICK = EncodeSettings(preset="ultrafast", iterations=150, threads=1, metadata=False)
TOLERANCE = 0.05
"""Decibels around a PSNR that was asked for."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> ClipInput:
    """Eight real frames of 96 x 64 as y4m."""
    video, frames = crop()
    path = tmp_path_factory.mktemp("real") / "real.y4m"
    with open_sink(path, video) as sink:
        for frame in frames:
            sink.write(frame)
    return ClipInput(str(path))


def outputs(folder: Path, rates: tuple[Rate, ...]) -> tuple[Output, ...]:
    folder.mkdir(exist_ok=True)
    return tuple(Output(folder / f"{rate.name}{rate.value:g}.nq", rate) for rate in rates)


@pytest.mark.parametrize("psnr", [33.0, 35.0])
def test_a_psnr_is_reached_and_not_exceeded(psnr: float, real: ClipInput, tmp_path: Path) -> None:
    report = encode(real, tmp_path / "a.nq", Rate(psnr=psnr), replace(QUICK, iterations=800))
    assert report.psnr["yuv"] == pytest.approx(psnr, abs=TOLERANCE)
    assert report.asked == ("psnr", psnr)
    assert report.target is None
    assert json.loads(json.dumps(report.as_dict()))["asked"] == {"psnr": psnr}


QUALITIES = tuple(Rate(quality=quality) for quality in (40.0, 25.0, 55.0))


@pytest.fixture(scope="module")
def several(real: ClipInput, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[EncodeReport], list[Event]]:
    """Files of three qualities from one fit."""
    events = list[Event]()
    folder = tmp_path_factory.mktemp("several")
    return encode_clips([ClipJob(real, outputs(folder, QUALITIES))], QUICK, events.append), events


def test_a_higher_quality_is_a_better_and_larger_file(several: tuple[list[EncodeReport], list[Event]]) -> None:
    reports, events = several
    middle, low, high = reports
    assert low.size < middle.size < high.size
    assert low.psnr["yuv"] < middle.psnr["yuv"] < high.psnr["yuv"]
    assert [report.asked for report in reports] == [("quality", rate.value) for rate in QUALITIES]
    assert sum("expecting about" in event.text for event in events) == 1
    assert {event.stage for event in events if event.iterations} == {SHORT_FIT, "fit", "further"}


@pytest.mark.parametrize("stage", [SHORT_FIT, "fit", "further"])
def test_resume_in_any_stage_gives_the_same_files(
    stage: str, real: ClipInput, several: tuple[list[EncodeReport], list[Event]], tmp_path: Path
) -> None:
    def interrupt(event: Event) -> None:
        if event.stage == stage and event.iteration >= min(50, event.iterations):
            raise KeyboardInterrupt

    job, again = ClipJob(real, outputs(tmp_path, QUALITIES)), list[Event]()
    with pytest.raises(KeyboardInterrupt):
        encode_clips([job], QUICK, interrupt)
    reports = encode_clips([job], replace(QUICK, resume=True), again.append)
    for whole, report in zip(several[0], reports, strict=True):
        assert Path(report.output).read_bytes() == Path(whole.output).read_bytes()
    assert any(event.stage == SHORT_FIT and event.iterations for event in again) == (stage == SHORT_FIT)


def test_another_quality_does_not_resume(real: ClipInput, tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if event.stage == "fit" and event.iteration >= 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode(real, tmp_path / "a.nq", Rate(quality=30), QUICK, interrupt)
    with pytest.raises(UsageError, match="another clip, rate or settings"):
        encode(real, tmp_path / "a.nq", Rate(quality=31), replace(QUICK, resume=True))


def test_segments_have_estimates_and_qualities_of_their_own(real: ClipInput, tmp_path: Path) -> None:
    events = list[Event]()
    settings = replace(QUICK, segment=4, jobs=1)
    report = encode(real, tmp_path / "a.nq", Rate(quality=30), settings, events.append)
    assert report.segments == 2
    assert probe(tmp_path / "a.nq").video.frames == 8
    assert sum("expecting about" in event.text for event in events) == 2


def test_a_saved_fit_goes_on_to_a_quality(real: ClipInput, tmp_path: Path) -> None:
    fit = tmp_path / "a.safetensors"
    encode(real, tmp_path / "a.nq", Rate(bpp=0.4), replace(QUICK, save_fit=fit))
    low, high = (
        encode(real, tmp_path / f"{quality}.nq", Rate(quality=quality), replace(QUICK, fit=fit))
        for quality in (20.0, 60.0)
    )
    assert low.size < high.size
    assert low.psnr["yuv"] < high.psnr["yuv"]


def test_a_single_frame_has_a_quality(real: ClipInput, tmp_path: Path) -> None:
    reports = [
        encode(replace(real, count=1), tmp_path / f"{quality}.nq", Rate(quality=quality), QUICK)
        for quality in (30.0, 60.0)
    ]
    assert reports[0].size < reports[1].size


@pytest.mark.parametrize(
    "settings",
    [replace(QUICK, method="plain"), replace(QUICK, recipe="hnerv"), replace(QUICK, arch_preset="bunny-1.5m")],
)
def test_plain_fits_have_no_quality(settings: EncodeSettings, real: ClipInput, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--psnr steers a fit for its rate"):
        encode(real, tmp_path / "a.nq", Rate(psnr=30), settings)
    assert not list(tmp_path.iterdir())


def test_rates_of_several_kinds_are_refused(real: ClipInput, tmp_path: Path) -> None:
    job = ClipJob(real, outputs(tmp_path, (Rate(psnr=30), Rate(bpp=1.0))))
    with pytest.raises(UsageError, match="--bpp and --psnr: files of one fit have rates of one kind"):
        encode_clips([job], QUICK)


def test_a_backbone_without_sizes_is_fitted_for_a_quality(real: ClipInput, tmp_path: Path) -> None:
    report = encode(real, tmp_path / "a.nq", Rate(quality=30), replace(QUICK, arch="nerv"))
    assert report.video == Video(96, 64, 8, fps=report.video.fps, colour=report.video.colour, sar=report.video.sar)
