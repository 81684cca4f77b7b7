"""Forecasts from the days of each series alone: the mean of smoothing, regression and boosting, or a simpler model."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml import forecasting_boosting as boosting
from ml import forecasting_intervals as intervals
from ml import forecasting_last_year, seasonal
from ml.panel import Flags, Floats, Positions, fill_gaps, observed_days

# Chosen by rolling origins on public daily series and a hotel's revenue: docs/forecasts.md has the measurement.
MINIMUM_DAYS = 14  # with fewer days: their mean
REGRESSION_FROM = 180  # days of history from which the regression joins the smoothing
# The smoothing steadies the regression until that has learnt the yearly season. From then on MASE is 2 % lower without
# it (28 days; 1.5 % at 90), and on synthetic series 1 %; with 200 to 300 days one series was 10 % worse without.
SMOOTHING_UNTIL = seasonal.YEARLY_FROM
COMPONENTS = ("smoothing", "regression", "boosting")
WEIGHTS = (1.0, 2.0, 8.0)  # of the components, among those that have a forecast; 1 : 2 : 3 is 2 % worse
# Before REGRESSION_FROM: of 112 days 1 : 3 is 1 % worse and 1 : 8 is 2 %; 1 : 1 differs by 0.3 %.
WEIGHTS_YOUNG = (2.0, 0.0, 3.0)
WEIGHTS_FEW = (1.0, 2.0, 3.0)  # where boosting.FEW_SERIES are not reached
RECENT_DAYS = 182  # days from which a series is found to be intermittent
INTERMITTENT_ZEROS = 0.5  # share of zeros from which the regression is left out
DORMANT_DAYS = 56  # only zeros for this many days, and none of it seasonal: forecast zero
CHUNK = 64  # series worked on at once: bounds the memory

Models = npt.NDArray[np.object_]


def without_book(
    values: Floats,
    days: pd.DatetimeIndex,
    holidays: pd.DatetimeIndex,
    boosted: Flags,
    *,
    origins: Positions,
    horizon: int,
) -> tuple[Floats, Models]:
    """Return the forecasts (series, origin, step) by COMPONENTS alone, and the model of each series."""
    components = _components(values, days, holidays, boosted, origins=origins, horizon=horizon)
    shares = _component_shares(components, _age(values, origins) < REGRESSION_FROM)
    forecasts = np.nansum(components * shares[:, :, :, None], axis=0)
    forecasts = forecasting_last_year.blend(forecasts, values, actual_values(values, origins, horizon), origins)
    forecasts[:, -1], names = _simplified(forecasts[:, -1], values, shares[:, :, -1])
    forecasts[:, :-1][~_comparable(_age(values, origins), shares)[:, :-1]] = np.nan
    return forecasts, names


def _components(
    values: Floats,
    days: pd.DatetimeIndex,
    holidays: pd.DatetimeIndex,
    boosted: Flags,
    *,
    origins: Positions,
    horizon: int,
) -> Floats:
    """Return the forecasts (component, series, origin, step) of COMPONENTS; NaN where one is not available.

    boosted: (series,) that are forecast by boosting too.
    """
    through = pd.date_range(days[0], periods=len(days) + horizon, freq="D")
    calendar = seasonal.calendar(through, holidays)
    result = np.full((len(COMPONENTS), len(values), len(origins), horizon), np.nan)
    smoothing, regression, boosting_result = result  # views, each (series, origin, step)
    is_old = _age(values, origins) >= REGRESSION_FROM  # (series, origin)
    late_origins = is_old.any(axis=0)
    for begin in range(0, len(values), CHUNK):
        chunk = slice(begin, begin + CHUNK)
        smoothing[chunk] = seasonal.smooth(values[chunk], calendar.holiday, origins, horizon)
        if is_old[chunk].any():
            regression[chunk, late_origins] = seasonal.regress(
                values[chunk], fill_gaps(values[chunk]), calendar, origins[late_origins], horizon
            )
    regression[~is_old | is_intermittent(values)[:, None]] = np.nan
    has_yearly_season = (_age(values, origins) >= SMOOTHING_UNTIL) & ~np.isnan(regression[:, :, 0])
    smoothing[has_yearly_season] = np.nan
    if boosted.any():
        tables = boosting.tables(values[boosted], days, holidays, horizon)
        boosting_result[boosted] = boosting.backcast(tables, origins, horizon)
    return result


def _component_shares(components: Floats, is_young: Flags) -> Floats:
    """Return the share (component, series, origin) of each component, zero where it has no forecast.

    is_young: (series, origin) with less than REGRESSION_FROM days.
    """
    available = ~np.isnan(components[:, :, :, 0])
    weights = WEIGHTS if components.shape[1] >= boosting.FEW_SERIES else WEIGHTS_FEW
    by_age = np.where(is_young, np.array(WEIGHTS_YOUNG)[:, None, None], np.array(weights)[:, None, None])
    shares = np.where(available, by_age, 0.0)
    total = shares.sum(axis=0)
    shares[0] = np.where(total > 0, shares[0], 1.0)
    return np.asarray(shares / shares.sum(axis=0))


def _age(values: Floats, origins: Positions) -> Positions:
    """Return the days of history (series, origin) of each series at each origin."""
    first, _ = observed_days(values)
    return np.asarray(origins[None, :] - first[:, None] + 1)


def _comparable(age: Positions, shares: Floats) -> Flags:
    """Return the origins (series, origin) whose errors are representative of the last one's.

    They have at least MINIMUM_DAYS of history, and the same components where enough of them have.
    """
    is_old = age >= MINIMUM_DAYS
    is_alike = is_old & ((shares > 0) == (shares[:, :, -1:] > 0)).all(axis=0)
    enough = is_alike[:, :-1].sum(axis=1) >= 2 * intervals.ENOUGH_ORIGINS
    return np.where(enough[:, None], is_alike, is_old)


def actual_values(values: Floats, origins: Positions, horizon: int) -> Floats:
    """Return the actual values (series, origin, step); NaN where missing or not yet known."""
    padded = np.concatenate([values, np.full((len(values), horizon), np.nan)], axis=1)
    return np.asarray(padded[:, origins[:, None] + np.arange(1, horizon + 1)[None, :]])


def _simplified(forecasts: Floats, values: Floats, shares: Floats) -> tuple[Floats, Models]:
    """Return the forecasts (series, step) of the last origin, replaced where a simpler model fits, and the models.

    shares: (component, series). A model is named after its components or is the simpler one: (series,).
    """
    _, count = observed_days(values)
    known = ~np.isnan(values)
    spread = np.max(values, axis=1, initial=-1.0, where=known) - np.min(values, axis=1, initial=1.0, where=known)
    mean = np.nansum(values, axis=1) / np.maximum(count, 1)
    labels = np.where(shares > 0, np.array(COMPONENTS)[:, None], "")
    names = np.array(["+".join(filter(None, label)) for label in labels.T], dtype=object)
    names[is_intermittent(values)] = "intermittent " + names[is_intermittent(values)]
    simpler = (
        ("mean", count < MINIMUM_DAYS, mean),
        ("dormant", _dormant(values, forecasts.shape[1]), np.zeros_like(mean)),
        ("constant", (spread == 0) & (count > 1), mean),
        ("empty", count == 0, np.zeros_like(mean)),
    )
    for name, applies, level in simpler:
        names[applies] = name
        forecasts = np.where(applies[:, None], level[:, None], forecasts)
    return forecasts, names


def is_intermittent(values: Floats) -> Flags:
    """Return the series of whose last RECENT_DAYS more than INTERMITTENT_ZEROS are zero."""
    recent = values[:, -RECENT_DAYS:]
    return np.asarray((recent == 0).sum(axis=1) > INTERMITTENT_ZEROS * (~np.isnan(recent)).sum(axis=1))


def _dormant(values: Floats, horizon: int) -> Flags:
    """Return the series with only zeros in the last DORMANT_DAYS and in the horizon's days of a year ago."""
    recent = values[:, -DORMANT_DAYS:]
    only_zeros = (np.nan_to_num(recent) == 0).all(axis=1) & ~np.isnan(recent).all(axis=1)
    length = values.shape[1]
    year_ago = values[:, max(length - 365, 0) : max(length - 365 + horizon, 0)]
    return np.asarray(only_zeros & (np.nan_to_num(year_ago) == 0).all(axis=1))
