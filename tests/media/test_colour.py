"""Integer colour conversion: reference values, round trips, and its definition in formats/nq.md 9."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from formats_clips import SIZES, assert_same, noise, video
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.errors import UnsupportedError
from nqcodec.media.colour import as_rgb, as_yuv, convert, rgb_to_yuv_matrix, to_rgb, yuv_to_rgb_matrix
from nqcodec.media.video import Chroma, Colour, Video
from nqcodec.network import tables

KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def flat(values: tuple[int, ...], clip: Video) -> tuple[np.ndarray, ...]:
    return tuple(np.full(shape, value, clip.dtype) for value, shape in zip(values, clip.plane_shapes, strict=True))


@pytest.mark.parametrize(
    ("matrix", "yuv", "rgb"),
    [
        (1, (235, 128, 128), (255, 255, 255)),
        (1, (16, 128, 128), (0, 0, 0)),
        (1, (63, 102, 240), (255, 1, 0)),
        (6, (81, 90, 240), (254, 0, 0)),
        (9, (126, 128, 128), (128, 128, 128)),
    ],
)
def test_known_values_to_rgb(matrix: int, yuv: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    clip = Video(4, 2, colour=Colour(matrix=matrix))
    assert np.array_equal(to_rgb(flat(yuv, clip), clip), np.broadcast_to(np.array(rgb, np.uint8), (2, 4, 3)))


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        ((255, 255, 255), (235, 128, 128)),
        ((0, 0, 0), (16, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_known_values_from_rgb_in_bt709(rgb: tuple[int, int, int], yuv: tuple[int, ...]) -> None:
    clip = video("rgb", size=(2, 2))
    target = replace(clip, colour=Colour(matrix=1))
    red, green, blue = rgb
    assert tuple(int(p[0, 0]) for p in convert(flat((green, blue, red), clip), clip, target)) == yuv


@pytest.mark.parametrize("matrix", sorted(KR_KB))
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("depth_in", "depth_out"), [(8, 8), (10, 8), (12, 12), (8, 12)])
def test_to_rgb_against_exact_arithmetic(matrix: int, full: bool, depth_in: int, depth_out: int) -> None:
    clip = replace(video("444", depth_in, (64, 64), frames=1), colour=Colour(matrix=matrix, full_range=full))
    y, u, v = (plane.astype(np.float64) for plane in noise(clip)[0])
    peak, unit = (1 << depth_in) - 1, 1 << (depth_in - 8)
    luma = y / peak if full else (y - 16 * unit) / (219 * unit)
    cb, cr = ((plane - 128 * unit) / (peak if full else 224 * unit) for plane in (u, v))
    kr, kb = KR_KB[matrix]
    kg = 1 - kr - kb
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / kg
    wanted = np.clip(np.stack((red, green, blue), -1), 0, 1) * ((1 << depth_out) - 1)
    assert np.abs(to_rgb(noise(clip)[0], clip, depth_out) - wanted).max() <= 0.55


@given(
    st.sampled_from(sorted(KR_KB)), st.booleans(), st.integers(8, 12), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_rgb_to_yuv444_and_back(matrix: int, full: bool, depth: int, seed: int) -> None:
    clip = video("rgb", depth, (32, 32), frames=1)
    frame = noise(clip, seed)[0]
    target = replace(clip, colour=Colour(matrix=matrix, full_range=full))
    back = convert(convert(frame, clip, target), target, as_rgb(target))
    worst = max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in zip(frame, back, strict=True))
    assert worst <= (1 if full else 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["420", "422"])
def test_chroma_down_after_up_is_the_identity(layout: str, size: tuple[int, int]) -> None:
    clip = video(layout, 10, size)
    up = replace(clip, chroma=Chroma.C444)
    frames = noise(clip)
    assert_same([convert(convert(frame, clip, up), up, clip) for frame in frames], frames)


def test_box_average_rounds_and_replicates_odd_edges() -> None:
    clip, target = video("444", size=(3, 3)), video("420", size=(3, 3))
    u = np.array([[0, 1, 10], [1, 0, 13], [7, 8, 200]], np.uint8)
    down = convert((u, u, u), clip, target)[1]
    assert down.tolist() == [[1, 12], [8, 200]]


@pytest.mark.parametrize("layout", ["400", "420", "444", "rgb"])
@pytest.mark.parametrize("low", [8, 9, 10, 11])
def test_depth_up_and_down_is_the_identity(layout: str, low: int) -> None:
    clip = video(layout, low)
    high = replace(clip, depth=12)
    assert_same([convert(convert(f, clip, high), high, clip) for f in noise(clip)], noise(clip))


def test_depth_changes_keep_black_and_white() -> None:
    clip = video("400", 8, (3, 1), frames=1)
    frame = (np.array([[16, 128, 235]], np.uint8),)
    assert convert(frame, clip, replace(clip, depth=10))[0].tolist() == [[64, 512, 940]]
    full = replace(clip, depth=10, colour=replace(clip.colour, full_range=True))
    assert convert(frame, clip, full)[0].tolist() == [[0, 523, 1023]]


def test_grey_gains_neutral_chroma_and_equal_rgb() -> None:
    clip = replace(video("400", 10, (5, 3)), colour=Colour(full_range=True))
    frame = noise(clip)[0]
    y, u, v = convert(frame, clip, replace(clip, chroma=Chroma.C420))
    assert np.array_equal(y, frame[0])
    assert u.shape == (2, 3)
    assert set(np.unique(u)) == set(np.unique(v)) == {512}
    assert np.array_equal(to_rgb(frame, clip), np.repeat(frame[0][:, :, None], 3, axis=2))
    assert_same([convert((y, u, v), replace(clip, chroma=Chroma.C420), clip)], [frame])


def test_unspecified_matrix_follows_the_height() -> None:
    for height, code in ((719, 6), (720, 1)):
        clip = Video(2, height, colour=Colour(matrix=2))
        known = replace(clip, colour=Colour(matrix=code))
        frame = flat((100, 60, 200), clip)
        assert np.array_equal(to_rgb(frame, clip), to_rgb(frame, known))
        assert as_yuv(replace(as_rgb(clip), height=height)).colour.matrix == code


def test_matrix_change_goes_through_rgb() -> None:
    clip, target = (Video(2, 2, chroma=Chroma.C444, colour=Colour(matrix=m)) for m in (1, 6))
    assert tuple(int(p[0, 0]) for p in convert(flat((63, 102, 240), clip), clip, target)) == (82, 90, 240)


def test_refusals() -> None:
    clip = Video(2, 2, colour=Colour(matrix=8))
    with pytest.raises(UnsupportedError, match="matrix coefficients 8"):
        to_rgb(flat((1, 2, 3), clip), clip)
    with pytest.raises(ValueError, match="cannot be converted"):
        convert(flat((1, 2, 3), clip), clip, Video(3, 2))


@given(st.sampled_from(sorted(KR_KB)), st.booleans(), st.integers(8, 12), st.integers(8, 12))
def test_matrices_keep_grey_grey(matrix: int, full: bool, one: int, other: int) -> None:
    for row in rgb_to_yuv_matrix(matrix, full, one, other)[1:]:
        assert sum(row) == 0
    # The largest sum a picture can reach stays within 32 bits.
    for row in yuv_to_rgb_matrix(matrix, full, one, other):
        assert abs(row[0]) * ((1 << one) - 1) + sum(map(abs, row[1:])) * (1 << (one - 1)) + (1 << 15) < 2**31


def test_the_specification_lists_the_same_integers() -> None:
    text = (tables.FORMATS / "nq.md").read_text()
    names = {"BT.601": 6, "BT.709": 1, "BT.2020": 9}
    rows = re.findall(r"^\| (BT\.\d+), (limited|full) \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) == 6
    for name, levels, numbers in rows:
        (y, _, rv), (_, gu, gv), (_, bu, _) = yuv_to_rgb_matrix(names[name], levels == "full", 8, 8)
        assert [int(number) for number in numbers.split(" | ")] == [y, rv, gu, gv, bu]
