"""What is known of a day the evening before, for the models that correct the filter (`ml.anomalies_filter`).

Everything that a day was is told in the spreads of its series, so that series of any size teach each other.
"""

from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from ml.anomalies_filter import SMALLEST, Filtered
from ml.panel import Flags, Floats, Positions

BLOCK = 28  # days that are foreseen by one state of the models
TARGET_CLIP = 4.0  # spreads
FEATURE_CLIP = 8.0
FAR_CLIP = 20.0  # of what may truly lie far from the forecast: other weeks, the growth since
LAGS = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
MEANS = (7, 28)
WEEKDAYS = 8  # how many of the same weekday are looked back on
YEAR = 364
FEAST_DAYS = 30  # a holiday further off is none


class Calendar(NamedTuple):
    """Of each day: `flags`; `quiet`: kinds of day that may be like a Sunday; `dates`: where it stands in week, month
    and year and between holidays; `anniversary`: position of the same date a year before, -1 where there is none.
    `sunday`: where that is in the week."""

    flags: Floats
    quiet: Floats
    dates: Floats
    sunday: int
    anniversary: Positions


class Past(NamedTuple):
    """(series, day), filled up to whole blocks, so that the days after a day change not even the order of its sums.

    In spreads: recent: clipped surprises, bounded: those of all days, target: what is to be foreseen, 0 where unknown.
    On the scale that was filtered: work (NaN where missing), forecast, spread; season (series, day, 7).
    """

    recent: Floats
    bounded: Floats
    target: Floats
    known: Flags
    work: Floats
    forecast: Floats
    spread: Floats
    season: Floats
    calendar: Calendar

    def of(self, series: Positions) -> Self:
        """The same of some series alone."""
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
    """Prepare what the features are gathered from; `known`: days that may teach."""
    added = -(-work.shape[1] // BLOCK) * BLOCK - work.shape[1]
    target = np.where(known, filtered.surprise / filtered.spread, 0.0)

    def padded(values: Floats) -> Floats:
        return np.pad(values, [(0, 0), (0, added)] + [(0, 0)] * (values.ndim - 2), mode="edge")

    def emptied(values: Floats) -> Floats:
        return np.pad(values, ((0, 0), (0, added)))

    return Past(
        recent=emptied(np.clip(filtered.clipped / filtered.spread, -FEATURE_CLIP, FEATURE_CLIP)),
        bounded=emptied(np.clip(target, -FEATURE_CLIP, FEATURE_CLIP)),
        target=emptied(np.clip(target, -TARGET_CLIP, TARGET_CLIP)),
        known=np.pad(known, ((0, 0), (0, added))),
        work=padded(np.where(known, work, np.nan)),
        forecast=padded(filtered.forecast),
        spread=padded(filtered.spread),
        season=padded(filtered.season),
        calendar=_calendar(pd.date_range(days[0], periods=len(days) + added, freq="D"), holidays),
    )


def _calendar(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Calendar:
    def near(shift: int) -> Flags:
        return np.asarray(days.isin(holidays + pd.Timedelta(days=shift)))

    weekday = days.day_of_week.to_numpy()
    off = near(0) | (weekday >= 5)
    bridge = ~off & (near(-1) | ((weekday + 1) % 7 >= 5)) & (near(1) | ((weekday - 1) % 7 >= 5))
    date = days.month.to_numpy() * 100 + days.day.to_numpy()
    turn_of_year = (date >= 1222) | (date <= 106)
    quiet = [near(0), near(-1), near(-2), near(1), near(2), bridge, turn_of_year]
    angle = 2 * np.pi * days.day_of_year.to_numpy() / 365.25
    waves = [wave(k * angle) for k in (1, 2) for wave in (np.sin, np.cos)]
    month = [days.day == 1, days.day == 15, days.is_month_end]
    flags = np.column_stack([np.ones(len(days)), *quiet, *month, *waves]).astype(float)
    ahead, since = (_apart(days, holidays, side) for side in (1, -1))
    anniversary = days.get_indexer(days - pd.DateOffset(years=1))
    return Calendar(
        flags=flags,
        quiet=np.column_stack(quiet).astype(float),
        dates=np.column_stack([weekday, days.day, days.day_of_year, ahead, since]).astype(float),
        sunday=int(np.argmax(weekday[:7] == 6)),
        anniversary=anniversary.astype(np.int64),
    )


def _apart(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, side: int) -> Floats:
    """Days to the next holiday (side 1) or from the last one (-1)."""
    apart = np.full(len(days), float(FEAST_DAYS))
    for distance in range(FEAST_DAYS - 1, -1, -1):
        apart[days.isin(holidays - side * pd.Timedelta(days=distance))] = distance
    return apart


def straight_rows(block: slice, past: Past) -> Floats:
    """Features (series, day, feature) of a block for a line: past errors, calendar, calendar by weekday effect."""
    days, calendar = np.arange(block.start, block.stop), past.calendar
    spans = [(lag, lag) for lag in LAGS] + [(1, width) for width in MEANS] + [(YEAR, YEAR), (YEAR - 3, YEAR + 3)]
    errors = [_mean(past.recent, days, range(begin, end + 1)) for begin, end in spans]
    place = calendar.anniversary[days]
    errors.append(np.where(place >= 0, past.bounded[:, np.maximum(place, 0)], 0.0))
    spread = past.spread[:, block]
    gap = np.clip((past.season[:, block, calendar.sunday] - _effect(block, past)) / spread, -FEATURE_CLIP, FEATURE_CLIP)
    by_weekday = gap[:, :, None] * calendar.quiet[days]
    fixed = np.broadcast_to(calendar.flags[days], (*gap.shape, calendar.flags.shape[1]))
    return np.concatenate([fixed, by_weekday, np.stack(errors, axis=2)], axis=2)


def tree_rows(block: slice, past: Past) -> Floats:
    """Features (series, day, feature) of a block for trees: those of the line, dates, other weeks, unrest, growth."""
    days, spread, forecast = np.arange(block.start, block.stop), past.spread[:, block], past.forecast[:, block]

    def earlier(values: Floats, lag: int) -> Floats:
        return np.where(days >= lag, values[:, np.maximum(days - lag, 0)], np.nan)

    same = [earlier(past.work, 7 * week) for week in range(1, WEEKDAYS + 1)]
    weeks = np.stack([(each - forecast) / spread for each in same], axis=2)
    ordered = np.sort(weeks, axis=2)
    middle = np.take_along_axis(ordered, (~np.isnan(ordered)).sum(axis=2, keepdims=True) // 2, axis=2)
    unrest = [_mean(np.abs(past.recent), days, lags) for lags in (range(1, 29), range(7, 57, 7))]
    closed = np.mean([each == 0 for each in same[:4]], axis=0)
    level = past.forecast - past.season[:, np.arange(past.work.shape[1]), np.arange(past.work.shape[1]) % 7]
    growth = [(level[:, block] - earlier(level, lag)) / spread for lag in (28, YEAR)]
    relative = spread / np.maximum(np.abs(level[:, block]), SMALLEST)
    together = np.broadcast_to(np.nan_to_num(earlier(past.bounded, YEAR)).mean(axis=0), spread.shape)
    dates = np.broadcast_to(past.calendar.dates[days], (*spread.shape, past.calendar.dates.shape[1]))
    told = np.stack([*unrest, closed, *growth, relative, together], axis=2)
    far = np.clip(np.concatenate([weeks[:, :, :4], middle, told], axis=2), -FAR_CLIP, FAR_CLIP)
    return np.concatenate([straight_rows(block, past), dates, far], axis=2)


def _mean(values: Floats, days: Positions, lags: range) -> Floats:
    """Of the days so many before each; a day before the first is 0."""
    total = np.zeros((len(values), len(days)))
    for lag in lags:
        total += np.where(days >= lag, values[:, np.maximum(days - lag, 0)], 0.0)
    return total / len(lags)


def _effect(block: slice, past: Past) -> Floats:
    """What the weekday of each day of a block adds to the level."""
    days = np.arange(block.start, block.stop)
    season = past.season[:, block]
    return np.take_along_axis(season, np.broadcast_to(days % 7, season.shape[:2])[:, :, None], axis=2)[:, :, 0]
