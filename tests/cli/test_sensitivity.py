"""nqtool sensitivity as users run it: table, JSON, pictures, and errors in one line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from fitting import small_clip

from nqcodec.backbones import hnerv
from nqcodec.cli.nqtool import main
from nqcodec.media.video import frame_bytes
from nqcodec.training.checkpoint import save_fit
from nqcodec.training.network import FloatNetwork
from nqcodec.training.settings import FitSettings
from nqcodec.training.start import new_network


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(raw clip, saved fit) of an untrained network."""
    folder = tmp_path_factory.mktemp("sensitivity")
    video, frames = small_clip(frames=3)
    clip, fit = folder / "clip.yuv", folder / "fit.safetensors"
    clip.write_bytes(b"".join(map(frame_bytes, frames)))
    program = hnerv.build(video, video.frames, 2500)
    network: FloatNetwork = new_network(program, video.frames, FitSettings(1))
    save_fit(fit, video, network)
    return clip, fit


def nqtool(files: tuple[Path, Path], *options: str) -> Result:
    words = ["sensitivity", str(files[0]), "--fit", str(files[1]), "--input-res", "36x22", "--probes", "2"]
    return CliRunner().invoke(main, [*words, "--threads", "1", *options])


def test_the_table_has_a_row_a_tensor_and_a_column_a_width(files: tuple[Path, Path]) -> None:
    done = nqtool(files, "--bits", "3:5", "--method", "fisher")
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[2] == ["3", "bits", "4", "bits", "5", "bits"]
    cells = {" ".join(row[:2]): [float(cell) for cell in row[2:]] for row in rows[3:] if row[0].isdigit()}
    assert "0 latent" in cells
    assert all(cost[0] >= cost[1] >= cost[2] for cost in cells.values())
    total = next(row for row in rows if row[0] == "sum")
    assert float(total[1]) == pytest.approx(sum(cost[0] for cost in cells.values()), rel=0.02)


def test_json_holds_the_same_and_the_pairs(files: tuple[Path, Path]) -> None:
    done = nqtool(files, "--bits", "4", "--method", "omega", "--json", "--quantizer", "asymmetric", "--per", "channel")
    data = json.loads(done.stdout)
    assert data["bits"] == [4]
    assert data["quantizer"] == "asymmetric"
    pairs = np.array(data["pairs"])
    assert pairs.shape == (1, len(data["tensors"]), len(data["tensors"]))
    assert pairs[0].diagonal().tolist() == [tensor["rise"][0] for tensor in data["tensors"]]
    assert pairs.sum() == pytest.approx(data["together"][0])


def test_searches_differ(files: tuple[Path, Path]) -> None:
    outputs = {nqtool(files, "--bits", "3", "--search", search, "--json").stdout for search in ("max", "mse", "lp")}
    assert len(outputs) == 3


@pytest.mark.parametrize("method", ["measured", "omega"])
def test_heat_maps_are_drawn(files: tuple[Path, Path], method: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "map.png"
    done = nqtool(files, "--bits", "3:4", "--method", method, "--plot", str(out))
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_plot_is_refused(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = nqtool(files, "--plot", "map.png")
    assert done.exit_code == 3
    assert done.stderr == "error: --plot needs matplotlib: pip install 'nqcodec[plots]'\n"


def test_other_mistakes_are_one_line(files: tuple[Path, Path], tmp_path: Path) -> None:
    for bits in ("1:4", "5:3", "9", "a", "2:"):
        done = nqtool(files, "--bits", bits)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    done = nqtool(files, "--seek", "1")
    assert done.exit_code == 2
    assert "is a fit of another clip" in done.stderr
    pytest.importorskip("matplotlib")
    done = nqtool(files, "--plot", str(tmp_path / "map.jpeg2"))
    assert done.exit_code == 2
    assert "name a file ending in .png" in done.stderr
