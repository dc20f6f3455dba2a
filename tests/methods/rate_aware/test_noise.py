"""Noise in the place of rounding: what soft rounding keeps, its slopes, and how noise is distributed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nqcodec.methods.rate_aware.noise import Noise, soft_round

TEMPERATURES = st.floats(0.05, 5.0)


def noise(temperature: float, peak: float, seed: int = 1) -> Noise:
    return Noise(torch.Generator().manual_seed(seed), temperature, peak)


@settings(deadline=None)
@given(temperature=TEMPERATURES)
def test_soft_rounding_keeps_wholes_and_halves_and_order(temperature: float) -> None:
    halves = torch.arange(-8, 9, dtype=torch.float64) / 2
    torch.testing.assert_close(soft_round(halves, temperature)[0], halves)
    values = torch.linspace(-3, 3, 601, dtype=torch.float64)
    rounded, slopes = soft_round(values, temperature)
    assert bool((rounded.diff() >= 0).all())
    assert bool((slopes >= 0).all())
    assert bool(((rounded - rounded.round()).abs() <= (values - values.round()).abs() + 1e-9).all())


@settings(deadline=None)
@given(value=st.floats(-4, 4), temperature=TEMPERATURES)
def test_slopes_are_those_of_soft_rounding(value: float, temperature: float) -> None:
    ends = torch.tensor([value - 1e-6, value, value + 1e-6], dtype=torch.float64)
    rounded, slopes = soft_round(ends, temperature)
    difference = float(rounded[2] - rounded[0]) / 2e-6
    assert float(slopes[1]) == pytest.approx(difference, rel=1e-3, abs=1e-4)


def test_the_temperature_leads_from_nothing_to_rounding() -> None:
    values = torch.linspace(-3, 3, 600, dtype=torch.float64)  # no halves among them
    torch.testing.assert_close(soft_round(values, 1e3)[0], values, atol=1e-4, rtol=0)
    torch.testing.assert_close(soft_round(values, 1e-4)[0], values.round(), atol=1e-4, rtol=0)


def test_the_whole_slope_is_that_of_what_comes_out() -> None:
    values = torch.linspace(-3, 3, 999, dtype=torch.float64)
    shift = 1e-6
    below, above = (noise(0.4, 1.5).soft(values + way)[0] for way in (-shift, shift))
    _, slopes = noise(0.4, 1.5).soft(values)
    torch.testing.assert_close(slopes, (above - below) / (2 * shift), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("peak", [1.0, 1.3, 2.0])
def test_noise_is_kumaraswamy_s_with_its_mode_at_zero(peak: float) -> None:
    count = 100_000
    sample, _ = noise(1e4, peak).soft(torch.zeros(count))
    assert float(sample.abs().max()) <= 0.5 + 1e-4
    second = (2**peak * (peak - 1) + 1) / peak
    for place in (-0.4, -0.2, 0.0, 0.2, 0.4):
        expected = 1 - (1 - (place + 0.5) ** peak) ** second
        # Five deviations of a part of so many.
        assert float((sample < place).double().mean()) == pytest.approx(expected, abs=5 * 0.5 / count**0.5)
    if peak > 1:
        places = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
        density = peak * second * places ** (peak - 1) * (1 - places**peak) ** (second - 1)
        assert float(places[density.argmax()]) == pytest.approx(0.5, abs=2e-3)
    assert (float(sample.var()) < 0.9 / 12) == (peak > 1)


def test_gaussian_noise_has_its_deviation_instead() -> None:
    gaussian = Noise(torch.Generator().manual_seed(1), temperature=1e4, deviation=0.2)
    sample, slopes = gaussian.soft(torch.full((100_000,), 3.0))
    assert float(sample.mean()) == pytest.approx(3.0, abs=5e-3)
    assert float(sample.std()) == pytest.approx(0.2, rel=0.02)
    beyond = float(((sample - 3).abs() > 0.4).double().mean())
    assert beyond == pytest.approx(0.0455, rel=0.1)
    torch.testing.assert_close(slopes, torch.ones_like(slopes), atol=1e-3, rtol=0)
