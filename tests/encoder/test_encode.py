"""Real encodes of real frames: rate, exactness, every input format, resume, segments, saved fits."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from moving_waves import moving_waves

from nqcodec.decoder.decoder import Decoder, probe
from nqcodec.encoder.clip_job import ClipJob, Output
from nqcodec.encoder.encode import encode, encode_clips
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.report import EncodeReport
from nqcodec.errors import OutputError, RateError, UsageError
from nqcodec.media.clip import ClipInput
from nqcodec.media.metrics import QualityMeter
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.media.video import Chroma, Frame, Video, frame_bytes
from nqcodec.training.presets import PHASES, Phase

QUICK = EncodeSettings(preset="ultrafast", arch="hnerv", threads=1)


@pytest.fixture(scope="session")
def real(real_clip: Path) -> Path:
    return real_clip


@pytest.fixture(scope="session")
def encoded(real: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EncodeReport, list[Event]]:
    """One encode of it that many tests look at."""
    out, events = tmp_path_factory.mktemp("encoded") / "real.nq", list[Event]()
    report = encode(ClipInput(str(real)), out, Rate(bpp=0.6), QUICK, events.append)
    return out, report, events


def frames_of(path: Path) -> list[Frame]:
    with open_source(path) as source:
        return list(source)


def test_rate_is_met_from_below_within_two_percent(encoded: tuple[Path, EncodeReport, list[Event]]) -> None:
    out, report, _ = encoded
    target = int(0.6 * 96 * 64 * 8 / 8)
    assert 0.98 * target <= out.stat().st_size <= target
    assert report.size == out.stat().st_size == sum(report.parts.values())
    assert report.bpp <= 0.6


def test_report_is_what_the_real_decoder_shows(real: Path, encoded: tuple[Path, EncodeReport, list[Event]]) -> None:
    out, report, _ = encoded
    decoded = list(Decoder(probe(out), backend="reference").frames())
    meter = QualityMeter(report.video)
    for original, frame in zip(frames_of(real), decoded, strict=True):
        meter.add(original, frame)
    assert report.psnr == pytest.approx(meter.means())
    assert report.md5 == hashlib.md5(b"".join(map(frame_bytes, decoded))).hexdigest()
    assert report.psnr["yuv"] > 24, "an encode of real frames must resemble them"
    json.dumps(report.as_dict())


def test_side_information_is_small(encoded: tuple[Path, EncodeReport, list[Event]]) -> None:
    _, report, _ = encoded
    assert sum(report.parts[name] for name in ("header", "program", "step sizes")) < 600


def test_progress_names_stages_and_figures(encoded: tuple[Path, EncodeReport, list[Event]]) -> None:
    events = encoded[2]
    assert any("min to fit" in event.text for event in events)
    stages = {event.stage for event in events if event.iterations}
    assert {"fit", "finetune"} <= stages
    assert all(event.iteration <= event.iterations for event in events if event.iterations)
    assert any(event.psnr is not None and event.eta is not None for event in events)


def test_same_seed_same_file_and_another_seed_another(
    real: Path, encoded: tuple[Path, EncodeReport, list[Event]], tmp_path: Path
) -> None:
    again, other = tmp_path / "again.nq", tmp_path / "other.nq"
    encode(ClipInput(str(real)), again, Rate(bpp=0.6), QUICK)
    encode(ClipInput(str(real)), other, Rate(bpp=0.6), replace(QUICK, seed=1))
    assert again.read_bytes() == encoded[0].read_bytes() != other.read_bytes()


def test_one_fit_serves_several_rates(real: Path, tmp_path: Path) -> None:
    rates = (0.35, 0.6, 1.0)
    outputs = tuple(Output(tmp_path / f"{bpp}.nq", Rate(bpp=bpp)) for bpp in rates)
    events: list[Event] = []
    reports = encode_clips([ClipJob(ClipInput(str(real)), outputs)], QUICK, events.append)
    for bpp, report in zip(rates, reports, strict=True):
        assert 0.98 * bpp <= report.bpp <= bpp
    quality = [report.psnr["yuv"] for report in reports]
    assert quality == sorted(quality)
    assert len({report.parameters for report in reports}) == 1
    assert sum("min to fit" in event.text for event in events) == 1


@pytest.mark.parametrize("place", [0, 1])
def test_several_rates_resume_to_the_same_files(real: Path, place: int, tmp_path: Path) -> None:
    """Cut short while rate `place` is calibrated, with the rates before it done."""
    rates = (0.8, 0.45)

    def outputs(folder: str) -> tuple[Output, ...]:
        (tmp_path / folder).mkdir(exist_ok=True)
        return tuple(Output(tmp_path / folder / f"{bpp}.nq", Rate(bpp=bpp)) for bpp in rates)

    begun: list[int] = []

    def interrupt(event: Event) -> None:
        if event.stage == "finetune":
            begun.extend([event.iteration] if event.iteration == 8 else [])
            if len(begun) == place + 1 and event.iteration > 40:
                raise KeyboardInterrupt

    clip = ClipInput(str(real))
    encode_clips([ClipJob(clip, outputs("whole"))], QUICK)
    with pytest.raises(KeyboardInterrupt):
        encode_clips([ClipJob(clip, outputs("cut"))], QUICK, interrupt)
    assert not list((tmp_path / "cut").glob("*.nq"))
    encode_clips([ClipJob(clip, outputs("cut"))], replace(QUICK, resume=True))
    for whole, cut in zip(outputs("whole"), outputs("cut"), strict=True):
        assert whole.path.read_bytes() == cut.path.read_bytes()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_further_rate_is_never_worse_than_a_lower_one(
    real: Path, share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a brief calibration is useless and the rates are near, the higher one is calibrated in full as well."""
    monkeypatch.setitem(PHASES, "brief calibration", Phase(share, 0))
    stages: list[int] = []
    outputs = tuple(Output(tmp_path / f"{bpp}.nq", Rate(bpp=bpp)) for bpp in (0.62, 0.6))

    def listen(event: Event) -> None:
        if event.stage == "finetune" and event.iteration == event.iterations:
            stages.append(event.iterations)

    better, worse = encode_clips([ClipJob(ClipInput(str(real)), outputs)], QUICK, listen)
    assert better.psnr["yuv"] > worse.psnr["yuv"]
    assert stages == ([300, 1, 300] if share == 0 else [300, 400])


