"""Which days are out of the ordinary, each decided from that day's value and earlier days alone.

Each day is held against what it was expected to come to a day ahead (`ml.anomalies_expected`), in units of the spread
of the errors made on that side before, as in split conformal prediction. It works on square roots, where the spread of
counts and of most sums does not depend on their size (Bartlett 1936). Where the evening before's book is known, the
day is held against it.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.anomalies_expected import Expected, expected_values
from ml.bookings_on_hand import book_array, book_series
from ml.panel import Day, Flags, Floats, Panel, beyond_largest, checked, holiday_days, midnight, to_panel

# All measured on anomalies injected into public daily series, a hotel's revenue and made businesses (docs/methods.md).
THRESHOLD = 4.6  # scores from here on are anomalies: 0.45 clean days in 100; a score is in robust standard deviations
WINDOW = 182  # days of surprises that the scale is made of
# The scale above is this quantile of the surprises over its value in a standard normal, below likewise from the other
# end: a business that rain can halve but no sun can double has two scales, and the middle of the surprises would take
# heavy-tailed series to be quieter than they are.
TAIL, NORMAL_TAIL = 0.95, 1.6449
LEAST_SCALE = 0.3  # of the running spread
MOST_SURPRISE = (
    50.0  # spreads: what came out of the blue is no more surprising than that, or one such day blinds WINDOW
)
MINIMUM_DAYS = 21  # with fewer earlier days nothing is judged
MINIMUM_NONZERO = 9  # amounts with fewer nonzero values in NONZERO_DAYS are not judged: the scale would not see them
NONZERO_DAYS = 84
MINIMUM_MOVED = 0.5  # of the days must differ from the evening's book, or the book is left aside
COUNT_FLOOR = 0.5  # standard deviation of the square root of a Poisson count
SHARE_FLOOR = 0.02  # of the level: quieter than that no series is taken to be
HOLIDAY_WIDTH, NEAR_WIDTH = 2.5, 2.0  # holidays, and the two days on either side, are less well known

# Of many series that are tested on one day some stand out by chance: the alarms of a day may be expected to hold at
# most this share of false ones (Benjamini, Hochberg 1995). Scores have a heavy tail: on clean series one beyond s comes
# with a probability of about TAIL_SHARE * (THRESHOLD / s) ** TAIL_POWER.
FALSE_SHARE = 0.5
TAIL_SHARE, TAIL_POWER = 0.005, 3.0

# The severity rule. By improbability: the least score of each. By size, where money is known: what the day missed
# or gained, as a share of a usual day of the largest series (the median of its last 28 days); the severity is at most
# the one that the size allows.
SEVERITY = {"critical": 12.0, "high": 8.0, "medium": 6.0, "low": THRESHOLD}
LEAST_SIZE = {"critical": 0.25, "high": 0.10, "medium": 0.03, "low": 0.0}
USUAL_DAYS = 28

# What a series does beyond a single day. A surprise counts towards it from this part of the threshold on.
SIGN_SHARE = 0.5
SHIFT_DAYS = 3  # so many of them in a row on one side are a level shift
TREND_DAYS, TREND_MEAN = 10, 0.75  # a mean score beyond that over the days before those is a broken trend
MISSING_WEEKS = 4  # a missing day is told if its weekday was there in all but one of so many weeks before
MISSING_FOR = 7  # days; a series without a value for longer has ended

Labels = npt.NDArray[np.object_]
Money = float | Mapping[str, float]


def detect(
    history: pd.DataFrame,
    *,
    start: Day,
    as_of: Day,
    holidays: pd.DataFrame | None = None,
    on_hand: pd.DataFrame | None = None,
    incidents: pd.DataFrame | None = None,
    money: Money | None = None,
) -> pd.DataFrame:
    """Judge each day of `start`..`as_of` from its value and earlier days.

    history: series_id, day, value; holidays: day, name; incidents: series_id, day (judged, but not learnt from);
    on_hand: series_id, service_day, lead_days, value: where the evening before is known, the day is judged by
    how it differs from what then stood on the books; money: what one unit of a series is worth (1 for amounts of
    money, a mean price for counts), for all or by series_id: with it the severity heeds the size.

    Returns series_id, day, value, expected, lower, upper (the range that is not an anomaly, in the value's unit),
    score (the surprise in robust standard deviations), is_anomaly, direction (up, down or None), severity
    (critical, high, medium, low or None; rule: SEVERITY, LEAST_SIZE) and pattern (spike, dropout, level_shift,
    trend_break, missing or None). A day without a value has a row only if it should have had one: value 0, pattern
    missing, always an anomaly. Raises ValueError for input that cannot be read.
    """
    panel = to_panel(history, as_of=as_of)
    first = min(max((midnight(start) - panel.days[0]).days, 0), len(panel.days))
    taught = _taught(panel, incidents)
    feasts = holiday_days(holidays)
    missing = _missing(panel.values, np.asarray(panel.days.isin(feasts)))
    values = np.where(missing, 0.0, panel.values)
    booked = _booked(panel, on_hand, first)
    early = max(first - SHIFT_DAYS - TREND_DAYS, 0)  # patterns need the scores of some days before
    needed = max(early - WINDOW, 0)
    foreseen = expected_values(_root(panel.values) - booked, panel.days, feasts, taught, needed)
    known = np.nan_to_num(booked)
    surprise = _root(values) - (foreseen.forecast + known)
    below, above, judgeable = _scales(panel, surprise, foreseen, taught=taught & ~missing, known=known, early=early)
    width = _width(panel.days, feasts)[early:]
    below, above, judgeable = below * width, above * width, judgeable | missing[:, early:]
    signed = np.nan_to_num(surprise[:, early:])
    score = np.where(judgeable, signed / np.where(signed > 0, above, below), 0.0)
    limit = np.broadcast_to(_limits(np.abs(score), judgeable), score.shape)
    middle = foreseen.forecast[:, early:] + known[:, early:]
    bounds = (_square(middle), _square(middle - limit * below), _square(middle + limit * above))
    judged = slice(first, len(panel.days))
    back = first - early
    table = _table(
        panel._replace(values=values),
        judged,
        score=score[:, back:],
        judgeable=judgeable[:, back:],
        bounds=[bound[:, back:] for bound in bounds],
        missing=missing[:, judged],
    )
    pattern = _patterns(score, back)
    size = None if money is None else _size(panel, values, bounds[0][:, back:], first, money)
    return _labelled(table, pattern, size)


def severity_of(score: Floats, size: Floats | None = None) -> Labels:
    """The severity of each score that is an anomaly's; `size`: its share of a usual day's money, where known."""
    by_score = np.select([score >= least for least in SEVERITY.values()], list(range(4)), default=3)
    if size is not None:
        by_score = np.maximum(by_score, np.select([size >= least for least in LEAST_SIZE.values()], list(range(4)), 3))
    names: Labels = np.array(list(SEVERITY), dtype=object)
    return np.asarray(names[by_score], dtype=object)


def _root(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.sqrt(np.abs(values)))


def _square(roots: Floats) -> Floats:
    return np.asarray(np.sign(roots) * np.minimum(np.abs(roots), 1e150) ** 2)


def _booked(panel: Panel, on_hand: pd.DataFrame | None, first: int) -> Floats:
    """Root of what stood on the books the evening before, (series, day); NaN before the book begins.

    Zero throughout for a series without a book, or whose days before `first` seldom differ from their book.
    """
    nothing = np.zeros(panel.values.shape)
    book = book_series(on_hand, as_of=panel.days[-1])
    if book is not None:
        book = book[book["series_id"].isin(panel.series)]
    if book is None or book.empty or book["lead_days"].max() < 1:
        return nothing
    array = book_array(book, panel, 1)
    evening = array[:, : len(panel.days), 1]
    moved = (np.nan_to_num(panel.values - evening)[:, :first] != 0).sum(axis=1)
    known = (~np.isnan(panel.values + evening))[:, :first].sum(axis=1)
    useful = (known >= NONZERO_DAYS) & (moved >= MINIMUM_MOVED * known)
    return np.where(useful[:, None], _root(evening), nothing)


def _taught(panel: Panel, incidents: pd.DataFrame | None) -> Flags:
    """Days (series, day) that may teach: all but the known incidents."""
    taught = np.ones(panel.values.shape, dtype=bool)
    if incidents is not None and not incidents.empty:
        known = checked(incidents, "incidents", ("series_id", "day"), ("day",))
        row = panel.series.get_indexer(pd.Index(known["series_id"]))
        column = panel.days.get_indexer(pd.DatetimeIndex(known["day"]))
        inside = (row >= 0) & (column >= 0)
        taught[row[inside], column[inside]] = False
    return taught


def _missing(values: Floats, is_holiday: Flags) -> Flags:
    """Days (series, day) without a value that should have had one."""
    known = ~np.isnan(values)
    before = np.cumsum(known, axis=1)
    lately = before.astype(float)
    lately[:, MISSING_FOR + 1 :] -= before[:, : -MISSING_FOR - 1]
    weeks = np.zeros(values.shape)
    for week in range(1, MISSING_WEEKS + 1):
        weeks[:, 7 * week :] += known[:, : -7 * week]
    return ~known & ~is_holiday & (before > MINIMUM_DAYS) & (lately > 0) & (weeks >= MISSING_WEEKS - 1)


def _scales(
    panel: Panel, surprise: Floats, foreseen: Expected, *, taught: Flags, known: Floats, early: int
) -> tuple[Floats, Floats, Flags]:
    """Robust standard deviations of the surprises below and above, before each day from `early` on; days to judge.

    Surprises are taken in spreads known on their day, so that a busy season does not widen a quiet one.
    """
    values, spread = panel.values, foreseen.spread
    seen = ~np.isnan(values + surprise)
    whole = np.logical_and.accumulate(np.isnan(values) | (values == np.floor(values)), axis=1)
    is_count = (whole & np.logical_and.accumulate(~(values < 0), axis=1))[:, early:]
    middle = np.abs(foreseen.forecast + known)[:, early:]
    floor = np.maximum(SHARE_FLOOR * middle, np.where(is_count, COUNT_FLOOR, LEAST_SCALE * spread[:, early:]))
    relative = np.where(taught & seen, np.clip(surprise / spread, -MOST_SURPRISE, MOST_SURPRISE), np.nan)
    below, above = np.empty(floor.shape), np.empty(floor.shape)
    judgeable = seen[:, early:] & (np.cumsum(seen, axis=1)[:, early:] > MINIMUM_DAYS)
    for column in range(floor.shape[1]):
        t = early + column
        past = relative[:, max(t - WINDOW, 0) : t]
        for own, scale in zip(_deviations(past), (below, above), strict=True):
            scale[:, column] = np.maximum(np.maximum(own, LEAST_SCALE) * spread[:, t], floor[:, column])
        nonzero = (np.nan_to_num(values[:, max(t - NONZERO_DAYS, 0) : t]) != 0).sum(axis=1)
        judgeable[:, column] &= is_count[:, column] | (nonzero >= MINIMUM_NONZERO)
    return below, above, judgeable


def _deviations(surprises: Floats) -> tuple[Floats, Floats]:
    """What the tails say of the standard deviation, below and above zero, each (series,); 0 where nothing is known."""
    if not surprises.shape[1]:
        return np.zeros(len(surprises)), np.zeros(len(surprises))
    ordered = np.sort(surprises, axis=1)
    last = np.maximum((~np.isnan(ordered)).sum(axis=1) - 1, 0)
    place = np.ceil(TAIL * last).astype(int)
    below, above = (np.take_along_axis(ordered, at[:, None], axis=1)[:, 0] for at in (last - place, place))
    return np.maximum(np.nan_to_num(-below / NORMAL_TAIL), 0.0), np.maximum(np.nan_to_num(above / NORMAL_TAIL), 0.0)


def _width(days: pd.DatetimeIndex, feasts: pd.DatetimeIndex) -> Floats:
    near = np.zeros(len(days), dtype=bool)
    for shift in (-2, -1, 1, 2):
        near |= np.asarray(days.isin(feasts + pd.Timedelta(days=shift)))
    return np.where(days.isin(feasts), HOLIDAY_WIDTH, np.where(near, NEAR_WIDTH, 1.0))


def _limits(score: Floats, judgeable: Flags) -> Floats:
    """The score beyond which a day is an anomaly (day,): the threshold, or more where many series are tested."""
    count = judgeable.sum(axis=0)
    ranked = -np.sort(-np.where(judgeable, score, 0.0), axis=0)
    chance = TAIL_SHARE * (THRESHOLD / np.maximum(ranked, THRESHOLD)) ** TAIL_POWER
    rank = np.arange(1, len(score) + 1)[:, None]
    allowed = FALSE_SHARE * rank / np.maximum(count, 1)
    passing = np.where(chance <= allowed, rank, 0).max(axis=0, initial=1)
    return np.asarray(THRESHOLD * np.maximum(TAIL_SHARE * count / (FALSE_SHARE * passing), 1.0) ** (1 / TAIL_POWER))


def _patterns(score: Floats, back: int) -> Labels:
    """What each judged day would be an instance of: `score` is signed and begins `back` days before them."""
    width = score.shape[1] - back
    sign = np.where(np.abs(score) >= SIGN_SHARE * THRESHOLD, np.sign(score), 0.0)
    reach = SHIFT_DAYS + TREND_DAYS
    sign = np.pad(sign, ((0, 0), (reach, 0)))
    run = sum(sign[:, sign.shape[1] - width - k : sign.shape[1] - k] for k in range(SHIFT_DAYS))
    before = np.clip(np.pad(score, ((0, 0), (reach, 0))), -THRESHOLD, THRESHOLD)
    drift = sum(before[:, before.shape[1] - width - k : before.shape[1] - k] for k in range(SHIFT_DAYS, reach))
    today = np.sign(score[:, back:])
    trending = drift * today >= TREND_MEAN * TREND_DAYS
    shifted = np.abs(run) == SHIFT_DAYS
    return np.select([trending, shifted, today > 0], ["trend_break", "level_shift", "spike"], "dropout").astype(object)


def _size(panel: Panel, values: Floats, expected: Floats, first: int, money: Money) -> Floats:
    """Money that each judged day missed or gained (series, day), as a share of a usual day of the largest series."""
    if isinstance(money, Mapping):
        worth = np.array([float(money.get(str(series), 0.0)) for series in panel.series])
    else:
        worth = np.full(len(panel.series), float(money))
    amounts = np.abs(np.nan_to_num(panel.values)) * worth[:, None]
    apart = np.abs(np.nan_to_num(values[:, first:] - expected)) * worth[:, None]
    usual = np.zeros(apart.shape[1])
    for column in range(len(usual)):
        past = amounts[:, max(first + column - USUAL_DAYS, 0) : first + column]
        usual[column] = np.median(past, axis=1).max(initial=0.0) if past.shape[1] else 0.0
    return np.where(worth[:, None] > 0, apart / np.maximum(usual, 1e-9), np.inf)


def _table(
    panel: Panel, judged: slice, *, score: Floats, judgeable: Flags, bounds: list[Floats], missing: Flags
) -> pd.DataFrame:
    values = panel.values[:, judged]
    nonnegative = ~(np.fmin.accumulate(panel.values, axis=1)[:, judged] < 0)
    # The largest value seen includes the day's own, so that no verdict changes.
    limit = beyond_largest(np.maximum.accumulate(np.abs(np.nan_to_num(panel.values)), axis=1)[:, judged])
    plausible = (np.clip(side, -limit, limit) for side in bounds)
    expected, lower, upper = (np.where(nonnegative, np.maximum(side, 0.0), side) for side in plausible)
    # A day that cannot be judged lies within its range.
    lower, upper = (
        np.where(judgeable, side, extreme(side, np.nan_to_num(values)))
        for side, extreme in ((lower, np.minimum), (upper, np.maximum))
    )
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
    """Direction, severity and pattern of the anomalies."""
    row, column = table["_row"].to_numpy(), table["_column"].to_numpy()
    up = table["value"] > table["expected"]
    labels = {
        "direction": np.where(up, "up", "down").astype(object),
        "severity": severity_of(table["score"].to_numpy(dtype=float), None if size is None else size[row, column]),
        "pattern": np.where(table["_missing"], "missing", pattern[row, column]).astype(object),
    }
    for name, label in labels.items():
        table[name] = pd.Series(label, index=table.index, dtype="object").where(table["is_anomaly"], None)
    return table.drop(columns=["_missing", "_row", "_column"])
