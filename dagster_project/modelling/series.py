"""Daily series: their names, those with enough nonzero days to be modelled, and the parts of a total."""

from datetime import date
from typing import Final

import pandas as pd

from ml.anomalies import MINIMUM_NONZERO, NONZERO_DAYS
from ml.panel import MEMORY_DAYS

SEPARATOR: Final = "|"  # a series is metric|dimension|member
REVENUE: Final = "realized_revenue"
REST: Final = "rest"  # the dimension of what the members that are forecast leave of their total

# A member is modelled by itself, and a total is forecast at all, where at least this many days of the last twelve weeks
# are not zero: ml.anomalies needs as many to estimate a scale, and of fewer a daily forecast is a guess.
LEAST_NONZERO_DAYS: Final = MINIMUM_NONZERO
NONZERO_WITHIN_DAYS: Final = NONZERO_DAYS
# Of each metric and dimension, the members with the largest sums of these twelve weeks. Smaller ones are too small a
# part of the total to be worth a message, and each costs time.
MOST_MEMBERS: Final = 20
SEASON_DAYS: Final = 365  # a business that opens for a season had figures at this time of the last year


def series_id(metric: str, dimension: str, member: str) -> str:
    """Return the name of a series."""
    return SEPARATOR.join((metric, dimension, member))


def total_of(metric: str) -> str:
    """Return the name of a metric's total."""
    return series_id(metric, "total", "all")


def rest_of(metric: str) -> str:
    """Return the name of what the members that are forecast leave of a metric's total."""
    return series_id(metric, REST, "all")


def metrics_of(series: pd.Series) -> pd.Series:
    """Return the metric of each series."""
    return _part_of(series, 0)


def is_total(series: pd.Series) -> "pd.Series[bool]":
    """Return, for each series, True if it is a metric's total."""
    return _part_of(series, 1) == "total"


def _part_of(series: pd.Series, position: int) -> pd.Series:
    """Return one part of each name; each distinct name is split once, because a long frame repeats them."""
    return series.map({name: str(name).split(SEPARATOR, 2)[position] for name in series.unique()}).astype(str)


def forecastable(sparse: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return the rows of the totals and of each member with enough nonzero days: series_id, day, value, first_day.

    A metric is left out where its total has too few nonzero days, both up to as_of and in this season a year ago.
    """
    today = pd.Timestamp(as_of)
    recent = _has_enough_nonzero_days(sparse, today)
    a_year_ago = _has_enough_nonzero_days(sparse, today - pd.Timedelta(days=SEASON_DAYS - NONZERO_WITHIN_DAYS))
    of_total, of_series = metrics_of(sparse["series_id"]).map(total_of), sparse["series_id"]
    is_metric = of_total.map(recent | a_year_ago).fillna(False).astype(bool)
    is_series = is_total(of_series) | of_series.map(recent).fillna(False).astype(bool)
    return sparse[is_metric & is_series & (sparse["day"] > today - pd.Timedelta(days=MEMORY_DAYS))]


def _has_enough_nonzero_days(sparse: pd.DataFrame, last: pd.Timestamp) -> "pd.Series[bool]":
    """Return, by series_id, True if enough of the days up to `last` are not zero."""
    within = (sparse["day"] <= last) & (sparse["day"] > last - pd.Timedelta(days=NONZERO_WITHIN_DAYS))
    nonzero_days = (within & (sparse["value"] != 0)).groupby(sparse["series_id"]).sum()
    return nonzero_days >= LEAST_NONZERO_DAYS


def dense(sparse: pd.DataFrame, as_of: date, figure: str = "value") -> pd.DataFrame:
    """Return series_id, day and `figure` of each day to `as_of`, zeros included.

    A series begins on its first_day, or MEMORY_DAYS before as_of where that is later.
    """
    if sparse.empty:
        return sparse[["series_id", "day", figure]]
    first = sparse.groupby("series_id")["first_day"].first()
    days = pd.date_range(max(first.min(), pd.Timestamp(as_of) - pd.Timedelta(days=MEMORY_DAYS - 1)), as_of, name="day")
    wide = sparse.pivot(index="day", columns="series_id", values=figure).reindex(days).fillna(0.0)
    has_begun = days.to_numpy()[:, None] >= first[wide.columns].to_numpy()[None, :]
    long = wide.where(has_begun).melt(ignore_index=False, value_name=figure).dropna().reset_index()
    return long[["series_id", "day", figure]]


def with_rest(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return `frame` (series_id, *keys, value) with the rest of each metric whose members are not the whole total."""
    rests = []
    for metric, rows in frame.groupby(metrics_of(frame["series_id"])):
        of_total = is_total(rows["series_id"])
        rest = rows[of_total].groupby(keys)["value"].sum()
        rest = rest.sub(rows[~of_total].groupby(keys)["value"].sum().reindex(rest.index, fill_value=0.0)).round(2)
        if not of_total.all() and rest.any():
            rests.append(rest.reset_index().assign(series_id=rest_of(str(metric)))[frame.columns])
    return pd.concat([frame, *rests], ignore_index=True) if rests else frame


def hierarchy(series: pd.Series) -> pd.DataFrame:
    """Return the parts of the totals among `series`, their members and rests: series_id, total_id, dimension."""
    ids = pd.Series(series.unique(), dtype=object)
    parts = ids[~is_total(ids)]
    return pd.DataFrame({"series_id": parts, "total_id": metrics_of(parts).map(total_of), "dimension": "part"})
