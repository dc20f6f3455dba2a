"""-q, and readers that stop reading: nothing is printed that nobody asked for, by us or by libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nqcodec.cli.log import native_silence

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command of this tree."""
    words = [sys.executable, str(ROOT / "bin" / command), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, check=False, timeout=100, env=ENV, text=True)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_quiet_is_quiet_for_every_codec(sample: Path, tmp_path: Path, codec: str) -> None:
    done = run("nqdec", sample, "-q", "--frames", "0:4", "--codec", codec, "-o", tmp_path / "out.mkv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "out.mkv").stat().st_size > 0


@pytest.mark.parametrize(("option", "code"), [("nonsense=1", 2), ("preset=nonsense", 1)])
def test_quiet_tells_an_error_and_nothing_else(sample: Path, tmp_path: Path, option: str, code: int) -> None:
    out = tmp_path / "out.mkv"
    done = run("nqdec", sample, "-q", "--codec", "libx265", "--codec-option", option, "-o", out)
    assert (done.returncode, done.stdout) == (code, "")
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error"]
    assert list(tmp_path.iterdir()) == []


def fail_loudly() -> None:
    os.write(2, b"from C\n")
    raise KeyError


def test_silence_ends_with_its_block(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), native_silence():
        fail_loudly()
    with native_silence(quiet=False):
        os.write(2, b"loud\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "loud\nafter\n"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("nqtool", ("info", *["{sample}"] * 9)),
        ("nqtool", ("info", "--json", "{sample}")),
        ("nqtool", ("compare", "--help")),
        ("nqdec", ("--info", "{sample}")),
        ("nqdec", ("-o", "-", "-q", "{sample}")),
        ("nqdec", ("--md5", "-q", "{sample}")),
        ("nqenc", ("--version",)),
    ],
)
def test_a_reader_that_stops_is_no_error(sample: Path, command: str, arguments: tuple[str, ...]) -> None:
    """`nqtool info x.nq | head -1` prints the line and nothing else."""
    words = [sys.executable, str(ROOT / "bin" / command), *(word.format(sample=sample) for word in arguments)]
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False, timeout=100, env=ENV, text=True)
    finally:
        os.close(write)
    assert done.stderr == ""
    assert done.returncode == 1
