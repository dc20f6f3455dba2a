"""nqtool bench compare: a comparison as a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nqcodec.benchmarks.results import read_result
from nqcodec.cli.nqtool import main
from nqcodec.compare.comparison import RESULTS, load

for package in ("av", "scipy"):
    pytest.importorskip(package)


def test_every_file_of_ours_is_a_row(real_clip: Path, tmp_path: Path) -> None:
    words = [
        "bench",
        "compare",
        str(real_clip),
        "-o",
        str(tmp_path / "out"),
        "--save",
        str(tmp_path / "table.json"),
        "-q",
    ]
    words += ["--preset", "ultrafast", "--iterations", "8", "--bpp", "2,3", "--segment", "none", "--jobs", "1"]
    words += ["--anchors", "x264:ultrafast", "--crf", "20,35"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    result = read_result(tmp_path / "table.json")
    assert "nqcodec, 8 iterations" in done.stdout
    assert result.command.startswith("nqtool bench compare ")
    ours = [row for row in load(tmp_path / "out" / RESULTS).rows if row.kind == "nqcodec"]
    assert result.column("bpp") == pytest.approx([row.bpp for row in ours])
    assert result.column("asked") == [2, 3]
    assert result.column("iterations") == [8, 8]
    assert all(result.column("bits_x264 ultrafast"))
