"""Forecasts from the book: pick-up by lead time and weekday, as a mean and by regression.

The book holds the amounts on hand (booked and not cancelled) of each service day at each lead time. The pick-up of a
lead time is the amount that is still added from then until the service day: bookings less cancellations. The forecast
of revenue managers is the amount on hand now plus the mean pick-up of recent days of that weekday from the same lead
time (Weatherford and Kimes 2003). The regression (Talluri and van Ryzin 2004, 9.3) predicts the pick-up from the
amounts on hand for that day and for the days around it.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import signal

from ml.panel import Flags, Floats, Panel, Positions, same_phase, to_book

# Measured on a hotel's revenue by arrival day, total and members (docs/forecasts.md).
WEEK_WEIGHT = 0.975  # weight of a week relative to the next one; 0.95 to 0.99 differ by 2 %
FEWEST_ROWS = 56  # days with an actual, before a regression is fitted
HALF_LIFE = 730  # days; 180 to 3000 differ by less than 1 %
AROUND = 3  # days on either side: with them the amount on hand for a week
DRIFT_DAYS = 14  # 7 is the same, 28 is 1 % worse
SLOW_WEIGHT = 0.998  # per day, of the usual pick-up that the drift is measured from
RIDGE = 3.0  # in days with an actual; 1 to 10 differ by less than 1 %, from 90 days of history 1 is 4 % worse
LEAST_USUAL = 0.05  # of the level: least usual amount that the amount on hand is divided by
NEAR = 0.02  # of the mean absolute target: smaller errors weigh as if they were this large
RUSH_DAYS = 14  # over which a rush of bookings is measured
RUSH_RECENT = 28  # days within which it counts as recent
RUSH = 1.25  # times the greatest pace of all earlier days
RUSH_HISTORY = 182  # days of earlier pace, with fewer of which no rush is known
ITERATIONS = 12  # with 6 the members' WAPE is 1 % higher, as the reweighting has not converged


def book_series(on_hand: pd.DataFrame | None, *, as_of: pd.Timestamp) -> pd.DataFrame | None:
    """Return the checked book, or None where none is given or nothing of it was known at `as_of`."""
    if on_hand is None or on_hand.empty:
        return None
    book = to_book(on_hand, as_of=as_of)
    return None if book.empty else book


def book_array(book: pd.DataFrame, panel: Panel, horizon: int, until: pd.Timestamp | None = None) -> Floats:
    """Return the amounts on hand (series, day, lead), days reaching `horizon` past the panel; NaN where unknown.

    Amounts for days after `until` are unknown. Between the first and the last snapshot of the whole book an amount that
    is not listed is zero; a series that the book never lists is NaN, as are days further ahead than the book's longest
    lead. Rows of a series that is not in the panel are ignored.
    """
    leads = int(min(book["lead_days"].max(), horizon))
    first = panel.days[0]
    length = len(panel.days) + horizon
    rows = book[(book["lead_days"] <= leads) & (book["service_day"] >= first)]
    day = (rows["service_day"] - first).dt.days.to_numpy()
    rows, day = rows[day < length], day[day < length]
    snapshot = np.arange(length)[:, None] - np.arange(leads + 1)[None, :]  # (day, lead)
    first_snapshot = (book["snapshot"].min() - first).days
    last_snapshot = (book["snapshot"].max() - first).days
    covered = (snapshot >= first_snapshot) & (snapshot <= last_snapshot)
    is_listed = panel.series.isin(book["series_id"].unique())
    result = np.where(is_listed[:, None, None] & covered[None], 0.0, np.nan)
    series = panel.series.get_indexer(pd.Index(rows["series_id"]))
    in_panel = series >= 0
    lead = rows["lead_days"].to_numpy()
    result[series[in_panel], day[in_panel], lead[in_panel]] = rows["value"].to_numpy(dtype=float)[in_panel]
    if until is not None:
        result[:, max((until - first).days + 1, 0) :] = np.nan
    return result


class Pace(NamedTuple):
    """Booking pace: tables (series, day, lead) of a book, each from that day and earlier days alone."""

    book: Floats  # amount on hand, days reaching past the values
    pickup: Floats  # pick-up from that lead on: weighted mean of all days
    pickup_weekday: Floats  # the same, of the same weekdays
    size_weekday: Floats  # mean absolute pick-up of the same weekdays
    on_hand_weekday: Floats  # mean amount on hand of the same weekdays
    actual_weekday: Floats  # mean actual of the same weekdays
    unit: Floats  # (series,) largest amount
    signals: Floats  # (series, day, lead, SIGNALS): known on that day of the day `lead` ahead, in units


# Predictors of the pick-up, as `_signals` computes them.
SIGNALS = (
    "on hand",
    "on hand around",
    "on hand of all series",
    "on hand a week before",
    "on hand a week after",
    "last week's pick-up",
    "drift",
)


def pace(values: Floats, book: Floats) -> Pace:
    """Return the tables of a book (series, day, lead) as `book_array` returns it, for values (series, day)."""
    on_hand = book[:, : values.shape[1]]
    actual = np.where(np.isnan(on_hand), np.nan, values[:, :, None])
    pickup = actual - on_hand
    largest = np.maximum(_largest(values), _largest(book.reshape(len(book), -1)))
    unit = np.where(largest > 0, largest, 1.0)
    return Pace(
        book=book,
        pickup=_weighted_mean(pickup, 1, WEEK_WEIGHT ** (1 / 7)),
        pickup_weekday=_weighted_mean(pickup, 7, WEEK_WEIGHT),
        size_weekday=_weighted_mean(np.abs(pickup), 7, WEEK_WEIGHT),
        on_hand_weekday=_weighted_mean(np.where(np.isnan(actual), np.nan, on_hand), 7, WEEK_WEIGHT),
        actual_weekday=_weighted_mean(actual, 7, WEEK_WEIGHT),
        unit=unit,
        signals=_signals(_by_snapshot(book / unit[:, None, None], values.shape[1])),
    )


def pick_up(tables: Pace, series: Positions, origin: Positions, step: Positions) -> Floats:
    """Return the additive pick-up forecast of each (series, origin, step): on hand plus mean pick-up; NaN beyond."""
    lead = np.minimum(step, tables.book.shape[2] - 1)
    same_weekday = same_phase(origin, step, 7)
    by_weekday = np.where(same_weekday >= 0, tables.pickup_weekday[series, np.maximum(same_weekday, 0), lead], np.nan)
    pickup = np.where(np.isnan(by_weekday), tables.pickup[series, origin, lead], by_weekday)
    return np.where(step == lead, tables.book[series, origin + step, lead] + pickup, np.nan)


def has_rush(book: Floats, length: int) -> Flags:
    """Return the series whose pace of booking was lately beyond all earlier ones, as in a campaign: (series,).

    Boosting takes it for a trend. The pace is the amount that the book of all leads gained a day; book: (series, day,
    lead), days reaching past the `length` known ones.
    """
    on_hand = _by_snapshot(book, length)
    gained = np.full(on_hand.shape[:2], np.nan)
    change = on_hand[:, 1:, :-1] - on_hand[:, :-1, 1:]
    gained[:, 1:] = np.where(np.isnan(change).all(axis=2), np.nan, np.nansum(change, axis=2))
    known = ~np.isnan(gained)
    pace_of = np.where(known.cumsum(axis=1) >= RUSH_DAYS, _trailing_mean(gained, RUSH_DAYS), np.nan)
    earlier, recent = pace_of[:, :-RUSH_RECENT], pace_of[:, -RUSH_RECENT:]
    enough = (~np.isnan(earlier)).sum(axis=1) >= RUSH_HISTORY
    greatest = [np.max(part, axis=1, initial=0.0, where=~np.isnan(part)) for part in (earlier, recent)]
    return np.asarray(enough & (greatest[0] > 0) & (greatest[1] > RUSH * greatest[0]))


def regress(tables: Pace, values: Floats, weekday: Positions, end: int) -> Floats:
    """Return forecasts (series, origin, lead) with the pick-up by regression, fitted on actuals up to position `end`.

    The pick-up from a lead on is linear in the weekday and SIGNALS, fitted for each series and lead by itself by least
    absolute errors (Koenker, Bassett 1978): a group that books or cancels is an outlier, and a median errs least.
    NaN beyond the book, and with fewer than FEWEST_ROWS days with an actual.

    values: (series, day) as given to `pace`; weekday: 0 to 6 of each of the book's days.
    """
    length = values.shape[1]
    on_hand = _by_snapshot(tables.book / tables.unit[:, None, None], length)  # (series, origin, lead)
    result = np.full(on_hand.shape, np.nan)
    origin = np.arange(length)
    for lead in range(1, on_hand.shape[2]):
        weekdays = np.eye(7)[weekday[origin + lead]]  # (origin, 7)
        training = origin[: max(end + 1 - lead, 0)]
        pickup = values[:, training + lead] / tables.unit[:, None] - on_hand[:, training, lead]
        weight = ~np.isnan(pickup) * 0.5 ** ((end - lead - training) / HALF_LIFE)
        fitted = np.flatnonzero((weight > 0).sum(axis=1) >= FEWEST_ROWS)  # positions of series
        if len(fitted) == 0:
            continue
        one = np.ones((len(fitted), length, 1))
        rows = np.concatenate([one, one * weekdays, tables.signals[fitted, :, lead]], axis=2)
        coefficients = _least_absolute(rows[:, training], np.nan_to_num(pickup[fitted]), weight[fitted])
        forecast = on_hand[fitted, :, lead] + np.einsum("sof,sf->so", rows, coefficients)
        result[fitted, :, lead] = forecast * tables.unit[fitted, None]
    return result


def features(
    tables: Pace, base: Floats, level: Floats, series: Positions, origin: Positions, step: Positions
) -> Floats:
    """Return features (row, feature) of each (series, origin, step), in units of the level (series, day).

    base: the forecast of each row that a model of these features corrects. NaN where the book has no value.
    """
    lead = np.minimum(step, tables.book.shape[2] - 1)
    same_weekday = same_phase(origin, step, 7)
    on_hand = tables.book[series, origin + step, lead]
    usual = tables.on_hand_weekday[series, same_weekday, lead]
    by_weekday = (tables.pickup_weekday, tables.size_weekday, tables.actual_weekday)
    amounts = np.column_stack([
        base,
        base - on_hand,
        usual,
        tables.pickup[series, origin, lead],
        *(table[series, same_weekday, lead] for table in by_weekday),
        tables.signals[series, origin, lead] * tables.unit[series, None],
    ])  # fmt: skip
    row_level = level[series, origin]
    of_usual = on_hand / np.maximum(usual, LEAST_USUAL * row_level)
    return np.column_stack([amounts / row_level[:, None], of_usual])


def _by_snapshot(book: Floats, length: int) -> Floats:
    """Return a book (series, day, lead) as (series, snapshot, lead), for snapshots on the first `length` days."""
    leads = np.arange(book.shape[2])
    return book[:, np.arange(length)[:, None] + leads, leads]


def _signals(on_hand: Floats) -> Floats:
    """Return the SIGNALS (series, snapshot, lead, signal) of amounts on hand (series, snapshot, lead); 0 where unknown.

    The amount on hand for the day; its mean over the days around it; the same mean over all series; the amounts on hand
    for the same weekday a week before and after, which tell the level of that weekday; the pick-up of the day in the
    last week; and the drift: by how much the pick-up of all days in the last DRIFT_DAYS, summed over the leads up to
    that one, exceeded the usual pick-up.
    """
    around = _mean_around(on_hand)
    all_series = np.broadcast_to(around.mean(axis=0), on_hand.shape)
    week_before, week_after, last_week, last_day = np.full((4, *on_hand.shape), np.nan)
    week_before[:, :, 7:], week_after[:, :, :-7] = on_hand[:, :, :-7], on_hand[:, :, 7:]
    last_week[:, 7:, :-7] = on_hand[:, 7:, :-7] - on_hand[:, :-7, 7:]
    last_day[:, 1:, 1:] = on_hand[:, 1:, :-1] - on_hand[:, :-1, 1:]
    drift = _trailing_mean(last_day, DRIFT_DAYS) - _weighted_mean(last_day, 1, SLOW_WEIGHT)
    drift_of_leads = np.nan_to_num(drift).cumsum(axis=2)
    parts = (on_hand, around, all_series, week_before, week_after, last_week, drift_of_leads)
    return np.asarray(np.nan_to_num(np.stack(parts, axis=3)))


def _mean_around(on_hand: Floats) -> Floats:
    """Return the mean amount on hand, at the same snapshot, for AROUND days on either side; 0 where none is known."""
    known = ~np.isnan(on_hand)
    sums, count = (
        np.pad(part, ((0, 0), (0, 0), (1, 0))).cumsum(axis=2)
        for part in (np.where(known, on_hand, 0.0), known.astype(float))
    )
    leads = np.arange(on_hand.shape[2])
    low, high = np.maximum(leads - AROUND, 0), np.minimum(leads + AROUND, leads[-1]) + 1
    return np.asarray((sums[:, :, high] - sums[:, :, low]) / np.maximum(count[:, :, high] - count[:, :, low], 1))


def _least_absolute(rows: Floats, target: Floats, weight: Floats) -> Floats:
    """Return coefficients (series, feature) of a ridge regression by least absolute errors.

    Iteratively reweighted least squares (Schlossmacher 1973). rows: (series, row, feature), the first feature an
    intercept, which is not penalised; target and weight: (series, row).
    """
    total = weight.sum(axis=1, keepdims=True)
    scale = np.sqrt((weight[:, :, None] * rows**2).sum(axis=1) / total) + 1e-12
    # (series, feature, row): half the time of (series, row, feature); single precision: another third less.
    features = np.ascontiguousarray((rows / scale[:, None]).transpose(0, 2, 1), dtype=np.float32)
    column = target.astype(np.float32)[:, :, None]
    diagonal = np.arange(rows.shape[2])
    ridge = np.where(diagonal == 0, 0.0, RIDGE / total) + 1e-9
    least_error = NEAR * (weight * np.abs(target)).sum(axis=1, keepdims=True) / total + 1e-12
    current, coefficients = weight, np.zeros(scale.shape)
    for _ in range(ITERATIONS):
        weighted = features * current.astype(np.float32)[:, None]
        gram = (weighted @ features.transpose(0, 2, 1)).astype(float)
        gram[:, diagonal, diagonal] += ridge * current.sum(axis=1, keepdims=True)
        coefficients = np.linalg.solve(gram, (weighted @ column).astype(float))[:, :, 0]
        error = np.abs(target - (coefficients.astype(np.float32)[:, None] @ features)[:, 0])
        current = weight / np.maximum(error, least_error)
    return np.asarray(coefficients / scale)


def _largest(values: Floats) -> Floats:
    return np.asarray(np.max(np.abs(values), axis=1, initial=0.0, where=~np.isnan(values)))


def _weighted_mean(values: Floats, every: int, weight: float) -> Floats:
    """Return the mean over each `every`-th day up to each day, newer days weighing more; NaN where none is known."""
    known = ~np.isnan(values)
    recursion = np.zeros(every + 1)
    recursion[0], recursion[every] = 1.0, -weight
    total = signal.lfilter([1.0], recursion, np.where(known, values, 0.0), axis=1)
    count = signal.lfilter([1.0], recursion, known.astype(float), axis=1)
    return np.asarray(np.where(count > 1e-9, total / np.maximum(count, 1e-9), np.nan))


def _trailing_mean(values: Floats, days: int) -> Floats:
    """Return the mean of the `days` days up to each day; NaN where none is known."""
    known = ~np.isnan(values)
    total, count = (np.cumsum(part, axis=1) for part in (np.where(known, values, 0.0), known.astype(float)))
    for part in (total, count):
        part[:, days:] = part[:, days:] - part[:, :-days]
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
