"""nqdec and nqtool info from standard input: the same as from a file, and one clear line for what cannot be."""

from __future__ import annotations

import json
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nqcodec.cli.nqdec import main as nqdec
from nqcodec.cli.nqtool import main as nqtool
from nqcodec.media.source import open_source
from nqcodec.media.video import frame_bytes


def decode(*words: object, stdin: bytes) -> Result:
    return CliRunner().invoke(nqdec, [*map(str, words)], input=stdin)


@pytest.mark.parametrize("words", [["-"], ["-i", "-"]])
def test_a_file_from_standard_input_decodes_as_from_the_disk(
    sample: Path, sample_md5: str, words: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out.y4m"
    done = decode(*words, "-o", out, "--md5", stdin=sample.read_bytes())
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{sample_md5}  -\n"
    assert done.stderr.startswith(f"standard input -> {out}: 320x180")
    with open_source(out) as source:
        assert sum(len(frame_bytes(frame)) for frame in source) == 32 * 320 * 180 * 3 // 2


def test_pipe_in_and_pipe_out(sample: Path) -> None:
    """Real pipes, as a shell makes them."""
    code = "from nqcodec.cli.nqdec import main; main()"
    outputs = []
    for words in ([str(sample)], ["-"]):
        with sample.open("rb") as file:
            reader = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
            done = subprocess.run(
                [sys.executable, "-c", code, *words, "-o", "-", "--frames", "0:2", "-q"],
                stdin=reader.stdout,
                capture_output=True,
                timeout=60,
                check=True,
            )
            reader.wait()
        assert done.stderr == b""
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith(b"YUV4MPEG2 W320 H180")


def test_description_from_standard_input(sample: Path) -> None:
    data = sample.read_bytes()
    info = json.loads(decode("-", "--info", "--json", stdin=data).stdout)
    assert info["bytes"] == len(data)
    done = CliRunner().invoke(nqtool, ["info", "-"], input=data)
    assert done.stdout.startswith("standard input: .nq format")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "error: standard input: the file is empty"),
        (b"YUV4MPEG2 W16 H16\n", "error: standard input: this is no .nq file"),
        (None, "error: standard input, chunk SEGM, byte 37: the file is truncated"),
    ],
)
def test_what_is_no_whole_file_is_refused(sample: Path, data: bytes | None, said: str, tmp_path: Path) -> None:
    out = tmp_path / "out.yuv"
    done = decode("-", "-o", out, stdin=sample.read_bytes()[:9000] if data is None else data)
    assert done.exit_code == 1
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert not out.exists()


def test_bench_needs_a_file(sample: Path) -> None:
    done = decode("-", "--bench", stdin=sample.read_bytes())
    assert (done.exit_code, done.stdout) == (2, "")
    assert "name a file" in done.stderr


def test_a_terminal_is_no_pipe() -> None:
    """Waiting for a .nq file to be typed would look like a hang."""
    code = "from nqcodec.cli.nqdec import main; main(['-'])"
    _, terminal = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stdin=terminal, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert b"that is a terminal" in done.stderr
