"""A robust filter: level, weekday and holiday effects updated day by day.

After Gelper, Fried and Croux (2010): a large residual changes them little, an outlier not at all (Hampel 1974), unless
residuals stay on one side.
"""

from typing import NamedTuple

import numpy as np

from ml.panel import Flags, Floats

# Measured on anomalies injected into public daily series, a hotel's revenue, synthetic businesses (docs/methods.md).
LEVEL_RATE = 0.25
SEASON_RATE = 0.10
HOLIDAY_RATE = 0.30
SPREAD_RATE = 0.05
CLIP = 2.5  # spreads: larger residuals update the effects as if they were this large
OUTLIER = 6.0  # spreads: between CLIP and here they do so ever less, beyond not at all
SHIFT_DAYS = 4  # this many clipped residuals in a row on one side are a new level
YOUNG_DAYS = 21  # days of a series in which no residual is clipped
MOST_IDLE = 28.0  # days without a value to learn from that widen the spread
SHARE_FLOOR = 0.02  # of the level: least spread
# Of the mean size of nonzero days: least spread; with 0.02 other days after a collapse are anomalies.
IDLE_FLOOR = 0.005
SMALLEST = 1e-9  # least spread, so that residuals in spreads are finite


class Filtered(NamedTuple):
    """Arrays (series, day): forecast, residual (NaN where unknown), clipped residual, spread; season (series, day, 7).

    All but the residuals are computed from earlier days only. `season` holds the weekday effects.
    """

    forecast: Floats
    residual: Floats
    clipped: Floats
    spread: Floats
    season: Floats


def rate_after(idle: Floats, rate: Floats | float) -> Floats:
    """Return the rate of a level that is usually updated with `rate`, after days that it did not learn from.

    It is the gain of the Kalman filter of a random walk with noise (Harvey 1989), whose variance grows with such days.
    """
    return np.asarray(rate * (1 + idle * rate) / (1 + idle * rate**2))


def filtered_days(work: Floats, is_holiday: Flags, is_training: Flags) -> Filtered:
    """Return the one-day-ahead forecasts of work (series, day), NaN for missing, by level, weekday and holiday effect.

    is_training: (series, day) that update the effects.
    """
    count, length = work.shape
    level, spread, days_seen, run, idle = np.zeros((5, count))
    season, weekdays_seen = np.zeros((2, count, 7))
    # Effect of a holiday, in place of its weekday's; until the first holiday, the lowest weekday's.
    holiday: Floats | None = None
    recent = np.zeros((count, SHIFT_DAYS))  # latest residuals, from the present level
    # A long idle series has a level and a spread of zero, and every residual would be infinitely large: the mean size
    # of its nonzero days keeps the spread above zero.
    total_size, nonzero_days = np.zeros((2, count))
    forecasts, all_clipped, spreads = np.zeros((3, count, length))
    residuals, seasons = np.full(work.shape, np.nan), np.zeros((count, length, 7))
    known = ~np.isnan(work)
    for day in range(length):
        weekday = day % 7
        # forecast
        effect = season[:, weekday]
        if is_holiday[day]:
            effect = season.min(axis=1) if holiday is None else holiday
        forecasts[:, day] = level + effect
        spread = np.maximum(spread, IDLE_FLOOR * total_size / np.maximum(nonzero_days, 1))
        least = np.maximum(spread, SHARE_FLOOR * np.abs(level) + SMALLEST)
        spreads[:, day] = least * np.sqrt(1 + idle * LEVEL_RATE**2)
        seasons[:, day] = season
        residuals[:, day] = work[:, day] - forecasts[:, day]
        # residual that updates the effects
        learns = known[:, day] & is_training[:, day]
        size = np.where(learns, np.abs(np.nan_to_num(work[:, day])), 0.0)
        total_size, nonzero_days = total_size + size, nonzero_days + (size > 0)
        error = np.where(learns, residuals[:, day], 0.0)
        is_young = days_seen < YOUNG_DAYS
        limit = np.where(is_young, np.inf, CLIP * spread)
        clipped = np.clip(error, -limit, limit)
        beyond = (np.abs(error) - CLIP * spread) / np.maximum((OUTLIER - CLIP) * spread, SMALLEST)
        clipped *= np.where(is_young, 1.0, np.clip(1 - beyond, 0.0, 1.0))
        all_clipped[:, day] = clipped
        if is_holiday[day]:
            holiday = effect + HOLIDAY_RATE * np.clip(error, -2 * limit, 2 * limit)
            continue
        # level and weekday effect
        days_seen = days_seen + learns
        weekdays_seen[:, weekday] += learns
        step = np.maximum(rate_after(idle, LEVEL_RATE), 1 / np.maximum(days_seen, 1)) * clipped
        idle = np.where(learns, 0.0, np.minimum(idle + 1, MOST_IDLE))
        level = level + step
        season[:, weekday] += np.maximum(SEASON_RATE, 1 / (weekdays_seen[:, weekday] + 2)) * (clipped - step)
        # spread: 1.25 mean absolute deviations are a normal standard deviation
        deviation = np.minimum(1.25 * np.abs(error), np.where(is_young, np.inf, 3 * spread + 1e-12))
        spread_rate = np.maximum(SPREAD_RATE, 1 / np.maximum(days_seen, 1))
        spread = np.where(learns, spread + spread_rate * (deviation - spread), spread)
        # A run of clipped residuals on one side is a new level: it differs by the median of the latest residuals.
        side = np.where(np.abs(error) > limit, np.sign(error), 0.0)
        extended = np.where(side == 0, 0.0, np.where(side == np.sign(run), run, 0) + side)
        run = np.where(learns, extended, run)
        recent = np.where(learns[:, None], np.column_stack([recent[:, 1:] - step[:, None], error - step]), recent)
        is_shifted = np.abs(run) >= SHIFT_DAYS
        level = np.where(is_shifted, level + np.median(recent, axis=1), level)
        run = np.where(is_shifted, 0.0, run)
    return Filtered(forecasts, residuals, all_clipped, spreads, seasons)
