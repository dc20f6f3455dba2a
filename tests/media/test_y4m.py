"""y4m: headers to the byte, round trips, FFmpeg's reading of our files, and damaged ones."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from formats_clips import SIZES, assert_same, noise, video, write

from nqcodec.errors import InputError
from nqcodec.media.libav import LibavReader
from nqcodec.media.source import open_source
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.media.y4m import header

HEADERS = [
    (Video(320, 180, 0, Fraction(25)), "W320 H180 F25:1 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED"),
    (
        Video(1, 1, 0, Fraction(30000, 1001), colour=Colour(chroma_location=1, full_range=True), sar=Fraction(64, 45)),
        "W1 H1 F30000:1001 Ip A64:45 C420jpeg XCOLORRANGE=FULL",
    ),
    (Video(8, 8, colour=Colour(chroma_location=2)), "W8 H8 F25:1 Ip A1:1 C420paldv XCOLORRANGE=LIMITED"),
    (Video(8, 8, depth=10), "W8 H8 F25:1 Ip A1:1 C420p10 XCOLORRANGE=LIMITED"),
    (Video(8, 8, chroma=Chroma.C422), "W8 H8 F25:1 Ip A1:1 C422 XCOLORRANGE=LIMITED"),
    (Video(8, 8, chroma=Chroma.C444, depth=12), "W8 H8 F25:1 Ip A1:1 C444p12 XCOLORRANGE=LIMITED"),
    (Video(8, 8, chroma=Chroma.C400), "W8 H8 F25:1 Ip A1:1 Cmono XCOLORRANGE=LIMITED"),
    (Video(8, 8, chroma=Chroma.C400, depth=9), "W8 H8 F25:1 Ip A1:1 Cmono9 XCOLORRANGE=LIMITED"),
]


@pytest.mark.parametrize(("clip", "text"), HEADERS)
def test_header_bytes(clip: Video, text: str) -> None:
    assert header(clip) == b"YUV4MPEG2 " + text.encode() + b"\n"


def test_whole_file_bytes(tmp_path: Path) -> None:
    clip = video("420", size=(1, 1), frames=2)
    path = tmp_path / "a.y4m"
    write(path, clip, noise(clip))
    samples = bytes(int(plane[0, 0]) for frame in noise(clip) for plane in frame)
    assert path.read_bytes() == header(clip) + b"FRAME\n" + samples[:3] + b"FRAME\n" + samples[3:]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["400", "420", "422", "444"])
@pytest.mark.parametrize("depth", [8, 9, 10, 11, 12])
def test_round_trip(tmp_path: Path, layout: str, depth: int, size: tuple[int, int]) -> None:
    clip = replace(video(layout, depth, size, full=depth == 10), sar=Fraction(4, 3))
    path = tmp_path / "a.y4m"
    write(path, clip, noise(clip))
    # y4m holds neither primaries nor transfer nor matrix.
    said = replace(clip, colour=Colour(full_range=depth == 10))
    with open_source(path) as source:
        assert source.video == said
        assert_same(source, noise(clip))
    with path.open("rb") as pipe, open_source("-", stdin=pipe) as source:
        assert source.video == said.with_frames(0)
        assert_same(source, noise(clip))


@pytest.mark.parametrize("layout", ["400", "420", "422", "444"])
@pytest.mark.parametrize("depth", [8, 9, 10, 12])
def test_ffmpeg_reads_the_same(tmp_path: Path, layout: str, depth: int) -> None:
    clip = replace(video(layout, depth, (17, 33), full=layout == "422"), sar=Fraction(4, 3))
    path = tmp_path / "a.y4m"
    write(path, clip, noise(clip))
    reader = LibavReader(path)
    found = reader.video
    assert (found.chroma, found.depth, found.fps, found.sar) == (clip.chroma, clip.depth, clip.fps, clip.sar)
    assert found.colour.full_range == clip.colour.full_range
    assert_same(reader.frames(), noise(clip))
    reader.close()


@pytest.mark.parametrize(
    ("tag", "location"), [("C420", 1), ("C420jpeg", 1), ("C420mpeg2", 0), ("C420paldv", 2), ("", 1)]
)
def test_chroma_location_and_frame_parameters(tag: str, location: int) -> None:
    data = b"YUV4MPEG2 H2 W2 Ip F0:0 A0:0 " + tag.encode() + b" Xnote=1\nFRAME Ip\nabcdefFRAME Xa=b\nABCDEF"
    with open_source("-", stdin=io.BytesIO(data), fps=Fraction(50)) as source:
        assert source.video == Video(2, 2, 0, Fraction(50), colour=Colour(chroma_location=location))
        assert [frame[2].tobytes() for frame in source] == [b"f", b"F"]


BAD_HEADERS = [
    (b"H2 F25:1", "tag W"),
    (b"W2 H0 F25:1", "tag H0"),
    (b"W-2 H2 F25:1", "tag W-2"),
    (b"W2 H2 F25", "tag F25"),
    (b"W2 H2 F25:1 Ax:y", "tag Ax:y"),
    (b"W2 H2 F25:1 C411", "tag C411"),
    (b"W2 H2 F25:1 C444alpha", "tag C444alpha"),
    (b"W2 H2 F25:1 C420p16", "tag C420p16"),
    (b"W2 H2 " + b"X" * 5000, "longer than 4096 bytes"),
]


@pytest.mark.parametrize(("tags", "message"), BAD_HEADERS)
def test_bad_headers(tmp_path: Path, tags: bytes, message: str) -> None:
    path = tmp_path / "bad.y4m"
    path.write_bytes(b"YUV4MPEG2 " + tags + b"\nFRAME\nabcdef")
    with pytest.raises(InputError, match=message) as caught:
        open_source(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("piped", [False, True])
def test_every_cut_is_an_error(tmp_path: Path, piped: bool) -> None:
    clip = video("420", size=(3, 2), frames=2)
    write(tmp_path / "a.y4m", clip, noise(clip))
    whole = (tmp_path / "a.y4m").read_bytes()
    first, size = len(header(clip)), 6 + clip.frame_bytes
    for cut in range(len(whole)):
        if cut == first + size:
            continue  # One whole frame: a legal clip.
        path = tmp_path / "cut.y4m"
        path.write_bytes(whole[:cut])
        with path.open("rb") as pipe, pytest.raises(InputError) as caught:
            list(open_source("-" if piped else path, stdin=pipe))
        if cut > first:
            index, inside = divmod(cut - first, size)
            place = first + index * size + (6 if inside >= 6 else 0)
            assert f"frame {index}" in str(caught.value)
            assert f"byte {place}" in str(caught.value)


def test_lost_synchronisation_names_the_place(tmp_path: Path) -> None:
    clip = video("420", size=(4, 4), frames=2)
    path = tmp_path / "a.y4m"
    write(path, clip, noise(clip))
    path.write_bytes(path.read_bytes().replace(b"W4 ", b"W2 ", 1))
    with pytest.raises(InputError, match=r"frame 1 at byte \d+ does not begin with FRAME"):
        open_source(path)


def test_sample_above_the_depth(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    path.write_bytes(b"YUV4MPEG2 W1 H1 F25:1 Cmono10\nFRAME\n\x00\x04")
    with open_source(path) as source, pytest.raises(InputError, match="sample of 1024 is too large for 10 bits"):
        list(source)
