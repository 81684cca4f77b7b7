"""Backtest: forecasts with their actuals; the method gets nothing from after its origin."""

from typing import Any

import pandas as pd
import pytest

from ml.backtest import backtest
from ml.forecasting import forecast
from tests.ml.series import AS_OF, SHARED, book, frame, seasonal

ORIGINS = [AS_OF - pd.Timedelta(days=days) for days in (28, 7)]


def test_the_table_has_one_row_per_series_origin_and_day() -> None:
    history = frame(a=seasonal(200), b=seasonal(90))
    table = backtest(history, method=forecast, origins=ORIGINS, horizon=14)
    assert not table.duplicated(["series_id", "origin", "day"]).any()
    assert len(table) == 2 * 2 * 14
    assert table["step"].between(1, 14).all()
    assert table["actual"].isna().eq(table["day"] > AS_OF).all()
    known = table.dropna(subset="actual").merge(history, on=["series_id", "day"])
    assert known["actual"].eq(known["value"]).all()


def test_the_method_gets_nothing_from_after_its_origin() -> None:
    seen = []

    def spy(history: pd.DataFrame, *, as_of: pd.Timestamp, horizon: int, on_hand: pd.DataFrame) -> pd.DataFrame:
        snapshot = on_hand["service_day"] - pd.to_timedelta(on_hand["lead_days"], unit="D")
        seen.append((history["day"].max(), snapshot.max()))
        arguments: dict[str, Any] = {"as_of": as_of, "horizon": horizon, "on_hand": on_hand}
        return forecast(history, **arguments)

    values = seasonal(100)
    backtest(frame(s=values), method=spy, origins=ORIGINS, horizon=3, on_hand=book(values, "s"))
    assert seen == [(origin, origin) for origin in ORIGINS]


def test_a_real_series_is_forecast_better_than_by_repeating_last_week() -> None:
    path = SHARED / "bike_sharing_daily.csv"
    if not path.exists():
        pytest.skip(f"needs {path}")
    raw = pd.read_csv(path)
    history = pd.DataFrame({"series_id": "bike", "day": raw["dteday"], "value": raw["cnt"]})
    origins = pd.date_range("2012-07-01", "2012-12-01", freq="28D")
    table = backtest(history, method=forecast, origins=list(origins), horizon=28).dropna(subset="actual")
    known = history.assign(day=pd.to_datetime(history["day"])).set_index("day")["value"]
    repeated = table["origin"] - pd.to_timedelta(6 - (table["step"] - 1) % 7, unit="D")
    naive = (table["actual"] - known.reindex(repeated).to_numpy()).abs().mean()
    assert (table["actual"] - table["forecast"]).abs().mean() < 0.95 * naive
