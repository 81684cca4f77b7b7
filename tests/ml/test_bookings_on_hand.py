"""The book: read as it is, its regression better than its mean pick-up, independent of later days."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from ml.bookings_on_hand import FEWEST_ROWS, book_array, book_series, pace, pick_up, regress
from ml.forecasting import forecast
from ml.panel import to_panel
from tests.ml.series import AS_OF, book, frame, seasonal

Array = npt.NDArray[np.float64]
LEADS = 14


def grouped(count: int, *, seed: int = 1, ahead: int = LEADS) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Return values (1, day), book (1, day, lead) and weekdays: single guests, groups and cancellations."""
    rng = np.random.default_rng(seed)
    length = count + ahead
    weekday = (np.arange(length) % 7).astype(np.int64)
    on_hand = np.empty((1, length, LEADS + 1))
    on_hand[0, :, LEADS] = rng.gamma(4.0, 25.0, length)
    for lead in range(LEADS - 1, -1, -1):
        before = on_hand[0, :, lead + 1]
        single = rng.poisson(np.where(weekday >= 5, 2.0, 1.0))
        group = rng.binomial(1, 0.02, length) * 80.0
        on_hand[0, :, lead] = before * (1 - 0.03 * rng.random(length)) + single + group
    return on_hand[:, :count, 0], on_hand, weekday


def grid(count: int, origins: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], ...]:
    parts = np.meshgrid(np.arange(count), np.asarray(origins), np.arange(1, LEADS + 1), indexing="ij")
    return tuple(part.ravel() for part in parts)


def test_rows_of_an_unknown_series_change_no_other() -> None:
    known = frame(a=[1.0, 2.0, 3.0])
    rows = pd.DataFrame({"series_id": ["a", "zzz"], "service_day": AS_OF, "lead_days": [1, 1], "value": [5.0, 99.0]})
    checked_book = book_series(rows, as_of=AS_OF)
    assert checked_book is not None
    array = book_array(checked_book, to_panel(known, as_of=AS_OF), 2)
    assert array[0, 2, 1] == 5
    assert np.nanmax(array) == 5


def test_pick_up_forecast_is_on_hand_plus_the_mean_pick_up_of_that_weekday() -> None:
    values = np.tile(np.arange(1.0, 8.0) * 10, 3)[None]
    on_hand = np.stack([np.append(values[0], values[0, :7]), np.append(values[0], values[0, :7]) * 0.6], axis=1)[None]
    on_hand[0, 21:, 1] = 5.0
    tables = pace(values, on_hand)
    forecast_of_one_step = pick_up(tables, *(np.array([index]) for index in (0, 20, 1)))
    assert forecast_of_one_step[0] == pytest.approx(5 + 10 * 0.4)
    assert np.isnan(pick_up(tables, *(np.array([index]) for index in (0, 20, 2)))[0])


def test_regression_finds_the_growth_of_the_amount_on_hand() -> None:
    rng = np.random.default_rng(2)
    count, weekday = 400, np.arange(402) % 7
    on_hand = np.full((1, 402, 2), np.nan)
    on_hand[0, :, 1] = rng.uniform(50, 150, 402)
    on_hand[0, :, 0] = on_hand[0, :, 1] * 0.8 + weekday * 3
    values = on_hand[:, :count, 0].copy()
    forecasts = regress(pace(values, on_hand), values, weekday, count - 1)
    expected = on_hand[0, 1 : count + 1, 1] * 0.8 + weekday[1 : count + 1] * 3
    assert np.abs(forecasts[0, :, 1] - expected).mean() < 0.02 * expected.mean()


def test_regression_errs_less_than_the_mean_where_groups_book_and_guests_cancel() -> None:
    values, on_hand, weekday = grouped(700)
    begin, origins = 500, np.arange(500, 700 - LEADS)
    forecasts = regress(pace(values[:, :begin], on_hand[:, : begin + LEADS]), values[:, :begin], weekday, begin - 1)
    assert forecasts.shape == (1, begin, LEADS + 1)
    tables = pace(values, on_hand)
    with_later_days = regress(tables, values, weekday, begin - 1)
    np.testing.assert_array_equal(with_later_days[:, :begin], forecasts)
    series, origin, step = grid(1, origins)
    actual = values[series, origin + step]
    error = {
        "mean": np.abs(pick_up(tables, series, origin, step) - actual).mean(),
        "regression": np.abs(with_later_days[series, origin, step] - actual).mean(),
    }
    assert error["regression"] < 0.9 * error["mean"]


