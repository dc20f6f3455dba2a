"""The commands as users run them: pipes, outputs of every kind, information, verification."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nqcodec.decoder.decoder import Decoder, probe
from nqcodec.media.source import open_source
from nqcodec.media.video import frame_bytes
from nqcodec.synthesis.backends import available

ENV = {**os.environ, "OMP_NUM_THREADS": "1"}
ROOT = Path(__file__).resolve().parents[2]


def run(command: str, *arguments: object, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """A command of this tree; fails the test if it fails."""
    words = [sys.executable, str(ROOT / "bin" / command), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, check=False, timeout=200, env=ENV, input=stdin)
    assert done.returncode == 0, done.stderr.decode()
    return done


def planes_md5(path: Path) -> str:
    digest = hashlib.md5()
    with open_source(path) as source:
        for frame in source:
            digest.update(frame_bytes(frame))
    return digest.hexdigest()


@pytest.mark.parametrize("backend", ["reference", "native"])
def test_sample_decodes_to_its_md5(sample: Path, sample_md5: str, backend: str, tmp_path: Path) -> None:
    if available()[backend]:
        pytest.skip(available()[backend])
    out = tmp_path / "out.yuv"
    done = run("nqdec", sample, "-o", out, "--md5", "--backend", backend)
    assert done.stdout.split()[0].decode() == sample_md5 == hashlib.md5(out.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["out.y4m", "out.mkv", "out.mp4"])
def test_lossless_outputs_hold_the_decoded_planes(sample: Path, sample_md5: str, name: str, tmp_path: Path) -> None:
    run("nqdec", "-i", sample, "--output", tmp_path / name, "-q")
    assert planes_md5(tmp_path / name) == sample_md5


def test_chosen_codec_is_used(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.mp4"
    run("nqdec", sample, "-o", out, "--codec", "libx264", "--codec-option", "crf=40", "-q")
    lossless = tmp_path / "large.mp4"
    run("nqdec", sample, "-o", lossless, "-q")
    assert out.stat().st_size * 4 < lossless.stat().st_size


def test_stdout_is_y4m_or_raw(sample: Path, sample_md5: str) -> None:
    y4m = run("nqdec", sample, "-o", "-", "-q").stdout
    assert y4m.startswith(b"YUV4MPEG2 W320 H180 F25:1")
    assert y4m.count(b"FRAME\n") >= 32
    raw = run("nqdec", sample, "-o", "-", "--raw", "-q").stdout
    assert hashlib.md5(raw).hexdigest() == sample_md5


def test_frames_alone_equal_the_same_frames_of_the_whole(sample: Path, tmp_path: Path) -> None:
    whole = list(Decoder(probe(sample)).frames())
    out = tmp_path / "part.yuv"
    run("nqdec", sample, "--frames", "30:", "-o", out, "-q")
    assert out.read_bytes() == b"".join(map(frame_bytes, whole[30:]))
    run("nqdec", sample, "--frames", "7", "-o", out, "-q")
    assert out.read_bytes() == frame_bytes(whole[7])


def test_pngs_are_numbered_pictures(sample: Path, tmp_path: Path) -> None:
    run("nqdec", sample, "--frames", "0:3", "-o", tmp_path / "frames" / "%05d.png", "-q")
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == ["00000.png", "00001.png", "00002.png"]
    with open_source(tmp_path / "frames") as source:
        picture = next(iter(source))
    assert [plane.shape for plane in picture] == [(180, 320)] * 3
    assert float(np.std(picture[0])) > 10


def test_pngs_of_a_part_keep_the_numbers_of_the_frames(sample: Path, tmp_path: Path) -> None:
    run("nqdec", sample, "--frames", "2", "-o", f"{tmp_path}/frames/", "-q")
    run("nqdec", sample, "--frames", "29:31", "-o", f"{tmp_path}/frames/", "-q")
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["00002.png", "00029.png", "00030.png"]


def test_verify_takes_an_md5_or_a_file(sample: Path, sample_md5: str, tmp_path: Path) -> None:
    run("nqdec", sample, "--verify", sample_md5, "-q")
    listing = tmp_path / "sums.md5"
    listing.write_text(f"# decoded planes\n{sample_md5}  clip.yuv\n")
    run("nqdec", sample, "--verify", listing, "-q")


def test_info_names_what_the_file_holds(sample: Path) -> None:
    info = json.loads(run("nqdec", sample, "--info", "--json").stdout)
    assert info["bytes"] == sample.stat().st_size
    assert info["video"]["width"] == 320
    assert info["video"]["frames"] == 32
    segment = info["segments"][0]
    assert segment["operations"][-1]["operation"] == "planes"
    tensors = [tensor for op in segment["operations"] for tensor in op["tensors"]]
    assert sum(np.prod(tensor["shape"]) for tensor in tensors) == segment["parameters"]
    text = run("nqtool", "info", sample).stdout.decode()
    assert f"{segment['parameters']} parameters" in text


def test_bench_reports_each_stage(sample: Path) -> None:
    result = json.loads(run("nqdec", sample, "--bench", "--frames", "0:4", "--json").stdout)
    assert result["frames"] == 4
    assert result["synthesis_fps"] > 0
    assert result["entropy_symbols_per_s"] > 0
    assert {"parse_ms", "entropy_ms", "end_to_end_fps", "machine", "definitions"} <= set(result)


def test_version_names_backends(sample: Path) -> None:
    for command in ("nqenc", "nqdec", "nqtool"):
        text = run(command, "--version").stdout.decode()
        assert "format 2.0" in text
        assert "reference" in text


def test_encode_from_a_pipe(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:24, :32]
    luma = [(x * 4 + y * 3 + 5 * t).astype(np.uint8).tobytes() for t in range(3)]
    frames = [b"FRAME\n" + plane + rng.integers(120, 124, 12 * 16 * 2, np.uint8).tobytes() for plane in luma]
    clip = b"YUV4MPEG2 W32 H24 F30000:1001 Ip A1:1 C420mpeg2\n" + b"".join(frames)
    out = tmp_path / "piped.nq"
    done = run(
        "nqenc", "-", "--params", "3000", "--preset", "ultrafast", "-o", out, "--json", "--hash", "frame", stdin=clip
    )
    report = json.loads(done.stdout)
    assert report["bytes"] == out.stat().st_size == sum(report["bytes_by_part"].values())
    assert report["fps"] == "30000/1001"
    assert len(probe(out).frame_md5) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["piped.nq"]


def test_several_clips_in_one_call(tmp_path: Path) -> None:
    for name, level in (("a", 60), ("b", 180)):
        ramp = np.linspace(level - 50, level + 50, 16 * 16).astype(np.uint8)
        (tmp_path / f"{name}.yuv").write_bytes(np.concatenate([ramp, np.full(128, 128, np.uint8)]).tobytes() * 2)
    clips = [tmp_path / "a.yuv", tmp_path / "b.yuv"]
    options = ["--input-res", "16x16", "--params", "1500", "--iterations", "400", "-o", tmp_path / "{name}.nq"]
    text = run("nqenc", *clips, *options).stderr.decode()
    for name, level in (("a", 60), ("b", 180)):
        assert f"{name}.nq" in text
        frame = next(iter(Decoder(probe(tmp_path / f"{name}.nq")).frames()))
        assert abs(float(frame[0].mean()) - level) < 10
