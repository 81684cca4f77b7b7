"""What each day of many series is expected to come to, a day ahead: a robust filter, corrected by two regressions.

What the filter (`ml.anomalies_filter`) misses but could have known (the days around holidays, the months' turn, the
same date last year, its own last errors) is learnt twice: by a ridge regression (Hoerl and Kennard 1970) from all
series of the call together and from each by itself, and by boosting (`ml.anomalies_boosting`). Their mean is taken;
without boosting, half of the ridge regression's.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.anomalies_boosting import boosted
from ml.anomalies_features import BLOCK, Past, past_of, straight_rows
from ml.anomalies_filter import filtered_days
from ml.panel import Flags, Floats

# All measured on anomalies injected into public daily series, a hotel's revenue and made businesses (docs/methods.md).
WARM_UP = 56  # days before the first row of a regression
HALF_LIFE = 700  # days
RIDGE_ALL, RIDGE_OWN = 0.01, 0.10  # shares of the rows' number, for all series together and for each by itself
SHARE = 0.5  # of what each regression says


class Expected(NamedTuple):
    """(series, day), on the scale that was filtered: the forecast, and the spread of surprises before the day."""

    forecast: Floats
    spread: Floats


def expected_values(
    work: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, taught: Flags, needed: int
) -> Expected:
    """One-day-ahead forecasts of every day (series, day) from the days before it; days not `taught` do not teach.

    work: values on a scale where errors are about even, NaN for missing; needed: position of the first day whose
    forecast is looked at.
    """
    filtered = filtered_days(work, np.asarray(days.isin(holidays)), taught)
    forecast, spread = filtered.forecast, filtered.spread
    if work.shape[1] > WARM_UP:
        past = past_of(work, filtered, ~np.isnan(work) & taught, days, holidays)
        missed = SHARE * (_regressed(past) + np.nan_to_num(boosted(past, needed)))
        forecast = forecast + missed[:, : work.shape[1]] * spread
    return Expected(forecast, spread)


def _regressed(past: Past) -> Floats:
    """What the filter will miss of each day, in spreads (series, day), learnt before the block that the day is in."""
    count, length = past.recent.shape
    missed = np.zeros((count, length))
    gram: Floats | None = None
    moment: Floats = np.zeros(0)
    fade = 0.5 ** (BLOCK / HALF_LIFE)
    for begin in range(WARM_UP, length, BLOCK):
        block = slice(begin, begin + BLOCK)
        rows = straight_rows(block, past)
        if gram is not None:
            missed[:, block] = np.einsum("stf,sf->st", rows, _weights(gram, moment))
        rows = rows * past.known[:, block, None]
        crossed = rows.transpose(0, 2, 1)
        products, sums = crossed @ rows, (crossed @ past.target[:, block, None])[:, :, 0]
        gram, moment = (products, sums) if gram is None else (gram * fade + products, moment * fade + sums)
    return missed


def _weights(gram: Floats, moment: Floats) -> Floats:
    """Coefficients (series, feature): those of all series together, and what each series' own rows add to them."""
    identity = np.eye(gram.shape[1])
    together = gram.sum(axis=0)
    shared = np.linalg.solve(together + (RIDGE_ALL * together[0, 0] + 1) * identity, moment.sum(axis=0))
    own = gram + (RIDGE_OWN * gram[:, :1, :1] + 3) * identity
    rest = moment - gram @ shared
    return np.asarray(shared + np.linalg.solve(own, rest[:, :, None])[:, :, 0])
