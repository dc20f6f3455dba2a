"""nqtool bench ablation: the fit that it takes, and how the ways to quantize it are set beside one another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from nqcodec.benchmarks.ablation import CURVE, Point, bytes_at, least_saving, run
from nqcodec.benchmarks.ablation_subject import FitChoice, Subject
from nqcodec.bitstream.segment import payload_size
from nqcodec.cli.nqtool import main
from nqcodec.methods.post_training.pipeline import quantize
from nqcodec.quantization.settings import QuantSettings
from nqcodec.training.presets import PLAIN_PRESETS, Preset


def test_a_fit_is_made_once_and_then_taken(real_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLAIN_PRESETS, "ultrafast", Preset(1, 20))
    choice = FitChoice(path=tmp_path / "fit.safetensors", parameters=3000, preset="ultrafast")
    made = Subject.of(str(real_clip), choice)
    monkeypatch.setattr("nqcodec.benchmarks.ablation_subject.fit", None)
    taken = Subject.of(str(real_clip), choice)
    assert all(torch.equal(made.network.tensors[key], value) for key, value in taken.network.tensors.items())
    size = int(5 * made.network.program.parameters / 8)
    settings = QuantSettings(finetune_iterations=0)
    coded = quantize(taken.network, taken.clip, max_bytes=size, size_of=payload_size, settings=settings)
    assert payload_size(coded) <= size
    assert taken.exact - 5 < taken.decoded_psnr(coded) < taken.exact


def test_bits_that_no_file_has_are_refused(real_clip: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "ablation", str(real_clip), "--bits", "0"])
    assert result.exit_code == 2
    assert "--bits" in result.output


def test_bytes_are_read_off_a_rate_curve() -> None:
    curve = [Point("", 1000, 30.0, True), Point("", 2000, 32.0, True), Point("", 4000, 33.0, True)]
    assert bytes_at(31.0, curve) == pytest.approx(2**0.5 * 1000)
    assert bytes_at(32.5, curve) == pytest.approx(2**0.5 * 2000)
    assert bytes_at(29.9, curve) is None
    assert bytes_at(33.1, curve) is None


def test_a_curve_that_is_better_throughout_bounds_the_saving() -> None:
    curve = [Point("", 1000, 30.0, True), Point("", 2000, 32.0, True), Point("", 4000, 33.0, True)]
    assert least_saving(Point("", 4000, 31.0, False), curve) == pytest.approx(1 - 2**0.5 / 4)
    assert least_saving(Point("", 4000, 29.0, False), curve) == pytest.approx(0.75)
    assert least_saving(Point("", 4000, 33.1, False), curve) is None
    falling = [Point("", 1000, 31.0, True), Point("", 2000, 30.0, True)]
    assert least_saving(Point("", 4000, 30.5, False), falling) == pytest.approx(0.75)


@pytest.mark.slow
def test_the_ablation_has_a_row_for_each_ingredient(tmp_path: Path) -> None:
    clip = Path(__file__).parents[2] / "samples" / "bbb_320x180.mkv"
    choice = FitChoice(path=tmp_path / "fit.safetensors", parameters=6000, preset="ultrafast")
    table = run(str(clip), choice, iterations=200).result()
    rows = {row["name"]: row for row in table.rows}
    assert len(rows) == len(table.rows)
    fixed, coded = rows["rounded to nearest, uniform widths"], rows["entropy coded"]
    assert fixed["psnr"] == coded["psnr"]
    assert fixed["bytes"] > coded["bytes"]
    whole = [rows[f"full method at {bits:g} bits"] for bits in CURVE]
    assert [row["psnr"] for row in whole] == sorted(row["psnr"] for row in whole)
    assert all(row["saved_percent"] == pytest.approx(0, abs=1e-3) for row in whole)
    assert rows["fine-tuned, rounding learned, rate term"]["psnr"] > rows["allocated"]["psnr"]
