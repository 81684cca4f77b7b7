"""Detection of anomalous days, each decided from that day's value and earlier days alone.

Evidence of two kinds has shares of one budget of false alarms (`ml.sensitivity`): that of the day, compared with its
one-day-ahead forecast (`ml.anomalies_expected`, `ml.anomalies_scores`), and that of the last 2 to 14 days together,
compared with what was usual before them (`ml.shifts`). Values enter as square roots, where the spread of counts and of
most sums does not depend on their size (Bartlett 1936). Where the amount on hand of the evening before is known, the
day is compared with it.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.anomalies_events import KnownDays, known_days, raised
from ml.anomalies_expected import expected_values
from ml.anomalies_scores import (
    SIDES,
    Tails,
    chances,
    is_count,
    limits,
    pair_scores,
    scores,
    shortened,
    spread_of_days,
    tails,
    value_at,
    widths,
)
from ml.bookings_on_hand import book_array, book_series
from ml.panel import Day, Flags, Floats, Panel, beyond_largest, checked, holiday_days, midnight, to_panel
from ml.sensitivity import DAY_SHARE, WINDOW_SHARE, rate_of
from ml.severity import SMALLEST_CHANCE, Labels, Money, score_of, severity_of, size_of
from ml.shifts import Evidence, Pairs, evidence

# Measured on anomalies injected into public daily series, a hotel's revenue, synthetic businesses (docs/methods.md).
MINIMUM_DAYS: Final = 21  # with fewer earlier days nothing is judged
MINIMUM_NONZERO: Final = 9  # amounts with fewer nonzero values in NONZERO_DAYS are not judged: no scale can be computed
NONZERO_DAYS: Final = 84
INTERMITTENT: Final = 28  # amounts with fewer nonzero values in NONZERO_DAYS are not judged by single days: rare sales
MINIMUM_CHANGED: Final = 0.5  # of the days must differ from the evening's amount on hand, or the book is not used
SMALL_COUNT: Final = 64.0  # expected counts below vary by chance above all: no long tail
HISTORY_DAYS: Final = 546  # days before the first judged one whose scores are computed

# Of the chance at which a change is told when it is new: with less it is told again on each day that it lasts.
STRONG_SHARE: Final = 0.01

# Multiple testing: where many series are judged on one day, at most this share of the alarms of the day is expected to
# be false (Benjamini, Hochberg 1995).
FALSE_SHARE: Final = 0.5

MISSING_WEEKS: Final = (
    4  # a missing day is reported if its weekday has a value in all but one of this many weeks before
)
MISSING_FOR: Final = 7  # days; a series without a value for longer has ended


class Expectation(NamedTuple):
    """Arrays (series, day) on the scale of square roots: the expected value of each day and its spread."""

    centre: Floats
    spread: Floats
    score: Floats  # of the value, signed; NaN where there is none
    counts: Flags  # days of series that are counts


class Verdict(NamedTuple):
    """Arrays (series, judged day)."""

    value: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    chance: Floats  # of an ordinary day to be as improbable
    is_anomaly: Flags
    pattern: Labels
    began: npt.NDArray[np.int64]  # position of the day
    since_value: Floats
    since_expected: Floats


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
    how it differs from that amount on hand; events: series_id, day, kind (closure, campaign, price_change or event),
    known ahead and not learnt from: closed days are not judged; sensitivity: quiet, normal or keen (`ml.sensitivity`);
    protected: series that are judged by themselves, however many others there are; money: worth of one unit of a
    series (1 for amounts of money, a mean price for counts), for all or by series_id: with it the severity depends
    on the size.

    Returns series_id, day, value, expected, lower, upper (the range that is not an anomaly, in the value's unit),
    score (how improbable an ordinary day as far out or a run of such days is: 3 for one in 1,000, 4 for one in
    10,000), is_anomaly, direction (up, down or None), severity (critical, high, medium, low or None: `ml.severity`),
    pattern (spike, dropout, level_shift, trend_break, missing or None), began (first day of the
    condition), since_value and since_expected (sums from then to the day). A day without a value has a row only if it
    should have had one: value 0, pattern missing, always an anomaly. Raises ValueError for input that cannot be read.
    """
    rate = rate_of(sensitivity)
    panel = to_panel(history, as_of=as_of)
    days = holiday_days(holidays)
    first = min(max((midnight(start) - panel.days[0]).days, 0), len(panel.days))  # position of the first judged day

    # (series, day)
    known = known_days(panel, events)
    missing = _missing(panel.values, np.asarray(panel.days.isin(days))) & ~known.is_closed
    values = np.where(missing, 0.0, panel.values)
    is_ordinary = _is_training(panel, incidents) & ~known.is_closed & ~known.is_raised
    expectation, is_learnt = _expectation(panel, values, on_hand, days, is_ordinary, known, first)
    is_judged = _judgeable(panel.values, expectation.counts) & ~known.is_closed | missing
    learns = is_ordinary & ~missing & ~np.isnan(expectation.score)
    is_small = expectation.counts & (expectation.centre**2 < SMALL_COUNT)
    pair = pair_scores(np.where(is_ordinary & ~missing, expectation.score, np.nan))
    both = tails(np.stack([expectation.score, pair]), np.stack([learns, ~np.isnan(pair)]))
    limit, limit_of_pairs = (shortened(Tails(*(array[:, kind] for array in both)), is_small) for kind in range(2))

    # (series, judged day)
    judged = slice(first, None)
    is_expected_rise = known.is_raised & ~is_learnt & (expectation.score > 0)
    by_day = np.where(is_judged & ~is_expected_rise, chances(expectation.score, limit), 1.0)[:, judged]
    by_pair = np.where(is_judged, chances(pair, limit_of_pairs), 1.0)
    windows = evidence(
        values,
        panel.days,
        holidays=days,
        is_training=is_ordinary,
        pairs=Pairs(pair, by_pair),
        first=first,
        share=WINDOW_SHARE * rate,
    )
    is_strong = windows.is_lasting & (windows.chance <= STRONG_SHARE * WINDOW_SHARE * rate)
    by_window = np.where((windows.is_new | is_strong) & ~missing[:, judged], windows.chance, 1.0)
    verdict = _verdict(
        panel._replace(values=values),
        expectation,
        limit,
        windows,
        by_day=by_day,
        by_window=by_window,
        is_judged=is_judged,
        missing=missing,
        allowed=_allowed(by_day, by_window, is_judged[:, judged], panel.series.isin(list(protected)), rate),
    )
    size = size_of(verdict.value - verdict.expected, panel.values, panel.series, money)
    return _table(panel, judged, verdict, size)


