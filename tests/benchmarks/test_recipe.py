"""nqtool bench recipe: fits and files of a paper's recipe and of ours, and what follows from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nqcodec.benchmarks.recipe import SHARES, Fitted, RecipeConfig, _ours
from nqcodec.cli.nqtool import main
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
    words = ["bench", "recipe", str(clip), "--recipe", "hnerv", "--iterations", "200", "--bpp", str(BPP)]
    given = CliRunner().invoke(main, [*words, "-o", str(folder), "--json"])
    assert given.exit_code == 0, given.output
    return folder, json.loads(given.stdout)


def named(data: Any, what: str) -> list[dict[str, Any]]:
    """The rows of one kind, from top to bottom."""
    return [row for row in data["rows"] if row["what"] == what]


def test_files_are_within_the_rate_and_described_as_they_are(done: tuple[Path, Any]) -> None:
    folder, data = done
    (paper,), (ours,) = named(data, "file of hnerv"), named(data, "our file")
    paths = sorted((folder / "streams").glob("*.nq"))
    assert sorted([paper["bytes"], ours["bytes"]]) == sorted(path.stat().st_size for path in paths)
    for path in paths:
        assert path.stat().st_size * 8 <= BPP * probe(path).video.pixels
    assert ours["gain"] == pytest.approx(ours["psnr"] - paper["psnr"], abs=1e-4)


def test_the_papers_fit_is_the_one_that_is_coded(done: tuple[Path, Any]) -> None:
    folder, data = done
    (published,), (file,) = named(data, "fit by hnerv"), named(data, "file of hnerv")
    assert published["iterations"] == file["iterations"] == 200
    saved = load_fit(folder / f"hnerv_{BPP:g}.safetensors")
    assert saved.network.program.parameters == published["parameters"] == file["parameters"]


def test_our_fits_grow_until_one_is_as_good(done: tuple[Path, Any]) -> None:
    (published,) = named(done[1], "fit by hnerv")
    *shorter, last = named(done[1], "our fit")
    iterations = [one["iterations"] for one in (*shorter, last)]
    assert iterations == sorted(set(iterations))
    assert all(one["psnr"] < published["psnr"] and one["time_ratio"] is None for one in shorter)
    if last["psnr"] >= published["psnr"]:
        assert last["time_ratio"] == pytest.approx(last["seconds"] / published["seconds"])
    else:
        assert last["time_ratio"] is None


def test_trials_end_with_the_first_fit_that_is_good_enough_or_with_the_recipes_time(clip: Path) -> None:
    config = RecipeConfig(ClipInput(str(clip)), "hnerv", (BPP,))
    task = whole_task(Clip.of(config.clip), config.paper(), BPP)
    seconds = 0.8
    assert len(list(_ours(task, Fitted(1000, 100, seconds, 0.0)))) == 1
    trials = list(_ours(task, Fitted(1000, 100, seconds, 99.0)))
    assert 1 < len(trials) <= len(SHARES)
    assert [one.iterations for one in trials] == sorted({one.iterations for one in trials})


def test_an_unknown_recipe_is_an_error_of_usage(clip: Path) -> None:
    given = CliRunner().invoke(main, ["bench", "recipe", str(clip), "--recipe", "vhs"])
    assert given.exit_code == 2
    assert "hnerv" in given.output
