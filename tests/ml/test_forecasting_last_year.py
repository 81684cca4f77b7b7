"""The last year in forecasts."""

import numpy as np
import numpy.typing as npt

from ml.forecasting_last_year import NEAR_DAYS, blend

HORIZON = 90
LENGTH = 1100


def blended(values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return flat forecasts (series, origin, step) at the level of four weeks, and the same after `blend`."""
    origins = values.shape[1] - 1 - 7 * np.arange(52, -1, -1)
    flat = np.stack([values[:, origin - 27 : origin + 1].mean(axis=1) for origin in origins], axis=1)
    flat = np.repeat(flat[:, :, None], HORIZON, axis=2)
    padded = np.pad(values, ((0, 0), (0, HORIZON)), constant_values=np.nan)
    actual = padded[:, origins[:, None] + np.arange(1, HORIZON + 1)]
    return flat, blend(flat, values, actual, origins)


def season(length: int) -> npt.NDArray[np.float64]:
    return 100 + 50 * np.sin(2 * np.pi * np.arange(length) / 364)


def test_a_season_is_drawn_from_the_last_year() -> None:
    whole = season(LENGTH + HORIZON)
    flat, after = blended(whole[None, :LENGTH])
    actual = whole[LENGTH:]
    for steps in (slice(NEAR_DAYS), slice(NEAR_DAYS, None)):
        assert (
            np.abs(after[0, -1, steps] - actual[steps]).mean()
            < 0.85 * np.abs(flat[0, -1, steps] - actual[steps]).mean()
        )


def test_the_next_weeks_ignore_a_year_of_another_size() -> None:
    # The level doubles in a year, and the season stays.
    flat, after = blended((season(LENGTH) * 2 ** (np.arange(LENGTH) / 364))[None])
    assert (after[0, -1, :NEAR_DAYS] == flat[0, -1, :NEAR_DAYS]).all()
    assert (after[0, -1, NEAR_DAYS:] != flat[0, -1, NEAR_DAYS:]).any()


def test_years_that_are_not_alike_change_nothing() -> None:
    # A season of two years: the last year goes the other way.
    flat, after = blended(100 + 50 * np.sin(2 * np.pi * np.arange(LENGTH) / 728)[None])
    assert (after[0, -1] == flat[0, -1]).all()


def test_without_a_year_nothing_changes() -> None:
    flat, after = blended(season(LENGTH)[None, -430:] + np.zeros((2, 1)))
    assert (after == flat).all()


def test_a_year_of_zeros_is_no_unit() -> None:
    values = season(LENGTH)[None].copy()
    values[:, : LENGTH - 364] = 0.0
    _, after = blended(values)
    assert np.isfinite(after).all()
