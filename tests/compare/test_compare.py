"""nqtool compare as users run it: results that repeat, pages that hold everything, errors in one line."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import read as read_call
from fitting import small_clip
from formats_clips import write

from nqcodec.cli.compare import configurations_of
from nqcodec.cli.compare_options import CompareOptions, ComparisonOptions
from nqcodec.cli.nqtool import main
from nqcodec.compare import runs
from nqcodec.compare.comparison import load, remarks
from nqcodec.compare.configurations import PAPERS, named, read
from nqcodec.compare.rows import RDPoint
from nqcodec.compare.viewer import CROP, worst_window
from nqcodec.decoder.decoder import Decoder, plane_md5, probe
from nqcodec.errors import InputError, RateError, UsageError
from nqcodec.media.metrics.vmaf import MISSING
from nqcodec.media.video import frame_bytes
from nqcodec.reporting.pictures import error_colours
from nqcodec.training.presets import PHASES, PLAIN_PRESETS, Phase, Preset
from nqcodec.training.recipes import RECIPES

for package in ("av", "matplotlib", "bjontegaard"):
    pytest.importorskip(package)
ANCHORS = ["--anchors", "x264:ultrafast", "--crf", "20,30,40,48"]


def compare(*words: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, words)])


def shorten(patch: pytest.MonkeyPatch) -> None:
    """Make preset ultrafast a few iterations."""
    patch.setitem(PLAIN_PRESETS, "ultrafast", Preset(4, 12))
    patch.setitem(PHASES, "calibration", Phase(0.25, 8))


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for one test."""
    shorten(monkeypatch)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small clip as y4m."""
    video, frames = small_clip(64, 48, frames=6)
    path = tmp_path_factory.mktemp("clip") / "clip.y4m"
    write(path, video, frames)
    return path


@pytest.fixture(scope="module")
def done(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished comparison, with a fit of a few iterations."""
    folder = tmp_path_factory.mktemp("done") / "out"
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        given = compare(clip, "-o", folder, "--preset", "ultrafast", "--bpp", "1.5,3", "--jobs", "1", *ANCHORS)
    assert given.exit_code == 0, given.output
    assert "bits over the anchors' at equal PSNR-YUV" in given.stderr
    return folder


@pytest.fixture
def results(done: Path) -> Any:
    """Its results.json."""
    return json.loads((done / "results.json").read_text("utf-8"))


def test_sizes_are_those_of_whole_files(done: Path, results: Any) -> None:
    assert [row["kind"] for row in results["rows"]] == ["anchor"] * 4 + ["nqcodec"] * 2
    for row in results["rows"]:
        size = (done / row["file"]).stat().st_size
        assert row["size"] == size
        assert row["bpp"] == pytest.approx(8 * size / (64 * 48 * 6))
        assert row["kbps"] == pytest.approx(8 * size / 1000 * 25 / 6)
        assert len(row["frame_quality"]) == row["frames"] == 6


def test_figures_of_ours_are_those_of_a_decode(done: Path, results: Any) -> None:
    row = results["rows"][-1]
    digest = plane_md5()
    for frame in Decoder(probe(done / row["file"])).frames():
        digest.update(frame_bytes(frame))
    assert digest.hexdigest() == row["facts"]["planes_md5"]
    assert row["quality"]["yuv"] == pytest.approx(np.mean([frame["yuv"] for frame in row["frame_quality"]]))
    assert row["settings"]["preset"] == "ultrafast"
    assert row["settings"]["bpp"] == row["asked"] == 3.0


def test_the_table_holds_every_file(done: Path, results: Any) -> None:
    table = list(csv.DictReader(io.StringIO((done / "results.csv").read_text("utf-8"))))
    assert [int(line["bytes"]) for line in table] == [row["size"] for row in results["rows"]]
    for line, row in zip(table, results["rows"], strict=True):
        assert float(line["yuv"]) == pytest.approx(row["quality"]["yuv"], abs=1e-4)


