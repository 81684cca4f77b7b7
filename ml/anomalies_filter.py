"""A robust filter: level, weekday and holiday effects carried forward a day at a time.

After Gelper, Fried and Croux (2010): what surprises it teaches it little, unless surprises keep to one side.
"""

from typing import NamedTuple

import numpy as np

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
IDLE_FLOOR = 0.005  # of a usual day that is not zero: with 0.02 four of 1,825 days after a collapse are judged otherwise
SMALLEST = 1e-9  # of a spread, so that surprises in spreads are finite


class Filtered(NamedTuple):
    """(series, day): forecast, its error (NaN where unknown), the error clipped, spread; weekday effects (.., 7)."""

    forecast: Floats
    surprise: Floats
    clipped: Floats
    spread: Floats
    season: Floats


def filtered_days(work: Floats, is_holiday: Flags, taught: Flags) -> Filtered:
    """Run level, weekday and holiday effects through the days; each day is foreseen before it teaches."""
    count, length = work.shape
    level, spread, seen, run = np.zeros((4, count))
    season, seen_weekday = np.zeros((2, count, 7))
    holiday: Floats | None = None  # the effect of a holiday in place of its weekday's: until one was seen, the lowest
    recent = np.zeros((count, SHIFT_DAYS))
    # A series that was idle for long is level at zero, with a spread of zero, of which it would never get out again:
    # the size of the days that were not zero keeps the spread from vanishing.
    sizes, moved_days = np.zeros((2, count))
    forecast, clipped_all, spreads = np.zeros((3, count, length))
    surprise, seasons = np.full(work.shape, np.nan), np.zeros((count, length, 7))
    known = ~np.isnan(work)
    for t in range(length):
        weekday = t % 7
        effect = season[:, weekday]
        if is_holiday[t]:
            effect = season.min(axis=1) if holiday is None else holiday
        forecast[:, t] = level + effect
        spread = np.maximum(spread, IDLE_FLOOR * sizes / np.maximum(moved_days, 1))
        spreads[:, t] = np.maximum(spread, SHARE_FLOOR * np.abs(level) + SMALLEST)
        seasons[:, t] = season
        surprise[:, t] = work[:, t] - forecast[:, t]
        teaches = known[:, t] & taught[:, t]
        size_today = np.where(teaches, np.abs(np.nan_to_num(work[:, t])), 0.0)
        sizes, moved_days = sizes + size_today, moved_days + (size_today > 0)
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
    return Filtered(forecast, surprise, clipped_all, spreads, seasons)
