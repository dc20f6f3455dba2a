"""Controls without a size asked for, on simulated fits: the forecast, a constant lambda, and a PSNR."""

from __future__ import annotations

import json
import math

import pytest

from nqcodec.methods.rate_aware.control import RoundedFile, Standing
from nqcodec.methods.rate_aware.forecast import START, PsnrForecast
from nqcodec.methods.rate_aware.goals import HALVING, PsnrGoal, SlopeGoal, size_at, slope_of
from nqcodec.methods.rate_aware.quality_control import NATS, PEAK, SLOPE, ForecastControl, PsnrControl, SlopeControl
from nqcodec.methods.rate_aware.settings import RateAwareSettings

PIXELS = 1_000_000
STEP = 1 / 60


def psnr_at(done: float, end: float) -> float:
    """PSNR of a fit that ends with `end` dB: its rise falls as the forecast has it."""
    left = 1 - done
    return end - 8 * (0.1 * left + left**3 / 3)


def end_psnr(bits: float) -> float:
    """PSNR-YUV in dB that a fit ends with whose file has `bits` bits: 38 dB at 100,000."""
    return 38 + SLOPE / NATS * math.log(bits / 1e5)


def simulated(control: ForecastControl, slope: float = 0.6) -> tuple[float, float]:
    """(bits, PSNR) that a fit ends with whose size follows lambda^-slope with some delay, and whose PSNR follows the
    size."""
    bits = 3e5
    for number in range(1, 61):
        reached = 1e5 * (control.lmbda / 4e-6) ** -slope
        bits *= (reached / bits) ** 0.3
        done = number * STEP
        if done > 0.1:
            control.steer(Standing(bits, math.inf, psnr_at(done, end_psnr(bits)), done, STEP, done > 0.95))
    return bits, end_psnr(bits)


def test_the_forecast_is_exact_where_the_rise_is_as_measured() -> None:
    forecast = PsnrForecast()
    for number in range(1, 101):
        forecast.add(number / 100, psnr_at(number / 100, 38.0))
        end = forecast.end()
        if number / 100 < START:
            assert end is None
        else:
            assert end == pytest.approx(38.0, abs=0.1)


def test_there_is_no_forecast_without_what_was_before() -> None:
    forecast = PsnrForecast()
    assert forecast.end() is None
    forecast.add(0.9, 30.0)
    assert forecast.end() is None, "nothing is known of how it has risen"


@pytest.mark.parametrize("estimate", [0.7e5, 1e5, 1.5e5])
@pytest.mark.parametrize("slope", [0.4, 1.0])
def test_the_psnr_is_reached_from_an_estimate_that_is_off(estimate: float, slope: float) -> None:
    """The last tenths of a decibel are for what follows the fit."""
    _, psnr = simulated(PsnrControl(38.0, estimate), slope)
    assert psnr == pytest.approx(38.0, abs=0.3)


def test_a_constant_slope_weighs_bits_by_the_error_that_the_fit_ends_with() -> None:
    control = SlopeControl(60.0, PIXELS, 1e-6)
    assert control.lmbda == 1e-6
    _, psnr = simulated(control)
    assert control.lmbda == pytest.approx(60.0 / PIXELS / (PEAK**2 * 10 ** (-psnr / 10)), rel=0.1)


def test_a_lower_slope_gives_a_larger_file() -> None:
    sizes = [simulated(SlopeControl(slope_of(quality), PIXELS, 4e-6))[0] for quality in (30, 50, 70)]
    assert sizes == sorted(sizes)
    assert sizes[2] > 2 * sizes[0]


def test_a_step_of_quality_is_half_of_one_of_rate_factors() -> None:
    assert slope_of(50) == pytest.approx(2 * slope_of(50 + HALVING))
    assert slope_of(1) > slope_of(100) > 0


def test_of_files_that_reach_the_psnr_the_smaller_is_better() -> None:
    control = PsnrControl(38.0, 1e5)
    enough, more, less = RoundedFile(38.01, 900), RoundedFile(38.2, 1000), RoundedFile(37.9, 700)
    assert control.prefers(enough, more)
    assert not control.prefers(more, enough)
    assert control.prefers(more, less)
    assert not control.prefers(less, enough)
    assert control.prefers(RoundedFile(37.95, 800), less)


def test_of_files_of_one_slope_the_one_of_the_least_sum_is_better() -> None:
    control = SlopeControl(60.0, PIXELS, 1e-5)
    bits_of_a_decibel = NATS / 1e-5
    one = RoundedFile(38.0, 10_000)
    assert control.prefers(RoundedFile(39.0, 10_000 + round(0.9 * bits_of_a_decibel / 8)), one)
    assert not control.prefers(RoundedFile(39.0, 10_000 + round(1.1 * bits_of_a_decibel / 8)), one)


@pytest.mark.parametrize("goal", [PsnrGoal(38.0, 12_000), SlopeGoal(60.0, 12_000)])
def test_a_control_goes_on_from_its_facts(goal: PsnrGoal | SlopeGoal) -> None:
    def standing(number: int) -> Standing:
        return Standing(9e4 + 100 * number, math.inf, psnr_at(number * STEP, 37.0), number * STEP, STEP, False)

    settings = RateAwareSettings(iterations=60)
    whole, first, second = (goal.control(settings, PIXELS) for _ in range(3))
    for number in range(6, 50):
        whole.steer(standing(number))
        first.steer(standing(number))
        if number == 30:
            second.restore(json.loads(json.dumps(first.facts())))
            first = second
    assert first.facts() == whole.facts()


def test_sizes_follow_from_decibels() -> None:
    assert size_at(38.0, 1000, 38.0) == 1000
    assert size_at(38.0 + SLOPE / NATS * math.log(2), 1000, 38.0) == pytest.approx(2000)
