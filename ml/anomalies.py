"""Which days are out of the ordinary, each decided from that day's value and earlier days alone.

A robust filter (after Gelper, Fried and Croux 2010) carries each series' level, weekday and holiday effects forward
one day at a time; what it did not foresee is measured against the spread of recent surprises. It works on square
roots, where the spread of counts and of most sums does not depend on their size (Bartlett 1936).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.bookings_on_hand import book_array, book_series
from ml.panel import Day, Flags, Floats, Panel, checked, holiday_days, midnight, to_panel

# All measured on anomalies injected into public daily series and a hotel's revenue: docs/methods.md.
THRESHOLD = 4.75  # scores from here on are anomalies; a score is a surprise in robust standard deviations
LEVEL_RATE = 0.25
SEASON_RATE = 0.10
HOLIDAY_RATE = 0.30
SPREAD_RATE = 0.05
CLIP = 2.5  # larger surprises teach as if they were this many spreads
SHIFT_DAYS = 4  # so many surprises on one side in a row are a new level
WINDOW = 84  # days of surprises that the scale is made of
# The scale is the largest of these quantiles of the absolute surprises, each over its value in a standard normal: the
# median alone took heavy-tailed series to be quieter than they are.
TAILS = {0.50: 0.6745, 0.90: 1.6449}
MINIMUM_DAYS = 21  # with fewer earlier days nothing is judged
MINIMUM_NONZERO = 9  # amounts with fewer nonzero values in the window are not judged: the scale would not see them
MINIMUM_MOVED = 0.5  # of the days must differ from the evening's book, or the book is left aside
COUNT_FLOOR = 0.5  # standard deviation of the square root of a Poisson count
SMALLEST = 1e-9  # of a scale, so that scores are finite
SHARE_FLOOR = 0.02  # of the level: quieter than that no series is taken to be
HOLIDAY_WIDTH = 2.0  # holidays are less well known

# The severity rule: the least score of each.
SEVERITY = {"critical": 15.0, "high": 9.0, "medium": 6.0, "low": THRESHOLD}

Labels = npt.NDArray[np.object_]


class _Filtered(NamedTuple):
    """Expected values and surprises (series, day) on the working scale."""

    expected: Floats
    surprise: Floats


def detect(
    history: pd.DataFrame,
    *,
    start: Day,
    as_of: Day,
    holidays: pd.DataFrame | None = None,
    on_hand: pd.DataFrame | None = None,
    incidents: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Judge each day of `start`..`as_of` that is present, from its value and earlier days.

    history: series_id, day, value; holidays: day, name; incidents: series_id, day (judged, but not learnt from);
    on_hand: series_id, service_day, lead_days, value: where the evening before is known, the day is judged by
    how it differs from what then stood on the books.

    Returns series_id, day, value, expected, lower, upper (the range that is not an anomaly, in the value's unit),
    score (the surprise in robust standard deviations), is_anomaly, direction (up, down or None), severity
    (critical, high, medium, low or None; rule: SEVERITY). Raises ValueError for input that cannot be read.
    """
    panel = to_panel(history, as_of=as_of)
    first = min(max((midnight(start) - panel.days[0]).days, 0), len(panel.days))
    booked = _booked(panel, on_hand, first)
    work = _root(panel.values) - booked
    is_holiday = np.asarray(panel.days.isin(holiday_days(holidays)))
    taught = _taught(panel, incidents)
    filtered = _filter(work, is_holiday, taught)
    judged = slice(first, len(panel.days))
    foreseen = (filtered.expected + np.nan_to_num(booked))[:, judged]
    scale, judgeable = _scale(
        panel.values, work, filtered.surprise, foreseen=foreseen, taught=taught, is_holiday=is_holiday, first=first
    )
    score = np.where(judgeable, np.nan_to_num(filtered.surprise[:, judged]) / scale, 0.0)
    expected, lower, upper = (_square(foreseen + side * THRESHOLD * scale) for side in (0, -1, 1))
    return _table(panel, judged, score=score, judgeable=judgeable, expected=expected, lower=lower, upper=upper)


