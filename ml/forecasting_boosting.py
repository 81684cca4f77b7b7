"""Gradient boosting over all series, with recent days, the calendar, last year and the book as features.

LightGBM (Ke et al. 2017) on rows (series, origin, step), each in units of the series' level at the origin, so that
the model learns from series of any size and from one that grows manifold (as in the M5: Makridakis et al. 2022).
Without a book it is the mean of two unlike learners: the one sees amounts in units of the last half-year's level, the
other their logarithms in units of the last month's.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml import bookings_on_hand
from ml.boosting_library import lightgbm
from ml.panel import Flags, Floats, Positions, fill_gaps, observed_days, same_phase

Matrix = npt.NDArray[np.float32]

LEVEL_DAYS: Final = 28
LONG_LEVEL_DAYS: Final = 182  # 91 and 364 differ by 0.5 %
LOG_FLOOR: Final = 0.05  # of the level: added before the logarithm, for days of zero
LEVEL_FLOOR: Final = 0.05  # of the last year's mean: after a closure the level is too small for a unit
YEAR: Final = 364  # days: the same weekday a year ago
WEEKDAYS: Final = 8  # past days of the same weekday that enter
WARM_UP: Final = 35  # days of a series before its first origin in the training rows
LEAST_LEVEL: Final = 1e-6  # of the largest value; before its first sale a series has no unit to learn in
FEWEST_ROWS: Final = 1000  # with fewer training rows no model is fitted
ROWS_PER_DAY: Final = 8  # of one series: the same day from this many origins
HALF_LIFE: Final = 1000  # days after which a row weighs half
PAST_PERIODS: Final = 2  # of past origins, for the intervals
REFIT_WEEKS: Final = 20
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "huber",  # nearly the median's accuracy, in half the time of the absolute error
    "alpha": 0.3,
    "num_leaves": 24,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbosity": -1,
}
# With a book errors are small beside the level, and the Huber loss is quadratic there: the mean WAPE of a hotel's
# members is 2 % higher with it.
PARAMETERS_BOOKED: Final[dict[str, Any]] = {**PARAMETERS, "objective": "regression_l1"}


class Effort(NamedTuple):
    """Size of a fit."""

    rows: int  # at most, drawn evenly from all series
    rounds: int
    learning_rate: float


# More rows cost time for no better MASE.
LAST: Final = Effort(20_000, 150, 0.06)  # 100 rounds are 0.5 % worse, of one or two series 10 %
LAST_BOOKED: Final = Effort(30_000, 80, 0.11)  # 20,000 rows and 60 rounds are 1 % worse
# Of the models of past origins, whose errors make the intervals and, with a book, the weights of the models.
PAST: Final = Effort(10_000, 60, 0.15)


class Learner(NamedTuple):
    """One of the models whose mean is the forecast."""

    has_long_level: bool  # its unit is the level of LONG_LEVEL_DAYS
    is_log: bool  # it predicts the logarithm, and nothing of a series with negative values
    parameters: dict[str, Any]


# A call of fewer series keeps to one learner: flights of one country, after the pandemic, are 15 % worse with two.
FEW_SERIES: Final = 3
# MASE on synthetic series, bike sharing and Madrid's transport (docs/forecasts.md): their mean is 2.5 % (28 days) and
# 2 % (90 days) better than either alone, 4 % and 3 % better than Huber's loss in units of the last month's level.
LEARNERS: Final = (Learner(False, True, PARAMETERS_BOOKED), Learner(True, False, PARAMETERS))
LEARNERS_FEW: Final = (Learner(False, False, PARAMETERS),)
LEARNERS_BOOKED: Final = (Learner(False, False, PARAMETERS_BOOKED),)

WEEK_MEAN: Final = 3  # column of Tables.recent: the mean of 7 days
HOLIDAY, WEEKDAY = 0, 3  # columns of Tables.calendar


class Tables(NamedTuple):
    """Arrays that the features are gathered from: (series, day), in units of the values, unless noted otherwise."""

    values: Floats  # NaN where missing
    filled: Floats
    first: Positions  # (series,) position of the first observed day
    level: Floats  # mean of the last LEVEL_DAYS
    long_level: Floats  # mean of the last LONG_LEVEL_DAYS
    recent: Floats  # (series, day, feature): last days and trailing means
    shape: Floats  # (series, day, feature), no unit: spread over level, share of zeros, age
    weekday: Floats  # (series, day, feature): means and median over the same weekdays up to that day
    closed: Floats  # share of zeros on the same weekdays up to that day, no unit
    holiday_ratio: Floats  # value of holidays up to that day relative to their weekday's mean, no unit
    calendar: Matrix  # (day, feature), reaches past the values by the horizon
    pace: bookings_on_hand.Pace | None  # pick-up of the book, where there is one
    regression: Floats | None = None  # (series, day, lead): `bookings_on_hand.regress`


def tables(
    values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, horizon: int, book: Floats | None = None
) -> Tables:
    """Return the tables of `values` (series, day), whose last column is the last known day; days: of the columns."""
    filled = fill_gaps(values)
    first, _ = observed_days(values)
    through = pd.date_range(days[0], periods=len(days) + horizon, freq="D")
    is_holiday = np.asarray(days.isin(holidays))
    sums, squares, zeros = (_running(part) for part in (filled, filled**2, (filled == 0).astype(float)))
    mean = {n: _trailing(sums, n) for n in (7, 14, 28, 56, 112)}
    sizes = _running(np.abs(filled))
    level, long_level = (
        np.maximum(_trailing(sizes, length), LEVEL_FLOOR * _trailing(sizes, YEAR)) + 1e-9
        for length in (LEVEL_DAYS, LONG_LEVEL_DAYS)
    )
    spread = np.sqrt(np.maximum(_trailing(squares, 56) - mean[56] ** 2, 0))
    last_days = [_earlier(filled, lag) for lag in (0, 1, 2)]
    means = [mean[n] for n in (7, 14, 56, 112)]
    means_before = [_earlier(mean[n], n) for n in (7, 28)]
    recent = np.stack([*last_days, *means, *means_before], 2)
    age = np.broadcast_to(np.minimum(np.arange(values.shape[1])[None, :] - first[:, None], 800), values.shape)
    same = np.stack([_earlier(np.where(age >= 0, filled, np.nan), 7 * week) for week in range(WEEKDAYS)])
    weekday, closed = _same_weekdays(same)
    return Tables(
        values=values,
        filled=np.where(age >= 0, filled, np.nan),
        first=first,
        level=level,
        long_level=long_level,
        recent=recent,
        shape=np.stack([spread / level, _trailing(zeros, 28), age], 2),
        weekday=weekday,
        closed=closed,
        holiday_ratio=_holiday_ratio(filled, is_holiday, age),
        calendar=_calendar(through, holidays),
        pace=None if book is None else bookings_on_hand.pace(values, book),
    )


def rows(tab: Tables, series: Positions, origin: Positions, step: Positions) -> Matrix:
    """Return the features of each (series, origin, step): known at the end of the origin, of the day `step` ahead."""
    if tab.pace is not None:
        return _rows_with_book(tab, tab.pace, series, origin, step)
    target = origin + step
    level = tab.level[series, origin]
    same_weekday = same_phase(origin, step, 7)

    def value(day: Positions) -> Floats:
        """Return the value of each row's series on `day`, NaN where that is after the origin."""
        known = (day >= 0) & (day <= origin)
        return np.where(known, tab.filled[series, np.where(known, day, 0)], np.nan)

    columns = [step, *(value(same_weekday - 7 * week) / level for week in range(4))]
    columns += [value(same_phase(origin, step, days)) / level for days in (14, 28)]
    columns.append(tab.closed[series, same_weekday])
    columns += list((tab.weekday[series, same_weekday] / level[:, None]).T)
    columns += list((tab.recent[series, origin] / level[:, None]).T)
    columns += list(tab.shape[series, origin].T)
    for years in (1, 2):
        origin_then, target_then = origin - YEAR * years, target - YEAR * years
        known = origin_then >= tab.first[series] + LEVEL_DAYS
        level_then = np.where(known, tab.level[series, np.maximum(origin_then, 0)], np.nan)
        week_around = tab.recent[series, np.clip(target_then + 3, 0, origin), WEEK_MEAN]
        columns.append(week_around / level_then)
        if years == 1:
            columns += [value(target_then) / level_then, level / level_then]
    calendar = tab.calendar[target]
    columns.append(np.where(calendar[:, HOLIDAY] > 0, tab.holiday_ratio[series, origin], np.nan))
    return np.column_stack([np.asarray(column, dtype=np.float32) for column in columns] + [calendar])


