"""What the book says of days to come: pick-up by lead time and weekday, as a mean and by regression.

Pick-up is the revenue manager's forecast: what stands on the books now, plus what still came in from the same lead
time on to the day itself, on average over recent days of that weekday (Weatherford and Kimes 2003). The regression
(Talluri and van Ryzin 2004, 9.3) lets what still comes in depend on what stands, there and around.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import signal

from ml.panel import Floats, Panel, to_book

Positions = npt.NDArray[np.int64]

# Measured on a hotel's revenue by arrival day, total and members (docs/methods.md).
WEEK_WEIGHT = 0.975  # each older week weighs this much of the next; 0.95 to 0.99 differ by 2 %
FEWEST_ROWS = 56  # days that came, before a regression is fitted
HALF_LIFE = 730  # days; 180 to 3000 differ by less than 1 %
AROUND = 3  # days on either side: what stands for a week
DRIFT_DAYS = 14  # 7 is the same, 28 is 1 % worse
SLOW_WEIGHT = 0.998  # a day, of the usual pick-up that the drift is measured from
RIDGE = 3.0  # in days that came; 1 to 10 differ by less than 1 %, from 90 days of history 1 is 4 % worse
LEAST_USUAL = 0.05  # of the level: what standing is divided by where little stands
NEAR = 0.02  # of the usual miss: what counts as met when errors are reweighted
ITERATIONS = 12  # with 6 the members' WAPE is 1 % higher, as errors are not yet absolute


def book_series(on_hand: pd.DataFrame | None, *, as_of: pd.Timestamp) -> pd.DataFrame | None:
    """The checked book, or None where none is given or nothing of it was known at `as_of`."""
    if on_hand is None or on_hand.empty:
        return None
    book = to_book(on_hand, as_of=as_of)
    return None if book.empty else book


def book_array(book: pd.DataFrame, panel: Panel, horizon: int, until: pd.Timestamp | None = None) -> Floats:
    """What stood on the books: (series, day, lead), days running `horizon` past the panel; NaN where not known.

    Of days after `until` nothing is known. Snapshots between the first and the last in the whole book are known, and
    what they do not list is zero; a series that the book never names stays NaN, as do days further ahead than the
    book's longest lead. Rows of a series that the panel does not know are left aside.
    """
    leads = int(min(book["lead_days"].max(), horizon))
    first = panel.days[0]
    length = len(panel.days) + horizon
    rows = book[(book["lead_days"] <= leads) & (book["service_day"] >= first)]
    day = (rows["service_day"] - first).dt.days.to_numpy()
    rows, day = rows[day < length], day[day < length]
    snapshot = np.arange(length)[:, None] - np.arange(leads + 1)[None, :]
    opened = (book["snapshot"].min() - first).days
    closed = (book["snapshot"].max() - first).days
    covered = (snapshot >= opened) & (snapshot <= closed)
    named = panel.series.isin(book["series_id"].unique())
    result = np.where(named[:, None, None] & covered[None], 0.0, np.nan)
    position = panel.series.get_indexer(pd.Index(rows["series_id"]))
    place = (position, day, rows["lead_days"].to_numpy())
    known = position >= 0
    result[tuple(part[known] for part in place)] = rows["value"].to_numpy(dtype=float)[known]
    if until is not None:
        result[:, max((until - first).days + 1, 0) :] = np.nan
    return result


class Pace(NamedTuple):
    """How days fill, each (series, day, lead): known at the end of the day, of that day and those before."""

    book: Floats  # what stood, days running past the values
    more: Floats  # what still came in from that lead on: weighted mean of all days
    more_weekday: Floats  # the same of the same weekdays
    miss_weekday: Floats  # the same of its size
    stood_weekday: Floats  # what stood, mean of the same weekdays
    came_weekday: Floats  # what they came to
    unit: Floats  # (series,) largest amount
    signals: Floats  # (series, day, lead, SIGNALS) as on that day for the one that lies `lead` ahead, in units


SIGNALS = ("standing", "around", "everyone", "week", "drift")


def pace(values: Floats, book: Floats) -> Pace:
    """Tables of a book (series, day, lead) as `book_array` gives it, for values (series, day)."""
    stood = book[:, : values.shape[1]]
    came = np.where(np.isnan(stood), np.nan, values[:, :, None])
    more = came - stood
    largest = np.maximum(_largest(values), _largest(book.reshape(len(book), -1)))
    unit = np.where(largest > 0, largest, 1.0)
    return Pace(
        book=book,
        more=_weighted_mean(more, 1, WEEK_WEIGHT ** (1 / 7)),
        more_weekday=_weighted_mean(more, 7, WEEK_WEIGHT),
        miss_weekday=_weighted_mean(np.abs(more), 7, WEEK_WEIGHT),
        stood_weekday=_weighted_mean(np.where(np.isnan(came), np.nan, stood), 7, WEEK_WEIGHT),
        came_weekday=_weighted_mean(came, 7, WEEK_WEIGHT),
        unit=unit,
        signals=_signals(_by_snapshot(book / unit[:, None, None], values.shape[1])),
    )


def pick_up(tables: Pace, series: Positions, origin: Positions, step: Positions) -> Floats:
    """Additive pick-up for each (series, origin, step): on hand, plus what still came in; NaN beyond the book."""
    lead = np.minimum(step, tables.book.shape[2] - 1)
    newest = origin + step - 7 * (-(-step // 7))
    same = np.where(newest >= 0, tables.more_weekday[series, np.maximum(newest, 0), lead], np.nan)
    any_day = tables.more[series, origin, lead]
    more = np.where(np.isnan(same), any_day, same)
    return np.where(step == lead, tables.book[series, origin + step, lead] + more, np.nan)


def regress(tables: Pace, values: Floats, weekday: Positions, end: int) -> Floats:
    """Pick-up by regression (series, origin, lead), fitted on what came up to position `end`.

    What still comes in from a lead on is taken as linear in the weekday and SIGNALS, for each series and lead apart, by
    least absolute errors (Koenker, Bassett 1978): a group that books or cancels is an outlier, and a median errs least.
    NaN where the book does not reach or fewer than FEWEST_ROWS days came.

    values: (series, day) as `pace` had them; weekday: 0 to 6 of each of the book's days.
    """
    length = values.shape[1]
    standing = _by_snapshot(tables.book / tables.unit[:, None, None], length)
    result = np.full(standing.shape, np.nan)
    origin = np.arange(length)
    for lead in range(1, standing.shape[2]):
        days = np.eye(7)[weekday[origin + lead]]
        taught = origin[: max(end + 1 - lead, 0)]
        more = values[:, taught + lead] / tables.unit[:, None] - standing[:, taught, lead]
        weight = ~np.isnan(more) * 0.5 ** ((end - lead - taught) / HALF_LIFE)
        able = np.flatnonzero((weight > 0).sum(axis=1) >= FEWEST_ROWS)
        if len(able) == 0:
            continue
        one = np.ones((len(able), length, 1))
        rows = np.concatenate([one, one * days, tables.signals[able, :, lead]], axis=2)
        weights = _least_absolute(rows[:, taught], np.nan_to_num(more[able]), weight[able])
        said = standing[able, :, lead] + np.einsum("sof,sf->so", rows, weights)
        result[able, :, lead] = said * tables.unit[able, None]
    return result


def features(
    tables: Pace, base: Floats, level: Floats, series: Positions, origin: Positions, step: Positions
) -> Floats:
    """What the book says of each (series, origin, step), in units of the level (series, day); NaN where nothing.

    base: what the features are to correct, one for each row. Returns (row, feature).
    """
    lead = np.minimum(step, tables.book.shape[2] - 1)
    newest = origin + step - 7 * (-(-step // 7))
    standing = tables.book[series, origin + step, lead]
    usual = tables.stood_weekday[series, newest, lead]
    columns = [base, base - standing, usual, tables.more[series, origin, lead]]
    columns += [
        table[series, newest, lead] for table in (tables.more_weekday, tables.miss_weekday, tables.came_weekday)
    ]
    signals = tables.signals[series, origin, lead] * tables.unit[series, None]
    of_usual = standing / np.maximum(usual, LEAST_USUAL * level[series, origin])
    return np.asarray(
        np.column_stack([np.column_stack([*columns, signals]) / level[series, origin][:, None], of_usual])
    )


def _by_snapshot(book: Floats, length: int) -> Floats:
    """(series, snapshot, lead) of (series, day, lead): what stood at the end of each of the first `length` days."""
    leads = np.arange(book.shape[2])
    return book[:, np.arange(length)[:, None] + leads, leads]


def _signals(standing: Floats) -> Floats:
    """SIGNALS (series, snapshot, lead, signal) of what stood (series, snapshot, lead); zero where not known.

    What stands for the day, for the days around it, for those of all series; what came in for the day over the last
    week; and by how much all days' pick-up of the last fortnight, lead by lead, exceeded the usual one.
    """
    around = _mean_around(standing)
    everyone = np.broadcast_to(around.mean(axis=0), standing.shape)
    week, added = np.full(standing.shape, np.nan), np.full(standing.shape, np.nan)
    week[:, 7:, :-7] = standing[:, 7:, :-7] - standing[:, :-7, 7:]
    added[:, 1:, 1:] = standing[:, 1:, :-1] - standing[:, :-1, 1:]
    drift = _trailing_mean(added, DRIFT_DAYS) - _weighted_mean(added, 1, SLOW_WEIGHT)
    parts = (standing, around, everyone, week, np.nan_to_num(drift).cumsum(axis=2))
    return np.asarray(np.nan_to_num(np.stack(parts, axis=3)))


def _mean_around(standing: Floats) -> Floats:
    """Mean of what stood on the same day for the AROUND days on either side; 0 where nothing is known."""
    known = ~np.isnan(standing)
    sums, count = (
        np.pad(part, ((0, 0), (0, 0), (1, 0))).cumsum(axis=2)
        for part in (np.where(known, standing, 0.0), known.astype(float))
    )
    leads = np.arange(standing.shape[2])
    low, high = np.maximum(leads - AROUND, 0), np.minimum(leads + AROUND, leads[-1]) + 1
    return np.asarray((sums[:, :, high] - sums[:, :, low]) / np.maximum(count[:, :, high] - count[:, :, low], 1))


def _least_absolute(rows: Floats, target: Floats, weight: Floats) -> Floats:
    """Coefficients (series, feature) of least absolute errors and a ridge, by reweighted squares (Schlossmacher 1973).

    rows: (series, row, feature), the first feature an intercept, which the ridge spares.
    """
    total = weight.sum(axis=1, keepdims=True)
    scale = np.sqrt((weight[:, :, None] * rows**2).sum(axis=1) / total) + 1e-12
    across = np.ascontiguousarray((rows / scale[:, None]).transpose(0, 2, 1))  # half the time of rows down
    diagonal = np.arange(rows.shape[2])
    ridge = np.where(diagonal == 0, 0.0, RIDGE / total) + 1e-9
    nearest = NEAR * (weight * np.abs(target)).sum(axis=1, keepdims=True) / total + 1e-12
    now, result = weight, np.zeros(scale.shape)
    for _ in range(ITERATIONS):
        weighted = across * now[:, None]
        gram = weighted @ across.transpose(0, 2, 1)
        gram[:, diagonal, diagonal] += ridge * now.sum(axis=1, keepdims=True)
        result = np.linalg.solve(gram, weighted @ target[:, :, None])[:, :, 0]
        missed = np.abs(target - (result[:, None] @ across)[:, 0])
        now = weight / np.maximum(missed, nearest)
    return np.asarray(result / scale)


def _largest(values: Floats) -> Floats:
    return np.asarray(np.max(np.abs(values), axis=1, initial=0.0, where=~np.isnan(values)))


def _weighted_mean(values: Floats, every: int, weight: float) -> Floats:
    """Mean over each `every`-th day up to each day, the newer weighing more; NaN where nothing is known."""
    known = ~np.isnan(values)
    recursion = np.zeros(every + 1)
    recursion[0], recursion[every] = 1.0, -weight
    total = signal.lfilter([1.0], recursion, np.where(known, values, 0.0), axis=1)
    count = signal.lfilter([1.0], recursion, known.astype(float), axis=1)
    return np.asarray(np.where(count > 1e-9, total / np.maximum(count, 1e-9), np.nan))


def _trailing_mean(values: Floats, days: int) -> Floats:
    """Mean of the `days` days up to each day; NaN where nothing is known."""
    known = ~np.isnan(values)
    total, count = (np.cumsum(part, axis=1) for part in (np.where(known, values, 0.0), known.astype(float)))
    for part in (total, count):
        part[:, days:] = part[:, days:] - part[:, :-days]
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
