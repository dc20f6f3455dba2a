"""Bytes that a quality or a PSNR is expected to take."""

from __future__ import annotations

from pathlib import Path

import pytest

from nqcodec.encoder.expected_size import (
    LATE,
    REACH,
    ShortFit,
    expected_bytes,
    middle_of,
    relative_budgets,
    short_iterations,
)
from nqcodec.encoder.options import EncodeSettings
from nqcodec.encoder.rate import DEFAULT_QUALITY, Rate
from nqcodec.encoder.segment_task import SegmentTask
from nqcodec.media.clip import ClipInput
from nqcodec.media.video import Video

VIDEO = Video(320, 180, 32)
SHORT = ShortFit(300, 20_000, 35.0)


def task_of(*rates: Rate) -> SegmentTask:
    budgets = (None,) * len(rates)
    settings = EncodeSettings()
    return SegmentTask("a", ClipInput("a.y4m"), 0, 0, VIDEO, VIDEO, budgets, None, settings, Path(), (), rates)


@pytest.mark.parametrize(("lower", "higher"), [(Rate(psnr=37), Rate(psnr=38)), (Rate(quality=50), Rate(quality=60))])
def test_more_is_expected_of_a_higher_quality(lower: Rate, higher: Rate) -> None:
    sizes = [expected_bytes(rate, SHORT, 1440, VIDEO.pixels) for rate in (lower, higher)]
    assert SHORT.size / REACH < sizes[0] < sizes[1] < SHORT.size * REACH
    assert sizes[1] / sizes[0] == pytest.approx(
        relative_budgets(task_of(lower, higher), sizes[1])[1] / relative_budgets(task_of(lower, higher), sizes[1])[0],
        rel=1e-3,
    )


def test_a_longer_fit_is_expected_to_need_fewer_bytes_for_a_psnr() -> None:
    sizes = [expected_bytes(Rate(psnr=38), SHORT, iterations, VIDEO.pixels) for iterations in (700, LATE, 4 * LATE)]
    assert sizes == sorted(sizes, reverse=True)


def test_nothing_is_expected_far_beyond_what_a_short_fit_shows() -> None:
    assert expected_bytes(Rate(psnr=60), SHORT, 1440, VIDEO.pixels) == REACH * SHORT.size
    assert expected_bytes(Rate(psnr=20), SHORT, 1440, VIDEO.pixels) == round(SHORT.size / REACH)


def test_budgets_rise_with_the_rates_whatever_their_order() -> None:
    rates = Rate(psnr=38), Rate(psnr=34), Rate(psnr=36)
    assert middle_of(rates) == rates[2]
    high, low, middle = relative_budgets(task_of(*rates), 10_000)
    assert low < middle < high
    assert middle == 10_000
    assert task_of(*rates).rates_by_budget() == [1, 2, 0]


def test_a_short_fit_is_short() -> None:
    assert [short_iterations(number) for number in (1, 100, 1440, 92160)] == [1, 15, 216, 300]


def test_guesses_rise_with_the_quality_and_stay_within_a_clip() -> None:
    qualities = [Rate(quality=q).guessed_bytes(VIDEO) for q in (1, 30, DEFAULT_QUALITY, 70, 100)]
    assert qualities == sorted(qualities)
    assert 0 < qualities[0] < qualities[-1] < 2 * VIDEO.pixels
    assert Rate(psnr=30).guessed_bytes(VIDEO) < Rate(psnr=40).guessed_bytes(VIDEO)
    assert Rate(quality=1).guessed_bytes(Video(8, 8, 3)) == 3
