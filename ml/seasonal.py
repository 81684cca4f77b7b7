"""Two fast seasonal models of a daily series, each run for many series and many past origins at once.

`smooth` is additive exponential smoothing with a weekday season (Holt 1957, Winters 1960), a mean over several rates
that gives those with smaller errors more weight. `regress` is a ridge regression (Hoerl and Kennard 1970) with bounded
influence (Huber 1964) on lags, weekday, holidays and the yearly season (Fourier terms), rolled forward day by day. Past
origins cost little because both pass through the history once.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.panel import Flags, Floats, Positions, observed_days

# Measured by rolling origins on ten public daily series and a hotel's revenue (docs/methods.md): the mean over these
# rates equals damped Holt-Winters with fitted rates, at a thousandth of its time. A season rate of 0.1 alone is 1 %
# worse from 112 days of history on, and makes one series worse than repeating the week before; rates of 0.1 and 0.3
# have half the gain of 0.1 and 0.5.
LEVEL_RATES, SEASON_RATES = (grid.ravel() for grid in np.meshgrid([0.05, 0.15, 0.40], [0.1, 0.5], indexing="ij"))
# Rates are weighted by their errors a week ahead; MASE 2.5 % below their plain mean from 112 days and 1.7 % from all,
# over nine data sets; powers of 8 and 32 and errors two weeks ahead differ by less than 0.5 %.
TRUST_POWER = 16
FIRST_DAYS = 28  # of a series, from which its first level and season are computed
LOSS_MEMORY = 0.99  # per day

LAGS = (1, 2, 3, 7, 14, 21, 28)
MEANS = (7, 56)  # lengths of trailing means, in days
BASE = 28  # the target is the difference from the mean of this many days
WARM_UP = 56  # days before the first row of a regression
FOURIER = 6  # measured MASE: 2 terms 1.13, 3 terms 1.05, 6 terms 1.00, 10 terms 1.01
YEARLY_FROM = 400  # days of history; with less the yearly terms made forecasts worse, with more far better
RIDGE = 0.003  # share of the intercept's weight; 1e-6 to 0.01 differ by less than 1 %
HALF_LIFE = 700  # days; 200 was 2 % worse, 365 1 %
HUBER = 1.7  # mean absolute errors: the 1.345 standard deviations of Huber (1964); 1.0 was 0.2 % worse, no bound 0.6 %


class Calendar(NamedTuple):
    """Calendar features of each day."""

    features: Floats  # (day, feature)
    yearly: Flags  # (feature,) of the yearly season
    holiday: Flags  # (day,)


def calendar(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Calendar:
    """Return the features of each day: intercept, six weekdays, holiday, its eve, the day after, the yearly season."""
    one_day = pd.Timedelta(days=1)
    columns = [np.ones(len(days)), *(days.day_of_week == weekday for weekday in range(6))]
    columns += [days.isin(holidays + shift) for shift in (0 * one_day, -one_day, one_day)]
    angle = 2 * np.pi * days.day_of_year.to_numpy() / 365.25
    waves = [wave(order * angle) for order in range(1, FOURIER + 1) for wave in (np.sin, np.cos)]
    features = np.column_stack([np.asarray(column, dtype=float) for column in columns + waves])
    yearly = np.arange(features.shape[1]) >= len(columns)
    return Calendar(features, yearly, np.asarray(days.isin(holidays)))


def smooth(values: Floats, holiday: Flags, origins: Positions, horizon: int) -> Floats:
    """Return forecasts (series, origin, step) by exponential smoothing; gaps and holidays are not learnt from.

    values: (series, day) with NaN for missing; origins: positions of the last known day, ascending.
    """
    count, length = values.shape
    level, season = _first_state(values)  # (series, rate), (series, rate, 7)
    known = ~np.isnan(values) & ~holiday[None, :length]
    steps = np.arange(1, horizon + 1)
    result = np.empty((count, len(origins), horizon))
    index_of = {int(origin): index for index, origin in enumerate(origins)}
    loss = np.full(level.shape, 1e-12)  # (series, rate) decaying sum of absolute errors a week ahead
    levels = [level]  # before each day
    for day in range(length):
        weekday, value, is_known = day % 7, values[:, day, None], known[:, day, None]
        if day >= FIRST_DAYS + 7:
            week_error = np.abs(value - levels[day - 6] - season[:, :, weekday])
            loss = LOSS_MEMORY * loss + np.where(is_known, week_error, 0.0)
        error = np.where(is_known, value - level - season[:, :, weekday], 0.0)
        level = level + LEVEL_RATES * error
        season[:, :, weekday] += SEASON_RATES * (1 - LEVEL_RATES) * error
        if day in index_of:
            weights = (loss / loss.min(axis=1, keepdims=True)) ** -TRUST_POWER
            weights /= weights.sum(axis=1, keepdims=True)
            forecasts = level[:, :, None] + season[:, :, (day + steps) % 7]  # (series, rate, step)
            result[:, index_of[day]] = (forecasts * weights[:, :, None]).sum(axis=1)
        levels.append(level)
    return result


def _first_state(values: Floats) -> tuple[Floats, Floats]:
    """Return the level (series, rate) and the weekday season (series, rate, 7) of each series' first days."""
    order = np.cumsum(~np.isnan(values), axis=1)
    early = np.where(order <= FIRST_DAYS, values, np.nan)
    known = ~np.isnan(early)
    level = np.nansum(early, axis=1) / np.maximum(known.sum(axis=1), 1)
    season = np.zeros((len(values), 7))
    for weekday in range(7):
        effects = early[:, weekday::7] - level[:, None]
        # With one pseudo-day of no effect: a weekday seen once has half of that day's effect.
        season[:, weekday] = np.nansum(effects, axis=1) / (known[:, weekday::7].sum(axis=1) + 1)
    rates = len(LEVEL_RATES)
    return np.repeat(level[:, None], rates, axis=1), np.repeat(season[:, None, :], rates, axis=1)


