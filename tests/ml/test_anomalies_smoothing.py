"""Smoothing trusts slow rates where the level rests and fast ones where it wanders; an outlier moves it little."""

import numpy as np
import pytest

from ml.anomalies_smoothing import smoothed_days

DAYS = 500
NO_HOLIDAYS = np.zeros(DAYS, dtype=bool)


@pytest.mark.parametrize(("noise", "step"), [(1.0, 0.0), (0.0, 1.0)])
def test_each_series_trusts_the_rates_that_fit_it(noise: float, step: float) -> None:
    """The best possible error is 1: noise around a level at rest, or the step of a random walk."""
    rng = np.random.default_rng(1)
    work = 100 + noise * rng.normal(size=(6, DAYS)) + np.cumsum(step * rng.normal(size=(6, DAYS)), axis=1)
    forecast = smoothed_days(work, NO_HOLIDAYS, np.ones(work.shape, dtype=bool), np.ones(work.shape))
    assert (work - forecast)[:, 200:].std() < 1.25


def test_an_outlier_moves_the_next_forecast_by_less_than_two_spreads() -> None:
    work = 100 + np.random.default_rng(2).normal(size=(1, DAYS))
    learns, spread = np.ones(work.shape, dtype=bool), np.ones(work.shape)
    calm = smoothed_days(work, NO_HOLIDAYS, learns, spread)
    work[0, 400] = 1000
    struck = smoothed_days(work, NO_HOLIDAYS, learns, spread)
    assert 0 < struck[0, 401] - calm[0, 401] < 2
    assert np.array_equal(struck[0, :401], calm[0, :401])
