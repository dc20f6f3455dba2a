"""Curves against one another: Bjontegaard deltas and bits at equal quality, against curves whose answers are known."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nqcodec.compare.curves import bits_ratio, bjontegaard_delta, front

pytest.importorskip("bjontegaard")

ANCHOR = [(0.01 * 2**n, 28.0 + 3.0 * n) for n in range(6)]
"""Three decibels for each doubling: straight over log rate."""


def scaled(factor: float) -> list[tuple[float, float]]:
    return [(rate * factor, quality) for rate, quality in ANCHOR]


@given(st.floats(0.3, 3.0))
def test_a_curve_of_scaled_rates_has_that_bd_rate(factor: float) -> None:
    delta = bjontegaard_delta(scaled(factor), ANCHOR)
    assert delta is not None
    assert delta.rate == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert delta.quality == pytest.approx(-3 * math.log2(factor), abs=1e-6)
    assert (delta.low, delta.high, delta.share, delta.points) == (28.0, 43.0, 1.0, (6, 6))


def test_only_the_shared_range_counts() -> None:
    """Far worse where the anchor has no points, and equal to it where it has."""
    ours = [(0.02, 31.0), (0.04, 34.0), (0.08, 37.0), (90.0, 50.0)]
    shared = bjontegaard_delta(ours[:3], ANCHOR)
    assert shared is not None
    assert (shared.low, shared.high) == (31.0, 37.0)
    assert shared.share == pytest.approx(6 / 15)
    assert shared.rate == pytest.approx(0.0, abs=1e-9)
    whole = bjontegaard_delta(ours, ANCHOR[:4])
    assert whole is not None
    assert (whole.low, whole.high) == (31.0, 37.0)


def test_curves_without_a_shared_range_have_no_delta() -> None:
    assert bjontegaard_delta([(0.1, 50.0), (0.2, 55.0)], ANCHOR) is None
    assert bjontegaard_delta([(0.1, 30.0)], ANCHOR) is None
    assert bjontegaard_delta([(0.1, 32.0), (0.2, 31.0)], ANCHOR) is None


def test_without_a_shared_rate_there_is_a_bd_rate_alone() -> None:
    delta = bjontegaard_delta(scaled(1000), ANCHOR)
    assert delta is not None
    assert delta.quality is None
    assert delta.rate == pytest.approx(99900)


@given(st.floats(28.0, 43.0), st.floats(0.1, 10.0))
def test_bits_ratio_between_points(quality: float, factor: float) -> None:
    needed = 0.01 * 2 ** ((quality - 28) / 3)
    ratio = bits_ratio((factor * needed, quality), ANCHOR)
    assert ratio is not None
    assert ratio.value == pytest.approx(factor)
    assert not ratio.extrapolated


@pytest.mark.parametrize("quality", [22.0, 49.0])
def test_bits_ratio_outside_continues_the_line_and_says_so(quality: float) -> None:
    ratio = bits_ratio((0.01 * 2 ** ((quality - 28) / 3) * 1.5, quality), ANCHOR)
    assert ratio is not None
    assert ratio.value == pytest.approx(1.5)
    assert ratio.extrapolated
    assert str(ratio) == "~1.50"
    assert bits_ratio((0.1, quality), ANCHOR[:1]) is None


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(20.0, 50.0)), min_size=1, max_size=12))
def test_front_rises_strictly_and_no_point_beats_it(points: list[tuple[float, float]]) -> None:
    kept = front(points)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(kept))
    for rate, quality in points:
        assert any(r <= rate and q >= quality for r, q in kept)