def _root(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _square(roots: Floats) -> Floats:
    return np.asarray(np.sign(roots) * np.minimum(np.abs(roots), 1e150) ** 2)


def _booked(panel: Panel, on_hand: pd.DataFrame | None, first: int) -> Floats:
    """Root of what stood on the books the evening before, (series, day); NaN before the book begins.

    Zero throughout for a series without a book, or whose days before `first` seldom differ from their book.
    """
    nothing = np.zeros(panel.values.shape)
    book = book_series(on_hand, as_of=panel.days[-1])
    array = nothing[:, :, None] if book is None else book_array(book, panel, 1)
    if array.shape[2] < 2:
        return nothing
    evening = array[:, : len(panel.days), 1]
    moved = (np.nan_to_num(panel.values - evening)[:, :first] != 0).sum(axis=1)
    known = (~np.isnan(panel.values + evening))[:, :first].sum(axis=1)
    useful = (known >= WINDOW) & (moved >= MINIMUM_MOVED * known)
    return np.where(useful[:, None], _root(evening), nothing)


def _taught(panel: Panel, incidents: pd.DataFrame | None) -> Flags:
    """Days (series, day) that may teach: all but the known incidents."""
    taught = np.ones(panel.values.shape, dtype=bool)
    if incidents is not None and not incidents.empty:
        known = checked(incidents, "incidents", ("series_id", "day"), ("day",))
        row = panel.series.get_indexer(pd.Index(known["series_id"]))
        column = panel.days.get_indexer(pd.DatetimeIndex(known["day"]))
        inside = (row >= 0) & (column >= 0)
        taught[row[inside], column[inside]] = False
    return taught


def _filter(work: Floats, is_holiday: Flags, taught: Flags) -> _Filtered:
    """Run level, weekday and holiday effects through the days; each day is foreseen before it teaches."""
    count, length = work.shape
    level, spread, holiday = np.zeros(count), np.zeros(count), np.zeros(count)
    season, seen = np.zeros((count, 7)), np.zeros(count)
    seen_weekday = np.zeros((count, 7))
    run, recent = np.zeros(count), np.zeros((count, SHIFT_DAYS))
    expected, surprise = np.empty(work.shape), np.full(work.shape, np.nan)
    known = ~np.isnan(work)
    for t in range(length):
        weekday = t % 7
        foreseen = level + season[:, weekday] + (holiday if is_holiday[t] else 0.0)
        expected[:, t] = foreseen
        surprise[:, t] = work[:, t] - foreseen
        teaches = known[:, t] & taught[:, t]
        error = np.where(teaches, surprise[:, t], 0.0)
        new = seen < MINIMUM_DAYS
        limit = np.where(new, np.inf, CLIP * spread)
        clipped = np.clip(error, -limit, limit)
        if is_holiday[t]:
            holiday = holiday + HOLIDAY_RATE * error
            continue
        seen = seen + teaches
        seen_weekday[:, weekday] += teaches
        level_gain = np.maximum(LEVEL_RATE, 1 / np.maximum(seen, 1))
        season_gain = np.maximum(SEASON_RATE, 1 / (seen_weekday[:, weekday] + 2))
        step = level_gain * clipped
        level = level + step
        season[:, weekday] += season_gain * (clipped - step)
        size = np.minimum(1.25 * np.abs(error), np.where(new, np.inf, 3 * spread + 1e-12))
        gain = np.maximum(SPREAD_RATE, 1 / np.maximum(seen, 1))
        spread = np.where(teaches, spread + gain * (size - spread), spread)
        # A run of clipped surprises on one side is no accident: the level moves to where the values now are.
        beyond = np.where(np.abs(error) > limit, np.sign(error), 0.0)
        run = np.where(teaches, np.where(beyond == 0, 0.0, np.where(beyond == np.sign(run), run, 0) + beyond), run)
        recent = np.where(teaches[:, None], np.column_stack([recent[:, 1:] - step[:, None], error - step]), recent)
        moved = np.abs(run) >= SHIFT_DAYS
        level = np.where(moved, level + np.median(recent, axis=1), level)
        run = np.where(moved, 0.0, run)
    return _Filtered(expected, surprise)


def _scale(
    values: Floats, work: Floats, surprise: Floats, *, foreseen: Floats, taught: Flags, is_holiday: Flags, first: int
) -> tuple[Floats, Flags]:
    """Robust standard deviation of the surprises before each judged day, and whether the day can be judged."""
    known = ~np.isnan(work)
    whole = np.logical_and.accumulate(np.isnan(values) | (values == np.floor(values)), axis=1)
    is_count = (whole & np.logical_and.accumulate(~(values < 0), axis=1))[:, first:]
    size = np.abs(np.where(taught & ~is_holiday[None, :], surprise, np.nan))
    scale = np.maximum(SHARE_FLOOR * np.abs(foreseen), np.where(is_count, COUNT_FLOOR, SMALLEST))
    judgeable = known[:, first:] & (np.cumsum(known, axis=1)[:, first:] > MINIMUM_DAYS)
    for column in range(scale.shape[1]):
        window = slice(max(first + column - WINDOW, 0), first + column)
        scale[:, column] = np.maximum(scale[:, column], _spread(size[:, window]))
        nonzero = (np.nan_to_num(work[:, window]) != 0).sum(axis=1)
        judgeable[:, column] &= is_count[:, column] | (nonzero >= MINIMUM_NONZERO)
    return scale * np.where(is_holiday[first:], HOLIDAY_WIDTH, 1.0), judgeable


def _spread(sizes: Floats) -> Floats:
    """The larger of what the median and what the 95th percentile say of the standard deviation (series,)."""
    ordered = np.sort(sizes, axis=1)
    count = (~np.isnan(ordered)).sum(axis=1)
    result = np.zeros(len(sizes))
    for share, normal in TAILS.items():
        place = np.clip((share * count).astype(int), 0, max(sizes.shape[1] - 1, 0))
        if sizes.shape[1]:
            found = np.take_along_axis(ordered, place[:, None], axis=1)[:, 0] / normal
            result = np.maximum(result, np.where(count > 0, np.nan_to_num(found), 0.0))
    return result


def _table(
    panel: Panel, judged: slice, *, score: Floats, judgeable: Flags, expected: Floats, lower: Floats, upper: Floats
) -> pd.DataFrame:
    values = panel.values[:, judged]
    nonnegative = ~(np.fmin.accumulate(panel.values, axis=1)[:, judged] < 0)
    expected, lower, upper = (np.where(nonnegative, np.maximum(side, 0.0), side) for side in (expected, lower, upper))
    # A day that cannot be judged lies within its range.
    lower, upper = (
        np.where(judgeable, side, extreme(side, np.nan_to_num(values)))
        for side, extreme in ((lower, np.minimum), (upper, np.maximum))
    )
    is_anomaly = judgeable & ((values < lower) | (values > upper))
    row, column = np.nonzero(~np.isnan(values))
    table = pd.DataFrame(
        {
            "series_id": panel.series.to_numpy(dtype=object)[row],
            "day": panel.days[judged].to_numpy()[column],
            "value": values[row, column],
            "expected": expected[row, column],
            "lower": lower[row, column],
            "upper": upper[row, column],
            "score": np.abs(score[row, column]),
            "is_anomaly": is_anomaly[row, column],
        }
    )
    up = table["value"] > table["expected"]
    table["direction"] = _labels(table["is_anomaly"], np.where(up, "up", "down").astype(object))
    table["severity"] = _labels(table["is_anomaly"], severity_of(table["score"].to_numpy(dtype=float)))
    return table


def severity_of(score: Floats) -> Labels:
    """The severity of each score that is an anomaly's."""
    conditions = [score >= least for least in SEVERITY.values()]
    return np.select(conditions, list(SEVERITY), default="low").astype(object)


def _labels(where: "pd.Series[bool]", labels: Labels) -> "pd.Series[str]":
    return pd.Series(labels, index=where.index, dtype="object").where(where, None)
