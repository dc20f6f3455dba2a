"""FFmpeg's formats through PyAV: bit-exact round trips, metadata, conversion of foreign pixel formats, errors."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from formats_clips import LAYOUTS, assert_same, broken_off, noise, video, write

from nqcodec.errors import InputError, OutputError, UsageError
from nqcodec.media import libav_write
from nqcodec.media.colour import convert
from nqcodec.media.libav import nearest_layout
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour


def encode(path: Path, codec: str, pixels: str, planes: list[np.ndarray], **options: str) -> None:
    """Write two frames of given plane bytes by PyAV alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 16, 8, pixels
        for _ in range(2):
            picture = av.VideoFrame(16, 8, pixels)
            for plane, values in zip(picture.planes, planes, strict=True):
                view = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                view[: values.shape[0], : values.shape[1]] = values
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (17, 33), (34, 36)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_mkv_is_lossless_for_everything(tmp_path: Path, layout: str, depth: int, size: tuple[int, int]) -> None:
    clip = video(layout, depth, size, full=depth == 10)
    write(tmp_path / "a.mkv", clip, noise(clip))
    with open_source(tmp_path / "a.mkv") as source:
        assert source.video == clip.with_frames(0)
        assert_same(source, noise(clip))


@pytest.mark.parametrize(
    ("name", "layout", "depth", "size"),
    [
        ("a.mp4", "420", 8, (16, 18)),
        ("a.mp4", "420", 8, (17, 33)),
        ("a.mp4", "420", 10, (16, 18)),
        ("a.mp4", "420", 12, (32, 18)),
        ("a.mp4", "422", 10, (16, 17)),
        ("a.mp4", "444", 12, (17, 33)),
        ("a.mp4", "444", 8, (1, 1)),
        ("a.mp4", "rgb", 8, (17, 33)),
        ("a.mp4", "rgb", 10, (17, 33)),
        ("a.mp4", "400", 8, (17, 33)),
        ("a.mov", "400", 10, (17, 33)),
        ("a.mov", "rgb", 8, (3, 5)),
        ("a.webm", "420", 8, (3, 5)),
        ("a.webm", "rgb", 8, (17, 33)),
    ],
)
def test_other_containers_are_lossless(
    tmp_path: Path, name: str, layout: str, depth: int, size: tuple[int, int]
) -> None:
    clip = video(layout, depth, size, frames=5)
    write(tmp_path / name, clip, noise(clip))
    with open_source(tmp_path / name) as source:
        assert source.video == clip.with_frames(0)
        assert_same(source, noise(clip))


@pytest.mark.parametrize(("depth", "held"), [(9, 9), (11, 12)])
def test_depths_between_are_held_exactly(tmp_path: Path, depth: int, held: int) -> None:
    clip = video("420", depth)
    written = write(tmp_path / "a.mkv", clip, noise(clip))
    with open_source(tmp_path / "a.mkv") as source:
        assert source.video.depth == written.depth == held
        assert_same([convert(frame, source.video, clip) for frame in source], noise(clip))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
@pytest.mark.parametrize("layout", ["420", "444", "rgb"])
def test_aspect_rate_and_colour(tmp_path: Path, name: str, layout: str) -> None:
    clip = replace(video(layout, 8, (64, 48)), sar=Fraction(64, 45), fps=Fraction(24000, 1001))
    if layout != "rgb":
        clip = replace(clip, colour=Colour(9, 16, 9, full_range=True))
    write(tmp_path / name, clip, noise(clip))
    with open_source(tmp_path / name) as source:
        assert source.video == clip.with_frames(0)
        assert_same(source, noise(clip))


def test_time_stamps_follow_the_rational_rate(tmp_path: Path) -> None:
    clip = video("420", 8, (16, 16), frames=4)
    write(tmp_path / "a.mp4", clip, noise(clip))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stamps = [picture.pts * picture.time_base for picture in container.decode(video=0)]
    assert stamps == [index / clip.fps for index in range(4)]