def regress(values: Floats, filled: Floats, calendar: Calendar, origins: Positions, horizon: int) -> Floats:
    """Return forecasts (series, origin, step) by ridge regression, rolled forward; origins need WARM_UP days before.

    values: (series, day) with NaN for missing; filled: without gaps; calendar: reaches `horizon` days past the values.
    """
    length = values.shape[1]
    first, _ = observed_days(values)
    days = np.arange(WARM_UP, length)
    rows, base = _rows(filled, calendar.features, days)
    target = np.nan_to_num(values[:, days] - base)
    usable = ~np.isnan(values[:, days]) & (days[None, :] >= first[:, None] + WARM_UP)
    rows = rows * usable[:, :, None]
    ends, ages = origins - WARM_UP + 1, origins[None, :] - first[:, None] + 1
    coefficients = _coefficients(rows, target, calendar.yearly, ends, ages)
    floor = np.where(np.nanmin(np.where(np.isnan(values), np.inf, values), axis=1) < 0, -np.inf, 0.0)
    return _roll_forward(filled, calendar.features, coefficients, origins, horizon=horizon, floor=floor)


def _rows(filled: Floats, features: Floats, days: Positions) -> tuple[Floats, Floats]:
    """Return the features (series, day, feature) of `days`, and the mean of the BASE days before each (series, day)."""
    sums = np.concatenate([np.zeros((len(filled), 1)), filled.cumsum(axis=1)], axis=1)
    base = (sums[:, days] - sums[:, days - BASE]) / BASE
    lags = [filled[:, days - lag] - base for lag in LAGS]
    means = [(sums[:, days] - sums[:, days - length]) / length - base for length in MEANS]
    fixed = np.broadcast_to(features[days], (len(filled), len(days), features.shape[1]))
    return np.concatenate([fixed, np.stack(lags + means, axis=2)], axis=2), base


