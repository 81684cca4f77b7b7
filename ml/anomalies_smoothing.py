"""Exponential smoothing of daily series at several rates, of which each series trusts those with small errors.

Additive level and weekday season (Holt 1957, Winters 1960). A residual teaches no more than one of CLIP spreads, so
that an outlier moves the forecast little.
"""

import numpy as np

from ml.anomalies_level_filter import CLIP, YOUNG_DAYS
from ml.panel import Flags, Floats

# Chosen on made businesses; the mean with the filter's forecast lowers the median error of real series by 2 to 8 %.
LEVEL_RATES, SEASON_RATES = (
    grid.ravel() for grid in np.meshgrid([0.05, 0.1, 0.2, 0.4, 0.6], [0.05, 0.15, 0.4], indexing="ij")
)
TRUST_DOUBLINGS = 3  # a rate is trusted by the eighth power of its loss, inverted
LOSS_MEMORY = 0.98  # per day
SMALLEST = 1e-9


def smoothed_days(work: Floats, is_holiday: Flags, learns: Flags, spread: Floats) -> Floats:
    """Return the one-day-ahead forecasts of work (series, day), each from earlier days alone.

    learns: (series, day) that teach, but for holidays; spread: (series, day) of residuals before each day.
    """
    count, length = work.shape
    level = np.zeros((count, len(LEVEL_RATES)))
    season = np.zeros((count, len(LEVEL_RATES), 7))
    loss = np.full(level.shape, SMALLEST)
    seen, weekdays_seen = np.zeros((count, 1)), np.zeros((count, 1, 7))
    limits = CLIP * spread
    forecasts = np.zeros(work.shape)
    for day in range(length):
        weekday = day % 7
        each = level + season[:, :, weekday]
        trust = loss.min(axis=1, keepdims=True) / loss
        for _ in range(TRUST_DOUBLINGS):
            trust = trust * trust
        forecasts[:, day] = (each * trust).sum(axis=1) / trust.sum(axis=1)
        if is_holiday[day]:
            continue
        known = learns[:, day, None]
        error = np.where(known, np.nan_to_num(work[:, day, None]) - each, 0.0)
        limit = np.where(seen < YOUNG_DAYS, np.inf, limits[:, day, None])
        clipped = np.clip(error, -limit, limit)
        loss = LOSS_MEMORY * loss + np.abs(clipped)
        seen = seen + known
        weekdays_seen[:, :, weekday] += known
        step = np.maximum(LEVEL_RATES, 1 / np.maximum(seen, 1)) * clipped
        level = level + step
        season[:, :, weekday] += np.maximum(SEASON_RATES, 1 / (weekdays_seen[:, :, weekday] + 2)) * (clipped - step)
    return forecasts
