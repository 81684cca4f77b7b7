"""One gradient-boosted model over all series: what recent days, the calendar, last year and the book say of a day.

LightGBM (Ke et al. 2017) on rows (series, origin, step), each in units of the series' level at the origin, so that
series of any size, and one that grows manifold, teach each other (as in the M5: Makridakis et al. 2022).
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml import bookings_on_hand
from ml.boosting_library import lightgbm
from ml.panel import Floats, fill_gaps, observed_days

Positions = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float32]

LEVEL_DAYS: Final = 28
LEVEL_FLOOR: Final = 0.05  # of the last year's mean: after a closure a level is no unit
YEAR: Final = 364  # days: the same weekday a year ago
WEEKDAYS: Final = 8  # how many of the same weekday are looked back on
WARM_UP: Final = 35  # days of a series before the first origin that teaches
FEWEST_ROWS: Final = 1000  # with fewer rows there is nothing to learn from
# At most, drawn evenly from all series; 60,000 cost twice the time for 0.5 % less WAPE with a book, and none without.
ROWS: Final = 30_000
ROWS_A_DAY: Final = 8  # of one series: the same day from so many origins
HALF_LIFE: Final = 1000  # days after which a row weighs half
ROUNDS: Final = 150
QUARTERS: Final = 3  # of past origins, for the intervals
REFIT_WEEKS: Final = 13
PARAMETERS: Final[dict[str, Any]] = {
    "objective": "huber",  # nearly the median's accuracy, in half the time of the absolute error
    "alpha": 0.3,
    "learning_rate": 0.06,
    "num_leaves": 24,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 127,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "verbosity": -1,
}
# With a book misses are small beside the level, where Huber's are squares: a hotel's members' mean WAPE is 2 % higher.
PARAMETERS_BOOKED: Final[dict[str, Any]] = {**PARAMETERS, "objective": "regression_l1"}


class Tables(NamedTuple):
    """What the rows are gathered from: by (series, day), in units of the values unless said otherwise."""

    values: Floats  # NaN where missing
    filled: Floats
    first: Positions  # (series,) position of the first observed day
    level: Floats  # mean of the last LEVEL_DAYS
    recent: Floats  # (series, day, feature): last days and trailing means
    shape: Floats  # (series, day, feature), no unit: spread over level, share of zeros, age
    weekday: Floats  # (series, day, feature): means and median over the same weekdays up to that day
    closed: Floats  # share of zeros on the same weekdays up to that day, no unit
    feast: Floats  # what holidays so far were of the same weekday's mean, no unit
    calendar: Matrix  # (day, feature), reaches past the values by the horizon
    pace: bookings_on_hand.Pace | None  # how the book fills
    booked: Floats | None = None  # (series, day, lead) as `bookings_on_hand.regress` gives it


def tables(
    values: Floats, days: pd.DatetimeIndex, holidays: pd.DatetimeIndex, horizon: int, book: Floats | None = None
) -> Tables:
    """Prepare (series, day) values whose last column is the last known day; days are those of the columns."""
    filled = fill_gaps(values)
    first, _ = observed_days(values)
    through = pd.date_range(days[0], periods=len(days) + horizon, freq="D")
    feast = np.asarray(through.isin(holidays))
    sums, squares, zeros = (_running(part) for part in (filled, filled**2, (filled == 0).astype(float)))
    mean = {n: _trailing(sums, n) for n in (7, 14, 28, 56, 112)}
    sizes = _running(np.abs(filled))
    level = np.maximum(_trailing(sizes, LEVEL_DAYS), LEVEL_FLOOR * _trailing(sizes, YEAR)) + 1e-9
    spread = np.sqrt(np.maximum(_trailing(squares, 56) - mean[56] ** 2, 0))
    before = [_earlier(mean[n], n) for n in (7, 28)]
    recent = np.stack(
        [filled, _earlier(filled, 1), _earlier(filled, 2), *(mean[n] for n in (7, 14, 56, 112)), *before], 2
    )
    age = np.broadcast_to(np.minimum(np.arange(values.shape[1])[None, :] - first[:, None], 800), values.shape)
    same = np.stack([_earlier(np.where(age >= 0, filled, np.nan), 7 * week) for week in range(WEEKDAYS)])
    weekday, closed = _same_weekdays(same)
    return Tables(
        values=values,
        filled=np.where(age >= 0, filled, np.nan),
        first=first,
        level=level,
        recent=recent,
        shape=np.stack([spread / level, _trailing(zeros, 28), age], 2),
        weekday=weekday,
        closed=closed,
        feast=_feast_ratio(filled, feast[: values.shape[1]], age),
        calendar=_calendar(through, holidays),
        pace=None if book is None else bookings_on_hand.pace(values, book),
    )


def rows(tab: Tables, series: Positions, origin: Positions, step: Positions) -> Matrix:
    """Features of each (series, origin, step): what is known at the end of the origin of the day `step` ahead."""
    if tab.pace is not None:
        return _rows_with_book(tab, tab.pace, series, origin, step)
    target = origin + step
    level = tab.level[series, origin]
    newest = target - 7 * (-(-step // 7))

    def value(day: Positions) -> Floats:
        known = (day >= 0) & (day <= origin)
        return np.where(known, tab.filled[series, np.where(known, day, 0)], np.nan)

    weeks = [value(newest - 7 * week) / level for week in range(4)]
    cycles = [value(target - length * (-(-step // length))) / level for length in (14, 28)]
    columns = [step, *weeks, *cycles, tab.closed[series, newest]]
    columns += list((tab.weekday[series, newest] / level[:, None]).T)
    columns += list((tab.recent[series, origin] / level[:, None]).T) + list(tab.shape[series, origin].T)
    for years in (1, 2):
        then = origin - YEAR * years
        known = then >= tab.first[series] + LEVEL_DAYS
        base = np.where(known, tab.level[series, np.maximum(then, 0)], np.nan)
        around = tab.recent[series, np.clip(target - YEAR * years + 3, 0, origin), 3]
        columns.append(around / base)
        if years == 1:
            columns += [value(target - YEAR) / base, level / base]
    calendar = tab.calendar[target]
    columns.append(np.where(calendar[:, FEAST] > 0, tab.feast[series, origin], np.nan))
    return np.column_stack([np.asarray(column, dtype=np.float32) for column in columns] + [calendar])


def _rows_with_book(
    tab: Tables, pace: bookings_on_hand.Pace, series: Positions, origin: Positions, step: Positions
) -> Matrix:
    """What the book says, its days' usual values, and the calendar: more columns taught nothing more."""
    newest = origin + step - 7 * (-(-step // 7))
    usual = tab.weekday[series, newest] / tab.level[series, origin][:, None]
    book = bookings_on_hand.features(pace, _base(tab, series, origin, step), tab.level, series, origin, step)
    parts = [step, tab.closed[series, newest], tab.shape[series, origin], usual, book]
    parts.append(tab.calendar[origin + step, : WEEKDAY + 1])
    return np.column_stack([np.asarray(part, dtype=np.float32) for part in parts])


FEAST, WEEKDAY = 0, 3  # columns of the calendar


def backcast(tab: Tables, origins: Positions, horizon: int) -> Floats:
    """Forecasts (series, origin, step) at weekly origins, ascending; NaN where nothing was learnt by then.

    A past origin is forecast by the model that was fitted at the first origin of its quarter, so that its errors are
    those of a model that did not see what came; the last origin by a model of its own.
    """
    result = np.full((len(tab.values), len(origins), horizon), np.nan)
    for begin, end in _periods(len(origins)):
        if (model := fit(tab, int(origins[begin]), horizon)) is not None:
            result[:, begin:end] = predict(model, tab, origins[begin:end], horizon)
    young = origins[None, :] - tab.first[:, None] < WARM_UP + LEVEL_DAYS
    result[young] = np.nan
    return result


def backcast_with_book(tab: Tables, origins: Positions, horizon: int) -> Floats:
    """The same with a book, (method, series, origin, step): boosting on the regression, it alone, the mean pick-up."""
    if tab.pace is None:
        raise ValueError("the tables have no book")
    shape = (len(tab.values), len(origins), horizon)
    result = np.full((3, *shape), np.nan)
    weekday = tab.calendar[:, WEEKDAY].astype(int)
    for begin, end in _periods(len(origins)):
        booked = bookings_on_hand.regress(tab.pace, tab.values, weekday, int(origins[begin]))
        known, now = tab._replace(booked=booked), origins[begin:end]
        if (model := fit(known, int(origins[begin]), horizon)) is not None:
            result[0, :, begin:end] = predict(model, known, now, horizon)
        result[1, :, begin:end] = _base(known, *_grid(shape[0], now, horizon)).reshape(shape[0], end - begin, horizon)
    result[2] = bookings_on_hand.pick_up(tab.pace, *_grid(shape[0], origins, horizon)).reshape(shape)
    return result


def _periods(count: int) -> list[tuple[int, int]]:
    """First and past-the-last of the origins that one fit forecasts: the past quarters, and the last by itself."""
    last = count - 1
    begins = [last - REFIT_WEEKS * quarter for quarter in range(QUARTERS, 0, -1)]
    return [*((begin, begin + REFIT_WEEKS) for begin in begins if begin >= 0), (last, last + 1)]


def fit(tab: Tables, end: int, horizon: int) -> Any | None:
    """The model of what was known at the end of position `end`, or None where too little was or LightGBM is missing."""
    library = lightgbm()
    drawn = _draw(tab, end, horizon)
    if library is None or len(drawn[0]) < FEWEST_ROWS:
        return None
    series, origin, step = drawn
    features = rows(tab, series, origin, step)
    level = tab.level[series, origin]
    target = (tab.values[series, origin + step] - _base(tab, series, origin, step)) / level
    edge = 3 * np.quantile(np.abs(target), 0.999)
    weight = _steadiness(tab.values[:, : end + 1])[series] * 0.5 ** ((end - origin - step) / HALF_LIFE)
    data = library.Dataset(features, np.clip(target, -edge, edge), weight=weight / weight.mean())
    return library.train(PARAMETERS if tab.pace is None else PARAMETERS_BOOKED, data, ROUNDS)


def predict(model: Any, tab: Tables, origins: Positions, horizon: int) -> Floats:
    """Forecasts (series, origin, step) in units of the values."""
    count = len(tab.values)
    series, origin, step = _grid(count, origins, horizon)
    said = np.asarray(model.predict(rows(tab, series, origin, step), num_threads=1)) * tab.level[series, origin]
    said = said + _base(tab, series, origin, step)
    return np.asarray(said.reshape(count, len(origins), horizon))


def _grid(count: int, origins: Positions, horizon: int) -> tuple[Positions, Positions, Positions]:
    grid = np.meshgrid(np.arange(count), origins, np.arange(1, horizon + 1), indexing="ij")
    return grid[0].ravel(), grid[1].ravel(), grid[2].ravel()


def _base(tab: Tables, series: Positions, origin: Positions, step: Positions) -> Floats:
    """What the trees correct: with a book its regression, or the pick-up where there is none; else nothing."""
    if tab.pace is None or tab.booked is None:
        return np.zeros(len(series))
    lead = np.minimum(step, tab.booked.shape[2] - 1)
    said = np.where(step == lead, tab.booked[series, origin, lead], np.nan)
    return np.where(np.isnan(said), bookings_on_hand.pick_up(tab.pace, series, origin, step), said)


def _draw(tab: Tables, end: int, horizon: int) -> tuple[Positions, Positions, Positions]:
    """(series, origin, step) with a known day at origin + step <= end: all series by their length, steps evenly."""
    rng = np.random.default_rng(1)
    room = np.maximum(end - tab.first - WARM_UP, 0)
    share = min(ROWS_A_DAY, horizon, ROWS / max(room.sum(), 1))
    series = np.repeat(np.arange(len(room)), (room * share).astype(int))
    earliest = tab.first[series] + WARM_UP
    day = rng.integers(earliest + 1, end + 1)
    step = np.minimum(rng.integers(1, horizon + 1, len(day)), day - earliest)
    keep = ~np.isnan(tab.values[series, day] - _base(tab, series, day - step, step))
    return series[keep], (day - step)[keep], step[keep]


def _steadiness(values: Floats) -> Floats:
    """Weight of each series: the reciprocal of how much it differs from a week before, of its mean."""
    with np.errstate(invalid="ignore", divide="ignore"):
        change = _nanmean(np.abs(values[:, 7:] - values[:, :-7])) / _nanmean(np.abs(values))
    return np.asarray(1 / np.clip(np.nan_to_num(change, nan=1.0), 0.02, 2.0))


def _nanmean(values: Floats) -> Floats:
    return np.asarray(np.nansum(values, axis=1) / np.maximum((~np.isnan(values)).sum(axis=1), 1))


def _running(values: Floats) -> Floats:
    return np.concatenate([np.zeros((len(values), 1)), values.cumsum(axis=1)], axis=1)


def _trailing(sums: Floats, length: int) -> Floats:
    """Mean of the `length` days up to and with each day, of fewer at the beginning."""
    end = np.arange(1, sums.shape[1])
    begin = np.maximum(end - length, 0)
    return np.asarray((sums[:, end] - sums[:, begin]) / (end - begin))


def _earlier(values: Floats, days: int) -> Floats:
    """The values `days` before; NaN where there are none."""
    if days == 0:
        return values
    result = np.full(values.shape, np.nan)
    result[:, days:] = values[:, :-days]
    return result


def _same_weekdays(same: Floats) -> tuple[Floats, Floats]:
    """Of (week, series, day): mean of four and of all weeks and their median, stacked last; the share of zeros."""
    seen = ~np.isnan(same)
    zero = np.nan_to_num(same)
    means = [zero[:n].sum(axis=0) / np.maximum(seen[:n].sum(axis=0), 1) for n in (4, len(same))]
    ordered = np.sort(same, axis=0)
    count = np.maximum(seen.sum(axis=0), 1)
    low = np.take_along_axis(ordered, ((count - 1) // 2)[None], axis=0)[0]
    high = np.take_along_axis(ordered, (count // 2)[None], axis=0)[0]
    closed = ((same == 0) & seen).sum(axis=0) / count
    return np.stack([*means, (low + high) / 2], axis=2), closed


def _feast_ratio(filled: Floats, feast: npt.NDArray[np.bool_], age: Floats) -> Floats:
    """Mean over the holidays up to each day of their value by that of the two weekdays before; NaN before the first."""
    usual = (_earlier(filled, 7) + _earlier(filled, 14)) / 2
    counted = feast[None, :] & (usual > 0) & (age >= 14)
    ratio = np.where(counted, np.clip(filled / np.where(counted, usual, 1.0), 0, 3), 0.0)
    many = counted.cumsum(axis=1)
    return np.asarray(np.where(many > 0, ratio.cumsum(axis=1) / np.maximum(many, 1), np.nan))


def _calendar(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Matrix:
    """Holiday, days to the next and since the last one, weekday, day from either end of the month, day of the year."""
    distance = (days.to_numpy()[:, None] - holidays.to_numpy()[None, :]) / np.timedelta64(1, "D")
    since = np.where(distance >= 0, distance, 8).min(axis=1, initial=8)
    ahead = np.where(distance <= 0, -distance, 8).min(axis=1, initial=8)
    parts = [since == 0, ahead, since, days.day_of_week, days.day, days.days_in_month - days.day, days.day_of_year]
    return np.column_stack(parts).astype(np.float32)
