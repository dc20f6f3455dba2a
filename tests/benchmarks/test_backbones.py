"""nqtool bench backbones: figures of whole files, iterations that fill the time, finished files that are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fitting import small_clip
from formats_clips import write

from nqcodec.benchmarks.backbones import BackbonesConfig, run
from nqcodec.benchmarks.rate_distortion import measurement
from nqcodec.benchmarks.results import read_result
from nqcodec.benchmarks.time_budget import LEAST_ITERATIONS, TimeBudget
from nqcodec.cli.nqtool import main
from nqcodec.compare.anchors import anchor_named
from nqcodec.compare.comparison import RESULTS, load
from nqcodec.compare.curves import bits_ratio
from nqcodec.decoder.decoder import Decoder, probe
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import Rate
from nqcodec.encoder.segment_plain import quant_settings
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.clip import ClipInput
from nqcodec.media.metrics import QualityMeter
from nqcodec.media.source import open_source

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
def folder(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of two backbones, with its result as result.json."""
    folder = tmp_path_factory.mktemp("done")
    given = bench("backbones", clip, *WORDS, "-o", folder, "--save", folder / "result.json")
    assert given.exit_code == 0, given.output
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> Any:
    """The rows of its result."""
    return read_result(folder / "result.json").rows


def task_of(clip: Path, arch: str, method: str = "auto") -> SegmentTask:
    """The clip as one segment for a backbone."""
    source = ClipInput(str(clip))
    video = source.describe()
    settings = EncodeSettings(arch=arch, method=method, threads=1)
    size = Rate(bpp=BPP).file_bytes(video)
    return SegmentTask("clip", source, 0, 0, video, video, (size,), None, settings, Path())


def test_figures_are_those_of_the_files(clip: Path, folder: Path, rows: Any) -> None:
    ours = [row for row in load(folder / RESULTS).rows if row.kind == "nqcodec"]
    assert [row["codec"] for row in rows] == ["hnerv", "pyramid"] == [row.label for row in ours]
    for figures, row in zip(rows, ours, strict=True):
        file = probe(folder / row.file)
        meter = QualityMeter(file.video)
        with open_source(clip) as source:
            for original, shown in zip(source, Decoder(file, backend="reference").frames(), strict=True):
                meter.add(original, shown)
        for name in ("y", "yuv", "rgb"):
            assert figures[f"psnr_{name}"] == pytest.approx(meter.means()[name])
        assert figures["bpp"] == pytest.approx(8 * (folder / row.file).stat().st_size / (96 * 64 * 8))
        assert 0.95 * BPP < figures["bpp"] <= BPP
        program = file.layout(0).program
        assert figures["parameters"] == program.parameters
        assert figures["kmac_per_pixel"] == pytest.approx(program.macs / (96 * 64) / 1000)
        stages = row.facts["seconds_by_stage"]
        assert figures["fit_seconds"] == pytest.approx(stages["fit"] + stages["quantize"])
        assert figures["iterations"] == int(row.settings["iterations"]) >= LEAST_ITERATIONS
        assert figures["decode_fps"] == pytest.approx(row.decode_fps)


def test_bits_are_set_against_each_anchor(folder: Path, rows: Any) -> None:
    anchor = [row for row in load(folder / RESULTS).rows if row.kind == "anchor"]
    assert len(anchor) == 8
    points = [(row.bpp, row.quality["yuv"]) for row in anchor]
    for figures in rows:
        ratio = bits_ratio((figures["bpp"], figures["psnr_yuv"]), points)
        shown = figures["bits_x264 ultrafast, tune psnr"]
        assert isinstance(shown, str) == ratio.extrapolated
        assert float(str(shown).strip("~")) == pytest.approx(ratio.value, abs=0.005)


def test_the_result_says_what_it_is_of(folder: Path) -> None:
    result = read_result(folder / "result.json")
    assert "96x64, 8 frames." in result.note
    assert "Each file has 2 s of fit" in result.note
    assert result.command.startswith("nqtool bench backbones ")
    assert "--seconds 2" in result.command
    assert "--save" not in result.command


