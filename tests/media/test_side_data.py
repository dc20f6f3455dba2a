"""What sources have beside their pictures: read by the readers, kept by the encoder, or named in its warnings."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from beside_clips import HDR, LIGHT, MASTERING, VARYING, clip
from click.testing import CliRunner

from nqcodec.bitstream.file import read_file
from nqcodec.bitstream.writer import metadata_bytes
from nqcodec.cli.nqenc import main as nqenc
from nqcodec.encoder.encode import encode
from nqcodec.encoder.kept import encoder_text, keep
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.progress import Event
from nqcodec.encoder.rate import Rate, segment_budgets
from nqcodec.errors import RateError
from nqcodec.media.clip import ClipInput
from nqcodec.media.metadata import DisplayMatrix, FrameTimes
from nqcodec.media.side_data import SideData, Stamps, display_matrix, light_level, mastering_display
from nqcodec.media.video import Video

QUICK = EncodeSettings(preset="ultrafast", iterations=12, threads=1)
VIDEO = Video(32, 24, 6)
can_turn = pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_matrix"), reason="this PyAV writes no display matrix"
)


def side_of(path: Path, **options: int) -> tuple[Video, SideData]:
    return ClipInput(str(path), **options).probe()


def test_audio_and_subtitles_are_seen(tmp_path: Path) -> None:
    assert side_of(clip(tmp_path / "a.mkv", audio="aac"))[1].audio == ("aac",)
    assert side_of(clip(tmp_path / "b.mkv"))[1].audio == ()


@pytest.mark.parametrize(("name", "codec", "options"), [("a.mkv", "ffv1", {}), ("a.mp4", "libx264", {"qp": "0"})])
def test_frame_times_that_vary(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    video, side = side_of(clip(tmp_path / name, codec=codec, stamps=VARYING, **options))
    kept = keep(side, 0, video, wanted=True)
    assert kept.metadata is not None
    assert kept.metadata.times == FrameTimes(Fraction(1, 100), 0, ((4, 1), (8, 1), (4, 1), (13, 1), (1, 1), (4, 1)))
    assert kept.warnings == ()
    assert len(kept.notes) == 1
    assert "frame times vary" in kept.notes[0]


def test_a_part_of_varying_times(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", stamps=VARYING)
    video, side = side_of(path, start=1, count=3)
    kept = keep(side, 1, video, wanted=True)
    assert kept.metadata is not None
    assert kept.metadata.times == FrameTimes(Fraction(1, 25), 1, ((2, 1), (1, 2)))
    assert keep(side_of(path, count=2)[1], 0, video.with_frames(2), wanted=True).metadata.times is None  # type: ignore[union-attr]


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60), Fraction(25)])
def test_stamps_rounded_to_milliseconds_are_constant(fps: Fraction) -> None:
    stamps = Stamps(Fraction(1, 1000))
    for number in range(3000):
        stamps.add(7 + round(1000 * number / fps), round(1000 / fps))
    assert stamps.constant(0, 3000, fps)
    assert stamps.constant(100, 50, fps)
    assert stamps.constant(0, 3000, fps * Fraction(9999, 10000)), "a rate that a container estimated"
    assert not stamps.constant(0, 3000, fps * 2)
    assert Stamps(Fraction(1), stamps.shown[:1], 0).constant(0, 1, fps)


@pytest.mark.parametrize("shown", [[0, 40, 40], [0, 80, 40], [0, None, 80]])
def test_stamps_that_cannot_be_used(shown: list[int | None]) -> None:
    stamps = Stamps(Fraction(1, 1000))
    for stamp in shown:
        stamps.add(stamp, 40)
    assert stamps.times(0, 3, Fraction(25)) is None
    kept = keep(SideData(stamps=stamps), 0, VIDEO.with_frames(3), wanted=True)
    assert kept.warnings == ("frames lack time stamps, or are out of order: 25 frames a second are assumed throughout",)


def test_times_beyond_the_numbers_of_the_format_are_told() -> None:
    stamps = Stamps(Fraction(1, 1000))
    for stamp in (0, 1, 1 << 40):
        stamps.add(stamp, 40)
    kept = keep(SideData(stamps=stamps), 0, VIDEO.with_frames(3), wanted=True)
    assert kept.metadata is not None
    assert kept.metadata.times is None
    assert "do not fit the format's numbers" in kept.warnings[0]


def test_a_later_start_is_kept_for_the_audio() -> None:
    stamps = Stamps(Fraction(1, 1000))
    for number in range(6):
        stamps.add(40 * number + number % 2, 40)
    assert keep(SideData(stamps=stamps), 2, VIDEO.with_frames(3), wanted=True).metadata.times is None  # type: ignore[union-attr]
    kept = keep(SideData(("aac",), stamps=stamps), 2, VIDEO.with_frames(3), wanted=True)
    assert kept.metadata is not None
    assert kept.metadata.times == FrameTimes(Fraction(1, 25), 2, ((1, 3),)), "the rate, not its rounded stamps"
    assert kept.metadata.times.constant(Fraction(25))
    assert kept.notes == ()


@can_turn
@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation(tmp_path: Path, rotation: int) -> None:
    _, side = side_of(clip(tmp_path / "a.mp4", codec="libx264", rotation=rotation))
    assert side.matrix is not None
    assert side.matrix.rotation == rotation
    kept = keep(side, 0, VIDEO, wanted=True)
    assert f"turned by {rotation} degrees" in kept.notes[0]
    assert kept.warnings == ()
    assert "display matrix is not kept (--no-metadata)" in keep(side, 0, VIDEO, wanted=False).warnings[0]


def test_hdr10(tmp_path: Path) -> None:
    params = f"lossless=1:keyint=1:log-level=none:{HDR}"
    path = clip(tmp_path / "a.mkv", codec="libx265", pixels="yuv420p10le", x265_params=params)
    _, side = side_of(path)
    assert (side.mastering, side.light) == (MASTERING, LIGHT)
    assert len(keep(side, 0, VIDEO, wanted=True).notes) == 1
    warnings = keep(side, 0, VIDEO, wanted=False).warnings
    assert warnings == ("HDR10 mastering display and content light level are not kept (--no-metadata)",)


def test_side_data_as_ffmpeg_holds_it() -> None:
    pairs = [
        (34000, 50000),
        (16, 50),
        (265, 1000),
        (69, 100),
        (7500, 50000),
        (3000, 50000),
        (15635, 50000),
        (329, 1000),
    ]
    display = [number for pair in pairs for number in pair]
    data = struct.pack("=22i", *display, 50, 10000, 1000, 1, 1, 1)
    assert mastering_display(data) == MASTERING
    assert mastering_display(data[:-1]) is None
    no_places = mastering_display(struct.pack("=22i", *display, 50, 10000, 1000, 1, 0, 1))
    assert no_places == replace(MASTERING, red=(0, 0), green=(0, 0), blue=(0, 0), white=(0, 0))
    assert mastering_display(struct.pack("=22i", *display, 50, 10000, 1000, 1, 0, 0)) is None
    assert mastering_display(struct.pack("=22i", 60000, *display[1:], 50, 10000, 1000, 1, 1, 1)) is None
    assert mastering_display(struct.pack("=22i", *display, 2000, 1, 1000, 1, 1, 1)) is None
    assert mastering_display(struct.pack("=22i", *display, 5, 0, 1000, 1, 1, 1)) == replace(MASTERING, least=0)
    assert light_level(struct.pack("=2I", 1000, 400)) == LIGHT
    assert (
        light_level(struct.pack("=2I", 0, 0)) is light_level(struct.pack("=2I", 1 << 16, 0)) is light_level(b"") is None
    )
    turned = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    assert display_matrix(struct.pack("=9i", *turned)) == DisplayMatrix(turned)
    assert display_matrix(struct.pack("=9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)) is display_matrix(b"") is None


def test_interlacing(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", codec="libx264", flags="+ildct", x264_params="interlaced=1:tff=1")
    assert side_of(path)[1].interlaced
    for tag, interlaced in (("p", False), ("t", True), ("b", True), ("m", True), ("?", False)):
        path = tmp_path / "a.y4m"
        path.write_bytes(f"YUV4MPEG2 W2 H2 F25:1 I{tag} C420jpeg\nFRAME\n".encode() + bytes(6))
        assert side_of(path)[1].interlaced is interlaced
    (warning,) = keep(SideData(interlaced=True), 0, VIDEO, wanted=True).warnings
    assert "interlaced" in warning


def test_alpha_and_depth_beyond_ours(tmp_path: Path) -> None:
    assert side_of(clip(tmp_path / "a.mkv", pixels="yuva420p"))[1].alpha
    assert side_of(clip(tmp_path / "b.mkv", pixels="gray16le"))[1].depth == 16
    plain = side_of(clip(tmp_path / "c.mkv"))[1]
    assert (plain.alpha, plain.depth) == (False, 0)
    alpha, depth = keep(SideData(alpha=True, depth=16), 0, VIDEO, wanted=True).warnings
    assert "alpha" in alpha
    assert "16 bits are reduced to 12" in depth


def test_the_text_of_the_encoder() -> None:
    plain = ClipInput("a.y4m")
    assert encoder_text(plain, Rate(bpp=0.1), EncodeSettings()) == "nqcodec 0.1.0 bpp=0.1"
    assert encoder_text(plain, Rate(bitrate=800), replace(QUICK, seed=2)) == (
        "nqcodec 0.1.0 bitrate=800 preset=ultrafast steps=12 seed=2 threads=1"
    )
    settings = EncodeSettings(arch="hnerv", arch_preset="bunny-1.5m", segment=None, loss="l1", patch=(64, 32))
    cut = ClipInput("/home/me/a.y4m", start=3, count=9, coded_csp="i444", coded_depth=10)
    assert encoder_text(cut, None, settings) == (
        "nqcodec 0.1.0 arch=hnerv arch-preset=bunny-1.5m segment=none loss=l1 patch=64x32 "
        "seek=3 frames=9 csp=i444 depth=10"
    )


def test_metadata_counts_as_bytes_of_the_file() -> None:
    whole = segment_budgets(9000, [2, 4], False, VIDEO)
    assert 0 <= sum(whole) - 33 - sum(segment_budgets(9000, [2, 4], False, VIDEO, 33)) <= 1
    with pytest.raises(RateError, match="ask for more, or save 33 bytes by --no-metadata"):
        segment_budgets(90, [6], False, VIDEO, 33)
    with pytest.raises(RateError, match=r"ask for more$"):
        segment_budgets(50, [6], False, VIDEO)


@can_turn
def test_an_encode_keeps_what_it_can_and_tells_the_rest(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", stamps=VARYING, rotation=90, audio="aac")
    events: list[Event] = []
    report = encode(ClipInput(str(path)), tmp_path / "a.nq", Rate(bpp=6), QUICK, events.append)
    bare = encode(ClipInput(str(path)), tmp_path / "b.nq", Rate(bpp=6), replace(QUICK, metadata=False))
    file = read_file(tmp_path / "a.nq")
    assert file.metadata.encoder == "nqcodec 0.1.0 bpp=6 preset=ultrafast steps=12 threads=1"
    assert file.metadata.times is not None
    assert file.metadata.matrix is not None
    assert report.metadata == file.metadata.as_dict() == report.as_dict()["metadata"]
    assert report.parts["metadata"] == metadata_bytes(file.metadata, [file.video.frames])
    assert sum(report.parts.values()) == report.size <= report.target  # type: ignore[operator]
    texts = [event.text for event in events if event.stage == "read"][1:]
    assert [text.split()[0] for text in texts] == ["frame", "the", "warning:"]
    assert report.warnings == [texts[-1].removeprefix("warning: ")]
    assert "audio is not kept (aac)" in report.warnings[0]
    assert [warning.split()[0] for warning in bare.warnings] == ["audio", "frame", "the"]
    assert "metadata" not in bare.parts
    assert bare.metadata == {}
    bare = read_file(tmp_path / "b.nq")
    assert [chunk.kind for chunk in bare.chunks] == ["VHDR"]
    assert not bare.index[0].before


def test_nqenc_warns_on_stderr_and_not_if_quiet(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mkv", audio="aac")
    words = [
        str(path),
        "--bpp",
        "6",
        "--preset",
        "ultrafast",
        "--iterations",
        "8",
        "--threads",
        "1",
        "-o",
        str(tmp_path / "a.nq"),
    ]
    done = CliRunner().invoke(nqenc, words, catch_exceptions=False)
    assert f"{path}: warning: audio is not kept (aac)" in done.stderr
    quiet = CliRunner().invoke(nqenc, [*words, "-q", "--no-metadata"], catch_exceptions=False)
    assert quiet.stderr == ""
    assert not read_file(tmp_path / "a.nq").metadata


def test_sources_without_anything_give_no_messages(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(b"YUV4MPEG2 W2 H2 F25:1 Ip C420jpeg\nFRAME\n" + bytes(6))
    video, side = side_of(path)
    kept = keep(side, 0, video, wanted=True)
    assert (kept.notes, kept.warnings) == ((), ())
    assert not kept.metadata
    assert np.isclose(float(video.fps), 25)
