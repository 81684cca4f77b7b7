"""Backtest: the forecasts of a method at past origins, with the actuals."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from ml.panel import Day, checked, midnight, refuse_duplicates, snapshots

Method = Callable[..., pd.DataFrame]


def backtest(
    history: pd.DataFrame,
    *,
    method: Method,
    origins: Iterable[Day],
    horizon: int,
    on_hand: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Run `method(history, as_of=origin, horizon=horizon, on_hand=on_hand)` at each origin, and add the actuals.

    Frames as in `ml.forecasting.forecast`; bind holidays with functools.partial. The method gets only the history
    up to the origin and the snapshots taken by then.
    Returns the method's columns with origin (day), step (days ahead) and actual (NaN where missing).
    """
    known = checked(history, "history", ("series_id", "day", "value"), ("day",))
    refuse_duplicates(known, "history", ["series_id", "day"])
    snapshot = None if on_hand is None or on_hand.empty else snapshots(on_hand).to_numpy()
    actual = known.rename(columns={"value": "actual"})
    results = []
    for origin in map(midnight, origins):
        book = on_hand if on_hand is None or snapshot is None else on_hand[snapshot <= np.datetime64(origin)]
        forecasts = method(known[known["day"] <= origin], as_of=origin, horizon=horizon, on_hand=book)
        forecasts = forecasts.assign(origin=origin, step=(forecasts["day"] - origin).dt.days)
        results.append(forecasts.merge(actual, on=["series_id", "day"], how="left"))
    return pd.concat(results, ignore_index=True) if results else pd.DataFrame()
