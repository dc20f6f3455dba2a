"""nqtool bench recipe: fits and files of a paper's recipe and of ours, and what follows from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nqcodec.cli.nqtool import main
from nqcodec.compare.recipe import SHARES, Fitted, Order, _ours
from nqcodec.compare.runs import Clip, whole_task
from nqcodec.decoder.decoder import probe
from nqcodec.media.clip import ClipInput
from nqcodec.training.checkpoint import load_fit

for package in ("av", "scipy"):
    pytest.importorskip(package)
BPP = 0.6


@pytest.fixture(scope="module")
def clip(real_clip: Path) -> Path:
    return real_clip


@pytest.fixture(scope="module")
def done(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder of a run with a shortened recipe, and its figures."""
    folder = tmp_path_factory.mktemp("done") / "out"
    words = ["bench", "recipe", str(clip), "--recipe", "hnerv", "--steps", "200", "--bpp", str(BPP)]
    given = CliRunner().invoke(main, [*words, "-o", str(folder), "--json"])
    assert given.exit_code == 0, given.output
    return folder, json.loads(given.stdout)


def test_files_are_within_the_rate_and_described_as_they_are(done: tuple[Path, Any]) -> None:
    folder, data = done
    (rate,) = data["rates"]
    paths = sorted((folder / "streams").glob("*.nq"))
    assert sorted(one["bytes"] for one in rate["files"]) == sorted(path.stat().st_size for path in paths)
    for path in paths:
        info = probe(path)
        assert path.stat().st_size * 8 <= BPP * info.video.pixels
    assert rate["gain"] == pytest.approx(rate["files"][1]["psnr"] - rate["files"][0]["psnr"])


def test_the_papers_fit_is_the_one_that_is_coded(done: tuple[Path, Any]) -> None:
    folder, data = done
    (rate,) = data["rates"]
    assert rate["published"]["steps"] == 200
    saved = load_fit(folder / f"hnerv_{BPP:g}.safetensors")
    assert saved.network.program.parameters == rate["parameters"] == rate["files"][0]["parameters"]


def test_our_fits_grow_until_one_is_as_good(done: tuple[Path, Any]) -> None:
    (rate,) = done[1]["rates"]
    steps = [one["steps"] for one in rate["ours"]]
    assert steps == sorted(set(steps))
    assert all(one["psnr"] < rate["published"]["psnr"] for one in rate["ours"][:-1])
    if rate["ours"][-1]["psnr"] >= rate["published"]["psnr"]:
        assert rate["time_ratio"] == pytest.approx(rate["ours"][-1]["seconds"] / rate["published"]["seconds"])
    else:
        assert rate["time_ratio"] is None


def test_trials_end_with_the_first_fit_that_is_good_enough_or_with_the_recipes_time(clip: Path) -> None:
    order = Order(ClipInput(str(clip)), "hnerv", (BPP,))
    task = whole_task(Clip.of(order.clip), order.paper(), BPP)
    seconds = 0.8
    assert len(list(_ours(task, Fitted(100, seconds, 0.0)))) == 1
    trials = list(_ours(task, Fitted(100, seconds, 99.0)))
    assert 1 < len(trials) <= len(SHARES)
    assert [one.steps for one in trials] == sorted({one.steps for one in trials})


def test_an_unknown_recipe_is_an_error_of_usage(clip: Path) -> None:
    given = CliRunner().invoke(main, ["bench", "recipe", str(clip), "--recipe", "vhs"])
    assert given.exit_code == 2
    assert "hnerv" in given.output