def test_regression_needs_days_with_an_actual() -> None:
    values, on_hand, weekday = grouped(FEWEST_ROWS + 3)
    forecasts = regress(pace(values, on_hand), values, weekday, values.shape[1] - 1)
    assert np.isfinite(forecasts[:, :, 1:4]).all()
    assert np.isnan(forecasts[:, :, 4:]).all()


def test_amounts_may_have_any_size_and_be_zero() -> None:
    values, on_hand, weekday = grouped(200)
    usual = regress(pace(values, on_hand), values, weekday, 199)
    for factor in (1e250, 1e-250):
        forecasts = regress(pace(values * factor, on_hand * factor), values * factor, weekday, 199)
        np.testing.assert_allclose(forecasts / factor, usual, rtol=1e-6)
    zero = regress(pace(values * 0, on_hand * 0), values * 0, weekday, 199)
    assert (zero[:, :, 1:] == 0).all()


def test_beyond_the_book_the_forecast_is_the_one_without_it() -> None:
    whole = seasonal(314, noise=4.0)
    through = pd.date_range(end=AS_OF + pd.Timedelta(days=LEADS), periods=314)
    on_hand = pd.concat(
        pd.DataFrame({"series_id": "s", "service_day": through, "lead_days": lead, "value": whole * (1 - lead / 40)})
        for lead in range(LEADS + 1)
    )
    history = frame(s=whole[:-LEADS])
    booked = forecast(history, as_of=AS_OF, on_hand=on_hand)
    plain = forecast(history, as_of=AS_OF)
    beyond = booked["on_hand"].isna()
    assert beyond.sum() == 28 - LEADS
    columns = ["day", "forecast", "model"]
    pd.testing.assert_frame_equal(booked.loc[beyond, columns], plain.loc[beyond, columns])
    # From one week to the next, across the edge of the book, it changes no more than the season and the noise do.
    path = booked["forecast"].to_numpy()
    assert np.abs(path[LEADS : LEADS + 7] - path[LEADS - 7 : LEADS]).max() < 0.1 * path.mean()


def test_a_series_with_a_young_book_has_a_complete_forecast() -> None:
    values = seasonal(200)
    late = book(values, "s")
    late = late[late["service_day"] - pd.to_timedelta(late["lead_days"], unit="D") > AS_OF - pd.Timedelta(days=20)]
    table = forecast(frame(s=values, other=seasonal(200, seed=4)), as_of=AS_OF, on_hand=late)
    numbers = table[["forecast", "lower_95", "upper_95"]].to_numpy(dtype=float)
    assert np.isfinite(numbers).all()
    assert table.loc[table["series_id"] == "other", "on_hand"].isna().all()


def test_a_book_without_known_rows_is_none() -> None:
    rows = pd.DataFrame({"series_id": "s", "service_day": AS_OF, "lead_days": 1, "value": [1.0]})
    assert book_series(None, as_of=AS_OF) is None
    assert book_series(rows, as_of=AS_OF - pd.Timedelta(days=2)) is None


def test_a_rush_of_bookings_leaves_the_pick_up_alone() -> None:
    values = seasonal(400)
    calm = book(values, "s")
    snapshot = calm["service_day"] - pd.to_timedelta(calm["lead_days"], unit="D")
    # Twice as much is booked on each of ten days that ended three days ago, for days still to come.
    campaign = (snapshot > AS_OF - pd.Timedelta(days=13)) & (calm["service_day"] > AS_OF)
    gained = 15 * (snapshot[campaign] - (AS_OF - pd.Timedelta(days=13))).dt.days.clip(upper=10)
    rush = calm.assign(value=calm["value"].add(gained, fill_value=0.0))
    for rows, is_alone in ((calm, False), (rush, True)):
        models = forecast(frame(s=values), as_of=AS_OF, on_hand=rows)["model"]
        assert (models == "pickup+pickup regression").all() == is_alone
