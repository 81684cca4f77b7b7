"""Detection of anomalous days, each decided from that day's value and earlier days alone.

Each day is compared with its one-day-ahead forecast (`ml.anomalies_expected`); the residual is measured in robust
standard deviations of the earlier residuals on its side, as in split conformal prediction. Values enter as square
roots, where the spread of counts and of most sums does not depend on their size (Bartlett 1936). Where the amount on
hand of the evening before is known, the day is compared with it.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.anomalies_expected import expected_values
from ml.bookings_on_hand import book_array, book_series
from ml.panel import Day, Flags, Floats, Panel, beyond_largest, checked, holiday_days, midnight, to_panel

# Measured on anomalies injected into public daily series, a hotel's revenue, synthetic businesses (docs/methods.md).
THRESHOLD = 4.6  # scores from here on are anomalies: 0.45 clean days in 100; a score is in robust standard deviations
SCALE_DAYS = 182  # days of residuals that the scale is computed from
# The scale of residuals above zero is their TAIL quantile divided by that of a standard normal, below zero likewise.
# Two scales, because falls may be larger than rises: rain can halve a day, sun cannot double it. A middle quantile
# would make the scale of heavy-tailed series too small.
TAIL, NORMAL_TAIL = 0.95, 1.6449
LEAST_SCALE = 0.3  # of the running spread
LARGEST_RESIDUAL = 50.0  # spreads: larger ones enter the scale as this: one such day would widen it for SCALE_DAYS
MINIMUM_DAYS = 21  # with fewer earlier days nothing is judged
MINIMUM_NONZERO = 9  # amounts with fewer nonzero values in NONZERO_DAYS are not judged: no scale can be computed
NONZERO_DAYS = 84
MINIMUM_CHANGED = 0.5  # of the days must differ from the evening's amount on hand, or the book is not used
COUNT_FLOOR = 0.5  # standard deviation of the square root of a Poisson count
SHARE_FLOOR = 0.02  # of the level: least scale
HOLIDAY_WIDTH, NEAR_WIDTH = 2.5, 2.0  # factors of the scale on holidays and on two days either side, less predictable

# Multiple testing: where many series are judged on one day, at most this share of the alarms of the day is expected to
# be false (Benjamini, Hochberg 1995). Scores have a heavy tail: on clean series a score beyond s has a probability of
# about TAIL_SHARE * (THRESHOLD / s) ** TAIL_POWER.
FALSE_SHARE = 0.5
TAIL_SHARE, TAIL_POWER = 0.005, 3.0

# The severity rule. By improbability: the least score of each. By size, where money is known: the amount that the day
# lost or gained, as a share of a usual day of the largest series (the median of its last USUAL_DAYS); the severity is
# at most the one that the size allows.
SEVERITY = {"critical": 12.0, "high": 8.0, "medium": 6.0, "low": THRESHOLD}
LEAST_SIZE = {"critical": 0.25, "high": 0.10, "medium": 0.03, "low": 0.0}
USUAL_DAYS = 28

# Patterns over several days. A score counts towards one from this part of the threshold on.
SIGN_SHARE = 0.5
SHIFT_DAYS = 3  # this many such scores in a row on one side are a level shift
TREND_DAYS, TREND_MEAN = 10, 0.75  # a mean score beyond TREND_MEAN in the TREND_DAYS before those is a trend break
MISSING_WEEKS = 4  # a missing day is reported if its weekday has a value in all but one of this many weeks before
MISSING_FOR = 7  # days; a series without a value for longer has ended

Labels = npt.NDArray[np.object_]
Money = float | Mapping[str, float]


class Residuals(NamedTuple):
    """Arrays (series, day) on the square-root scale."""

    centre: Floats  # expected value: forecast plus the amount on hand of the evening before
    residual: Floats  # value less centre, NaN where unknown
    spread: Floats  # of the residuals before the day


class Scales(NamedTuple):
    """Robust standard deviations (series, day) of the residuals on each side, and the days that can be judged."""

    below: Floats
    above: Floats
    judgeable: Flags


def detect(
    history: pd.DataFrame,
    *,
    start: Day,
    as_of: Day,
    holidays: pd.DataFrame | None = None,
    on_hand: pd.DataFrame | None = None,
    incidents: pd.DataFrame | None = None,
    events: pd.DataFrame | None = None,
    sensitivity: str = "normal",
    protected: Collection[str] = (),
    money: Money | None = None,
) -> pd.DataFrame:
    """Judge each day of `start`..`as_of` from its value and earlier days.

    history: series_id, day, value; holidays: day, name; incidents: series_id, day (judged, but not learnt from);
    on_hand: series_id, service_day, lead_days, value: where the evening before is known, the day is judged by
    how it differs from that amount on hand; money: worth of one unit of a series (1 for amounts of money, a mean
    price for counts), for all or by series_id: with it the severity depends on the size.

    events: series_id, day, kind (closure, campaign, price_change or event), known ahead; sensitivity: quiet, normal or
    keen; protected: series that are judged by themselves, however many others there are.

    Returns series_id, day, value, expected, lower, upper (the range that is not an anomaly, in the value's unit),
    score (the residual in robust standard deviations), is_anomaly, direction (up, down or None), severity
    (critical, high, medium, low or None; rule: SEVERITY, LEAST_SIZE) and pattern (spike, dropout, level_shift,
    trend_break, missing or None). A day without a value has a row only if it should have had one: value 0, pattern
    missing, always an anomaly. `began` is the first day of the condition, since_value and since_expected are the sums
    from then to the day. Raises ValueError for input that cannot be read.
    """
    del events, sensitivity, protected
    panel = to_panel(history, as_of=as_of)
    days = holiday_days(holidays)
    first = min(max((midnight(start) - panel.days[0]).days, 0), len(panel.days))  # position of the first judged day
    first_scored = max(first - SHIFT_DAYS - TREND_DAYS, 0)  # patterns need the scores of some days before
    scored, judged = slice(first_scored, None), slice(first, None)

    # (series, day)
    missing = _missing(panel.values, np.asarray(panel.days.isin(days)))
    values = np.where(missing, 0.0, panel.values)
    is_training = _is_training(panel, incidents)
    evening = _evening_on_hand(panel, on_hand, first)
    residuals = _residuals(panel, values, evening, days, is_training, needed=max(first_scored - SCALE_DAYS, 0))

    # (series, scored day)
    scales = _scales(panel.values, residuals, is_training & ~missing, first_scored)
    width = _width(panel.days, days)[scored]
    scales = Scales(scales.below * width, scales.above * width, scales.judgeable | missing[:, scored])
    score = _scores(residuals.residual[:, scored], scales)
    limit = _limits(np.abs(score), scales.judgeable)  # (scored day,)
    centre = residuals.centre[:, scored]
    bounds = (_square(centre), _square(centre - limit * scales.below), _square(centre + limit * scales.above))

    # (series, judged day)
    back = first - first_scored
    expected, lower, upper = (bound[:, back:] for bound in bounds)
    table = _table(
        panel._replace(values=values),
        judged,
        score=score[:, back:],
        judgeable=scales.judgeable[:, back:],
        bounds=[expected, lower, upper],
        missing=missing[:, judged],
    )
    size = None if money is None else _size(panel, values, expected, first, money)
    return _labelled(table, _patterns(score, back), size)


def severity_of(score: Floats, size: Floats | None = None) -> Labels:
    """Return the severity of each anomaly by its score and, where known, its size as a share of a usual day's money."""
    by_score = np.select([score >= least for least in SEVERITY.values()], list(range(4)), default=3)
    if size is not None:
        by_score = np.maximum(by_score, np.select([size >= least for least in LEAST_SIZE.values()], list(range(4)), 3))
    names: Labels = np.array(list(SEVERITY), dtype=object)
    return np.asarray(names[by_score], dtype=object)


def _root(values: Floats) -> Floats:
    """Return the square root of the size of each value, with the value's sign."""
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _square(roots: Floats) -> Floats:
    """Return the values of which these are the roots, within 1e300."""
    return np.asarray(np.sign(roots) * np.minimum(np.abs(roots), 1e150) ** 2)


def _evening_on_hand(panel: Panel, on_hand: pd.DataFrame | None, first: int) -> Floats:
    """Return the root of the amount on hand the evening before (series, day); NaN outside the book's snapshots.

    Zero throughout for a series without a book, or whose values before position `first` seldom differ from it.
    """
    zeros = np.zeros(panel.values.shape)
    book = book_series(on_hand, as_of=panel.days[-1])
    if book is not None:
        book = book[book["series_id"].isin(panel.series)]
    if book is None or book.empty or book["lead_days"].max() < 1:
        return zeros
    evening = book_array(book, panel, 1)[:, : len(panel.days), 1]
    changed = (np.nan_to_num(panel.values - evening)[:, :first] != 0).sum(axis=1)
    known = (~np.isnan(panel.values + evening))[:, :first].sum(axis=1)
    is_useful = (known >= NONZERO_DAYS) & (changed >= MINIMUM_CHANGED * known)
    return np.where(is_useful[:, None], _root(evening), zeros)


def _is_training(panel: Panel, incidents: pd.DataFrame | None) -> Flags:
    """Return the days (series, day) that the models learn from: all but the known incidents."""
    result = np.ones(panel.values.shape, dtype=bool)
    if incidents is not None and not incidents.empty:
        known = checked(incidents, "incidents", ("series_id", "day"), ("day",))
        row = panel.series.get_indexer(pd.Index(known["series_id"]))
        column = panel.days.get_indexer(pd.DatetimeIndex(known["day"]))
        inside = (row >= 0) & (column >= 0)
        result[row[inside], column[inside]] = False
    return result


def _missing(values: Floats, is_holiday: Flags) -> Flags:
    """Return the days (series, day) without a value that should have had one."""
    known = ~np.isnan(values)
    known_so_far = np.cumsum(known, axis=1)
    known_recently = known_so_far.astype(float)
    known_recently[:, MISSING_FOR + 1 :] -= known_so_far[:, : -MISSING_FOR - 1]
    known_weeks = np.zeros(values.shape)
    for week in range(1, MISSING_WEEKS + 1):
        known_weeks[:, 7 * week :] += known[:, : -7 * week]
    is_expected = (known_so_far > MINIMUM_DAYS) & (known_recently > 0) & (known_weeks >= MISSING_WEEKS - 1)
    return ~known & ~is_holiday & is_expected


def _residuals(
    panel: Panel, values: Floats, evening: Floats, holidays: pd.DatetimeIndex, is_training: Flags, *, needed: int
) -> Residuals:
    """Return the residuals of `values` (series, day), which are the panel's with 0 on missing days.

    evening: root of the amount on hand; needed: position of the first day whose residual is used.
    """
    work = _root(panel.values) - evening
    expected = expected_values(work, panel.days, holidays, is_training, needed)
    centre = expected.forecast + np.nan_to_num(evening)
    return Residuals(centre, _root(values) - centre, expected.spread)


def _scales(values: Floats, residuals: Residuals, is_training: Flags, first: int) -> Scales:
    """Return the scales of each day from position `first` on, computed from the residuals before it.

    Residuals are divided by the spread before their own day, so that a busy season does not widen a quiet one.
    """
    spread, residual = residuals.spread, residuals.residual
    known = ~np.isnan(values + residual)
    relative = np.clip(residual / spread, -LARGEST_RESIDUAL, LARGEST_RESIDUAL)
    relative = np.where(is_training & known, relative, np.nan)

    # (series, day from `first` on)
    is_count = _is_count(values)[:, first:]
    least = np.where(is_count, COUNT_FLOOR, LEAST_SCALE * spread[:, first:])
    least = np.maximum(SHARE_FLOOR * np.abs(residuals.centre)[:, first:], least)
    below, above = np.empty(least.shape), np.empty(least.shape)
    judgeable = known[:, first:] & (np.cumsum(known, axis=1)[:, first:] > MINIMUM_DAYS)
    for column in range(least.shape[1]):
        day = first + column
        deviations = _deviations(relative[:, max(day - SCALE_DAYS, 0) : day])
        for deviation, scale in zip(deviations, (below, above), strict=True):
            scale[:, column] = np.maximum(np.maximum(deviation, LEAST_SCALE) * spread[:, day], least[:, column])
        nonzero = (np.nan_to_num(values[:, max(day - NONZERO_DAYS, 0) : day]) != 0).sum(axis=1)
        judgeable[:, column] &= is_count[:, column] | (nonzero >= MINIMUM_NONZERO)
    return Scales(below, above, judgeable)


def _is_count(values: Floats) -> Flags:
    """Return the days (series, day) up to which all values of the series are whole and not negative."""
    is_whole = np.logical_and.accumulate(np.isnan(values) | (values == np.floor(values)), axis=1)
    return np.asarray(is_whole & np.logical_and.accumulate(~(values < 0), axis=1))


def _deviations(residuals: Floats) -> tuple[Floats, Floats]:
    """Return the standard deviations below and above zero, from the tails of (series, day); 0 where none is known."""
    if not residuals.shape[1]:
        return np.zeros(len(residuals)), np.zeros(len(residuals))
    ordered = np.sort(residuals, axis=1)  # NaN last
    last = np.maximum((~np.isnan(ordered)).sum(axis=1) - 1, 0)
    upper_tail = np.ceil(TAIL * last).astype(int)
    lower, upper = (
        np.take_along_axis(ordered, position[:, None], axis=1)[:, 0] for position in (last - upper_tail, upper_tail)
    )
    return np.maximum(np.nan_to_num(-lower / NORMAL_TAIL), 0.0), np.maximum(np.nan_to_num(upper / NORMAL_TAIL), 0.0)


def _width(days: pd.DatetimeIndex, holidays: pd.DatetimeIndex) -> Floats:
    """Return the factor (day,) of the scale."""
    is_near = np.zeros(len(days), dtype=bool)
    for shift in (-2, -1, 1, 2):
        is_near |= np.asarray(days.isin(holidays + pd.Timedelta(days=shift)))
    return np.where(days.isin(holidays), HOLIDAY_WIDTH, np.where(is_near, NEAR_WIDTH, 1.0))


def _scores(residual: Floats, scales: Scales) -> Floats:
    """Return the residuals (series, day) in scales of their side, signed; 0 on days that cannot be judged."""
    known = np.nan_to_num(residual)
    return np.where(scales.judgeable, known / np.where(known > 0, scales.above, scales.below), 0.0)


def _limits(score: Floats, judgeable: Flags) -> Floats:
    """Return the score beyond which a day is an anomaly (day,): the threshold, or more where many series are tested."""
    count = judgeable.sum(axis=0)
    ranked = -np.sort(-np.where(judgeable, score, 0.0), axis=0)
    chance = TAIL_SHARE * (THRESHOLD / np.maximum(ranked, THRESHOLD)) ** TAIL_POWER
    rank = np.arange(1, len(score) + 1)[:, None]
    allowed = FALSE_SHARE * rank / np.maximum(count, 1)
    passing = np.where(chance <= allowed, rank, 0).max(axis=0, initial=1)
    return np.asarray(THRESHOLD * np.maximum(TAIL_SHARE * count / (FALSE_SHARE * passing), 1.0) ** (1 / TAIL_POWER))


def _patterns(score: Floats, back: int) -> Labels:
    """Return the pattern (series, judged day) of each day, if it is an anomaly.

    score: (series, scored day), signed; it begins `back` days before the judged ones.
    """
    count = score.shape[1] - back

    def total(scores: Floats, lags: range) -> Floats:
        """Return the sum (series, judged day) of the scores `lags` days before; those before the first are 0."""
        padded = np.pad(scores, ((0, 0), (lags.stop, 0)))
        end = padded.shape[1]
        return np.asarray(sum(padded[:, end - count - lag : end - lag] for lag in lags))

    side = np.where(np.abs(score) >= SIGN_SHARE * THRESHOLD, np.sign(score), 0.0)
    is_shift = np.abs(total(side, range(SHIFT_DAYS))) == SHIFT_DAYS
    drift = total(np.clip(score, -THRESHOLD, THRESHOLD), range(SHIFT_DAYS, SHIFT_DAYS + TREND_DAYS))
    direction = np.sign(score[:, back:])
    is_trend = drift * direction >= TREND_MEAN * TREND_DAYS
    patterns = np.select([is_trend, is_shift, direction > 0], ["trend_break", "level_shift", "spike"], "dropout")
    return patterns.astype(object)


def _size(panel: Panel, values: Floats, expected: Floats, first: int, money: Money) -> Floats:
    """Return the money that each judged day lost or gained, as a share of a usual day of the largest series.

    values, expected: (series, day) and (series, judged day); the result is of the shape of `expected`.
    """
    if isinstance(money, Mapping):
        worth = np.array([float(money.get(str(series), 0.0)) for series in panel.series])
    else:
        worth = np.full(len(panel.series), float(money))
    amounts = np.abs(np.nan_to_num(panel.values)) * worth[:, None]
    change = np.abs(np.nan_to_num(values[:, first:] - expected)) * worth[:, None]
    usual = np.zeros(change.shape[1])
    for column in range(len(usual)):
        past = amounts[:, max(first + column - USUAL_DAYS, 0) : first + column]
        usual[column] = np.median(past, axis=1).max(initial=0.0) if past.shape[1] else 0.0
    return np.where(worth[:, None] > 0, change / np.maximum(usual, 1e-9), np.inf)


def _table(
    panel: Panel, judged: slice, *, score: Floats, judgeable: Flags, bounds: list[Floats], missing: Flags
) -> pd.DataFrame:
    """Return a row for each judged day with a value; bounds: expected, lower and upper (series, judged day)."""
    values = panel.values[:, judged]
    nonnegative = ~(np.fmin.accumulate(panel.values, axis=1)[:, judged] < 0)
    # The largest value includes the day's own, so that the clipping turns no day into an anomaly.
    limit = beyond_largest(np.maximum.accumulate(np.abs(np.nan_to_num(panel.values)), axis=1)[:, judged])
    plausible = (np.clip(bound, -limit, limit) for bound in bounds)
    expected, lower, upper = (np.where(nonnegative, np.maximum(bound, 0.0), bound) for bound in plausible)
    # A day that cannot be judged lies within its range.
    known = np.nan_to_num(values)
    lower = np.where(judgeable, lower, np.minimum(lower, known))
    upper = np.where(judgeable, upper, np.maximum(upper, known))
    is_anomaly = missing | (judgeable & ((values < lower) | (values > upper)))
    row, column = np.nonzero(~np.isnan(values))
    return pd.DataFrame(
        {
            "series_id": panel.series.to_numpy(dtype=object)[row],
            "day": panel.days[judged].to_numpy()[column],
            "value": values[row, column],
            "expected": expected[row, column],
            "lower": lower[row, column],
            "upper": upper[row, column],
            "score": np.abs(score[row, column]),
            "is_anomaly": is_anomaly[row, column],
            "_missing": missing[row, column],
            "_row": row,
            "_column": column,
        }
    )


def _labelled(table: pd.DataFrame, pattern: Labels, size: Floats | None) -> pd.DataFrame:
    """Return the table with direction, severity and pattern of its anomalies; size: (series, judged day)."""
    row, column = table["_row"].to_numpy(), table["_column"].to_numpy()
    up = table["value"] > table["expected"]
    labels = {
        "direction": np.where(up, "up", "down").astype(object),
        "severity": severity_of(table["score"].to_numpy(dtype=float), None if size is None else size[row, column]),
        "pattern": np.where(table["_missing"], "missing", pattern[row, column]).astype(object),
    }
    for name, label in labels.items():
        table[name] = pd.Series(label, index=table.index, dtype="object").where(table["is_anomaly"], None)
    table = table.assign(began=table["day"], since_value=table["value"], since_expected=table["expected"])
    return table.drop(columns=["_missing", "_row", "_column"])
