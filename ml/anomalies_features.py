"""Features of the models that correct the filter (`ml.anomalies_level_filter`): known the evening before each day.

Amounts are in spreads of their series, so that the models learn from series of any size.
"""

from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from ml.anomalies_level_filter import SMALLEST, Filtered
from ml.panel import Flags, Floats, Positions

BLOCK = 28  # days that are predicted by one state of the models
TARGET_CLIP = 4.0  # spreads
FEATURE_CLIP = 8.0
FAR_CLIP = 20.0  # of features that may lie far from the forecast: other weeks, the growth since
LAGS = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
MEANS = (7, 28)
WEEKDAYS = 8  # past days of the same weekday that enter
YEAR = 364
HOLIDAY_DAYS = 30  # greatest distance to a holiday: one further away counts as this far


class Calendar(NamedTuple):
    """Calendar features of each day."""

    flags: Floats  # (day, feature) for a linear model
    quiet: Floats  # (day, feature): kinds of day that may be like a Sunday
    dates: Floats  # (day, feature): position in week, month and year, and between holidays
    sunday: int  # position of Sunday in the week
    anniversary: Positions  # (day,) position of the same date a year before, -1 where there is none


class Past(NamedTuple):
    """Arrays (series, day), padded to whole blocks, so that a day's sums add up in the same order on later days."""

    # in spreads
    recent: Floats  # residuals as the filter clipped them
    bounded: Floats  # residuals within FEATURE_CLIP, 0 where not known
    target: Floats  # residuals within TARGET_CLIP, 0 where not known
    known: Flags  # days that the models are fitted on
    # on the scale that was filtered
    work: Floats  # NaN where not known
    forecast: Floats
    spread: Floats
    season: Floats  # (series, day, 7) weekday effects
    calendar: Calendar

    def of(self, series: Positions) -> Self:
        """Return the arrays of these series alone."""
        return self._replace(
            recent=self.recent[series],
            bounded=self.bounded[series],
            target=self.target[series],
            known=self.known[series],
            work=self.work[series],
            forecast=self.forecast[series],
            spread=self.spread[series],
            season=self.season[series],
        )


