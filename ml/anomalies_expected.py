"""What each day of many series is expected to come to, a day ahead: a robust filter, corrected by ridge regression.

The filter (after Gelper, Fried and Croux 2010) carries level, weekday and holiday effects forward a day at a time and
learns little from what surprises it. What it misses but could have known (the days around holidays, the months' turn,
the same date last year, its own last errors) a ridge regression (Hoerl and Kennard 1970) on its surprises learns from
all series of the call together and from each by itself. The mean of both forecasts is taken.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.panel import Flags, Floats

# All measured on anomalies injected into public daily series, a hotel's revenue and made businesses (docs/methods.md).
LEVEL_RATE = 0.25
SEASON_RATE = 0.10
HOLIDAY_RATE = 0.30
SPREAD_RATE = 0.05
CLIP = 2.5  # larger surprises teach as if they were this many spreads
SHIFT_DAYS = 4  # so many surprises on one side in a row are a new level
YOUNG_DAYS = 21  # so long everything teaches in full
SHARE_FLOOR = 0.02  # of the level: quieter than that no series is taken to be
SMALLEST = 1e-9  # of a spread, so that surprises in spreads are finite

BLOCK = 28  # days between two regressions
WARM_UP = 56  # days before the first row of a regression
HALF_LIFE = 700  # days
TARGET_CLIP = 4.0  # spreads
FEATURE_CLIP = 8.0
RIDGE_ALL, RIDGE_OWN = 0.01, 0.10  # shares of the rows' number, for all series together and for each by itself
LAGS = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
MEANS = (7, 28)
YEAR = 364
REGRESSION_SHARE = 0.5  # the filter has the other half

Positions = npt.NDArray[np.int64]


class Expected(NamedTuple):
    """(series, day), on the scale that was filtered: the forecast, and the spread of surprises before the day."""

    forecast: Floats
    spread: Floats


class _Filtered(NamedTuple):
    """(series, day): forecast, its error (NaN where unknown), the error clipped, spread; weekday effects (.., 7)."""

    forecast: Floats
    surprise: Floats
    clipped: Floats
    spread: Floats
    season: Floats


def expected_values(work: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, taught: Flags) -> Expected:
    """One-day-ahead forecasts of every day (series, day) from the days before it; days not `taught` do not teach.

    work: values on a scale where errors are about even, NaN for missing.
    """
    filtered = _filter(work, np.asarray(days.isin(holidays)), taught)
    known = ~np.isnan(work) & taught
    missed = _regressed(filtered, known, days, holidays)
    return Expected(filtered.forecast + REGRESSION_SHARE * missed * filtered.spread, filtered.spread)


def _filter(work: Floats, is_holiday: Flags, taught: Flags) -> _Filtered:
    """Run level, weekday and holiday effects through the days; each day is foreseen before it teaches."""
    count, length = work.shape
    level, spread, seen, run = np.zeros((4, count))
    season, seen_weekday = np.zeros((2, count, 7))
    holiday: Floats | None = None  # the effect of a holiday in place of its weekday's: until one was seen, the lowest
    recent = np.zeros((count, SHIFT_DAYS))
    forecast, clipped_all, spreads = np.zeros((3, count, length))
    surprise, seasons = np.full(work.shape, np.nan), np.zeros((count, length, 7))
    known = ~np.isnan(work)
    for t in range(length):
        weekday = t % 7
        effect = season[:, weekday]
        if is_holiday[t]:
            effect = season.min(axis=1) if holiday is None else holiday
        forecast[:, t] = level + effect
        spreads[:, t] = np.maximum(spread, SHARE_FLOOR * np.abs(level) + SMALLEST)
        seasons[:, t] = season
        surprise[:, t] = work[:, t] - forecast[:, t]
        teaches = known[:, t] & taught[:, t]
        error = np.where(teaches, surprise[:, t], 0.0)
        new = seen < YOUNG_DAYS
        limit = np.where(new, np.inf, CLIP * spread)
        clipped = np.clip(error, -limit, limit)
        clipped_all[:, t] = clipped
        if is_holiday[t]:
            holiday = effect + HOLIDAY_RATE * np.clip(error, -2 * limit, 2 * limit)
            continue
        seen = seen + teaches
        seen_weekday[:, weekday] += teaches
        step = np.maximum(LEVEL_RATE, 1 / np.maximum(seen, 1)) * clipped
        level = level + step
        season[:, weekday] += np.maximum(SEASON_RATE, 1 / (seen_weekday[:, weekday] + 2)) * (clipped - step)
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
    return _Filtered(forecast, surprise, clipped_all, spreads, seasons)


def _regressed(filtered: _Filtered, known: Flags, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Floats:
    """What the filter will miss of each day, in spreads (series, day), learnt before the block that the day is in."""
    count, length = known.shape
    missed = np.zeros((count, length))
    if length <= WARM_UP:
        return missed
    # Whole blocks, so that the days after a day change not even the order of its sums.
    padded = -(-length // BLOCK) * BLOCK - length
    target = np.where(known, filtered.surprise / filtered.spread, 0.0)
    calendar = _calendar(pd.date_range(days[0], periods=length + padded, freq="D"), holidays)
    past = [np.clip(each, -FEATURE_CLIP, FEATURE_CLIP) for each in (filtered.clipped / filtered.spread, target)]
    recent, bounded = (np.pad(each, ((0, 0), (0, padded))) for each in past)
    season = np.pad(filtered.season, ((0, 0), (0, padded), (0, 0)), mode="edge")
    spread = np.pad(filtered.spread, ((0, 0), (0, padded)), mode="edge")
    taught = np.pad(known, ((0, 0), (0, padded)))
    target = np.pad(np.clip(target, -TARGET_CLIP, TARGET_CLIP), ((0, 0), (0, padded)))
    gram: Floats | None = None
    moment: Floats = np.zeros(0)
    fade = 0.5 ** (BLOCK / HALF_LIFE)
    for begin in range(WARM_UP, length, BLOCK):
        block = slice(begin, begin + BLOCK)
        rows = _rows(block, recent, bounded, (season[:, block], spread[:, block]), calendar)
        if gram is not None:
            weights = _weights(gram, moment)
            missed[:, block] = np.einsum("stf,sf->st", rows, weights)[:, : length - begin]
        rows = rows * taught[:, block, None]
        crossed = rows.transpose(0, 2, 1)
        products, sums = crossed @ rows, (crossed @ target[:, block, None])[:, :, 0]
        gram, moment = (products, sums) if gram is None else (gram * fade + products, moment * fade + sums)
    return missed


class _Calendar(NamedTuple):
    """`flags[t]` of each day; `quiet[t, k]`: kinds of day that may be like a Sunday; where Sunday is in the week;
    `anniversary[t]`: position of the same date a year before, -1 where there is none."""

    flags: Floats
    quiet: Floats
    sunday: int
    anniversary: Positions


def _calendar(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> _Calendar:
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
    anniversary = days.get_indexer(days - pd.DateOffset(years=1))
    sunday = int(np.argmax(weekday[:7] == 6))
    return _Calendar(flags, np.column_stack(quiet).astype(float), sunday, anniversary.astype(np.int64))


def _rows(block: slice, recent: Floats, bounded: Floats, state: tuple[Floats, Floats], calendar: _Calendar) -> Floats:
    """Features (series, day, feature) of a block: past errors in spreads, calendar, calendar by weekday effect."""
    days = np.arange(block.start, block.stop)
    season, spread = state

    def mean(begin: int, end: int) -> Floats:
        """Of the days from `begin` to `end` days before."""
        total = np.zeros((len(recent), len(days)))
        for lag in range(begin, end + 1):
            total += np.where(days >= lag, recent[:, np.maximum(days - lag, 0)], 0.0)
        return total / (end - begin + 1)

    errors = [mean(lag, lag) for lag in LAGS] + [mean(1, width) for width in MEANS]
    errors += [mean(YEAR, YEAR), mean(YEAR - 3, YEAR + 3)]
    place = calendar.anniversary[days]
    errors.append(np.where(place >= 0, bounded[:, np.maximum(place, 0)], 0.0))
    today = np.take_along_axis(season, np.broadcast_to(days % 7, season.shape[:2])[:, :, None], axis=2)[:, :, 0]
    gap = np.clip((season[:, :, calendar.sunday] - today) / spread, -FEATURE_CLIP, FEATURE_CLIP)
    by_weekday = gap[:, :, None] * calendar.quiet[days]
    fixed = np.broadcast_to(calendar.flags[days], (*gap.shape, calendar.flags.shape[1]))
    return np.concatenate([fixed, by_weekday, np.stack(errors, axis=2)], axis=2)


def _weights(gram: Floats, moment: Floats) -> Floats:
    """Coefficients (series, feature): those of all series together, and what each series' own rows add to them."""
    identity = np.eye(gram.shape[1])
    together = gram.sum(axis=0)
    shared = np.linalg.solve(together + (RIDGE_ALL * together[0, 0] + 1) * identity, moment.sum(axis=0))
    own = gram + (RIDGE_OWN * gram[:, :1, :1] + 3) * identity
    rest = moment - gram @ shared
    return np.asarray(shared + np.linalg.solve(own, rest[:, :, None])[:, :, 0])
