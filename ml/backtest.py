"""What a method would have said on past days, beside what came."""

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
    """Run `method(history, as_of=origin, horizon=horizon, on_hand=on_hand)` at each origin, and add what came.

    Frames as in `ml.forecasting.forecast`; bind holidays with functools.partial. The method gets only the history
    up to the origin and the snapshots taken by then.
    Returns the method's columns with origin (day), step (days ahead) and actual (NaN where missing).
    """
    known = checked(history, "history", ("series_id", "day", "value"), ("day",))
    refuse_duplicates(known, "history", ["series_id", "day"])
    taken = None if on_hand is None or on_hand.empty else snapshots(on_hand).to_numpy()
    actual = known.rename(columns={"value": "actual"})
    results = []
    for origin in map(midnight, origins):
        before = on_hand if on_hand is None or taken is None else on_hand[taken <= np.datetime64(origin)]
        said = method(known[known["day"] <= origin], as_of=origin, horizon=horizon, on_hand=before)
        step = (said["day"] - origin).dt.days
        results.append(said.assign(origin=origin, step=step).merge(actual, on=["series_id", "day"], how="left"))
    return pd.concat(results, ignore_index=True) if results else pd.DataFrame()