def test_start_and_count_skip_frames(tmp_path: Path) -> None:
    clip = video("420", 8, (16, 16), frames=6)
    write(tmp_path / "a.mkv", clip, noise(clip))
    with open_source(tmp_path / "a.mkv", start=2, count=3) as source:
        assert_same(source, noise(clip)[2:5])
    with open_source(tmp_path / "a.mkv", start=6) as source, pytest.raises(InputError, match="--seek 6"):
        list(source)


def test_a_container_through_a_pipe(tmp_path: Path) -> None:
    clip = video("420")
    write(tmp_path / "a.mkv", clip, noise(clip))
    with (tmp_path / "a.mkv").open("rb") as pipe, open_source("-", stdin=pipe) as source:
        assert source.name == "standard input"
        assert_same(source, noise(clip))


def test_chosen_codec_and_options(tmp_path: Path) -> None:
    clip = video("rgb", 10, (32, 32))
    written = write(tmp_path / "a.mp4", clip, noise(clip), codec="libx264", options={"crf": "30"})
    assert (written.chroma, written.depth, written.is_rgb, written.colour.matrix) == (Chroma.C444, 10, False, 6)
    with open_source(tmp_path / "a.mp4") as source:
        assert replace(source.video, frames=3) == written
        assert len(list(source)) == 3


@pytest.mark.parametrize(
    ("pixels", "wanted"),
    [
        ("nv12", (Chroma.C420, 8, False)),
        ("p010le", (Chroma.C420, 10, False)),
        ("yuv420p10be", (Chroma.C420, 10, False)),
        ("yuvj422p", (Chroma.C422, 8, False)),
        ("yuv411p", (Chroma.C422, 8, False)),
        ("yuv410p", (Chroma.C420, 8, False)),
        ("yuv440p", (Chroma.C444, 8, False)),
        ("yuva444p12le", (Chroma.C444, 12, False)),
        ("yuv420p16le", (Chroma.C420, 12, False)),
        ("rgb24", (Chroma.C444, 8, True)),
        ("bgra", (Chroma.C444, 8, True)),
        ("pal8", (Chroma.C444, 8, True)),
        ("gbrp14le", (Chroma.C444, 12, True)),
        ("monow", (Chroma.C400, 8, False)),
        ("ya16le", (Chroma.C400, 12, False)),
    ],
)
def test_nearest_layout(pixels: str, wanted: tuple[Chroma, int, bool]) -> None:
    assert nearest_layout(av.VideoFormat(pixels)) == wanted


def test_foreign_pixel_formats_are_converted_exactly(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (8, 16, 3), np.uint8)
    encode(tmp_path / "rgb.avi", "rawvideo", "bgr24", [rgb[:, :, ::-1].reshape(8, 48)])
    with open_source(tmp_path / "rgb.avi") as source:
        assert source.video.is_rgb
        assert source.video.colour.full_range
        assert source.video.fps == 10
        assert_same(source, [tuple(rgb[:, :, channel] for channel in (1, 2, 0))] * 2)
    luma, chroma = rng.integers(0, 256, (8, 16), np.uint8), rng.integers(0, 256, (4, 16), np.uint8)
    encode(tmp_path / "nv12.avi", "rawvideo", "nv12", [luma, chroma])
    with open_source(tmp_path / "nv12.avi") as source:
        assert_same(source, [(luma, chroma[:, ::2], chroma[:, 1::2])] * 2)


def test_motion_jpeg_is_full_range_with_centred_chroma(tmp_path: Path) -> None:
    flat = [np.full((8, 16), 90, np.uint8), np.full((4, 8), 70, np.uint8), np.full((4, 8), 150, np.uint8)]
    encode(tmp_path / "a.avi", "mjpeg", "yuvj420p", flat, q="1")
    with open_source(tmp_path / "a.avi") as source:
        assert (source.video.colour.full_range, source.video.colour.chroma_location) == (True, 1)
        assert source.video.colour.matrix != MATRIX_IDENTITY
        y, u, v = next(iter(source))
    assert [abs(int(p.mean()) - wanted) <= 1 for p, wanted in ((y, 90), (u, 70), (v, 150))] == [True] * 3


