"""Daily series: their names, those with enough nonzero days to be modelled, and the parts of total revenue."""

from datetime import date
from typing import Final

import pandas as pd

from ml.anomalies import MINIMUM_NONZERO, NONZERO_DAYS
from ml.panel import MEMORY_DAYS

SEPARATOR: Final = "|"  # a series is metric|dimension|member
REVENUE: Final = "realized_revenue"
TOTAL_REVENUE: Final = SEPARATOR.join((REVENUE, "total", "all"))
REST_REVENUE: Final = SEPARATOR.join(
    (REVENUE, "rest", "all")
)  # of the services with too few nonzero days to be forecast

# A service or provider is modelled by itself, and revenue is forecast at all, where at least this many days of the last
# twelve weeks are not zero: ml.anomalies needs as many to estimate a scale, and of fewer a daily forecast is a guess.
LEAST_NONZERO_DAYS: Final = MINIMUM_NONZERO
NONZERO_WITHIN_DAYS: Final = NONZERO_DAYS
SEASON_DAYS: Final = 365  # a business that opens for a season had revenue at this time of the last year


def forecastable(sparse: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return the rows of total revenue and of each service with enough nonzero days: series_id, day, value, first_day.

    Empty where total revenue has too few nonzero days both up to as_of and in the coming weeks of a year ago.
    """
    today = pd.Timestamp(as_of)
    is_total = sparse["series_id"] == TOTAL_REVENUE
    last_season = today - pd.Timedelta(days=SEASON_DAYS - NONZERO_WITHIN_DAYS)
    if not (
        _has_enough_nonzero_days(sparse[is_total], today).any()
        or _has_enough_nonzero_days(sparse[is_total], last_season).any()
    ):
        return sparse.head(0)
    is_active = sparse["series_id"].map(_has_enough_nonzero_days(sparse, today)).fillna(False).astype(bool)
    return sparse[(is_total | is_active) & (sparse["day"] > today - pd.Timedelta(days=MEMORY_DAYS))]


def _has_enough_nonzero_days(sparse: pd.DataFrame, last: pd.Timestamp) -> "pd.Series[bool]":
    """Return, by series_id, True if enough of the days up to `last` are not zero."""
    within = (sparse["day"] <= last) & (sparse["day"] > last - pd.Timedelta(days=NONZERO_WITHIN_DAYS))
    nonzero_days = (within & (sparse["value"] != 0)).groupby(sparse["series_id"]).sum()
    return nonzero_days >= LEAST_NONZERO_DAYS


def dense(sparse: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return series_id, day, value of each day to `as_of`, zeros included.

    A series begins on its first_day, or MEMORY_DAYS before as_of where that is later.
    """
    if sparse.empty:
        return sparse[["series_id", "day", "value"]]
    first = sparse.groupby("series_id")["first_day"].first()
    days = pd.date_range(max(first.min(), pd.Timestamp(as_of) - pd.Timedelta(days=MEMORY_DAYS - 1)), as_of, name="day")
    wide = sparse.pivot(index="day", columns="series_id", values="value").reindex(days).fillna(0.0)
    has_begun = days.to_numpy()[:, None] >= first[wide.columns].to_numpy()[None, :]
    return wide.where(has_begun).melt(ignore_index=False).dropna().reset_index()[["series_id", "day", "value"]]


def with_rest(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return `frame` (series_id, *keys, value) with REST_REVENUE, if its services are not the whole total."""
    is_total = frame["series_id"] == TOTAL_REVENUE
    rest = frame[is_total].groupby(keys)["value"].sum()
    rest = rest.sub(frame[~is_total].groupby(keys)["value"].sum().reindex(rest.index, fill_value=0.0)).round(2)
    if is_total.all() or not rest.any():
        return frame
    return pd.concat([frame, rest.reset_index().assign(series_id=REST_REVENUE)[frame.columns]], ignore_index=True)


def revenue_hierarchy(series: pd.Series) -> pd.DataFrame:
    """Return the parts of total revenue among `series`, the services and the rest: series_id, total_id, dimension."""
    ids = pd.Series(series.unique(), dtype=object)
    return pd.DataFrame({"series_id": ids[ids != TOTAL_REVENUE], "total_id": TOTAL_REVENUE, "dimension": "service"})
