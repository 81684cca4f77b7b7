"""Workload: the booked and expected hours of each provider and day, against the available ones."""

import numpy as np
import pandas as pd

from ml.forecasting import HORIZON_DAYS
from ml.panel import Day, checked, midnight

COLUMNS = [
    "provider_id", "day", "booked_hours", "expected_hours", "available_hours", "free_hours", "overload_hours", "load",
    "will_overload",
]  # fmt: skip
LONG_DAY_HOURS = 1.0  # up to this many hours beyond the available ones are a long day, not an overload
MOST_LOAD = 9.99  # largest load, also where hours are booked and none are available


def load(
    booked: pd.DataFrame,
    available: pd.DataFrame,
    *,
    as_of: Day,
    horizon: int = HORIZON_DAYS,
    expected: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return each provider's load on each of the `horizon` days after `as_of`, and the days that will overload.

    available: provider_id, day, hours (working hours less absences; a day without a row has none). A provider without
    a row here has no known capacity, and is left out;
    booked: provider_id, day, hours (on hand; rows of one provider and day are added);
    expected: provider_id, day, hours (forecast of the day's final hours; at least the booked ones are taken, and the
    booked ones for a day without a row).

    Returns one row per provider and day: provider_id, day, booked_hours, expected_hours, available_hours, free_hours
    (available and not booked), overload_hours (expected beyond the available ones), load (expected over
    available, at most MOST_LOAD), will_overload (by more than LONG_DAY_HOURS). Raises ValueError for a missing column
    or for hours that are missing or negative.
    """
    days = pd.date_range(midnight(as_of) + pd.Timedelta(days=1), periods=horizon, freq="D").as_unit("s")
    hours = {"booked_hours": _hours(booked, "booked"), "available_hours": _hours(available, "available")}
    hours["expected_hours"] = hours["booked_hours"] if expected is None else _hours(expected, "expected")
    providers = sorted(set(hours["available_hours"].index.get_level_values(0)))
    index = pd.MultiIndex.from_product([providers, days], names=["provider_id", "day"])
    table = pd.DataFrame({name: sums.reindex(index, fill_value=0.0) for name, sums in hours.items()}).reset_index()
    table["expected_hours"] = table[["expected_hours", "booked_hours"]].max(axis=1)
    beyond = table["expected_hours"] - table["available_hours"]
    table["free_hours"] = (table["available_hours"] - table["booked_hours"]).clip(lower=0.0)
    table["overload_hours"] = beyond.clip(lower=0.0)
    share = table["expected_hours"] / table["available_hours"].where(table["available_hours"] > 0)
    unavailable = np.where(table["expected_hours"] > 0, MOST_LOAD, 0.0)
    table["load"] = share.clip(upper=MOST_LOAD).where(share.notna(), unavailable)
    table["will_overload"] = beyond > LONG_DAY_HOURS
    return table[COLUMNS]


def _hours(frame: pd.DataFrame, name: str) -> "pd.Series[float]":
    """Return the sum of the hours of each provider (as text) and day."""
    if "provider_id" not in frame.columns:
        raise ValueError(f"{name} has no column provider_id; it needs provider_id, day, hours")
    clean = checked(frame, name, ("day", "hours"), ("day",))
    hours = clean["hours"].to_numpy(dtype=float)
    if not (np.isfinite(hours) & (hours >= 0)).all():
        raise ValueError(f"{name}: column hours has a missing, infinite or negative value")
    provider = frame["provider_id"].reset_index(drop=True).astype(str)
    return clean["hours"].groupby([provider, clean["day"]]).sum()