def _root(values: Floats) -> Floats:
    """Return the square root of the size of each value, with the value's sign."""
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


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


def _expectation(
    panel: Panel,
    values: Floats,
    on_hand: pd.DataFrame | None,
    holidays: pd.DatetimeIndex,
    is_training: Flags,
    known: KnownDays,
    first: int,
) -> tuple[Expectation, Flags]:
    """Return what was expected of each day, and the days (series, day) on which an event's effect has been learnt."""
    evening = _evening_on_hand(panel, on_hand, first)
    work = _root(panel.values) - evening
    forecast = expected_values(work, panel.days, holidays, is_training, max(first - HISTORY_DAYS, 0))
    root = _root(values)
    centre, is_learnt = raised(forecast.forecast + np.nan_to_num(evening), root, known)
    counts = is_count(panel.values)
    spread = spread_of_days(centre, forecast.spread, counts, np.ones(centre.shape))
    # A day without a known evening has no forecast.
    scored = np.where(np.isnan(root - forecast.forecast - evening), np.nan, values)
    score = scores(scored, centre, spread, counts)
    width = widths(score, panel.days, holidays, is_training & ~np.isnan(score))
    spread = spread * width
    return Expectation(centre, spread, scores(scored, centre, spread, counts), counts), is_learnt


def _judgeable(values: Floats, counts: Flags) -> Flags:
    """Return the days (series, day) that can be judged by themselves: enough days before, and no rare sales."""
    known = ~np.isnan(values)
    nonzero = np.cumsum(np.nan_to_num(values) != 0, axis=1)
    recently = np.pad(nonzero, ((0, 0), (NONZERO_DAYS + 1, 0)))[:, : -NONZERO_DAYS - 1]
    before = np.pad(nonzero, ((0, 0), (1, 0)))[:, :-1]
    days_before = np.cumsum(known, axis=1)
    return np.asarray(known & (days_before > MINIMUM_DAYS) & (counts | (before - recently >= INTERMITTENT)))


def _allowed(by_day: Floats, by_window: Floats, is_judged: Flags, is_protected: Flags, rate: float) -> Floats:
    """Return the chance (series, judged day) up to which a day is told.

    It is the rate, or less where many unprotected series are judged on one day.
    """
    # Evidence of either kind, each within its share of the budget.
    chance = np.minimum(np.minimum(by_day / DAY_SHARE, by_window / WINDOW_SHARE), 1.0)
    is_member = ~is_protected[:, None] & (is_judged | (by_window < 1))
    count = np.maximum(is_member.sum(axis=0), 1)
    # Days that would not be told anyway have no exact chance, and do not count as evidence.
    ranked = np.sort(np.where(is_member & (chance <= rate), chance, 1.0), axis=0)
    rank = np.arange(1, len(chance) + 1)[:, None]
    passing = np.where(ranked <= FALSE_SHARE * rank / count, rank, 0).max(axis=0, initial=1)
    return np.where(is_protected[:, None], rate, np.minimum(rate, FALSE_SHARE * passing / count))


