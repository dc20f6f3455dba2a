"""nqtool bench robustness: what it draws, encodes, counts and says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from nqcodec.backbones import BACKBONES
from nqcodec.benchmarks.robustness import (
    MOST_FRAMES,
    MOST_HEIGHT,
    MOST_WIDTH,
    Outcome,
    measurement,
    random_trials,
    run_trial,
    summary,
)
from nqcodec.cli.bench.encodes import line
from nqcodec.cli.nqtool import main
from nqcodec.encoder.options import EncodeSettings
from nqcodec.errors import NqError

SAMPLE = str(Path(__file__).resolve().parents[2] / "samples" / "bbb_320x180.mkv")
QUICK = EncodeSettings(preset="ultrafast", iterations=20)


def test_trials_follow_from_the_seed_and_cover_what_there_is() -> None:
    drawn = random_trials([SAMPLE], 200, 3)
    assert drawn == random_trials([SAMPLE], 200, 3) != random_trials([SAMPLE], 200, 4)
    assert {trial.chroma.label for trial in drawn} == {"4:0:0", "4:2:0", "4:2:2", "4:4:4"}
    assert {trial.arch for trial in drawn} == set(BACKBONES)
    assert {trial.depth for trial in drawn} == {8, 10, 12}
    assert {trial.frames for trial in drawn} == set(range(1, MOST_FRAMES + 1))
    assert all(trial.left + trial.width <= 320 and trial.top + trial.height <= 180 for trial in drawn)
    assert all(16 <= trial.width <= MOST_WIDTH and 16 <= trial.height <= MOST_HEIGHT for trial in drawn)


def test_a_rate_that_no_network_meets_is_raised() -> None:
    (trial,) = random_trials([SAMPLE], 1, 0)
    small = replace(trial, width=33, height=20, frames=1, bpp=0.05, arch="pyramid", method="auto")
    outcome = run_trial(small, QUICK)
    assert outcome.error is None
    assert outcome.trial.bpp > 0.5
    assert outcome.asked is not None
    assert outcome.size is not None
    assert outcome.size <= outcome.asked


def test_collapse_is_a_loss_of_more_than_half_a_decibel() -> None:
    (trial,) = random_trials([SAMPLE], 1, 0)
    good = Outcome(trial, 1.0, 100, 97, 30.0, 29.6)
    bad, failed = replace(good, file=29.4, again=2.0), Outcome(trial, 1.0, error="broken")
    figures = summary([good, bad, failed], "all")
    assert (figures["collapsed"], figures["failed"], figures["again"]) == (1, 1, 1)
    assert figures["worst_lost_db"] == pytest.approx(0.6)
    assert figures["least_used"] == 97
    assert "COLLAPSED" in line(bad)
    assert "COLLAPSED" not in line(good)
    assert line(failed).endswith("broken")


def test_an_error_of_an_encode_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NqError("no luck")

    monkeypatch.setattr("nqcodec.benchmarks.robustness.encode", fail)
    assert run_trial(random_trials([SAMPLE], 1, 0)[0], QUICK).error == "no luck"


def test_the_command(tmp_path: Path) -> None:
    saved = tmp_path / "figures.json"
    words = ["bench", "robustness", SAMPLE, "--count", "2", "--iterations", "20", "--jobs", "1", "--seed", "5"]
    done = CliRunner().invoke(main, [*words, "--save", str(saved)])
    rows = json.loads(saved.read_text())["rows"]
    assert done.exit_code == (1 if rows[0]["collapsed"] or rows[0]["failed"] else 0), done.output
    assert rows[0]["group"] == "all"
    assert rows[0]["encodes"] == sum(row["encodes"] for row in rows[1:]) == 2
    assert len([text for text in done.stderr.splitlines() if "bpp" in text]) == 2


def test_every_encode_can_be_a_row() -> None:
    first, second = random_trials([SAMPLE], 2, 0)
    outcomes = [Outcome(first, 1.0, 100, 97, 30.0, 29.6), Outcome(second, 1.0, error="broken")]
    result = measurement(outcomes, QUICK, 0, each=True).result()
    assert result.column("bpp") == pytest.approx([first.bpp, second.bpp])
    assert result.column("error") == [None, "broken"]
    assert result.rows[0]["lost"] == pytest.approx(0.4)
