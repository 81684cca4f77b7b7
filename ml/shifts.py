"""Evidence over several days: level shifts and slow trends, each day judged from it and earlier days alone.

For each window of 2 to 14 days up to a day, the values are compared with a slow level learnt from the days before the
window alone: the generalised likelihood ratio of a shift whose first day is unknown (Page 1954; Lorden 1971; Willsky
and Jones 1976), on square roots, in units of the spread of the series. A single outlier is no evidence: a window counts
no more than the days beside its largest one allow. `ml.sequential` calibrates the scores and follows the changes.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.anomalies_level_filter import MOST_IDLE, filtered_days, rate_after
from ml.panel import Flags, Floats, Positions, beyond_largest
from ml.sequential import Null, Scores, chances, followed, strongest

# Measured on anomalies injected into public daily series and synthetic businesses (docs/methods.md).
WINDOWS = tuple(range(2, 15))  # days
LONGEST = max(WINDOWS)
LEVEL_RATES = (0.03, 0.08, 0.20)  # per day; each series trusts those whose errors a week ahead are small
TRUST_POWER = 8
LOSS_MEMORY = 0.99  # per day
CLIP = 2.5  # spreads: larger residuals teach the level as if they were this large
SPREAD_RATE = 0.03  # per day
YOUNG_DAYS = 21  # days of a series in which no residual is clipped
SHARE_FLOOR = 0.02  # of the level: least spread
COUNT_FLOOR = 0.5  # standard deviation of the square root of a Poisson count
SMALLEST = 1e-9
# Of simulated Poisson counts, normal and gamma amounts and random walks: location 1.29 to 1.34, scale 0.15 to 0.18.
NULL = Null(location=1.30, scale=0.17, blocks=120)
PAIR_SHARE = 0.3  # of the share: evidence of pairs, where it is given
MOST_OF_A_DAY = 8.0  # spreads: a larger residual counts as this in a window


class Evidence(NamedTuple):
    """Arrays (series, judged day)."""

    chance: Floats  # of evidence as strong on an ordinary day of the series; 1 where nothing can be judged
    is_new: Flags  # the first day on which the chance is within the share
    is_lasting: Flags  # a day of a change that was new at most four weeks before
    began: Positions  # position in the panel of the first day of a lasting change; else the day itself
    expected: Floats  # value of the day had the change not begun
    since_value: Floats  # sum of the values since it began
    since_expected: Floats
    direction: Floats  # 1 up, -1 down; 0 where no change lasts
    is_trend: Flags  # the change grows from day to day, else it is a shift of the level


class Pairs(NamedTuple):
    """Arrays (series, day) of the evidence of each day and the day before, each compared with its own forecast."""

    score: Floats  # signed
    chance: Floats


class _Levels(NamedTuple):
    """Arrays (series, day), the last day being the day after the panel: what was known before each day."""

    level: Floats
    spread: Floats


def evidence(
    values: Floats,
    days: pd.DatetimeIndex,
    *,
    holidays: pd.DatetimeIndex,
    is_training: Flags,
    pairs: Pairs | None = None,
    first: int,
    share: float,
) -> Evidence:
    """Return the evidence of a lasting change on each day from position `first` on.

    values: (series, day), NaN for missing; is_training: (series, day) that teach and count; pairs: evidence of two
    days that adds to that of the windows; share: of the days of an ordinary series on which a new change may be told.
    """
    work = np.sign(values) * np.sqrt(np.abs(values))
    near = holidays.union(holidays - pd.Timedelta(days=1)).union(holidays + pd.Timedelta(days=1))
    counts = ~np.isnan(work) & is_training & ~np.asarray(days.isin(near))
    season = _season(work, np.asarray(days.isin(holidays)), is_training)
    rest = np.where(counts, work - season, np.nan)
    levels = _levels(rest, _least_spread(values))
    scores = _scores(rest, levels)
    chance = chances(np.abs(scores.score), counts, NULL)
    if pairs is not None:
        # A pair may be told as a change if it lies on the same side of the slow level.
        is_on_side = np.sign(np.nan_to_num(rest - levels.level[:, :-1])) == np.sign(pairs.score)
        by_pair = np.where(is_on_side, pairs.chance / PAIR_SHARE, 1.0)
        chance = np.minimum(chance / (1 - PAIR_SHARE), 1.0)
        is_pair = (by_pair <= share) & (by_pair < chance)
        is_other = is_pair & (np.sign(scores.score) != np.sign(pairs.score))
        scores = Scores(np.where(is_other, pairs.score, scores.score), np.where(is_pair, 2, scores.length))
        chance = np.minimum(chance, by_pair)
    changes = followed(scores, chance, share)
    judged = slice(first, None)
    # A change begins on a day that counts.
    began = _next(counts)[np.arange(len(values))[:, None], changes.began[:, judged]]
    began = np.minimum(began, np.arange(values.shape[1])[judged])
    return Evidence(
        chance[:, judged],
        changes.is_new[:, judged],
        changes.is_lasting[:, judged],
        began,
        *_expectations(values, season, levels, began, first),
        changes.direction[:, judged],
        _is_trend(values, season, levels, began, first),
    )


def _next(counts: Flags) -> Positions:
    """Return the position (series, day) of the first day that counts from each day on, or of the last day."""
    last = counts.shape[1] - 1
    position = np.where(counts, np.arange(last + 1), last)
    return np.asarray(np.minimum.accumulate(position[:, ::-1], axis=1)[:, ::-1])


def _season(work: Floats, is_holiday: Flags, is_training: Flags) -> Floats:
    """Return the weekday effect of each day (series, day), as learnt up to LONGEST days before."""
    effects = filtered_days(work, is_holiday, is_training).season
    length = work.shape[1]
    lagged = np.zeros_like(effects)
    lagged[:, LONGEST:] = effects[:, : max(length - LONGEST, 0)]
    weekday = (np.arange(length) % 7)[None, :, None]
    return np.take_along_axis(lagged, np.broadcast_to(weekday, (len(work), length, 1)), axis=2)[:, :, 0]


def _least_spread(values: Floats) -> Floats:
    """Return the least spread (series, day): that of Poisson counts as long as all values are whole, else zero."""
    is_whole = np.isnan(values) | ((values == np.floor(values)) & (values >= 0))
    return np.where(np.logical_and.accumulate(is_whole, axis=1), COUNT_FLOOR, 0.0)


def _levels(rest: Floats, least_spread: Floats) -> _Levels:
    """Return the slow level of `rest` (series, day) and the spread around it, before each day and after the last."""
    count, length = rest.shape
    rates = np.array(LEVEL_RATES)
    level, spread = np.zeros((count, len(rates))), np.zeros(count)
    seen, idle = np.zeros((2, count))
    loss = np.full(level.shape, 1e-12)
    week = np.zeros((7, *level.shape))  # levels of the last seven days
    levels, spreads = np.zeros((count, length + 1)), np.zeros((count, length + 1))
    for day in range(length + 1):
        trust = (loss / loss.min(axis=1, keepdims=True)) ** -TRUST_POWER
        mixed = (level * trust).sum(axis=1) / trust.sum(axis=1)
        floor = np.maximum(SHARE_FLOOR * np.abs(mixed) + SMALLEST, least_spread[:, min(day, length - 1)])
        square = (rates**2 * trust).sum(axis=1) / trust.sum(axis=1)
        levels[:, day], spreads[:, day] = mixed, np.maximum(spread, floor) * np.sqrt(1 + idle * square)
        if day == length:
            break
        learns = ~np.isnan(rest[:, day])
        value = np.where(learns, rest[:, day], 0.0)[:, None]
        limit = np.where(seen < YOUNG_DAYS, np.inf, CLIP * spreads[:, day])[:, None]
        if day >= YOUNG_DAYS + 7:
            week_error = np.minimum(np.abs(value - week[day % 7]), 2 * limit)
            loss = LOSS_MEMORY * loss + np.where(learns[:, None], week_error, 0.0)
        week[day % 7] = level
        seen = seen + learns
        error = np.where(learns[:, None], value - level, 0.0)
        gain = np.maximum(rate_after(idle[:, None], rates), 1 / np.maximum(seen, 1)[:, None])
        level = level + gain * np.clip(error, -limit, limit)
        idle = np.where(learns, 0.0, np.minimum(idle + 1, MOST_IDLE))
        # 1.25 mean absolute deviations are a normal standard deviation.
        deviation = np.minimum(1.25 * np.abs(value[:, 0] - mixed), 1.2 * limit[:, 0])
        spread_rate = np.maximum(SPREAD_RATE, 1 / np.maximum(seen, 1))
        spread = np.where(learns, spread + spread_rate * (deviation - spread), spread)
    return _Levels(levels, spreads)


def _scores(rest: Floats, levels: _Levels) -> Scores:
    """Return the strongest evidence of all windows up to each day."""
    count, length = rest.shape
    raw = np.zeros((len(WINDOWS), count, length))
    for index, window in enumerate(WINDOWS[: max(length - 1, 0)]):
        starts = length - window + 1
        level, spread = levels.level[:, :starts], levels.spread[:, :starts]
        total, highest, lowest, known = np.zeros((4, count, starts))
        for lag in range(window):
            residual = (rest[:, lag : lag + starts] - level) / spread
            known += ~np.isnan(residual)
            residual = np.clip(np.nan_to_num(residual), -MOST_OF_A_DAY, MOST_OF_A_DAY)
            total += residual
            highest, lowest = np.maximum(highest, residual), np.minimum(lowest, residual)
        up = np.minimum(total / np.sqrt(np.maximum(known, 1)), _beside(total - highest, known))
        down = np.minimum(-total / np.sqrt(np.maximum(known, 1)), _beside(lowest - total, known))
        raw[index, :, window - 1 :] = np.where(total > 0, np.maximum(up, 0.0), -np.maximum(down, 0.0))
    scores = strongest(raw, WINDOWS)
    # A day on the other side of the level is no day of a change.
    is_on_side = np.sign(np.nan_to_num(rest - levels.level[:, :-1])) == np.sign(scores.score)
    return scores._replace(score=np.where(is_on_side, scores.score, 0.0))


def _beside(total: Floats, known: Floats) -> Floats:
    """Return the most that windows count for whose days beside the largest have this total: that of two such days."""
    return np.where(known > 1, np.sqrt(2.0) * total / np.sqrt(np.maximum(known - 1, 1)), 0.0)


def _expectations(
    values: Floats, season: Floats, levels: _Levels, began: Positions, first: int
) -> tuple[Floats, Floats, Floats]:
    """Return the expected value of each judged day and the sums of values and expected values since `began`."""
    days = np.broadcast_to(np.arange(first, values.shape[1]), began.shape)
    level = np.take_along_axis(levels.level, began, axis=1)
    known = np.nan_to_num(values)
    largest = beyond_largest(np.maximum.accumulate(np.abs(known), axis=1))
    is_nonnegative = ~(np.fmin.accumulate(values, axis=1) < 0)
    expected = np.zeros(began.shape)
    since_value, since_expected = np.zeros(began.shape), np.zeros(began.shape)
    for lag in range(int((days - began).max(initial=0)) + 1):
        day = np.maximum(days - lag, 0)
        root = level + np.take_along_axis(season, day, axis=1)
        limit = np.take_along_axis(largest, days, axis=1)
        least = np.where(np.take_along_axis(is_nonnegative, days, axis=1), 0.0, -limit)
        usual = np.clip(np.sign(root) * np.minimum(np.abs(root), 1e150) ** 2, least, limit)
        if lag == 0:
            expected = usual
        counts = (day >= began) & (days - lag >= 0) & ~np.isnan(np.take_along_axis(values, day, axis=1))
        since_value += np.where(counts, np.take_along_axis(known, day, axis=1), 0.0)
        since_expected += np.where(counts, usual, 0.0)
    return expected, since_value, since_expected


def _is_trend(values: Floats, season: Floats, levels: _Levels, began: Positions, first: int) -> Flags:
    """Return the judged days (series, day) whose change since `began` is more like a line than like a step."""
    days = np.broadcast_to(np.arange(first, values.shape[1]), began.shape)
    level = np.take_along_axis(levels.level, began, axis=1)
    rest = np.sign(values) * np.sqrt(np.abs(values)) - season
    step, steps, line, lines = np.zeros((4, *began.shape))
    for lag in range(int((days - began).max(initial=0)) + 1):
        day = np.maximum(days - lag, 0)
        residual = np.take_along_axis(rest, day, axis=1) - level
        age = np.where((day >= began) & ~np.isnan(residual), day - began + 1.0, 0.0)
        residual = np.nan_to_num(residual)
        step, steps = step + (age > 0) * residual, steps + (age > 0)
        line, lines = line + age * residual, lines + age**2
    is_long = days - began + 1 >= 6
    is_line = np.abs(line) / np.sqrt(np.maximum(lines, 1)) > np.abs(step) / np.sqrt(np.maximum(steps, 1))
    return np.asarray(is_long & is_line)
