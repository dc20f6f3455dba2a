"""nqtool bench backbones: figures of whole files, steps that fill the time, finished files that are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fitting import small_clip

from nqcodec.cli.nqtool import main
from nqcodec.compare import backbones
from nqcodec.compare.anchors import anchor_named
from nqcodec.compare.backbones import RESULTS, Order, run
from nqcodec.compare.curves import bits_ratio
from nqcodec.compare.pace import LEAST_STEPS, Pace
from nqcodec.decoder.decoder import Decoder, probe
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.segment_plain import quant_settings
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.clip import ClipInput
from nqcodec.media.metrics import QualityMeter
from nqcodec.media.source import open_source
from nqcodec.media.video import frame_bytes

for package in ("av", "scipy"):
    pytest.importorskip(package)
BPP = 0.6
WORDS = ["--seconds", "2", "--bpp", str(BPP), "--arch", "hnerv,pyramid", "--anchors", "x264:ultrafast:psnr"]


def bench(*words: object) -> Result:
    return CliRunner().invoke(main, ["bench", *map(str, words)])


@pytest.fixture(scope="module")
def clip(real_clip: Path) -> Path:
    return real_clip


@pytest.fixture(scope="module")
def printed(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a finished run of two backbones, and what it printed."""
    folder = tmp_path_factory.mktemp("done") / "out"
    given = bench("backbones", clip, *WORDS, "-o", folder)
    assert given.exit_code == 0, given.output
    return folder, given.stdout


@pytest.fixture(scope="module")
def data(clip: Path, printed: tuple[Path, str]) -> Any:
    """The same run as JSON, from the files that were kept."""
    given = bench("backbones", clip, *WORDS, "-o", printed[0], "--json")
    assert given.exit_code == 0, given.output
    return json.loads(given.stdout)


def task_of(clip: Path, arch: str, method: str = "auto") -> SegmentTask:
    """The clip as one segment for a backbone."""
    source = ClipInput(str(clip))
    video = source.describe()
    settings = EncodeSettings(arch=arch, method=method, threads=1)
    budget = Rate(bpp=BPP).file_bytes(video)
    return SegmentTask("clip", source, 0, 0, video, video, (budget,), None, settings, Path())


def test_figures_are_those_of_the_files(clip: Path, printed: tuple[Path, str], data: Any) -> None:
    ours = [row for row in data["rows"] if row["kind"] == "nqcodec"]
    assert [row["backbone"] for row in data["backbones"]] == ["hnerv", "pyramid"] == [row["label"] for row in ours]
    for figures, row in zip(data["backbones"], ours, strict=True):
        file = probe(printed[0] / row["file"])
        meter = QualityMeter(file.video)
        with open_source(clip) as source:
            for original, shown in zip(source, Decoder(file, backend="reference").frames(), strict=True):
                meter.add(original, shown)
        for name in ("y", "yuv", "rgb"):
            assert figures[f"psnr_{name}"] == pytest.approx(meter.means()[name])
        assert figures["bpp"] == 8 * (printed[0] / row["file"]).stat().st_size / (96 * 64 * 8)
        assert 0.97 * BPP < figures["bpp"] <= BPP
        program = file.layout(0).program
        assert figures["parameters"] == program.parameters
        assert figures["kmac_per_pixel"] == pytest.approx(program.macs / (96 * 64) / 1000)
        stages = row["facts"]["seconds_by_stage"]
        assert figures["fit_seconds"] == pytest.approx(stages["fit"] + stages["quantise"])
        assert figures["steps"] == int(row["settings"]["steps"]) >= LEAST_STEPS
        assert figures["decode_fps"] > 0


def test_bits_are_set_against_each_anchor(data: Any) -> None:
    anchor = [row for row in data["rows"] if row["kind"] == "anchor"]
    assert len(anchor) == 8
    points = [(row["bpp"], row["quality"]["yuv"]) for row in anchor]
    for figures in data["backbones"]:
        ratio = bits_ratio((figures["bpp"], figures["psnr_yuv"]), points)
        assert ratio is not None
        assert figures["bits_ratio"]["x264 ultrafast, tune psnr"]["value"] == pytest.approx(ratio.value)


def test_the_table_is_markdown(printed: tuple[Path, str], data: Any) -> None:
    about, empty, *lines = printed[1].splitlines()
    assert "96x64, 8 frames; 2 s of fit" in about
    assert not empty
    assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
    titles, rule, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    assert set(rule) == {"---"}
    assert titles[-1] == "bits / x264 ultrafast, tune psnr"
    for cells, figures in zip(rows, data["backbones"], strict=True):
        by = dict(zip(titles, cells, strict=True))
        assert by["backbone"] == figures["backbone"]
        assert float(by["PSNR-YUV"]) == pytest.approx(figures["psnr_yuv"], abs=0.005)
        assert int(by["parameters"].replace(",", "")) == figures["parameters"]
        ratio = figures["bits_ratio"][titles[-1].removeprefix("bits / ")]
        assert float(by[titles[-1]].strip("~")) == pytest.approx(ratio["value"], abs=0.005)


