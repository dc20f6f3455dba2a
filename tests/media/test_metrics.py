"""Quality figures and rates against values worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from nqcodec.bitstream.writer import overhead_bytes
from nqcodec.encoder.rate import NETWORK_BYTES, Rate, bytes_as_rate, segment_budgets, segment_lengths
from nqcodec.errors import RateError, UsageError
from nqcodec.media.metrics import MAX_DB, QualityMeter, psnr
from nqcodec.media.video import Chroma, Colour, Video


def test_psnr_of_one_step_everywhere() -> None:
    a, b = np.full((4, 6), 100, np.uint8), np.full((4, 6), 101, np.uint8)
    assert psnr(a, b, 8) == pytest.approx(20 * np.log10(255))
    assert psnr(a, a, 8) == MAX_DB
    wide = np.full((4, 6), 4095, np.uint16)
    assert psnr(wide, wide * 0, 12) == pytest.approx(0.0)


def test_yuv_is_six_to_one_to_one_in_db() -> None:
    video = Video(4, 4, 2)
    zero = [np.zeros(shape, np.uint8) for shape in video.plane_shapes]
    meter = QualityMeter(video)
    meter.add(tuple(zero), (zero[0] + 1, zero[1] + 2, zero[2] + 4))
    meter.add(tuple(zero), tuple(zero))
    y, u, v = (20 * np.log10(255 / error) for error in (1, 2, 4))
    assert meter.rows[0]["yuv"] == pytest.approx((6 * y + u + v) / 8)
    assert meter.means()["y"] == pytest.approx((y + MAX_DB) / 2)


def test_rgb_video_and_grey_video_have_their_own_rows() -> None:
    rgb = QualityMeter(Video(2, 2, 1, chroma=Chroma.C444, colour=Colour(matrix=0, full_range=True)))
    planes = tuple(np.zeros((2, 2), np.uint8) for _ in range(3))
    rgb.add(planes, (planes[0] + 3, planes[1], planes[2]))
    assert list(rgb.rows[0]) == ["g", "b", "r", "rgb", "yuv"]
    assert rgb.rows[0]["rgb"] == pytest.approx(20 * np.log10(255) - 10 * np.log10(9 / 3))
    grey = QualityMeter(Video(2, 2, 1, chroma=Chroma.C400))
    grey.add(planes[:1], (planes[0] + 1,))
    assert grey.rows[0]["yuv"] == grey.rows[0]["y"]


def test_rates_in_bytes() -> None:
    video = Video(100, 80, 50, Fraction(25))
    assert Rate(bpp=0.1).file_bytes(video) == 5000
    assert Rate(bitrate=20).file_bytes(video) == 5000
    assert Rate(parameters=7).file_bytes(video) is None
    assert "0.10000 bpp" in bytes_as_rate(5000, video)
    assert "20.0 kb/s" in bytes_as_rate(5000, video)
    for wrong in ({}, {"bpp": 1.0, "bitrate": 1.0}, {"bpp": 0.0}, {"bitrate": -3.0}):
        with pytest.raises(UsageError):
            Rate(**wrong)


@pytest.mark.parametrize(("frames", "longest"), [(1, None), (10, 3), (10, 10), (10, 99), (7, 1), (100, 33)])
def test_segments_cover_the_clip_evenly(frames: int, longest: int | None) -> None:
    lengths = segment_lengths(frames, longest)
    assert sum(lengths) == frames
    assert max(lengths) <= (longest or frames)
    assert max(lengths) - min(lengths) <= 1


def test_budgets_leave_room_for_headers_and_hashes() -> None:
    video = Video(64, 48, 10)
    budgets = segment_budgets(9000, [4, 6], True, video)
    beside = overhead_bytes(video, [4, 6], hashed=True)
    assert sum(budgets) + beside <= 9000 < sum(budgets) + beside + 2
    assert budgets[1] / budgets[0] == pytest.approx(1.5, rel=0.01)
    with pytest.raises(RateError, match="headers alone"):
        segment_budgets(50, [10], False, video)


def test_more_bytes_than_the_samples_have_are_refused_with_the_most() -> None:
    video = Video(64, 48, 10, Fraction(25), depth=10)
    beside = overhead_bytes(video, [5, 5])
    most = beside + 2 * NETWORK_BYTES + 64 * 48 * 3 // 2 * 10 * 10 // 8
    assert sum(segment_budgets(most, [5, 5], False, video)) + beside == most
    with pytest.raises(RateError, match=f"uncompressed: the most is {most} bytes = "):
        segment_budgets(most + 1, [5, 5], False, video)
