"""Forecasts drawn towards the same weeks of the last year, as far as past origins show that it helps.

The last year's values are carried to this year's level by the growth of the last four weeks over the same four weeks
then. Their weight is learnt for each series and shrunk to that of all series of the call; it is small, since the past
origins share few independent seasons.
"""

from typing import Final

import numpy as np

from ml.panel import Flags, Floats, Positions, fill_gaps, observed_days

# Chosen on synthetic series, a hotel's guests by country and agent, and earlier years of others (docs/forecasts.md).
NEAR_DAYS: Final = 28  # days ahead that have a weight of their own
LEVEL_DAYS: Final = 28
YEAR: Final = 364  # days: the same weekday a year ago
WEEKS: Final = (-7, 0, 7)  # days whose mean stands for a day of the last year
GROWTH: Final = (0.2, 5.0)  # least and greatest growth in a year
# For the next weeks the last year tells nothing beyond this growth: with GROWTH alone MASE is 0.3 % higher.
NEAR_GROWTH: Final = (2 / 3, 3 / 2)
WEIGHTS: Final = np.arange(0.0, 0.21, 0.05)  # of the last year; up to 0.3 is equal, up to 0.5 is 0.1 % worse
OWN_SHARE: Final = 0.5  # of the series' own errors; the rest is that of all series; 0.1 is as good
FEWEST_ORIGINS: Final = 8  # with fewer past origins a series has no errors of its own


def blend(forecasts: Floats, values: Floats, actual: Floats, origins: Positions) -> Floats:
    """Return the forecasts (series, origin, step) blended with the last year.

    values: (series, day); actual: (series, origin, step), NaN where missing or not yet known.
    """
    last_year = _last_year(values, origins, forecasts.shape[2])
    error = actual - forecasts
    change = np.where(np.isnan(last_year), 0.0, last_year - forecasts)
    known = ~np.isnan(error) & ~np.isnan(last_year)
    result = forecasts.copy()
    for steps in (slice(NEAR_DAYS), slice(NEAR_DAYS, None)):
        weight = _weights(error[:, :, steps], change[:, :, steps], known[:, :, steps])
        result[:, :, steps] += weight[:, None, None] * change[:, :, steps]
    return result


def _last_year(values: Floats, origins: Positions, horizon: int) -> Floats:
    """Return the last year at this year's level (series, origin, step); NaN where it is unknown or not comparable."""
    filled = fill_gaps(values)
    first, _ = observed_days(values)
    sums = np.pad(filled, ((0, 0), (1, 0))).cumsum(axis=1)
    days = origins[:, None] + np.arange(1, horizon + 1) - YEAR  # (origin, step)

    def level(end: Positions) -> Floats:
        """Return the mean (series, origin) of LEVEL_DAYS up to `end`."""
        return np.asarray(sums[:, np.maximum(end + 1, 0)] - sums[:, np.maximum(end + 1 - LEVEL_DAYS, 0)]) / LEVEL_DAYS

    now, then = level(origins), level(origins - YEAR)
    is_known = (origins - YEAR - LEVEL_DAYS + 1 >= first[:, None]) & (then > 0)
    growth = np.where(is_known, now / np.where(is_known, then, 1.0), np.nan)
    past = np.mean([filled[:, np.clip(days + shift, 0, origins[:, None])] for shift in WEEKS], axis=0)
    result = np.where(days + max(WEEKS) <= origins[:, None], past * np.clip(growth, *GROWTH)[:, :, None], np.nan)
    result[:, :, :NEAR_DAYS][(growth < NEAR_GROWTH[0]) | (growth > NEAR_GROWTH[1])] = np.nan
    return result


def _weights(error: Floats, change: Floats, known: Flags) -> Floats:
    """Return the weight (series,) of the change, from errors (series, origin, step) where they are known."""
    losses = np.stack([np.where(known, np.abs(error - weight * change), 0.0).sum(axis=(1, 2)) for weight in WEIGHTS], 1)
    usable = (known.any(axis=2).sum(axis=1) >= FEWEST_ORIGINS) & (losses[:, 0] > 0)
    if not usable.any():
        return np.zeros(len(error))
    relative = losses[usable] / losses[usable, :1]
    pooled = relative.mean(axis=0)
    shrunk = np.tile(pooled, (len(error), 1))
    shrunk[usable] = OWN_SHARE * relative + (1 - OWN_SHARE) * pooled
    return np.asarray(WEIGHTS[shrunk.argmin(axis=1)])