def test_no_work_folder_is_left(encoded: tuple[Path, EncodeReport, list[Event]]) -> None:
    assert [path.name for path in encoded[0].parent.iterdir()] == ["real.nq"]


def test_saved_fit_serves_other_rates(real: Path, tmp_path: Path) -> None:
    saved, first, second = tmp_path / "fit.safetensors", tmp_path / "a.nq", tmp_path / "b.nq"
    encode(ClipInput(str(real)), first, Rate(bpp=0.6), replace(QUICK, save_fit=saved))
    report = encode(ClipInput(str(real)), second, Rate(bpp=0.45), replace(QUICK, fit=saved))
    assert 0.98 * 0.45 <= report.bpp <= 0.45
    same = tmp_path / "c.nq"
    encode(ClipInput(str(real)), same, Rate(bpp=0.6), replace(QUICK, fit=saved))
    assert same.read_bytes() == first.read_bytes()
    with pytest.raises(UsageError, match="another clip"):
        encode(ClipInput(str(real), count=4), second, Rate(bpp=0.6), replace(QUICK, fit=saved))


def test_impossible_rates_say_what_is_possible(real: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.nq"
    for bpp in (0.01, 0.04):
        with pytest.raises(RateError, match="bpp"):
            encode(ClipInput(str(real)), out, Rate(bpp=bpp), QUICK)
    assert list(tmp_path.iterdir()) == []


def test_segments_in_parallel_give_the_same_file_as_one_by_one(real: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.nq", tmp_path / "two.nq"
    settings = replace(QUICK, segment=5)
    report = encode(ClipInput(str(real)), one, Rate(bpp=1.2), replace(settings, jobs=1))
    encode(ClipInput(str(real)), two, Rate(bpp=1.2), replace(settings, jobs=2))
    assert report.segments == 2
    assert [entry.frames for entry in probe(one).index] == [4, 4]
    assert one.read_bytes() == two.read_bytes()
    assert 0.98 * 1.2 <= report.bpp <= 1.2


def variants() -> list[tuple[str, Video]]:
    """Chroma formats, depths and odd sizes."""
    return [
        ("i400", Video(37, 21, 3, chroma=Chroma.C400)),
        ("i420", Video(37, 21, 3, chroma=Chroma.C420, depth=10)),
        ("i422", Video(36, 23, 2, chroma=Chroma.C422, depth=12)),
        ("i444", Video(33, 20, 1, chroma=Chroma.C444)),
    ]


@pytest.mark.parametrize(("csp", "video"), variants(), ids=lambda value: value if isinstance(value, str) else "")
def test_raw_input_of_every_format(csp: str, video: Video, tmp_path: Path) -> None:
    """Smooth moving pictures in, decoded planes of the same format and size out, near what went in."""
    path, out = tmp_path / "clip.yuv", tmp_path / "clip.nq"
    with open_sink(path, video) as sink:
        for t in range(video.frames):
            sink.write(moving_waves(video, t))
    clip = ClipInput(str(path), (video.width, video.height), csp=csp, depth=video.depth)
    report = encode(clip, out, Rate(parameters=4000), QUICK)
    decoded = list(Decoder(probe(out)).frames())
    assert [plane.shape for plane in decoded[0]] == list(video.plane_shapes)
    assert probe(out).video.depth == video.depth
    assert report.psnr["y"] > 20, "the mean alone would give about 11 dB"


def start(arguments: list[Any]) -> subprocess.Popen[bytes]:
    code = "import sys; from nqcodec.cli.nqenc import main; sys.exit(main())"
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stderr=subprocess.PIPE, env=env)


def test_interrupted_fit_leaves_no_output_and_resumes_to_the_same_file(real: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out.nq", tmp_path / "whole.nq"
    arguments = [real, "--bpp", "0.6", "--preset", "fast", "--iterations", "1600", "--threads", "1"]
    running = start([*arguments, "-o", out])
    assert running.stderr is not None
    for line in running.stderr:
        if b"min to fit" in line:
            break
    time.sleep(1.0)
    running.send_signal(signal.SIGINT)
    text = running.stderr.read().decode()
    assert running.wait(60) == 130, text
    assert "--resume" in text
    assert not out.exists()
    assert (tmp_path / "out.nq.work").is_dir()
    for command in ([*arguments, "-o", out, "--resume"], [*arguments, "-o", whole]):
        again = start(command)
        assert again.communicate(timeout=200)[1] is not None
        assert again.returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.nq", "whole.nq"]


@pytest.mark.parametrize("stage", ["read", "fit", "sensitivity", "finetune"])
def test_ctrl_c_in_each_stage(
    stage: str, real: Path, encoded: tuple[Path, EncodeReport, list[Event]], tmp_path: Path
) -> None:
    """Nothing half-written is left, and --resume gives the file of an undisturbed run."""

    def interrupt(event: Event) -> None:
        if event.stage == stage and (event.iterations == 0 or event.iteration > event.iterations // 2):
            raise KeyboardInterrupt

    out = tmp_path / "out.nq"
    with pytest.raises(KeyboardInterrupt):
        encode(ClipInput(str(real)), out, Rate(bpp=0.6), QUICK, interrupt)
    assert not out.exists()
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    encode(ClipInput(str(real)), out, Rate(bpp=0.6), replace(QUICK, resume=True))
    assert out.read_bytes() == encoded[0].read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out.nq"]


def test_resume_refuses_the_work_of_another_encode(real: Path, tmp_path: Path) -> None:
    def interrupt(event: Event) -> None:
        if event.stage == "finetune":
            raise KeyboardInterrupt

    out = tmp_path / "out.nq"
    with pytest.raises(KeyboardInterrupt):
        encode(ClipInput(str(real)), out, Rate(bpp=0.6), QUICK, interrupt)
    with pytest.raises(UsageError, match="another clip, rate or settings"):
        encode(ClipInput(str(real)), out, Rate(bpp=0.6), replace(QUICK, seed=5, resume=True))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_an_error_and_leaves_nothing(real: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.nq"
    out.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="disk is full"):
        encode(ClipInput(str(real)), out, Rate(bpp=0.6), QUICK)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_an_existing_output_survives_a_failed_encode(real: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.nq"
    out.write_bytes(b"precious")
    with pytest.raises(RateError):
        encode(ClipInput(str(real)), out, Rate(bpp=0.01), QUICK)
    assert out.read_bytes() == b"precious"
