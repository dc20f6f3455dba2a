"""Start-up: what a command may load before it answers. Times are measured by `nqdec --bench`, never asserted here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import sys
from nqcodec.cli.nqdec import main
try:
    main({arguments!r})
except SystemExit as stop:
    assert not stop.code, stop.code
print(sorted({{name.split('.')[0] for name in sys.modules}} & {heavy!r}), file=sys.stderr)
"""
HEAVY = {"torch", "torchac", "av", "imageio", "safetensors", "scipy", "matplotlib", "PIL"}


@pytest.mark.parametrize("arguments", [["--info"], ["--md5", "-q"], ["--frames", "0:1", "-o", "OUT", "-q"]])
def test_decoding_loads_nothing_heavy(arguments: list[str], sample: Path, tmp_path: Path) -> None:
    """`--info` has 0.4 s and the first frame 0.6 s on two slow cores: torch alone would take longer."""
    words = [str(sample), *(str(tmp_path / "o.y4m") if word == "OUT" else word for word in arguments)]
    code = PROBE.format(arguments=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "[]"
