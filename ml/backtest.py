"""What a method would have said on past days, beside what came."""

from collections.abc import Callable, Iterable

import pandas as pd

from ml.panel import Day, checked, midnight

Method = Callable[..., pd.DataFrame]


def backtest(
    history: pd.DataFrame,
    *,
    method: Method,
    origins: Iterable[Day],
    horizon: int,
    on_hand: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Run `method(history, as_of=origin, horizon=horizon, on_hand=on_hand)` at each origin, and add what came.

    Frames as in `ml.forecasting.forecast`; bind holidays with functools.partial. The method gets only the history
    up to the origin and the snapshots taken by then.
    Returns the method's columns with origin (day), step (days ahead) and actual (NaN where missing).
    """
    known = checked(history, "history", ("series_id", "day", "value"), ("day",))
    book = None if on_hand is None else on_hand.assign(_snapshot=_snapshots(on_hand))
    actual = known.rename(columns={"value": "actual"})
    results = []
    for origin in map(midnight, origins):
        before = None if book is None else book[book["_snapshot"] <= origin].drop(columns="_snapshot")
        said = method(known[known["day"] <= origin], as_of=origin, horizon=horizon, on_hand=before)
        step = (said["day"] - origin).dt.days
        results.append(said.assign(origin=origin, step=step).merge(actual, on=["series_id", "day"], how="left"))
    return pd.concat(results, ignore_index=True) if results else pd.DataFrame()


def _snapshots(on_hand: pd.DataFrame) -> pd.Series:
    days = pd.to_datetime(on_hand["service_day"])
    return days - pd.to_timedelta(on_hand["lead_days"].astype(int), unit="D")