def _verdict(
    panel: Panel,
    expectation: Expectation,
    limit: Tails,
    windows: Evidence,
    *,
    by_day: Floats,
    by_window: Floats,
    is_judged: Flags,
    missing: Flags,
    allowed: Floats,
) -> Verdict:
    """Return the verdict of each judged day.

    by_day, by_window, allowed: (series, judged day); is_judged, missing: (series, day).
    """
    judged = slice(panel.values.shape[1] - by_day.shape[1], None)
    value = panel.values[:, judged]
    reach = limits(DAY_SHARE * allowed, Tails(*(array[:, :, judged] for array in limit)))
    centre, spread = expectation.centre[:, judged], expectation.spread[:, judged]
    counts, missed = expectation.counts[:, judged], missing[:, judged]
    root_of_expected = np.sign(centre) * np.minimum(np.abs(centre), 1e150) ** 2
    bounds = [
        root_of_expected,
        *(value_at(side * far, centre, spread, counts) for side, far in zip(SIDES, reach, strict=True)),
    ]
    expected, lower, upper = _plausible(panel.values, bounds, judged)
    known = np.nan_to_num(value)
    # A day that cannot be judged, or is not too far out, lies within its range.
    is_told = (by_day <= DAY_SHARE * allowed) & is_judged[:, judged]
    lower, upper = (
        np.where(is_told, lower, np.minimum(lower, known)),
        np.where(is_told, upper, np.maximum(upper, known)),
    )

    side = np.where(is_told, np.sign(known - expected), windows.direction)
    is_evident = by_window <= WINDOW_SHARE * allowed
    is_beyond = np.sign(known - windows.expected) == side
    is_shift = windows.is_lasting & (side == windows.direction) & is_beyond & (is_evident | is_told) & ~missed
    # The bound of a shift lies where such evidence would have been just probable enough.
    share = np.log(WINDOW_SHARE * allowed) / np.log(np.clip(windows.chance, SMALLEST_CHANCE, 0.5))
    bound = windows.expected + np.clip(share, 0.0, 0.999) * (known - windows.expected)
    lower = np.where(is_shift, np.where(side < 0, bound, np.minimum(lower, windows.expected)), lower)
    upper = np.where(is_shift, np.where(side > 0, bound, np.maximum(upper, windows.expected)), upper)
    expected = np.where(is_shift, windows.expected, expected)

    pattern = np.select(
        [missed, is_shift & windows.is_trend, is_shift, known > expected],
        ["missing", "trend_break", "level_shift", "spike"],
        "dropout",
    )
    day = np.arange(panel.values.shape[1] - by_day.shape[1], panel.values.shape[1])
    return Verdict(
        value=value,
        expected=expected,
        lower=lower,
        upper=upper,
        chance=np.minimum(2 * np.minimum(by_day, by_window), 1.0),  # of two kinds of evidence (Bonferroni)
        is_anomaly=missed | (value < lower) | (value > upper),
        pattern=pattern.astype(object),
        began=np.where(is_shift, windows.began, day),
        since_value=np.where(is_shift, windows.since_value, value),
        since_expected=np.where(is_shift, windows.since_expected, expected),
    )


def _plausible(values: Floats, bounds: list[Floats], judged: slice) -> list[Floats]:
    """Return the bounds within what is plausible for the series: (series, judged day)."""
    nonnegative = ~(np.fmin.accumulate(values, axis=1)[:, judged] < 0)
    # The largest value includes the day's own, so that the clipping turns no day into an anomaly.
    largest = beyond_largest(np.maximum.accumulate(np.abs(np.nan_to_num(values)), axis=1)[:, judged])
    clipped = (np.clip(bound, -largest, largest) for bound in bounds)
    return [np.where(nonnegative, np.maximum(bound, 0.0), bound) for bound in clipped]


def _table(panel: Panel, judged: slice, verdict: Verdict, size: Floats | None) -> pd.DataFrame:
    """Return a row for each judged day with a value; size: (series, judged day)."""
    row, column = np.nonzero(~np.isnan(verdict.value))
    cells = {name: array[row, column] for name, array in verdict._asdict().items()}
    score = score_of(cells["chance"])
    labels = {
        "direction": np.where(cells["value"] > cells["expected"], "up", "down").astype(object),
        "severity": severity_of(score, None if size is None else size[row, column]),
        "pattern": cells["pattern"],
    }
    table = pd.DataFrame(
        {
            "series_id": panel.series.to_numpy(dtype=object)[row],
            "day": panel.days[judged].to_numpy()[column],
            **{name: cells[name] for name in ("value", "expected", "lower", "upper")},
            "score": score,
            "is_anomaly": cells["is_anomaly"].astype(bool),
        }
    )
    for name, label in labels.items():
        table[name] = pd.Series(label, index=table.index, dtype="object").where(table["is_anomaly"], None)
    return table.assign(
        began=panel.days.to_numpy()[cells["began"]],
        since_value=cells["since_value"],
        since_expected=cells["since_expected"],
    )