def _rows_with_book(
    tab: Tables, pace: bookings_on_hand.Pace, series: Positions, origin: Positions, step: Positions
) -> Matrix:
    """Return the features with a book: its own, usual values and the calendar; more features brought no accuracy."""
    same_weekday = same_phase(origin, step, 7)
    usual = tab.weekday[series, same_weekday] / tab.level[series, origin][:, None]
    book = bookings_on_hand.features(pace, _base(tab, series, origin, step), tab.level, series, origin, step)
    calendar = tab.calendar[origin + step, : WEEKDAY + 1]
    parts = [step, tab.closed[series, same_weekday], tab.shape[series, origin], usual, book, calendar]
    return np.column_stack([np.asarray(part, dtype=np.float32) for part in parts])


def backcast(tab: Tables, origins: Positions, horizon: int) -> Floats:
    """Return the forecasts (series, origin, step) at weekly origins, ascending; NaN where no model could be fitted.

    A past origin is forecast by the model that was fitted at the first origin of its period, so that its errors are
    those of a model that was not fitted on the actuals; the last origin by a model of its own.
    """
    result = np.full((len(tab.values), len(origins), horizon), np.nan)
    for begin, end in _periods(len(origins)):
        effort = LAST if end == len(origins) else PAST
        if models := fit(tab, int(origins[begin]), horizon, effort):
            result[:, begin:end] = predict(models, tab, origins[begin:end], horizon)
    young = origins[None, :] - tab.first[:, None] < WARM_UP + LEVEL_DAYS
    result[young] = np.nan
    return result