def test_the_page_needs_nothing_else(done: Path) -> None:
    page = (done / "index.html").read_text("utf-8")
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]+"', page)
    assert "<link" not in page
    assert "@import" not in page
    assert page.count("<svg") == 2
    data = json.loads(re.search(r"const data = (\{.*\});", page)[1])  # type: ignore[index]
    assert len(data["frames"]) == 3
    assert data["entries"][0]["label"] == "original"
    assert [entry["ours"] for entry in data["entries"][1:]].count(True) == 2
    for entry in data["entries"]:
        for view in entry["frames"]:
            png = base64.b64decode(view["picture"].partition(",")[2])
            assert png.startswith(b"\x89PNG")
    assert (done / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_given_again_nothing_is_encoded(clip: Path, done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any) -> None:
        raise AssertionError("encoded again")

    for name in ("anchor_row", "configuration_rows"):
        monkeypatch.setattr(f"nqcodec.compare.comparison.{name}", never)
    words = [clip, "-o", done, "--preset", "ultrafast", "--bpp", "1.5,3", "--jobs", "1"]
    before = (done / "results.csv").read_bytes()
    again = compare(*words, *ANCHORS)
    assert again.exit_code == 0, again.output
    assert again.stderr.count("(kept)") == 6
    assert (done / "results.csv").read_bytes() == before
    part = compare(*words, "--anchors", "none")
    assert part.exit_code == 0, part.output
    assert len(load(done / "results.json").others) == 4
    assert compare(*words, *ANCHORS).exit_code == 0
    assert (done / "results.csv").read_bytes() == before


def test_a_changed_file_or_setting_is_encoded_again(done: Path, results: Any, tmp_path: Path) -> None:
    row = RDPoint(**results["rows"][0])
    assert row.is_result_of(row.settings, done)
    assert not row.is_result_of({**row.settings, "gop": 1}, done)
    copy = tmp_path / row.file
    copy.parent.mkdir()
    copy.write_bytes((done / row.file).read_bytes()[:-1] + b"x")
    assert not row.is_result_of(row.settings, tmp_path)
    assert not row.is_result_of(row.settings, tmp_path / "elsewhere")


def test_from_results_draws_the_same_again(done: Path, tmp_path: Path) -> None:
    page = (done / "index.html").read_bytes()
    again = compare("--from", done / "results.json", "-q")
    assert (again.exit_code, again.output) == (0, "")
    assert (done / "index.html").read_bytes() == page


def test_without_the_encoded_files_the_pictures_are_missed_and_named(done: Path, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes((done / "results.json").read_bytes())
    again = compare("--from", tmp_path)
    assert again.exit_code == 0, again.output
    assert "no pictures to look at" in again.stderr
    assert "const data" not in (tmp_path / "index.html").read_text("utf-8")


def test_json_goes_to_stdout_alone(done: Path) -> None:
    again = compare("--from", done, "--json")
    assert json.loads(again.stdout)["rows"] == json.loads((done / "results.json").read_text("utf-8"))["rows"]


def test_a_rate_out_of_reach_is_noted_and_the_rest_goes_on(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise RateError("0.001 bpp cannot be met")

    monkeypatch.setattr("nqcodec.compare.comparison.configuration_rows", refuse)
    monkeypatch.setattr("nqcodec.compare.comparison.has_ssim", lambda: False)
    given = compare(clip, "-o", tmp_path / "out", "--bpp", "0.001", "--anchors", "x264:ultrafast", "--crf", "30,40")
    assert given.exit_code == 0, given.output
    assert "0.001 bpp cannot be met" in given.stderr
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "0.001 bpp cannot be met" in page
    assert "MS-SSIM are left out" in page


def test_other_formats_are_measured_in_the_clips_own(clip: Path, tmp_path: Path, few_steps: None) -> None:
    """A network that puts out RGB, as the papers' do, and both rates from one fit."""
    ways = tmp_path / "ways.json"
    ways.write_text('{"rgb": {"preset": "ultrafast", "csp": "rgb"}}')
    folder = tmp_path / "out"
    given = compare(clip, "-o", folder, "--bpp", "2,4", "--config", ways, "--one-fit", "--jobs", "1", *ANCHORS)
    assert given.exit_code == 0, given.output
    rows = load(folder / "results.json").rows[-2:]
    assert [row.facts["files_of_this_encode"] for row in rows] == [2, 2]
    assert all(probe(folder / row.file).video.is_rgb for row in rows)
    assert all(set(row.quality) >= {"y", "u", "v", "yuv", "rgb"} for row in rows)


def test_what_is_missing_is_told_before_the_long_part(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    given = compare(clip, "-o", "never")
    assert given.exit_code == 3
    assert given.stderr == "error: comparing needs bjontegaard: pip install 'nqcodec[compare]'\n"


def test_an_interruption_keeps_what_is_finished(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nqcodec.compare.comparison.configuration_rows", interrupt)
    folder = tmp_path / "out"
    given = compare(clip, "-o", folder, *ANCHORS)
    assert given.exit_code == 130
    assert "give the same command again" in given.stderr
    assert len(load(folder / "results.json").rows) == 4


def test_figures_that_look_wrong_are_named(results: Any) -> None:
    rows = [RDPoint(**row) for row in results["rows"]]
    assert not remarks(rows[:4])
    larger = replace(rows[0], size=2 * rows[0].size, bpp=2 * rows[0].bpp, file="larger")
    assert "worse than a smaller file" in remarks([rows[0], larger])[0]
    frames = [{**frame, "y": frame["y"] - 40 * (number == 3)} for number, frame in enumerate(rows[0].frame_quality)]
    assert "frame 3 has only" in remarks([replace(rows[0], frame_quality=frames)])[0]


def test_mistakes_are_one_line(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"a": {"colour": 3}}')
    (tmp_path / "not.json").write_text('{"rows": 1}')
    cases: list[tuple[int, str, list[object]]] = [
        (2, "name a clip", []),
        (2, "name a clip", [clip, "--from", tmp_path]),
        (2, "there is no anchor x266", [clip, "--anchors", "x266"]),
        (2, "there is no configuration siren", [clip, "--config", "siren"]),
        (2, "--preset swift", [clip, "--preset", "swift"]),
        (2, "--segment cuts: write auto, none", [clip, "--segment", "cuts"]),
        (2, "the same name twice", [clip, "--config", "hnerv,hnerv"]),
        (2, "--bpp 0.1,0.1", [clip, "--bpp", "0.1,0.1"]),
        (2, "reads its clip many times", ["-", "--anchors", "none"]),
        (1, "colour is no setting", [clip, "--config", tmp_path / "odd.json"]),
        (1, "not the results.json", ["--from", tmp_path / "not.json"]),
        (1, "gone.mkv", [tmp_path / "gone.mkv", "--anchors", "none"]),
    ]
    for code, text, words in cases:
        given = compare(*words, "-o", tmp_path / "out")
        assert given.exit_code == code, (words, given.output)
        assert text in given.stderr, (words, given.stderr)
        assert given.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_anchors_that_do_not_take_the_clip_are_left_out_by_default(tmp_path: Path) -> None:
    from nqcodec.cli.compare import anchors_of
    from nqcodec.media.clip import ClipInput

    raw = tmp_path / "a.yuv"
    raw.write_bytes(bytes(3 * 64 * 48))
    source = ClipInput(str(raw), input_res=(64, 48), csp="i444")
    taken = anchors_of(source, ComparisonOptions(quiet=False))
    assert [anchor.name for anchor in taken] == ["x264", "x265"]


def test_configurations_are_data(tmp_path: Path) -> None:
    published = named("hnerv/bunny-3m", {"seed": 4})
    assert (published.has_own_size, published.csp) == (True, "rgb")
    assert published.encode_settings().arch_preset == "bunny-3m"
    assert published.encode_settings().seed == 4
    file = tmp_path / "ways.json"
    file.write_text('{"long": {"preset": "slow", "csp": "i444"}, "plain": {}}')
    long, plain = read(file, {"seed": 1})
    assert (long.csp, long.encode_settings().preset, plain.csp) == ("i444", "slow", None)
    with pytest.raises(UsageError, match="hnerv/bunny-3m"):
        named("hnerv/none", {})
    file.write_text("[1]")
    with pytest.raises(InputError, match="an object of objects"):
        read(file, {})


def test_papers_are_configurations(tmp_path: Path) -> None:
    """Network, RGB and the whole recipe; iterations given instead of its length."""
    paper = named("paper/neuroquant", {"seed": 2, "iterations": 30})
    settings = paper.encode_settings()
    assert (settings.arch, settings.recipe, settings.method) == ("hnerv", "neuroquant", "plain")
    assert (settings.seed, settings.iterations, paper.csp, paper.has_own_size) == (2, 30, "rgb", False)
    published = named("paper/hnerv/bunny-3m", {})
    assert (published.encode_settings().arch_preset, published.has_own_size) == ("bunny-3m", True)
    assert published.label == "HNeRV bunny-3m as published"
    for wrong in ("paper/siren", "paper/hnerv/none", "paper/"):
        with pytest.raises(UsageError, match="paper/hnerv/bunny-3m"):
            named(wrong, {})
    assert all(recipe in RECIPES for recipe in PAPERS)
    file = tmp_path / "ways.json"
    file.write_text('{"mine": {"arch": "hnerv", "recipe": "hnerv", "loss": "l1"}}')
    (mine,) = read(file, {})
    assert (mine.encode_settings().recipe, mine.encode_settings().loss) == ("hnerv", "l1")
    file.write_text('{"mine": {"fit_options": {"recipe": "hnerv"}}}')
    with pytest.raises(InputError, match="fit_options is no setting"):
        read(file, {})


def test_a_papers_method_runs(clip: Path, tmp_path: Path, few_steps: None) -> None:
    folder = tmp_path / "out"
    words = ["--config", "paper/hnerv,paper/nerv", "--iterations", "6", "--segment", "none", "--anchors", "none"]
    given = compare(clip, "-o", folder, "--bpp", "6", "--jobs", "1", *words)
    assert given.exit_code == 0, given.output
    rows = load(folder / "results.json").rows
    assert [row.label for row in rows] == ["HNeRV as published", "NeRV as published"]
    assert all(probe(folder / row.file).video.is_rgb for row in rows)
    assert [row.settings["recipe"] for row in rows] == ["hnerv", "nerv"]


@pytest.mark.parametrize(("text", "meant"), [("auto", "auto"), ("none", None), ("3", 3)])
def test_segments_begin_as_nqenc_has_it(text: str, meant: Any) -> None:
    given = read_call(["nqtool", "compare", "clip.mkv", "--preset", "fast", "--segment", text])
    said = CompareOptions(**{one.name: given.get(one.name) for one in fields(CompareOptions)})
    (found,) = configurations_of(said)
    assert found.encode_settings().segment == meant


def test_missing_vmaf_is_said(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nqcodec.media.metrics.perceptual.has_vmaf", lambda: False)
    given = compare(clip, "-o", tmp_path, "--bpp", "0.001", "--config", "default", "--segment", "none", *ANCHORS)
    assert given.exit_code == 0, given.output
    assert MISSING in given.stderr
    assert "VMAF is left out" in (tmp_path / "index.html").read_text("utf-8")


def test_timed_decodes_must_be_whole() -> None:
    from nqcodec.errors import OutputError

    assert 0 <= runs.decode_seconds(Path("a"), lambda: iter(range(5)), 5) < 1
    with pytest.raises(OutputError, match="4 frames instead of 5"):
        runs.decode_seconds(Path("a"), lambda: iter(range(4)), 5)


def test_the_crop_is_where_errors_are() -> None:
    errors = np.zeros((700, 900))
    errors[600, 850] = 1.0
    window = worst_window(errors)
    assert (window.width, window.height) == CROP
    assert window.of(errors).sum() == 1.0
    assert worst_window(np.ones((20, 30))).of(errors).shape == (20, 30)


def test_error_maps_run_from_black_to_white() -> None:
    colours = error_colours(np.array([[0.0, 255 / 24, 255 / 12, 40.0]]))
    assert colours[0].tolist() == [[0, 0, 0], [255, 0, 0], [255, 255, 0], [255, 255, 255]]
