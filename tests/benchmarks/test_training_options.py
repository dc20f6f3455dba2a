"""The benchmark of options: every row is a fit of its own, and the table shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nqcodec.benchmarks.training_options import OPTIONS, run
from nqcodec.training.settings import FitSettings


def test_figures_and_their_table() -> None:
    clip = str(Path(__file__).resolve().parents[2] / "samples" / "bbb_320x180.mkv")
    chosen = ("loss mse", "pruned to 40 %, magnitude (NeRV)")
    result = run(clip, parameters=6_000, iterations=4, options=chosen).result()
    default, mse, pruned = result.rows
    assert result.column("option") == ["default", *chosen]
    assert default["gain"] == 0
    assert mse["gain"] == pytest.approx(mse["psnr"] - default["psnr"], abs=1e-4)
    assert mse["psnr"] != default["psnr"]
    assert (default["zeros_percent"], pruned["zeros_percent"]) == (0, pytest.approx(60, abs=0.1))
    assert pruned["coded_6"] < default["coded_6"] < 6.5
    assert default["coded_4"] < default["coded_6"] - 1
    assert default["psnr_4"] != default["psnr_6"] == pytest.approx(default["psnr"], abs=1)


def test_every_option_differs_from_the_default() -> None:
    default = FitSettings(iterations=100)
    changed = {name: change(default) for name, change in OPTIONS.items()}
    assert changed.pop("default") == default
    assert default not in changed.values()
    assert all(settings.iterations == 100 for settings in changed.values())
    assert len(set(changed.values())) == len(changed) - 1  # NeRV++ has NeRV's recipe
