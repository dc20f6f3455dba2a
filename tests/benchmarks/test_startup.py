"""nqtool bench startup: processes of both nqdec, timed in turns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nqcodec.benchmarks.startup import timed
from nqcodec.cli.nqtool import main
from nqcodec.native.program import NQDEC


@pytest.mark.skipif(not NQDEC.exists(), reason="the native nqdec was not built")
def test_both_commands_are_timed(sample: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "startup", "--file", str(sample), "--rounds", "2", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["call"]: row for row in json.loads(done.stdout)["rows"]}
    assert len(rows) == 5
    assert all(0 < row["least"] <= row["median"] <= row["p90"] for row in rows.values())
    native, python = (rows[f"nqdec, {name}: first frame"] for name in ("native", "Python"))
    assert native["median"] < python["median"] / 2


def test_a_process_that_fails_is_no_measurement() -> None:
    assert timed([sys.executable, "-c", "import time; time.sleep(0.1)"]) > 0.1
    with pytest.raises(subprocess.CalledProcessError):
        timed([sys.executable, "-c", "raise SystemExit(3)"])
