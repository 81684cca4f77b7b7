"""One-day-ahead forecasts of each day of many series: a mean of two filters, corrected by two regressions.

The mean of a robust filter (`ml.anomalies_level_filter`) and of exponential smoothing (`ml.anomalies_smoothing`) has
smaller errors than either. The predictable part of its residuals (the days around holidays, the turn of
the month, the same date last year, its own last errors) is predicted twice: by a ridge regression (Hoerl and Kennard
1970) fitted on all series of the call together and on each by itself, and by boosting (`ml.anomalies_boosting`). The
correction is their mean; without boosting, half of the ridge regression's.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.anomalies_boosting import boosted
from ml.anomalies_features import BLOCK, Past, linear_rows, past_of
from ml.anomalies_level_filter import CLIP, filtered_days
from ml.anomalies_smoothing import smoothed_days
from ml.panel import Flags, Floats

# Measured on anomalies injected into public daily series, a hotel's revenue, synthetic businesses (docs/methods.md).
WARM_UP = 56  # days before the first row of a regression
HALF_LIFE = 700  # days
RIDGE_ALL, RIDGE_OWN = 0.01, 0.10  # shares of the rows' number, for all series together and for each by itself
SHARE = 0.5  # of the prediction of each of the two regressions


class Expected(NamedTuple):
    """Arrays (series, day) on the scale that was filtered."""

    forecast: Floats
    spread: Floats  # of the residuals before the day


def expected_values(
    work: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, is_training: Flags, needed: int
) -> Expected:
    """Return the forecast of each day (series, day) from the days before it.

    work: values on a scale where the size of errors is about constant, NaN for missing; is_training: (series, day) that
    the models learn from; needed: position of the first day whose forecast is used.
    """
    is_holiday, learns = np.asarray(days.isin(holidays)), ~np.isnan(work) & is_training
    filtered = filtered_days(work, is_holiday, is_training)
    spread = filtered.spread
    forecast = (filtered.forecast + smoothed_days(work, is_holiday, learns, spread)) / 2
    if work.shape[1] > WARM_UP:
        residual = work - forecast
        clipped = np.where(learns, np.clip(residual, -CLIP * spread, CLIP * spread), 0.0)
        mean = filtered._replace(forecast=forecast, residual=residual, clipped=clipped)
        past = past_of(work, mean, learns, days, holidays)
        correction = SHARE * (_regressed(past) + np.nan_to_num(boosted(past, needed)))
        forecast = forecast + correction[:, : work.shape[1]] * spread
    return Expected(forecast, spread)


def _regressed(past: Past) -> Floats:
    """Return the residuals (series, day), in spreads, predicted by ridge regression on the blocks before the day's."""
    count, length = past.recent.shape
    predicted = np.zeros((count, length))
    gram: Floats | None = None  # (series, feature, feature) weighted products of the features
    moment: Floats = np.zeros(0)  # (series, feature) weighted products of features and target
    decay = 0.5 ** (BLOCK / HALF_LIFE)
    for begin in range(WARM_UP, length, BLOCK):
        block = slice(begin, begin + BLOCK)
        rows = linear_rows(block, past)
        if gram is not None:
            predicted[:, block] = np.einsum("stf,sf->st", rows, _coefficients(gram, moment))
        rows = rows * past.known[:, block, None]
        transposed = rows.transpose(0, 2, 1)
        products, sums = transposed @ rows, (transposed @ past.target[:, block, None])[:, :, 0]
        gram, moment = (products, sums) if gram is None else (gram * decay + products, moment * decay + sums)
    return predicted


def _coefficients(gram: Floats, moment: Floats) -> Floats:
    """Return coefficients (series, feature): of all series together, plus a fit of each series' remaining residuals."""
    identity = np.eye(gram.shape[1])
    total = gram.sum(axis=0)
    shared = np.linalg.solve(total + (RIDGE_ALL * total[0, 0] + 1) * identity, moment.sum(axis=0))
    own = gram + (RIDGE_OWN * gram[:, :1, :1] + 3) * identity
    remaining = moment - gram @ shared
    return np.asarray(shared + np.linalg.solve(own, remaining[:, :, None])[:, :, 0])