def _coefficients(rows: Floats, target: Floats, yearly: Flags, ends: Positions, ages: Positions) -> Floats:
    """Return ridge coefficients (series, origin, feature), from the rows before each end, recent ones weighing more.

    A row whose error by the coefficients before it exceeds HUBER mean absolute errors weighs less, so that its
    influence is that of an error of this size: one event must not shape the coefficients for years.

    rows: (series, row, feature), zero where unusable; target: (series, row); ends: (origin,); ages: (series, origin).
    """
    count, _, width = rows.shape
    gram, moment = np.zeros((count, width, width)), np.zeros((count, width))
    total_error, total_weight = np.zeros(count), np.full(count, 1e-9)
    result = np.zeros((count, len(ends), width))
    is_yearly = np.concatenate([yearly, np.zeros(width - len(yearly), dtype=bool)])
    begin = 0
    for index, end in enumerate(ends):
        block, block_target = rows[:, begin:end], target[:, begin:end]
        weight = np.broadcast_to(0.5 ** ((end - 1 - np.arange(begin, end)) / HALF_LIFE), (count, end - begin))
        decay = 0.5 ** ((end - begin) / HALF_LIFE)  # of all rows before the block
        begin = end
        penalty = np.where(is_yearly & (ages[:, index, None] < YEARLY_FROM), 1e6, RIDGE)
        penalty[:, 0] = 0.0
        previous = result[:, index - 1] if index else _solved(*_moments(block, block_target, weight), penalty)
        is_usable = block[:, :, 0]  # the intercept: 1, or 0 in unusable rows
        error = np.abs(block_target - (block @ previous[:, :, None])[:, :, 0]) * (is_usable > 0)
        total_error = total_error * decay + (weight * error).sum(axis=1)
        total_weight = total_weight * decay + (weight * is_usable).sum(axis=1)
        limit = HUBER * (total_error / total_weight)[:, None] + 1e-12
        block_gram, block_moment = _moments(block, block_target, weight * limit / np.maximum(error, limit))
        gram, moment = gram * decay + block_gram, moment * decay + block_moment
        result[:, index] = _solved(gram, moment, penalty)
    return result


def _moments(rows: Floats, target: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the weighted sums over rows (series, row, feature) of their products with each other and the target."""
    weighted = (rows * weight[:, :, None]).transpose(0, 2, 1)
    return weighted @ rows, (weighted @ target[:, :, None])[:, :, 0]


def _solved(gram: Floats, moment: Floats, penalty: Floats) -> Floats:
    """Return ridge coefficients (series, feature); penalty: (series, feature), as a share of the intercept's weight."""
    diagonal = np.arange(gram.shape[1])
    ridged = gram.copy()
    weight = gram[:, :1, 0] + 1e-9
    ridged[:, diagonal, diagonal] += weight * penalty + 1e-9 * weight
    return np.asarray(np.linalg.solve(ridged, moment[:, :, None])[:, :, 0])


def _roll_forward(
    filled: Floats, features: Floats, coefficients: Floats, origins: Positions, *, horizon: int, floor: Floats
) -> Floats:
    """Return the forecasts (series, origin, step), each step with the forecasts of the steps before it as lags."""
    past = np.stack([filled[:, origin - WARM_UP + 1 : origin + 1] for origin in origins], axis=1)
    path = np.concatenate([past, np.zeros((*past.shape[:2], horizon))], axis=2)  # (series, origin, day)
    fixed = features.shape[1]
    # A rolled regression may diverge far beyond the history: twice its range bounds it.
    highest = filled.max(axis=1)[:, None] * 2 - np.minimum(filled.min(axis=1), 0)[:, None]
    for step in range(horizon):
        day = WARM_UP + step
        base = path[:, :, day - BASE : day].mean(axis=2)
        lags = [path[:, :, day - lag] - base for lag in LAGS]
        lags += [path[:, :, day - length : day].mean(axis=2) - base for length in MEANS]
        by_lags = np.einsum("skf,skf->sk", np.stack(lags, axis=2), coefficients[:, :, fixed:])
        by_calendar = np.einsum("kf,skf->sk", features[origins + step + 1], coefficients[:, :, :fixed])
        path[:, :, day] = np.clip(base + by_lags + by_calendar, np.maximum(floor[:, None], -highest), highest)
    return path[:, :, WARM_UP:]
