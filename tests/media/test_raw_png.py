"""Raw planar files and PNGs: round trips, and what is said of files that are not what they seem."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from formats_clips import LAYOUTS, SIZES, assert_same, broken_off, md5, noise, video, write

from nqcodec.errors import InputError, OutputError, UnsupportedError, UsageError
from nqcodec.media.colour import relevel, to_rgb
from nqcodec.media.raw import csp_name
from nqcodec.media.sink import open_sink
from nqcodec.media.source import open_source
from nqcodec.media.video import MATRIX_IDENTITY, Chroma, Colour, Video


def save(path: Path, pixels: np.ndarray, **options: object) -> None:
    path.parent.mkdir(exist_ok=True)
    iio.imwrite(path, pixels, plugin="pillow", extension=".png", **options)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_raw_round_trip(tmp_path: Path, layout: str, depth: int, size: tuple[int, int]) -> None:
    clip = video(layout, depth, size)
    path = tmp_path / "a.yuv"
    write(path, clip, noise(clip))
    assert path.stat().st_size == 3 * clip.frame_bytes
    assert md5(noise(clip)) == md5([(np.frombuffer(path.read_bytes(), np.uint8),)])
    said = {"input_res": size, "fps": clip.fps, "csp": csp_name(clip), "depth": depth}
    with open_source(path, **said) as source:
        assert (source.video.frames, source.video.fps, source.video.is_rgb) == (3, clip.fps, layout == "rgb")
        assert_same(source, noise(clip))
    with path.open("rb") as pipe, open_source("-", stdin=pipe, start=1, **said) as source:
        assert source.video.frames == 0
        assert_same(source, noise(clip)[1:])


def test_raw_samples_are_little_endian(tmp_path: Path) -> None:
    clip = Video(2, 1, 1, chroma=Chroma.C400, depth=10)
    write(tmp_path / "a.yuv", clip, [(np.array([[1, 0x302]], np.uint16),)])
    assert (tmp_path / "a.yuv").read_bytes() == b"\x01\x00\x02\x03"


def test_raw_defaults(tmp_path: Path) -> None:
    path = tmp_path / "clip"
    path.write_bytes(bytes(range(12)))
    with open_source(path, input_res=(2, 2)) as source:
        assert source.video == Video(2, 2, 2, Fraction(25), Chroma.C420, 8)


def test_raw_of_the_wrong_size(tmp_path: Path) -> None:
    path = tmp_path / "a.yuv"
    path.write_bytes(bytes(100))
    with pytest.raises(InputError) as caught:
        open_source(path, input_res=(4, 4))
    for part in (str(path), "100 bytes", "24 bytes", "4 bytes are left", "--input-res", "--input-csp", "--input-depth"):
        assert part in str(caught.value)


@pytest.mark.parametrize("start", [0, 1, 2])
def test_raw_pipe_cut_inside_a_frame(start: int) -> None:
    with pytest.raises(InputError, match=r"standard input: frame 1 is cut short: .* byte 24, 16 of 24 bytes"):
        list(open_source("-", stdin=io.BytesIO(bytes(40)), input_res=(4, 4), start=start))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["400", "rgb"])
def test_png_round_trip(tmp_path: Path, layout: str, size: tuple[int, int]) -> None:
    clip = video(layout, 8, size, full=True)
    write(tmp_path / "out" / "f_%04d.png", clip, noise(clip))
    assert sorted(os.listdir(tmp_path / "out")) == ["f_0000.png", "f_0001.png", "f_0002.png"]
    wanted = Colour(1, 13, MATRIX_IDENTITY if layout == "rgb" else 2, full_range=True)
    for path in (tmp_path / "out", tmp_path / "out" / "f_%04d.png"):
        with open_source(path, fps=clip.fps) as source:
            assert source.video == replace(clip, colour=wanted)
            assert_same(source, noise(clip))
    with open_source(tmp_path / "out", start=1, count=1) as source:
        assert source.video.frames == 1
        assert_same(source, noise(clip)[1:2])


def test_png_of_deep_grey_keeps_12_bits(tmp_path: Path) -> None:
    clip = video("400", 12, full=True)
    write(f"{tmp_path}/out/", clip, noise(clip))
    assert iio.imread(tmp_path / "out" / "00000.png").dtype == np.uint16
    with open_source(tmp_path / "out") as source:
        assert source.video.depth == 12
        assert_same(source, noise(clip))
    limited = video("400", 10)
    write(f"{tmp_path}/out/", limited, noise(limited))
    stored = iio.imread(tmp_path / "out" / "00000.png")
    assert np.array_equal(stored, relevel(noise(limited)[0][0], limited.colour, 10, 16))


@pytest.mark.parametrize("depth", [8, 10])
def test_png_of_yuv_is_converted(tmp_path: Path, depth: int) -> None:
    clip = video("420", depth, frames=1)
    write(tmp_path / "one.png", clip, noise(clip))
    assert np.array_equal(iio.imread(tmp_path / "one.png"), to_rgb(noise(clip)[0], clip, 8))


def test_png_folder_in_natural_order_beside_other_files(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        save(tmp_path / f"f{number}.png", np.full((2, 2), number, np.uint8))
    (tmp_path / "notes.txt").write_text("x")
    with open_source(tmp_path) as source:
        assert [int(frame[0][0, 0]) for frame in source] == [1, 9, 10, 100]


def test_png_kinds_that_are_read_as_rgb_or_grey(tmp_path: Path) -> None:
    rgb = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    save(tmp_path / "a" / "1.png", rgb)
    save(tmp_path / "a" / "2.png", np.concatenate([rgb, np.full((4, 4, 1), 255, np.uint8)], axis=2))
    with open_source(tmp_path / "a") as source:
        first, second = list(source)
    assert_same([first, second], [tuple(rgb[:, :, c] for c in (1, 2, 0))] * 2)
    save(tmp_path / "b" / "1.png", np.eye(4) > 0)
    with open_source(tmp_path / "b") as source:
        assert source.video.chroma is Chroma.C400
        assert next(iter(source))[0].tolist() == (np.eye(4) * 255).tolist()


def test_png_errors(tmp_path: Path) -> None:
    grey = np.zeros((2, 3), np.uint8)
    save(tmp_path / "size" / "1.png", grey)
    save(tmp_path / "size" / "2.png", grey.T)
    save(tmp_path / "kind" / "1.png", grey)
    save(tmp_path / "kind" / "2.png", np.zeros((2, 3, 3), np.uint8))
    save(tmp_path / "gap" / "1.png", grey)
    save(tmp_path / "gap" / "3.png", grey)
    save(tmp_path / "clear" / "1.png", np.zeros((2, 3, 4), np.uint8))
    save(tmp_path / "cut" / "1.png", np.zeros((20, 30, 3), np.uint8))
    data = (tmp_path / "cut" / "1.png").read_bytes()
    (tmp_path / "cut" / "1.png").write_bytes(data[:50])
    (tmp_path / "false.png").write_bytes(b"GIF89a" + bytes(40))
    (tmp_path / "empty").mkdir()
    cases = {
        "size": r"2\.png: is 2x3 8-bit grey, but 1\.png is 3x2",
        "kind": r"2\.png: is 3x2 8-bit RGB, but 1\.png is 3x2 8-bit grey",
        "gap/%d.png": r"2\.png: missing",
        "gap/%03d.png": "no file matches",
        "none/%d.png": "none: no such file",
        "clear": r"1\.png: the picture is transparent",
        "cut": r"1\.png: damaged PNG",
        "false.png": r"false\.png: not a PNG",
        "missing.png": r"missing\.png: no such file",
        "empty": "empty: the folder holds no PNG",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            list(open_source(tmp_path / name))


def test_png_of_16_bit_rgb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(path, np.zeros((2, 3, 3), np.uint8))
    data = bytearray(path.read_bytes())
    data[24] = 16
    path.write_bytes(data)
    with pytest.raises(UnsupportedError, match="3x2 16-bit RGB PNG is not supported"):
        open_source(path)


def test_png_output_leaves_other_files_alone_and_no_trace_on_abort(tmp_path: Path) -> None:
    clip = video("rgb")
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("00001.png", "00007.png", "notes.txt"):
        (folder / name).write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write(folder, clip, broken_off(clip, KeyboardInterrupt()))
    assert sorted(os.listdir(folder)) == ["00001.png", "00007.png", "notes.txt"]
    write(folder, clip, noise(clip))
    assert sorted(os.listdir(folder)) == ["00000.png", "00001.png", "00002.png", "00007.png", "notes.txt"]
    assert (folder / "00007.png").read_text() == (folder / "notes.txt").read_text() == "old"
    assert iio.imread(folder / "00001.png").shape == (33, 17, 3)
    sink = open_sink(f"{tmp_path}/fresh/", clip)
    sink.write(noise(clip)[0])
    sink.abort()
    assert os.listdir(tmp_path) == ["out"]


def test_one_png_holds_one_frame(tmp_path: Path) -> None:
    clip = video("rgb")
    with pytest.raises(OutputError, match="one picture, but the clip has 3"):
        open_sink(tmp_path / "a.png", clip)
    sink = open_sink(tmp_path / "a.png", clip.with_frames(0))
    sink.write(noise(clip)[0])
    with pytest.raises(OutputError, match="names one picture"):
        sink.write(noise(clip)[1])
    assert os.listdir(tmp_path) == []


def test_png_of_a_part_keeps_the_numbers_of_its_frames(tmp_path: Path) -> None:
    clip = video("rgb")
    write(f"{tmp_path}/folder/", clip, noise(clip), first=7)
    write(tmp_path / "folder" / "p%02d.png", clip, noise(clip), first=99)
    assert sorted(os.listdir(tmp_path / "folder")) == [
        *("00007.png", "00008.png", "00009.png"),
        *("p100.png", "p101.png", "p99.png"),
    ]


def test_pictures_take_no_raw_options(tmp_path: Path) -> None:
    save(tmp_path / "1.png", np.zeros((2, 3), np.uint8))
    with pytest.raises(UsageError, match="--input-res 4x4 contradicts the clip, which has 3x2"):
        open_source(tmp_path, input_res=(4, 4))