def backcast_with_book(tab: Tables, origins: Positions, horizon: int) -> Floats:
    """Return the forecasts (method, series, origin, step) with a book.

    Methods: boosting that corrects the regression, the regression alone, the mean pick-up. NaN beyond the book.
    """
    if tab.pace is None:
        raise ValueError("the tables have no book")
    result = np.full((3, len(tab.values), len(origins), horizon), np.nan)
    leads = min(horizon, tab.pace.book.shape[2] - 1)
    boosted, regressed, mean = result[:, :, :, :leads]  # views
    weekday = tab.calendar[:, WEEKDAY].astype(int)
    for begin, end in _periods(len(origins)):
        regression = bookings_on_hand.regress(tab.pace, tab.values, weekday, int(origins[begin]))
        fitted, period = tab._replace(regression=regression), origins[begin:end]
        effort = LAST_BOOKED if end == len(origins) else PAST
        if models := fit(fitted, int(origins[begin]), leads, effort):
            boosted[:, begin:end] = predict(models, fitted, period, leads)
        base = _base(fitted, *_grid(len(tab.values), period, leads))
        regressed[:, begin:end] = base.reshape(len(tab.values), end - begin, leads)
    mean[:] = bookings_on_hand.pick_up(tab.pace, *_grid(len(tab.values), origins, leads)).reshape(mean.shape)
    return result


def _periods(count: int) -> list[tuple[int, int]]:
    """Return the first and past-the-last origin that each fit forecasts: the past periods, and the last by itself."""
    last = count - 1
    begins = [last - REFIT_WEEKS * period for period in range(PAST_PERIODS, 0, -1)]
    return [*((begin, begin + REFIT_WEEKS) for begin in begins if begin >= 0), (last, last + 1)]


