"""nqtool bench encoding: its table, and what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nqcodec.benchmarks.encoding import PRESETS
from nqcodec.cli.nqtool import main


def test_longer_presets_take_longer_and_larger_pictures_more_of_both() -> None:
    options = ["--sizes", "64x48,320x180", "--frames", "16", "--threads", "1", "--json"]
    done = CliRunner().invoke(main, ["bench", "encoding", *options])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [(row["size"], row["frames"]) for row in rows] == [("64x48", 16), ("320x180", 16)]
    for row in rows:
        minutes = [row[preset] for preset in PRESETS]
        assert 0 < minutes[0] < minutes[1] < minutes[2]
    assert rows[0]["iteration"] < rows[1]["iteration"]
    assert 50 < rows[0]["memory"] < rows[1]["memory"]


@pytest.mark.parametrize("options", ["--sizes 640", "--sizes 640x36O", "--frames many", "--frames 4"])
def test_what_is_no_size_or_length_is_refused(options: str) -> None:
    done = CliRunner().invoke(main, ["bench", "encoding", *options.split()])
    assert done.exit_code == 2
    assert "is no number from 16 to 10000" in done.stderr
