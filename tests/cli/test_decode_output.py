"""nqdec writes a file's metadata and an original's audio where a container takes them, and tells what is lost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from beside_clips import LIGHT, MASTERING, VARYING, audio_packets, clip, stamps_of
from click.testing import CliRunner, Result
from conformance_vectors.build import part
from conformance_vectors.calm import Calm, calm_network
from conformance_vectors.pictures import head

from nqcodec.bitstream.segment import pack_segment
from nqcodec.bitstream.writer import pack_file
from nqcodec.cli.nqdec import main as nqdec
from nqcodec.media.clip import ClipInput
from nqcodec.media.metadata import DisplayMatrix, FrameTimes, Metadata
from nqcodec.media.source import open_source
from nqcodec.media.video import Chroma, Video

TURN = DisplayMatrix((0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
TIMES = FrameTimes(Fraction(1, 100), 0, ((4, 1), (8, 1), (4, 1), (13, 1), (1, 1), (7, 1)))
"""Those of `VARYING`, and a longer last frame."""
HDR10 = Metadata(mastering=MASTERING, light=LIGHT)
SHOWN = [Fraction(stamp, 1000) for stamp in VARYING]
can_turn = pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_matrix"), reason="this PyAV writes no display matrix"
)


def nq(path: Path, metadata: Metadata, depth: int = 8, chroma: Chroma = Chroma.C420) -> Path:
    """A file of six frames of a random network."""
    video = Video(32, 24, 6, Fraction(25), chroma, depth)
    network = calm_network(video, head(video, 2), Calm(7, width=13, frac=10, head_frac=13))
    made = pack_segment(network, md5=part(video, network).md5)
    path.write_bytes(pack_file(video, [(6, made)], metadata=metadata))
    return path


def decode(*words: object) -> Result:
    return CliRunner().invoke(nqdec, [str(word) for word in words], catch_exceptions=False)


def same_pictures(one: Path, other: Path) -> bool:
    with open_source(one) as first, open_source(other) as second:
        pairs = zip(first, second, strict=True)
        return all(np.array_equal(p, q) for a, b in pairs for p, q in zip(a, b, strict=True))


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov", "a.webm"])
def test_frame_times_are_written(tmp_path: Path, name: str) -> None:
    source, out = nq(tmp_path / "a.nq", Metadata(times=TIMES)), tmp_path / name
    done = decode(source, "-o", out)
    assert done.exit_code == 0
    assert "warning" not in done.stderr
    assert stamps_of(out) == SHOWN
    decode(source, "-o", tmp_path / "a.y4m")
    assert same_pictures(out, tmp_path / "a.y4m")
    if name in ("a.mp4", "a.mov"):
        with av.open(str(out)) as container:
            stream = container.streams.video[0]
            assert stream.duration is not None
            assert stream.duration * stream.time_base == Fraction(37, 100), "the last frame keeps its duration"


def test_frame_times_of_a_part(tmp_path: Path) -> None:
    decode(nq(tmp_path / "a.nq", Metadata(times=TIMES)), "--frames", "2:5", "-o", tmp_path / "a.mkv")
    assert stamps_of(tmp_path / "a.mkv") == [stamp - SHOWN[2] for stamp in SHOWN[2:5]]


@can_turn
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.webm"])
def test_the_display_matrix_is_written(tmp_path: Path, name: str) -> None:
    done = decode(nq(tmp_path / "a.nq", Metadata(matrix=TURN)), "-o", tmp_path / name)
    assert "warning" not in done.stderr
    assert ClipInput(str(tmp_path / name)).probe()[1].matrix == TURN


@pytest.mark.parametrize(
    ("name", "depth", "words"),
    [
        ("a.mkv", 10, []),
        ("a.mp4", 12, []),
        ("a.mkv", 10, ["--codec", "libsvtav1", "--codec-option", "svtav1-params=lp=1"]),
        ("a.mp4", 10, ["--codec", "libx265", "--codec-option", "x265-params=log-level=none"]),
        ("a.mkv", 8, ["--codec", "libx264"]),
    ],
)
def test_hdr10_values_are_written(tmp_path: Path, name: str, depth: int, words: list[str]) -> None:
    source = nq(tmp_path / "a.nq", HDR10, depth)
    done = decode(source, "-o", tmp_path / name, *words)
    assert done.exit_code == 0, done.stderr
    assert "warning" not in done.stderr
    side = ClipInput(str(tmp_path / name)).probe()[1]
    assert side.light == LIGHT
    assert side.mastering is not None
    for field in ("red", "green", "blue", "white"):
        # AV1 holds 16 fractional bits where H.265 has fifty-thousandths.
        assert np.allclose(getattr(side.mastering, field), getattr(MASTERING, field), atol=1)
    assert np.allclose((side.mastering.most, side.mastering.least), (MASTERING.most, MASTERING.least), atol=1)
    if not words:
        decode(source, "-o", tmp_path / "a.y4m")
        assert same_pictures(tmp_path / name, tmp_path / "a.y4m"), "lossless all the same"


@pytest.mark.parametrize(
    ("output", "words", "lost"),
    [
        ("a.y4m", [], "varying frame times, mastering display, content light level, display matrix"),
        ("a.yuv", [], "varying frame times, mastering display, content light level, display matrix"),
        ("pictures/", [], "varying frame times, mastering display, content light level, display matrix"),
        ("a.mkv", ["--codec", "ffv1"], "mastering display, content light level"),
    ],
)
def test_what_an_output_cannot_hold_is_reported(tmp_path: Path, output: str, words: list[str], lost: str) -> None:
    if words and not hasattr(av.video.stream.VideoStream, "set_display_matrix"):
        lost += ", display matrix"
    source = nq(tmp_path / "a.nq", Metadata(TIMES, MASTERING, LIGHT, TURN))
    out = f"{tmp_path}/{output}"
    done = decode(source, "-o", out, *words)
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0] == f"warning: {out}: does not hold the clip's {lost}"
    assert "warning" not in decode(source, "-o", out, *words, "-q").stderr
    constant = FrameTimes(Fraction(1, 25), 50, ((1, 6),))
    assert "warning" not in decode(nq(tmp_path / "b.nq", Metadata(constant, encoder="x")), "-o", out, *words).stderr


def test_depth_and_chroma_reduced_on_the_way_out(tmp_path: Path) -> None:
    ten = nq(tmp_path / "a.nq", Metadata(), 10)
    out = f"{tmp_path}/pictures/"
    assert f"warning: {out}: has 8 bits a sample, and the clip 10" in decode(ten, "-o", out).stderr
    assert "warning" not in decode(ten, "-o", tmp_path / "a.mkv").stderr
    full = nq(tmp_path / "b.nq", Metadata(), 12, Chroma.C444)
    done = decode(full, "-o", tmp_path / "b.mkv", "--codec", "libsvtav1", "--codec-option", "svtav1-params=lp=1")
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert [line.split(": ")[2] for line in warnings] == [
        "has 10 bits a sample, and the clip 12",
        "is 4:2:0, and the clip 4:4:4",
    ]


@pytest.mark.parametrize(
    ("original", "output", "codec"),
    [("a.mp4", "o.mkv", "aac"), ("a.mkv", "o.mp4", "aac"), ("a.mkv", "o.mkv", "pcm_s16le"), ("a.mov", "o.mp4", "aac")],
)
def test_audio_is_copied_packet_by_packet(tmp_path: Path, original: str, output: str, codec: str) -> None:
    video_codec = "ffv1" if original.endswith("mkv") else "libx264"
    audio = clip(tmp_path / original, codec=video_codec, stamps=VARYING, audio=codec)
    out = tmp_path / output
    done = decode(nq(tmp_path / "a.nq", Metadata(times=TIMES)), "-o", out, "--audio", audio)
    assert done.exit_code == 0, done.stderr
    wanted = [(begin, data) for begin, data in audio_packets(audio) if begin < Fraction(37, 100)]
    assert len(wanted) > 15
    found = audio_packets(out)
    assert [data for _, data in found] == [data for _, data in wanted]
    assert all(abs(one - other) <= Fraction(1, 500) for (one, _), (other, _) in zip(found, wanted, strict=True))
    assert stamps_of(out) == SHOWN


@pytest.mark.parametrize(("times", "begin", "end"), [(None, 80, 200), (replace(TIMES, start=21), 330, 510)])
def test_audio_of_a_part_stays_in_step(tmp_path: Path, times: FrameTimes | None, begin: int, end: int) -> None:
    audio = clip(tmp_path / "a.mkv", audio="pcm_s16le")
    out = tmp_path / "o.mkv"
    decode(nq(tmp_path / "a.nq", Metadata(times=times)), "-o", out, "--audio", audio, "--frames", "2:5")
    length = Fraction(1024, 48000)
    first, last = Fraction(begin, 1000), Fraction(end, 1000)
    wanted = [(at - first, data) for at, data in audio_packets(audio) if first < at + length and at < last]
    found = audio_packets(out)
    assert [data for _, data in found] == [data for _, data in wanted]
    assert all(abs(one - other) <= Fraction(1, 500) for (one, _), (other, _) in zip(found, wanted, strict=True))


def test_audio_that_cannot_be_copied(tmp_path: Path) -> None:
    source = nq(tmp_path / "a.nq", Metadata())
    sound, silent = clip(tmp_path / "a.mkv", audio="pcm_s16le"), clip(tmp_path / "b.mkv")
    for words, code, text in (
        (["-o", tmp_path / "o.y4m", "--audio", sound], 2, "--audio is only for .mp4"),
        (["--audio", sound], 2, "name the output as well"),
        (["-o", tmp_path / "o.mkv", "--audio", silent], 1, "holds no audio stream"),
        (["-o", tmp_path / "o.mkv", "--audio", tmp_path / "none.mkv"], 1, "none.mkv: is no file that FFmpeg reads"),
        (["-o", tmp_path / "o.webm", "--audio", sound], 1, "cannot hold the audio of"),
        (["-o", sound, "--audio", sound], 2, "would overwrite the input"),
    ):
        before = sorted(path.name for path in tmp_path.iterdir()), sound.read_bytes()
        done = decode(source, *words)
        assert (done.exit_code, done.stderr.count("\n")) == (code, 1), done.stderr
        assert text in done.stderr
        assert (sorted(path.name for path in tmp_path.iterdir()), sound.read_bytes()) == before