def fit(tab: Tables, end: int, horizon: int, effort: Effort) -> list[tuple[Learner, Any]]:
    """Return each learner with its model fitted on days up to position `end`; none with too few rows or no LightGBM."""
    library = lightgbm()
    series, origin, step = _draw(tab, end, horizon, effort.rows)
    has_unit = np.minimum(tab.level, tab.long_level)[series, origin] > LEAST_LEVEL
    series, origin, step = series[has_unit], origin[has_unit], step[has_unit]
    if library is None or len(series) < FEWEST_ROWS:
        return []
    weight = _steadiness(tab.values[:, : end + 1])[series] * 0.5 ** ((end - origin - step) / HALF_LIFE)
    actual, base = tab.values[series, origin + step], _base(tab, series, origin, step)
    models = []
    for learner in _learners(tab):
        unit = _in_unit_of(learner, tab)
        level = unit.level[series, origin]
        target = _logarithm(actual / level) if learner.is_log else (actual - base) / level
        limit = 3 * np.quantile(np.abs(target), 0.999)
        data = library.Dataset(rows(unit, series, origin, step), np.clip(target, -limit, limit), weight=weight)
        parameters = {**learner.parameters, "learning_rate": effort.learning_rate}
        models.append((learner, library.train(parameters, data, effort.rounds)))
    return models


def predict(models: list[tuple[Learner, Any]], tab: Tables, origins: Positions, horizon: int) -> Floats:
    """Return the mean of the models' forecasts (series, origin, step) in units of the values."""
    count = len(tab.values)
    series, origin, step = _grid(count, origins, horizon)
    base = _base(tab, series, origin, step)
    has_negative = np.asarray((np.nan_to_num(tab.values) < 0).any(axis=1))[series]
    total, number = np.zeros((2, len(series)))
    for learner, model in models:
        unit = _in_unit_of(learner, tab)
        predicted = np.asarray(model.predict(rows(unit, series, origin, step), num_threads=1))
        level = unit.level[series, origin]
        if learner.is_log:
            total += np.where(has_negative, 0.0, (np.exp(predicted) - LOG_FLOOR) * level)
            number += ~has_negative
        else:
            total += predicted * level + base
            number += 1
    return np.asarray((total / number).reshape(count, len(origins), horizon))


def _learners(tab: Tables) -> tuple[Learner, ...]:
    if tab.pace is not None:
        return LEARNERS_BOOKED
    return LEARNERS_FEW if len(tab.values) < FEW_SERIES else LEARNERS


def _in_unit_of(learner: Learner, tab: Tables) -> Tables:
    """Return the tables whose level is the learner's unit."""
    return tab._replace(level=tab.long_level) if learner.has_long_level else tab


def _logarithm(of_level: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(of_level, 0.0) + LOG_FLOOR))


def _grid(count: int, origins: Positions, horizon: int) -> tuple[Positions, Positions, Positions]:
    """Return all combinations (series, origin, step), flat."""
    grid = np.meshgrid(np.arange(count), origins, np.arange(1, horizon + 1), indexing="ij")
    return grid[0].ravel(), grid[1].ravel(), grid[2].ravel()


def _base(tab: Tables, series: Positions, origin: Positions, step: Positions) -> Floats:
    """Return the forecasts that the trees correct: with a book its regression, else its mean pick-up; without, 0."""
    if tab.pace is None or tab.regression is None:
        return np.zeros(len(series))
    lead = np.minimum(step, tab.regression.shape[2] - 1)
    base = np.where(step == lead, tab.regression[series, origin, lead], np.nan)
    return np.where(np.isnan(base), bookings_on_hand.pick_up(tab.pace, series, origin, step), base)


def _draw(tab: Tables, end: int, horizon: int, most_rows: int) -> tuple[Positions, Positions, Positions]:
    """Draw at most about `most_rows` training rows (series, origin, step) whose value at origin + step <= end is known.

    Series are drawn by their length, days and steps evenly.
    """
    rng = np.random.default_rng(1)
    days = np.maximum(end - tab.first - WARM_UP, 0)  # (series,) possible target days
    per_day = min(ROWS_PER_DAY, horizon, most_rows / max(days.sum(), 1))
    series = np.repeat(np.arange(len(days)), (days * per_day).astype(int))
    earliest = tab.first[series] + WARM_UP
    target = rng.integers(earliest + 1, end + 1)
    step = np.minimum(rng.integers(1, horizon + 1, len(target)), target - earliest)
    known = ~np.isnan(tab.values[series, target] - _base(tab, series, target - step, step))
    return series[known], (target - step)[known], step[known]