def test_its_page_can_be_drawn(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("bjontegaard")
    done = CliRunner().invoke(main, ["compare", "--from", str(folder), "-o", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "pyramid" in (tmp_path / "index.html").read_text("utf-8")


def test_finished_files_are_kept(clip: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class EncodedError(Exception):
        """Something was encoded again."""

    def encode(*args: Any) -> None:
        raise EncodedError

    monkeypatch.setattr("nqcodec.benchmarks.backbones.configuration_rows", encode)
    monkeypatch.setattr("nqcodec.compare.comparison.anchor_row", encode)
    monkeypatch.setattr(TimeBudget, "of", encode)
    before = read_result(folder / "result.json").rows
    again = bench("backbones", clip, *WORDS, "-o", folder, "--save", folder / "again.json")
    assert again.exit_code == 0, again.output
    assert again.stderr.count("(kept)") == 8 + 2
    assert read_result(folder / "again.json").rows == before
    for words in (["--seconds", "3"], ["--seed", "1"], ["--bpp", "0.7"], ["--frames", "7"], ["--arch", "nerv"]):
        assert isinstance(bench("backbones", clip, *WORDS, *words, "-o", folder).exception, EncodedError), words
    path = next((folder / "streams").glob("pyramid_2s_*.nq"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert isinstance(bench("backbones", clip, *WORDS, "-o", folder).exception, EncodedError)
    path.write_bytes(whole)


def test_iterations_fill_the_time_with_fit_and_calibration(clip: Path) -> None:
    task = task_of(clip, "hnerv")
    for budget, seconds in (
        (TimeBudget(0.01, 0.02, 1.5), 60.0),
        (TimeBudget(0.01, 0.02, 1.5), 9.0),
        (TimeBudget(0.003), 2.0),
    ):
        iterations = budget.iterations_within(seconds, task)
        assert iterations > LEAST_ITERATIONS
        assert budget.seconds(iterations, task) <= seconds < budget.seconds(iterations + 1, task) + 1e-9
    longest = replace(task, settings=replace(task.settings, iterations=4000))
    assert TimeBudget(0.01, 0.02, 1.5).seconds(4000, task) == pytest.approx(
        40 + 0.02 * quant_settings(longest).finetune_iterations + 1.5
    )
    assert TimeBudget(0.01, 0.02, 1.5).iterations_within(2.0, task) == LEAST_ITERATIONS


def test_speed_is_measured_by_method(clip: Path) -> None:
    fitted_for_rate, plain = TimeBudget.of(task_of(clip, "pyramid")), TimeBudget.of(task_of(clip, "pyramid", "plain"))
    assert fitted_for_rate.fit > 0
    assert (fitted_for_rate.tune, fitted_for_rate.rest) == (0, 0)
    assert min(plain.fit, plain.tune, plain.rest) > 0


def test_what_cannot_be_made_is_left_out_and_noted(tmp_path: Path) -> None:
    video, frames = small_clip(35, 22, frames=2)
    path = tmp_path / "odd.y4m"
    write(path, video, frames)
    reported: list[str] = []
    config = BackbonesConfig(ClipInput(str(path)), (0.001,), ("hnerv", "pyramid"), (anchor_named("x264"),), 1.0)
    comparison = run(config, tmp_path / "out", reported.append)
    assert not comparison.rows
    assert comparison.notes == reported
    assert "odd size 35x22" in reported[0]
    assert [text.split(" at 0.001 bpp is left out: ")[0] for text in reported[1:]] == ["hnerv", "pyramid"]
    result = measurement(comparison, "a", "A", "").result()
    assert not result.rows
    assert all(f"{text}." in result.note for text in reported)


def test_an_interruption_keeps_what_is_finished(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TimeBudget, "of", interrupt)
    given = bench("backbones", clip, *WORDS, "-o", tmp_path)
    assert given.exit_code == 130
    assert "give the same command again" in given.stderr
    sizes = [row.size for row in load(tmp_path / RESULTS).rows]
    assert len(sizes) == 8
    assert np.all(np.diff(sizes) < 0)


def test_mistakes_are_one_line(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / RESULTS).write_text('{"rows": 1}')
    cases: list[tuple[int, str, list[object]]] = [
        (2, "there is no backbone siren", ["--arch", "siren"]),
        (2, "name each backbone once", ["--arch", "nerv,nerv"]),
        (2, "there is no anchor x266", ["--anchors", "x266"]),
        (2, "--bpp 0", ["--bpp", "0"]),
        (1, "not the results.json of a comparison", ["-o", tmp_path / "other"]),
    ]
    for code, text, words in cases:
        given = bench("backbones", clip, "-o", tmp_path / "out", *words)
        assert given.exit_code == code, (words, given.output)
        assert text in given.stderr, (words, given.stderr)
        assert given.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_it_is_a_command_of_a_group() -> None:
    assert bench("backbones", "--help").stdout.startswith("Usage: main bench backbones [OPTIONS] [CLIP]")
    assert "kernels" in bench("--help").stdout
    wrong = bench("swiftness")
    assert wrong.exit_code == 2
    assert "No such command 'swiftness'" in wrong.stderr
