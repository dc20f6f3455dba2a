"""Bad input at the commands: one clear line, the documented exit code, and no output file left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nqcodec.bitstream.chunks import SIGNATURE, pack_chunk, read_chunks

ENV = {**os.environ, "OMP_NUM_THREADS": "1"}


def run(command: str, *arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """nqenc, nqdec or nqtool as a user runs it."""
    code = f"import sys; from nqcodec.cli.{command} import main; sys.exit(main())"
    words = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, check=False, timeout=120, env=ENV, input=stdin)


def assert_refused(done: subprocess.CompletedProcess[bytes], code: int, *needles: str) -> None:
    """The exit code, one line that starts with "error:", and no traceback."""
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert "Traceback" not in text
    errors = [line for line in text.splitlines() if line.lower().startswith("error:")]
    assert len(errors) == 1, text
    for needle in needles:
        assert needle in errors[0]


def y4m(path: Path, frames: int = 4, cut: int = 0) -> Path:
    """A small 4:2:0 clip; `cut` bytes are missing at its end."""
    rng = np.random.default_rng(0)
    data = b"YUV4MPEG2 W32 H24 F25:1 Ip A1:1 C420jpeg\n"
    data += b"".join(b"FRAME\n" + rng.integers(0, 256, 32 * 24 * 3 // 2, np.uint8).tobytes() for _ in range(frames))
    path.write_bytes(data[: len(data) - cut])
    return path


def test_encoder_refuses_bad_sources(tmp_path: Path) -> None:
    out = tmp_path / "out.nq"
    empty = tmp_path / "empty.y4m"
    empty.write_bytes(b"")
    foreign = tmp_path / "foreign.mp4"
    foreign.write_bytes(b"this is no video at all, whatever its name says\n" * 50)
    raw = tmp_path / "clip.yuv"
    raw.write_bytes(bytes(1000))
    cases = [
        ([tmp_path / "missing.y4m"], 1, "missing.y4m"),
        ([empty], 1, "empty.y4m"),
        ([foreign], 1, "foreign.mp4"),
        ([y4m(tmp_path / "cut.y4m", cut=100)], 1, "cut.y4m"),
        ([y4m(tmp_path / "none.y4m", frames=0)], 1, "none.y4m"),
        ([raw], 2, "--input-res"),
        ([raw, "--input-res", "64x64"], 1, "clip.yuv"),
        ([raw, "--input-res", "64by64"], 2, "--input-res"),
        ([y4m(tmp_path / "seek.y4m"), "--seek", "100"], 1, "--seek"),
    ]
    for arguments, code, needle in cases:
        assert_refused(run("nqenc", *arguments, "--bpp", "0.5", "-o", out), code, needle)
        assert not out.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out"))] == []


def test_encoder_refuses_contradictions_before_it_fits(tmp_path: Path) -> None:
    clip, out = y4m(tmp_path / "a.y4m"), tmp_path / "out.nq"
    assert_refused(run("nqenc", clip, "--quality", "0", "-o", out), 2, "positive")
    assert_refused(run("nqenc", clip, "--quality", "101", "-o", out), 2, "1 to 100")
    assert_refused(run("nqenc", clip, "--bpp", "1", "--params", "5000", "-o", out), 2, "exactly one")
    assert_refused(run("nqenc", clip, "--bpp", "-1", "-o", out), 2, "positive")
    assert_refused(run("nqenc", clip, clip, "--bpp", "1", "-o", out), 2, "{name}")
    assert_refused(run("nqenc", clip, "--bpp", "1", "-o", tmp_path / "no" / "out.nq"), 1, "does not exist")
    assert_refused(run("nqenc", clip, "--bpp", "0.0001", "-o", out), 1, "bpp")
    assert not out.exists()


def test_decoder_refuses_bad_files(sample: Path, tmp_path: Path) -> None:
    data, out = sample.read_bytes(), tmp_path / "out.y4m"
    chunks = list(read_chunks(data, ""))

    def rebuilt(kind: str, change: dict[int, int]) -> bytes:
        body = bytearray(SIGNATURE)
        for chunk in chunks:
            payload = bytearray(chunk.payload)
            if chunk.kind == kind:
                for position, value in change.items():
                    payload[position] = value
            body += pack_chunk(chunk.kind, bytes(payload))
        return bytes(body)

    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 4
    cases = {
        "empty": (b"", 1, "empty"),
        "foreign": (b"RIFF" + data[4:], 1, "no .nq file"),
        "cut": (data[: len(data) // 2], 1, "truncated"),
        "flipped": (bytes(flipped), 1, "CRC"),
        "older": (rebuilt("VHDR", {0: 1, 1: 4}), 3, "encode the clip again"),
        "newer": (rebuilt("VHDR", {0: 9}), 3, "newer"),
        "critical": (data[:-12] + pack_chunk("NEWC", b"") + data[-12:], 3, "NEWC"),
        "absurd": (rebuilt("VHDR", {3: 0x7F, 4: 0xB4, 5: 0x7F}), 4, "limit"),
        "hash": (rebuilt("SEGM", {2: chunks[1].payload[2] ^ 1}), 5, "MD5"),
    }
    for name, (content, code, needle) in cases.items():
        bad = tmp_path / f"{name}.nq"
        bad.write_bytes(content)
        assert_refused(run("nqdec", bad, "-o", out, "-q"), code, f"{name}.nq", needle)
        assert not out.exists()
    assert_refused(run("nqdec", tmp_path / "missing.nq", "-o", out), 1, "missing.nq")


def test_decoder_usage_errors(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.y4m"
    assert_refused(run("nqdec", "-o", out), 2, "one .nq file")
    for frames in ("5:5", "0:99", "7:3", "x", "-1:3", "99"):
        assert_refused(run("nqdec", sample, "--frames", frames, "-o", out), 2, "--frames")
    assert_refused(run("nqdec", sample, "-o", tmp_path / "out.unknown"), 1, "out.unknown")
    assert_refused(run("nqdec", sample, "-o", tmp_path / "no" / "out.y4m"), 1, "does not exist")
    assert_refused(run("nqdec", sample, "--verify", "0" * 32, "-o", out), 5, "--verify")
    assert_refused(run("nqdec", sample, "--verify", tmp_path / "no.md5"), 1, "no.md5")
    assert not out.exists()


def test_a_failure_does_not_touch_an_existing_output(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.y4m"
    out.write_bytes(b"precious")
    assert run("nqdec", sample, "--verify", "0" * 32, "-o", out).returncode == 5
    assert out.read_bytes() == b"precious"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_named(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.yuv"
    out.symlink_to("/dev/full")
    assert_refused(run("nqdec", sample, "-o", out), 1, "full")


def test_closed_pipe_ends_quietly(sample: Path) -> None:
    """`nqdec x.nq -o - | head -c 10` prints the ten bytes and nothing else."""
    if shutil.which("head") is None:
        pytest.skip("needs head")
    code = "import sys; from nqcodec.cli.nqdec import main; sys.exit(main())"
    command = f"'{sys.executable}' -c '{code}' '{sample}' -o - | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, check=False, timeout=60, env=ENV)
    assert done.stdout == b"YUV4MPEG2 "
    assert done.stderr == b""