def test_finished_files_are_kept(clip: Path, printed: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    class EncodedError(Exception):
        """Something was encoded again."""

    def encode(*args: Any) -> None:
        raise EncodedError

    for name in ("configuration_rows", "anchor_row"):
        monkeypatch.setattr(backbones, name, encode)
    monkeypatch.setattr(Pace, "of", encode)
    folder, text = printed
    again = bench("backbones", clip, *WORDS, "-o", folder)
    assert again.exit_code == 0, again.output
    assert again.stderr.count("(kept)") == 8 + 2
    assert again.stdout == text
    for words in (["--seconds", "3"], ["--seed", "1"], ["--bpp", "0.7"], ["--frames", "7"], ["--arch", "nerv"]):
        assert isinstance(bench("backbones", clip, *WORDS, *words, "-o", folder).exception, EncodedError), words
    path = next((folder / "streams").glob("pyramid_2s_*.nq"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert isinstance(bench("backbones", clip, *WORDS, "-o", folder).exception, EncodedError)
    path.write_bytes(whole)


def test_steps_fill_the_time_with_fit_and_calibration(clip: Path) -> None:
    task = task_of(clip, "hnerv")
    for pace, seconds in ((Pace(0.01, 0.02, 1.5), 60.0), (Pace(0.01, 0.02, 1.5), 9.0), (Pace(0.003), 2.0)):
        steps = pace.steps_within(seconds, task)
        assert steps > LEAST_STEPS
        assert pace.seconds(steps, task) <= seconds < pace.seconds(steps + 1, task) + 1e-9
    longest = replace(task, settings=replace(task.settings, steps=4000))
    assert Pace(0.01, 0.02, 1.5).seconds(4000, task) == pytest.approx(
        40 + 0.02 * quant_settings(longest).finetune_steps + 1.5
    )
    assert Pace(0.01, 0.02, 1.5).steps_within(2.0, task) == LEAST_STEPS


def test_pace_is_measured_by_method(clip: Path) -> None:
    fitted_for_rate, plain = Pace.of(task_of(clip, "pyramid")), Pace.of(task_of(clip, "pyramid", "plain"))
    assert fitted_for_rate.fit > 0
    assert (fitted_for_rate.tune, fitted_for_rate.rest) == (0, 0)
    assert min(plain.fit, plain.tune, plain.rest) > 0


def test_what_cannot_be_made_is_left_out_and_noted(tmp_path: Path) -> None:
    video, frames = small_clip(35, 22, frames=2)
    path = tmp_path / "odd.y4m"
    data = b"".join(b"FRAME\n" + frame_bytes(frame) for frame in frames)
    path.write_bytes(f"YUV4MPEG2 W{video.width} H{video.height} F25:1 C420jpeg\n".encode() + data)
    told: list[str] = []
    order = Order(ClipInput(str(path)), (0.001,), ("hnerv", "pyramid"), (anchor_named("x264"),), 1.0)
    results = run(order, tmp_path / "out", told.append)
    assert not results.rows
    assert results.notes == told
    assert "odd size 35x22" in told[0]
    assert [text.split(" at 0.001 bpp is left out: ")[0] for text in told[1:]] == ["hnerv", "pyramid"]
    assert results.table()[-3:] == told


def test_an_interruption_keeps_what_is_finished(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Pace, "of", interrupt)
    given = bench("backbones", clip, *WORDS, "-o", tmp_path)
    assert given.exit_code == 130
    assert "give the same command again" in given.stderr
    rows = json.loads((tmp_path / RESULTS).read_text("utf-8"))["rows"]
    assert len(rows) == 8
    assert np.all(np.diff([row["size"] for row in rows]) < 0)


def test_mistakes_are_one_line(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / RESULTS).write_text('{"rows": 1}')
    cases: list[tuple[int, str, list[object]]] = [
        (2, "there is no backbone siren", ["--arch", "siren"]),
        (2, "name each backbone once", ["--arch", "nerv,nerv"]),
        (2, "there is no anchor x266", ["--anchors", "x266"]),
        (2, "--bpp 0", ["--bpp", "0"]),
        (1, "holds no results of this benchmark", ["-o", tmp_path / "other"]),
    ]
    for code, text, words in cases:
        given = bench("backbones", clip, "-o", tmp_path / "out", *words)
        assert given.exit_code == code, (words, given.output)
        assert text in given.stderr, (words, given.stderr)
        assert given.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_other_words_are_still_parts_of_bench() -> None:
    assert "--seconds" in bench("backbones", "--help").stdout
    assert bench("backbones", "--help").stdout.startswith("Usage: main bench backbones [OPTIONS] [CLIP]")
    assert "--seconds" not in bench("--help").stdout
    wrong = bench("swiftness")
    assert wrong.exit_code == 2
    assert "'hadamard'" in wrong.stderr