def _steadiness(values: Floats) -> Floats:
    """Return the weight of each series: its mean size over its mean absolute change in a week, within limits."""
    with np.errstate(invalid="ignore", divide="ignore"):
        change = _nanmean(np.abs(values[:, 7:] - values[:, :-7])) / _nanmean(np.abs(values))
    return np.asarray(1 / np.clip(np.nan_to_num(change, nan=1.0), 0.02, 2.0))


def _nanmean(values: Floats) -> Floats:
    """Return the mean (series,) of the known days, 0 where none is known."""
    return np.asarray(np.nansum(values, axis=1) / np.maximum((~np.isnan(values)).sum(axis=1), 1))


def _running(values: Floats) -> Floats:
    """Return the sums (series, day + 1) of the values before each day."""
    return np.concatenate([np.zeros((len(values), 1)), values.cumsum(axis=1)], axis=1)


def _trailing(sums: Floats, length: int) -> Floats:
    """Return the mean of the `length` days up to and with each day, of fewer at the beginning; sums: as `_running`."""
    end = np.arange(1, sums.shape[1])
    begin = np.maximum(end - length, 0)
    return np.asarray((sums[:, end] - sums[:, begin]) / (end - begin))


def _earlier(values: Floats, days: int) -> Floats:
    """Return the values `days` before each day; NaN where there are none."""
    if days == 0:
        return values
    result = np.full(values.shape, np.nan)
    result[:, days:] = values[:, :-days]
    return result


def _same_weekdays(same: Floats) -> tuple[Floats, Floats]:
    """Return features (series, day, 3) of the same weekdays (week, series, day), and their share of zeros.

    Features: the mean of the last four weeks, the mean and the median of all.
    """
    known = ~np.isnan(same)
    filled = np.nan_to_num(same)
    means = [filled[:n].sum(axis=0) / np.maximum(known[:n].sum(axis=0), 1) for n in (4, len(same))]
    ordered = np.sort(same, axis=0)  # NaN last
    count = np.maximum(known.sum(axis=0), 1)
    low = np.take_along_axis(ordered, ((count - 1) // 2)[None], axis=0)[0]
    high = np.take_along_axis(ordered, (count // 2)[None], axis=0)[0]
    closed = ((same == 0) & known).sum(axis=0) / count
    return np.stack([*means, (low + high) / 2], axis=2), closed


def _holiday_ratio(filled: Floats, is_holiday: Flags, age: Floats) -> Floats:
    """Return the mean ratio, over the holidays up to each day, to the same weekday of two weeks before, or NaN."""
    usual = (_earlier(filled, 7) + _earlier(filled, 14)) / 2
    counted = is_holiday[None, :] & (usual > 0) & (age >= 14)
    ratio = np.where(counted, np.clip(filled / np.where(counted, usual, 1.0), 0, 3), 0.0)
    number = counted.cumsum(axis=1)
    return np.asarray(np.where(number > 0, ratio.cumsum(axis=1) / np.maximum(number, 1), np.nan))


def _calendar(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Matrix:
    """Return (day, feature): is a holiday, days to the next and since the last one, weekday, day of the month counted
    from its start and from its end, day of the year.
    """
    distance = (days.to_numpy()[:, None] - holidays.to_numpy()[None, :]) / np.timedelta64(1, "D")
    since = np.where(distance >= 0, distance, 8).min(axis=1, initial=8)
    ahead = np.where(distance <= 0, -distance, 8).min(axis=1, initial=8)
    parts = [since == 0, ahead, since, days.day_of_week, days.day, days.days_in_month - days.day, days.day_of_year]
    return np.column_stack(parts).astype(np.float32)
