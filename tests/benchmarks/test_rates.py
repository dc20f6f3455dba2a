"""nqtool bench rates: qualities and PSNRs as a table, with the rate factors of other codecs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from nqcodec.benchmarks.rates import rate_factor
from nqcodec.benchmarks.results import read_result
from nqcodec.cli.nqtool import main
from nqcodec.compare.comparison import RESULTS, load

for package in ("av", "scipy"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def folder(real_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a short run leaves."""
    folder = tmp_path_factory.mktemp("rates")
    words = ["bench", "rates", str(real_clip), "--quality", "40,60", "--bpp", "2", "--iterations", "60", "-q"]
    words += ["--anchors", "x264:ultrafast", "-o", str(folder), "--save", str(folder / "table.json")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return folder


def test_every_rate_is_a_row(folder: Path) -> None:
    result = read_result(folder / "table.json")
    assert result.column("asked") == ["quality 40", "quality 60", "bpp 2"]
    low, high = result.column("psnr_yuv")[:2]
    assert low < high
    assert "60 iterations" in result.note


def test_rate_factors_lie_between_those_of_files_around_the_psnr(folder: Path, real_clip: Path) -> None:
    rows = [row for row in load(folder / real_clip.stem / RESULTS).rows if row.kind != "nqcodec"]
    assert len(rows) == 8
    one, other = rows[2], rows[3]
    psnr = (one.quality["yuv"] + other.quality["yuv"]) / 2
    assert one.asked is not None
    assert other.asked is not None
    assert rate_factor(rows, psnr) == pytest.approx((one.asked + other.asked) / 2)
    assert rate_factor(rows, 99.0) is None
    assert rate_factor([replace(row, asked=None) for row in rows], psnr) is None


def test_something_has_to_be_asked_for(real_clip: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "rates", str(real_clip), "-o", str(tmp_path)])
    assert done.exit_code == 2
    assert "--quality, --psnr or --bpp" in done.stderr