def past_of(work: Floats, filtered: Filtered, known: Flags, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Past:
    """Return the arrays that the features are gathered from; known: (series, day) that the models are fitted on."""
    added = -(-work.shape[1] // BLOCK) * BLOCK - work.shape[1]
    residual = np.where(known, filtered.residual / filtered.spread, 0.0)

    def padded(values: Floats) -> Floats:
        """Return the values with the last day repeated to the end of the block."""
        return np.pad(values, [(0, 0), (0, added)] + [(0, 0)] * (values.ndim - 2), mode="edge")

    def zero_padded(values: Floats) -> Floats:
        return np.pad(values, ((0, 0), (0, added)))

    return Past(
        recent=zero_padded(np.clip(filtered.clipped / filtered.spread, -FEATURE_CLIP, FEATURE_CLIP)),
        bounded=zero_padded(np.clip(residual, -FEATURE_CLIP, FEATURE_CLIP)),
        target=zero_padded(np.clip(residual, -TARGET_CLIP, TARGET_CLIP)),
        known=np.pad(known, ((0, 0), (0, added))),
        work=padded(np.where(known, work, np.nan)),
        forecast=padded(filtered.forecast),
        spread=padded(filtered.spread),
        season=padded(filtered.season),
        calendar=_calendar(pd.date_range(days[0], periods=len(days) + added, freq="D"), holidays),
    )


def _calendar(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Calendar:
    def holiday_shifted(shift: int) -> Flags:
        """Return the days (day,) that lie `shift` days after a holiday."""
        return np.asarray(days.isin(holidays + pd.Timedelta(days=shift)))

    weekday = days.day_of_week.to_numpy()
    is_holiday, eve, day_after = (holiday_shifted(shift) for shift in (0, -1, 1))
    off_before, off_after = day_after | ((weekday - 1) % 7 >= 5), eve | ((weekday + 1) % 7 >= 5)
    bridge = ~(is_holiday | (weekday >= 5)) & off_after & off_before
    date = days.month.to_numpy() * 100 + days.day.to_numpy()
    turn_of_year = (date >= 1222) | (date <= 106)  # 22 December to 6 January
    quiet = [is_holiday, eve, holiday_shifted(-2), day_after, holiday_shifted(2), bridge, turn_of_year]
    angle = 2 * np.pi * days.day_of_year.to_numpy() / 365.25
    waves = [wave(k * angle) for k in (1, 2) for wave in (np.sin, np.cos)]
    month = [days.day == 1, days.day == 15, days.is_month_end]
    flags = np.column_stack([np.ones(len(days)), *quiet, *month, *waves]).astype(float)
    ahead, since = (_distance(days, holidays, side) for side in (1, -1))
    anniversary = days.get_indexer(days - pd.DateOffset(years=1))
    return Calendar(
        flags=flags,
        quiet=np.column_stack(quiet).astype(float),
        dates=np.column_stack([weekday, days.day, days.day_of_year, ahead, since]).astype(float),
        sunday=int(np.argmax(weekday[:7] == 6)),
        anniversary=anniversary.astype(np.int64),
    )


def _distance(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, side: int) -> Floats:
    """Return the days (day,) to the next holiday (side 1) or since the last one (-1), HOLIDAY_DAYS at most."""
    distances = np.full(len(days), float(HOLIDAY_DAYS))
    for distance in range(HOLIDAY_DAYS - 1, -1, -1):
        distances[days.isin(holidays - side * pd.Timedelta(days=distance))] = distance
    return distances


def linear_rows(block: slice, past: Past) -> Floats:
    """Return features (series, day, feature) of a block for a linear model.

    They are the calendar, the quiet kinds of day in proportion to the distance of the weekday effect from Sunday's, and
    past residuals: of single days, means of days, and of the same date a year before.
    """
    days, calendar = np.arange(block.start, block.stop), past.calendar
    spans = [(lag, lag) for lag in LAGS] + [(1, width) for width in MEANS] + [(YEAR, YEAR), (YEAR - 3, YEAR + 3)]
    residuals = [_mean(past.recent, days, range(begin, end + 1)) for begin, end in spans]
    anniversary = calendar.anniversary[days]
    residuals.append(np.where(anniversary >= 0, past.bounded[:, np.maximum(anniversary, 0)], 0.0))
    to_sunday = (past.season[:, block, calendar.sunday] - _weekday_effect(past, days)) / past.spread[:, block]
    to_sunday = np.clip(to_sunday, -FEATURE_CLIP, FEATURE_CLIP)  # (series, day)
    quiet = to_sunday[:, :, None] * calendar.quiet[days]
    flags = np.broadcast_to(calendar.flags[days], (*to_sunday.shape, calendar.flags.shape[1]))
    return np.concatenate([flags, quiet, np.stack(residuals, axis=2)], axis=2)


def tree_rows(block: slice, past: Past) -> Floats:
    """Return features (series, day, feature) of a block for trees.

    They are those of the linear model, the dates, and amounts relative to the forecast: the same weekday of other weeks
    and their median, mean absolute residuals, closed weeks, growth, the spread, and the residual of all series a year
    before.
    """
    days, spread, forecast = np.arange(block.start, block.stop), past.spread[:, block], past.forecast[:, block]

    def earlier(values: Floats, lag: int) -> Floats:
        """Return the values `lag` days before each day of the block, NaN before the first day."""
        return np.where(days >= lag, values[:, np.maximum(days - lag, 0)], np.nan)

    same_weekday = [earlier(past.work, 7 * week) for week in range(1, WEEKDAYS + 1)]
    weeks = np.stack([(values - forecast) / spread for values in same_weekday], axis=2)
    ordered = np.sort(weeks, axis=2)  # NaN last
    median = np.take_along_axis(ordered, (~np.isnan(ordered)).sum(axis=2, keepdims=True) // 2, axis=2)
    sizes = [_mean(np.abs(past.recent), days, lags) for lags in (range(1, 29), range(7, 57, 7))]
    closed = np.mean([values == 0 for values in same_weekday[:4]], axis=0)
    level = past.forecast - _weekday_effect(past, np.arange(past.work.shape[1]))
    growth = [(level[:, block] - earlier(level, lag)) / spread for lag in (28, YEAR)]
    relative_spread = spread / np.maximum(np.abs(level[:, block]), SMALLEST)
    year_ago = np.broadcast_to(np.nan_to_num(earlier(past.bounded, YEAR)).mean(axis=0), spread.shape)
    dates = np.broadcast_to(past.calendar.dates[days], (*spread.shape, past.calendar.dates.shape[1]))
    others = np.stack([*sizes, closed, *growth, relative_spread, year_ago], axis=2)
    amounts = np.clip(np.concatenate([weeks[:, :, :4], median, others], axis=2), -FAR_CLIP, FAR_CLIP)
    return np.concatenate([linear_rows(block, past), dates, amounts], axis=2)


def _mean(values: Floats, days: Positions, lags: range) -> Floats:
    """Return the mean (series, day) of the values `lags` days before each day; days before the first count as 0."""
    total = np.zeros((len(values), len(days)))
    for lag in lags:
        total += np.where(days >= lag, values[:, np.maximum(days - lag, 0)], 0.0)
    return total / len(lags)


def _weekday_effect(past: Past, days: Positions) -> Floats:
    """Return the effect (series, day) of the weekday of each of `days`, as known before it."""
    return past.season[:, days, days % 7]
