"""Forecasts: accurate for simple series, complete for odd ones, additive in a hierarchy."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.backtest import backtest
from ml.forecasting import HORIZON_DAYS, forecast
from tests.ml.series import AS_OF, book, days, frame, odd_series, seasonal

COLUMNS = ["series_id", "day", "forecast", "lower_80", "upper_80", "lower_95", "upper_95", "on_hand", "model"]
NUMBERS = COLUMNS[2:7]


def assert_complete(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    assert np.isfinite(table[NUMBERS].to_numpy(dtype=float)).all()
    ordered = table[["lower_95", "lower_80", "forecast", "upper_80", "upper_95"]].to_numpy(dtype=float)
    assert (ordered[:, :-1] <= ordered[:, 1:]).all()
    assert table["model"].str.len().gt(0).all()


def test_every_odd_series_gets_a_complete_forecast_by_a_named_model() -> None:
    history = frame(**odd_series())
    table = forecast(history, as_of=AS_OF)
    assert_complete(table)
    assert table.groupby("series_id").size().eq(HORIZON_DAYS).all()
    assert set(table["series_id"]) == set(odd_series())
    positive = table[table["series_id"] != "negative"].query("series_id != 'infinite'")
    assert (positive["lower_95"] >= 0).all()
    assert (table.loc[table["series_id"] == "negative", "lower_95"] < 0).any()
    models = table.groupby("series_id")["model"].first()
    assert models["one"] == models["three"] == models["ten"] == "mean"
    assert models["missing"] == "empty"
    assert models["constant"] == models["zero"] == "constant"
    assert models["dormant"] == "dormant"
    assert models["intermittent"] == "intermittent smoothing+boosting"
    assert models["month"] == "smoothing"
    assert models["year"] == "smoothing+regression+boosting"
    assert models["growing"] == "regression+boosting"
    assert table.loc[table["series_id"] == "constant", "forecast"].eq(42).all()
    closed = table[(table["series_id"] == "weekdays_only") & (table["day"].dt.day_of_week >= 5)]
    assert (closed["forecast"] < 20).all()


def test_bounds_lie_within_a_few_times_the_largest_value() -> None:
    rng = np.random.default_rng(3)
    series = {**odd_series(), "late": np.concatenate([np.zeros(700), rng.lognormal(3, 2, 25)])}
    table = forecast(frame(**series), as_of=AS_OF)
    largest = table["series_id"].map({name: np.nanmax(np.abs(values), initial=0) for name, values in series.items()})
    bounds = table[["forecast", "lower_80", "upper_80", "lower_95", "upper_95"]].abs()
    assert (bounds.max(axis=1) <= 3.0001 * largest).all()


def test_series_that_begin_late_do_not_widen_the_intervals() -> None:
    """Before its first sale a series is zero, and its first sales are no multiple of anything."""
    rng = np.random.default_rng(5)
    days = pd.date_range(end=AS_OF, periods=420, freq="D")
    tables = []
    for number in range(20):
        values = rng.poisson(3, len(days)) * rng.gamma(4, 25, len(days))
        values[: 60 + 5 * number if number > 5 else 0] = 0.0
        tables.append(pd.DataFrame({"series_id": f"s{number:02}", "day": days, "value": values}))
    table = pd.concat(tables, ignore_index=True)
    result = forecast(table, as_of=AS_OF).merge(
        table.groupby("series_id")["value"].max().rename("largest"), on="series_id"
    )
    assert (result["upper_80"] < result["largest"]).all()


def test_season_is_found_and_intervals_cover_the_actuals() -> None:
    values = seasonal(758, noise=8.0)
    history = frame(s=values)
    origin = AS_OF - pd.Timedelta(days=28)
    table = backtest(history, method=forecast, origins=[origin], horizon=28)
    error = (table["forecast"] - table["actual"]).abs()
    assert error.mean() < 10
    inside = (table["actual"] >= table["lower_95"]) & (table["actual"] <= table["upper_95"])
    assert inside.sum() >= 25
    assert (table["upper_80"] - table["lower_80"]).mean() < 60


def test_a_weekday_that_is_always_closed_is_forecast_zero_unless_something_is_booked() -> None:
    values = seasonal(300)
    values[np.asarray(days(300).day_of_week == 6)] = 0.0
    table = forecast(frame(a=values), as_of=AS_OF)
    sundays = table["day"].dt.day_of_week == 6
    assert (table.loc[sundays, ["forecast", "lower_80", "lower_95"]].to_numpy() == 0).all()
    assert (table.loc[~sundays, "forecast"] > 0).all()
    booked = forecast(frame(a=values), as_of=AS_OF, on_hand=book(values, "a"))
    assert (booked.loc[sundays & (booked["on_hand"] > 100), "forecast"] > 0).any()


def test_order_of_rows_changes_nothing() -> None:
    history = frame(a=seasonal(250), b=seasonal(90, seed=2))
    once = forecast(history, as_of=AS_OF)
    shuffled = forecast(history.sample(frac=1, random_state=0), as_of=AS_OF)
    pd.testing.assert_frame_equal(once, shuffled, check_exact=True)


def test_a_book_reduces_the_error_of_the_days_that_it_covers() -> None:
    values = seasonal(300, noise=60.0)
    history, on_hand = frame(s=values), book(values, "s")
    origin = AS_OF - pd.Timedelta(days=28)
    tables = {
        name: backtest(history, method=forecast, origins=[origin], horizon=35, on_hand=books)
        for name, books in (("book", on_hand), ("plain", None))
    }
    error = {name: (table["forecast"] - table["actual"]).abs().mean() for name, table in tables.items()}
    assert error["book"] < 0.5 * error["plain"]
    covered = tables["book"]["step"] <= 28
    assert tables["book"].loc[covered, "model"].str.startswith("pickup").all()
    assert not tables["book"].loc[~covered, "model"].str.startswith("pickup").any()
    assert tables["book"]["on_hand"].notna().eq(covered).all()
    assert tables["plain"]["on_hand"].isna().all()
    assert_complete(tables["book"][COLUMNS])
    known = on_hand[(on_hand["lead_days"] == 5) & (on_hand["service_day"] == origin + pd.Timedelta(days=5))]
    returned = tables["book"].loc[tables["book"]["step"] == 5, "on_hand"]
    assert float(returned.iloc[0]) == pytest.approx(known["value"].iloc[0])


def test_a_book_without_information_is_not_used() -> None:
    rng = np.random.default_rng(0)
    values = seasonal(300, noise=2.0)
    on_hand = book(values, "s")
    on_hand["value"] = rng.uniform(0, 1000, len(on_hand))
    table = forecast(frame(s=values), as_of=AS_OF, on_hand=on_hand)
    assert not table["model"].str.contains("pickup").all()


def test_a_series_with_a_book_alone_is_forecast_from_it() -> None:
    on_hand = pd.DataFrame(
        {"series_id": "new", "service_day": [AS_OF + pd.Timedelta(days=3)], "lead_days": [3], "value": [90.0]}
    )
    table = forecast(frame(old=seasonal(100)), as_of=AS_OF, on_hand=on_hand)
    assert_complete(table)
    new = table[table["series_id"] == "new"]
    assert len(new) == HORIZON_DAYS
    assert float(new.loc[new["day"] == AS_OF + pd.Timedelta(days=3), "on_hand"].iloc[0]) == 90


def test_holidays_are_learnt() -> None:
    holidays = pd.DataFrame({"day": pd.date_range(days(430)[0], periods=20, freq="35D"), "name": "closed"})
    values = np.where(days(430).isin(pd.DatetimeIndex(holidays["day"])), 0.0, seasonal(430, noise=2.0))
    table = forecast(frame(s=values), as_of=AS_OF, holidays=holidays, horizon=40)
    on_holiday = table["day"].isin(pd.DatetimeIndex(holidays["day"]))
    assert on_holiday.any()
    assert table.loc[on_holiday, "forecast"].max() < 0.6 * table.loc[~on_holiday, "forecast"].min()


def test_a_holiday_does_not_lower_the_days_after_it() -> None:
    values = seasonal(150, noise=2.0)
    values[-1] = 0
    holidays = pd.DataFrame({"day": [AS_OF], "name": "closed"})
    without, with_holidays = (forecast(frame(s=values), as_of=AS_OF, holidays=frames) for frames in (None, holidays))
    assert (with_holidays["forecast"] > without["forecast"] + 10).all()


def test_days_as_dates_and_money_as_decimals_are_read() -> None:
    history = frame(s=seasonal(60))
    as_rows = history.assign(day=history["day"].dt.date, value=history["value"].map(lambda v: Decimal(int(v))))
    pd.testing.assert_frame_equal(
        forecast(history, as_of=AS_OF), forecast(as_rows, as_of=date(2025, 6, 30)), check_exact=True
    )


def test_no_rows_give_an_empty_table() -> None:
    assert list(forecast(frame(s=[1.0]).head(0), as_of=AS_OF).columns) == COLUMNS
    assert forecast(frame(s=[1.0]), as_of=AS_OF - pd.Timedelta(days=9)).empty


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.drop(columns="value"), "history has no column value"),
        (lambda frame: pd.concat([frame, frame.tail(1)]), "history has more than one row for series_id s"),
        (lambda frame: frame.assign(value="many"), "history: column value cannot be read"),
        (lambda frame: frame.assign(day="soon"), "history: column day cannot be read"),
        (lambda frame: frame.assign(day=pd.NaT), "history: column day has an empty day"),
    ],
)
def test_unreadable_input_is_refused_with_a_sentence(change, sentence: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=sentence):
        forecast(change(frame(s=seasonal(30))), as_of=AS_OF)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-5, 5).map(float)),
        min_size=1,
        max_size=90,
    ),
    st.integers(1, 40),
)
def test_any_numbers_give_a_complete_forecast(values: list[float | None], horizon: int) -> None:
    history = pd.DataFrame({"series_id": 1, "day": days(len(values)), "value": values})
    table = forecast(history, as_of=AS_OF, horizon=horizon)
    assert_complete(table)
    assert len(table) == horizon


def test_members_add_up_to_their_total_in_every_dimension() -> None:
    members = {"a": seasonal(120), "b": seasonal(120, level=60, seed=5), "c": seasonal(120, level=3, noise=3, seed=6)}
    total = np.sum(list(members.values()), axis=0)
    rest = total - members["b"]
    history = frame(**members, total=total, x=rest, y=members["b"])
    hierarchy = pd.DataFrame(
        {"series_id": ["a", "b", "c", "x", "y"], "total_id": "total", "dimension": ["one"] * 3 + ["two"] * 2}
    )
    table = forecast(history, as_of=AS_OF, hierarchy=hierarchy)
    assert_complete(table)
    assert (table["lower_95"] >= 0).all()
    by_series = table.pivot(index="day", columns="series_id", values="forecast")
    np.testing.assert_allclose(by_series["a"] + by_series["b"] + by_series["c"], by_series["total"], rtol=1e-6)
    np.testing.assert_allclose(by_series["x"] + by_series["y"], by_series["total"], rtol=1e-6)


@pytest.mark.parametrize(
    ("hierarchy", "sentence"),
    [
        ({"series_id": ["a"]}, "hierarchy has no column total_id"),
        ({"series_id": ["z"], "total_id": ["a"]}, "hierarchy: column series_id names z"),
        ({"series_id": ["a"], "total_id": ["a"]}, "hierarchy: column total_id names a series as its own total"),
        ({"series_id": ["a", "a"], "total_id": ["b", "b"]}, "hierarchy: column series_id has a more than once"),
    ],
)
def test_an_impossible_hierarchy_is_refused(hierarchy: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        forecast(frame(a=seasonal(20), b=seasonal(20)), as_of=AS_OF, hierarchy=pd.DataFrame(hierarchy))
