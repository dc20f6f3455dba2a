"""nqtool bench gradients: the table, and what it refuses."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nqcodec.benchmarks import frame_gradients
from nqcodec.cli.nqtool import main
from nqcodec.media.video import Video
from nqcodec.native.cpu import cpu_levels
from nqcodec.native.loading import load_libnq, why_absent


@pytest.mark.skipif(load_libnq() is None, reason=why_absent("libnq"))
def test_every_way_is_timed_on_every_network(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {"moving": (Video(64, 48, 4), True), "still": (Video(40, 30, 1), False)}
    monkeypatch.setattr(frame_gradients, "CASES", cases)
    done = CliRunner().invoke(main, ["bench", "gradients", "--rounds", "1", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [row["network"] for row in rows] == list(cases)
    ways = (*frame_gradients.DTYPES, *cpu_levels(), "speed", "kmac_per_pixel")
    assert all(row[name] > 0 for row in rows for name in ways)


def test_an_unknown_network_is_refused() -> None:
    done = CliRunner().invoke(main, ["bench", "gradients", "--only", "magic"])
    assert done.exit_code == 2
    assert "no network 'magic'" in done.stderr


def test_without_the_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_gradients, "load_libnq", lambda: None)
    done = CliRunner().invoke(main, ["bench", "gradients"])
    assert done.exit_code not in (0, 2)
    assert "gradients: " in done.stderr