def test_foreign_and_damaged_files(tmp_path: Path) -> None:
    for name, message in (("a.txt", "is text, not a video"), ("a.xyz", "not a video that FFmpeg reads")):
        (tmp_path / name).write_text("no video\n" * 100)
        with pytest.raises(InputError, match=f"{name}: {message}"):
            open_source(tmp_path / name)
    clip = video("420", 8, (64, 64), frames=8)
    write(tmp_path / "a.mp4", clip, noise(clip))
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:20000])
    with pytest.raises(InputError, match=r"cut\.mp4"):
        open_source(tmp_path / "cut.mp4")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(InputError, match=r"sound\.wav: holds no video stream"):
        open_source(tmp_path / "sound.wav")


def test_a_size_that_changes_names_the_frame(tmp_path: Path) -> None:
    parts = []
    for size in ((32, 32), (48, 32)):
        clip = video("420", 8, size, frames=2)
        with av.open(str(tmp_path / "part.h264"), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for planes in noise(clip):
                picture = av.VideoFrame.from_ndarray(np.full((48, size[0]), planes[0][0, 0]), format="yuv420p")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        parts.append((tmp_path / "part.h264").read_bytes())
    (tmp_path / "both.h264").write_bytes(b"".join(parts))
    with (
        open_source(tmp_path / "both.h264") as source,
        pytest.raises(InputError, match=r"frame 0 is 32x32, but the stream says 48x32"),
    ):
        list(source)


def test_codecs_that_cannot(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"no lossless codec for 17x33 10-bit 4:2:0 in mp4; write \.mkv"):
        open_sink(tmp_path / "a.mp4", video("420", 10))
    with pytest.raises(OutputError, match="no video encoder nonesuch"):
        open_sink(tmp_path / "a.mp4", video(), codec="nonesuch")
    clip = video("420", 8, (17, 33))
    with pytest.raises(OutputError, match="libx264 cannot write this clip"):
        write(tmp_path / "a.mp4", clip, noise(clip), codec="libx264")
    with pytest.raises(UsageError, match="a codec can be chosen only for"):
        open_sink(tmp_path / "a.y4m", clip, codec="libx264")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("codec", [None, "libx264", "libx265", "libsvtav1", "ffv1"])
def test_options_that_a_codec_does_not_have(tmp_path: Path, codec: str | None) -> None:
    clip = video("420", 8, (64, 64))
    with pytest.raises(UsageError, match=r"has no option nonsense, zoom; ffmpeg -h encoder="):
        open_sink(tmp_path / "a.mkv", clip, codec=codec, options={"nonsense": "3", "g": "5", "zoom": "1"})
    assert os.listdir(tmp_path) == []
    write(tmp_path / "a.mkv", clip, noise(clip), codec=codec, options={"g": "5"})


def test_an_abort_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    clip = video("420", 8, (16, 16))
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.mp4", clip, broken_off(clip, KeyboardInterrupt()))
    assert (tmp_path / "a.mp4").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.mp4"]


FULL = """
import resource, sys
sys.path.insert(0, {tests!r})
from formats_clips import noise, video, write
from nqcodec.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
clip = video("420", 8, (128, 96))
try:
    write({path!r}, clip, noise(clip))
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.yuv", "f/%d.png"])
def test_a_disk_that_takes_no_more(tmp_path: Path, name: str) -> None:
    """The system's limit on file sizes stands for a full disk: both refuse in the middle of a write."""
    code = FULL.format(tests=str(Path(__file__).parents[1] / "support"), path=str(tmp_path / name))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{tmp_path / name}: cannot be written: the file is larger than the system allows\n"
    assert os.listdir(tmp_path) == []


def test_every_lossless_codec_is_in_this_build() -> None:
    assert {candidate.codec for candidate in libav_write._LOSSLESS} <= av.codecs_available
