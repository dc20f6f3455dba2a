"""Start-up: what a command may load before it answers. Times are measured by `nqdec --bench`, never asserted here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import sys
from nqcodec.cli.{command} import main
try:
    main({arguments!r})
except SystemExit as stop:
    assert not stop.code, stop.code
print(sorted({{name.split('.')[0] for name in sys.modules}} & {heavy!r}), file=sys.stderr)
"""
HEAVY = {"torch", "torchac", "av", "imageio", "safetensors", "scipy", "matplotlib", "PIL"}


def heavy_modules(command: str, words: list[str]) -> str:
    """The packages of `HEAVY` that a command has loaded when it ends."""
    code = PROBE.format(command=command, arguments=words, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--info"], ["--md5", "-q"], ["--frames", "0:1", "-o", "OUT", "-q"]])
def test_decoding_loads_nothing_heavy(arguments: list[str], sample: Path, tmp_path: Path) -> None:
    """`--info` has 0.4 s and the first frame 0.6 s on two slow cores: torch alone would take longer."""
    words = [str(sample), *(str(tmp_path / "o.y4m") if word == "OUT" else word for word in arguments)]
    assert heavy_modules("nqdec", words) == "[]"


def test_tools_load_nothing_heavy_to_be_asked() -> None:
    assert heavy_modules("nqtool", ["bench", "--help"]) == "[]"
    assert heavy_modules("nqtool", ["compare", "--help"]) == "[]"
