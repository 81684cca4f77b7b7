"""Forecasts far ahead drawn towards the same weeks of the last year, as far as past origins show that it helps.

The last year's values are carried to this year's level by the growth of the last four weeks over the same four weeks
then. Their weight is learnt for each series and shrunk to that of all series of the call; half of it is used, since
the past origins share few independent seasons.
"""

from typing import Final

import numpy as np

from ml.panel import Flags, Floats, Positions, fill_gaps, observed_days

# Chosen on synthetic series and a hotel's members (docs/methods.md).
NEAR_DAYS: Final = 28  # days ahead that stay as they are: the hotel's are 1 % worse with last year
LEVEL_DAYS: Final = 28
YEAR: Final = 364  # days: the same weekday a year ago
WEEKS: Final = (-7, 0, 7)  # days whose mean stands for a day of the last year
GROWTH: Final = (0.2, 5.0)  # least and greatest growth in a year
WEIGHTS: Final = np.arange(0.0, 0.51, 0.05)
USED_SHARE: Final = 0.5  # of the weight that was best at past origins
OWN_SHARE: Final = 0.5  # of the series' own errors; the rest is that of all series; 0.1 is as good
FEWEST_ORIGINS: Final = 8  # with fewer past origins a series has no errors of its own


def blend(forecasts: Floats, values: Floats, actual: Floats, origins: Positions) -> Floats:
    """Return the forecasts (series, origin, step), those beyond NEAR_DAYS blended with the last year.

    values: (series, day); actual: (series, origin, step), NaN where missing or not yet known.
    """
    result = forecasts.copy()
    far = result[:, :, NEAR_DAYS:]  # a view
    if far.shape[2] == 0:
        return result
    last_year = _last_year(values, origins, forecasts.shape[2])
    error = actual[:, :, NEAR_DAYS:] - far
    change = np.where(np.isnan(last_year), 0.0, last_year - far)
    known = ~np.isnan(error) & ~np.isnan(last_year)
    far += _weights(error, change, known)[:, None, None] * change
    return result


def _last_year(values: Floats, origins: Positions, horizon: int) -> Floats:
    """Return the last year at this year's level (series, origin, step beyond NEAR_DAYS); NaN where it is unknown."""
    filled = fill_gaps(values)
    first, _ = observed_days(values)
    sums = np.pad(filled, ((0, 0), (1, 0))).cumsum(axis=1)
    days = origins[:, None] + np.arange(NEAR_DAYS + 1, horizon + 1) - YEAR  # (origin, step)

    def level(end: Positions) -> Floats:
        """Return the mean (series, origin) of LEVEL_DAYS up to `end`."""
        return np.asarray(sums[:, np.maximum(end + 1, 0)] - sums[:, np.maximum(end + 1 - LEVEL_DAYS, 0)]) / LEVEL_DAYS

    now, then = level(origins), level(origins - YEAR)
    is_known = (origins - YEAR - LEVEL_DAYS + 1 >= first[:, None]) & (then > 0)
    growth = np.where(is_known, np.clip(now / np.where(is_known, then, 1.0), *GROWTH), np.nan)
    past = np.mean([filled[:, np.clip(days + shift, 0, origins[:, None])] for shift in WEEKS], axis=0)
    return np.asarray(np.where(days + max(WEEKS) <= origins[:, None], past * growth[:, :, None], np.nan))


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
    return np.asarray(USED_SHARE * WEIGHTS[shrunk.argmin(axis=1)])
