"""Detection of changes of ratios: rates (cancellations, no-shows, on time) and averages (price).

A ratio of few units varies by chance alone, so windows of 1 to 14 days are pooled: the sum of numerators is compared
with that expected of the denominators at the ratio of the weeks before the window. Of a share of units the score is the
signed root of the binomial likelihood ratio, which holds for few units too (McCullagh and Nelder 1989); of an average
the difference over the spread of such sums. Scores are calibrated, and changes followed, as in `ml.sequential`.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from ml.panel import (
    Day,
    Flags,
    Floats,
    beyond_largest,
    checked,
    holiday_days,
    midnight,
    refuse_duplicates,
    to_panel,
)
from ml.sensitivity import rate_of
from ml.sequential import Changes, Scores, chances, followed, strongest
from ml.severity import Money, score_of, severity_of, size_of

WINDOWS: Final = tuple(range(1, 15))  # days
RATE: Final = 0.025  # per day with units: the ratio is that of about 40 such days
YOUNG_DAYS: Final = 21  # days with units in which no residual is clipped
CLIP: Final = 2.5  # spreads: larger residuals teach as if they were this large
MOST_OF_A_DAY: Final = 8.0  # spreads: a larger residual of an average counts as this
SPREAD_RATE: Final = 0.03  # per day with units
LEAST_SPREAD: Final = 0.02  # of the ratio, of one unit
FEWEST_DAYS, FEWEST_UNITS = 2, 5  # a window of an average has so many days with units, or so many units
MANY_UNITS: Final = 20  # among so many one does not decide
SHARE: Final = 0.65  # of the rate at which a day is told: the null of few sales is wider than that of their blocks
FAMILY: Final = 8  # members together may raise as many false alarms as so many series
SMALLEST: Final = 1e-9
BAND: Final = 3.5  # spreads: the range of an ordinary day
COLUMNS: Final = [
    "series_id", "day", "value", "expected", "lower", "upper", "score", "is_anomaly", "direction", "severity",
    "pattern", "began", "since_value", "since_expected",
]  # fmt: skip


class _Parts(NamedTuple):
    """Arrays (series, day), 0 where a day has no units."""

    numerator: Floats
    denominator: Floats


class _Usual(NamedTuple):
    """Ratio (series, day) before each day, the last day being that after the panel; variance of a unit's numerator."""

    ratio: Floats
    variance: Floats


def detect_ratios(
    history: pd.DataFrame,
    *,
    start: Day,
    as_of: Day,
    holidays: pd.DataFrame | None = None,
    incidents: pd.DataFrame | None = None,
    events: pd.DataFrame | None = None,
    sensitivity: str = "normal",
    protected: Collection[str] = (),
    money: Money | None = None,
) -> pd.DataFrame:
    """Judge each day of `start`..`as_of` that has a denominator, from it and earlier days.

    history: series_id, day, numerator, denominator; holidays: day, name; incidents and events: series_id, day (judged,
    but not learnt from); protected: series that are judged by themselves, however many others there are; money: worth
    of one unit of a numerator, for all or by series_id.

    Returns the columns of `ml.anomalies.detect`; value and expected are ratios of the day, since_value and
    since_expected those of all days since the change began. An anomaly is the first day of a change, or one with
    strong evidence; its pattern is level_shift, or spike and dropout of a single day.
    Raises ValueError for input that cannot be read.
    """
    rate = SHARE * rate_of(sensitivity)
    parts, series, days = _parts(history, as_of)
    first = min(max((midnight(start) - days[0]).days, 0), len(days))
    counts = parts.denominator > 0
    learns = counts & ~np.asarray(days.isin(holiday_days(holidays)))
    for frame, name in ((incidents, "incidents"), (events, "events")):
        learns &= ~_marked(frame, name, series, days)
    is_share = _is_share(parts)
    usual = _usual(parts, learns, is_share)
    scores = _scores(parts, usual, counts, is_share)
    chance = chances(np.abs(scores.score), counts)
    is_member = ~np.asarray(series.isin(list(protected)))
    share = np.where(is_member, rate * min(1.0, FAMILY / max(int(is_member.sum()), 1)), rate)
    changes = followed(scores, chance, share[:, None])
    return _table(parts, series, days, usual, changes, chance, first=first, money=money)


def _parts(history: pd.DataFrame, as_of: Day) -> tuple[_Parts, pd.Index, pd.DatetimeIndex]:
    """Return numerators and denominators by series and day; a day is left out unless both are known, not negative."""
    day = checked(history, "history", ("day",), ("day",))["day"]
    early = history[(day <= midnight(as_of)).to_numpy()]
    rows = checked(early, "history", ("series_id", "day", "numerator", "denominator"), ("day",))
    refuse_duplicates(rows, "history", ["series_id", "day"])
    limit = np.sqrt(np.finfo(float).max) / 1e6  # of squares and sums
    known = (rows["numerator"].abs() <= limit) & (rows["denominator"] > 0) & (rows["denominator"] <= limit)
    rows = rows.assign(**{name: rows[name].where(known, 0.0) for name in ("numerator", "denominator")})
    arrays = []
    for name in ("numerator", "denominator"):
        panel = to_panel(rows.rename(columns={name: "value"}), as_of=as_of)
        arrays.append(np.nan_to_num(panel.values))
    return _Parts(*arrays), panel.series, panel.days


def _marked(frame: pd.DataFrame | None, name: str, series: pd.Index, days: pd.DatetimeIndex) -> Flags:
    """Return the days (series, day) that the frame (series_id, day) names."""
    result = np.zeros((len(series), len(days)), dtype=bool)
    if frame is not None and not frame.empty:
        rows = checked(frame, name, ("series_id", "day"), ("day",))
        row = series.get_indexer(pd.Index(rows["series_id"]))
        column = days.get_indexer(pd.DatetimeIndex(rows["day"]))
        inside = (row >= 0) & (column >= 0)
        result[row[inside], column[inside]] = True
    return result


def _is_share(parts: _Parts) -> Flags:
    """Return the days (series, day) up to which numerators are whole numbers of the units of the denominators."""
    numerator, denominator = parts
    is_whole = (numerator == np.floor(numerator)) & (denominator == np.floor(denominator))
    return np.asarray(np.logical_and.accumulate(is_whole & (numerator >= 0) & (numerator <= denominator), axis=1))


def _usual(parts: _Parts, learns: Flags, is_share: Flags) -> _Usual:
    """Return the ratio before each day and the variance of one unit's numerator, both learnt robustly."""
    count, length = parts.numerator.shape
    top, bottom, variance, seen = np.zeros((4, count))
    ratios, variances = np.zeros((2, count, length + 1))
    for day in range(length + 1):
        ratio = top / np.maximum(bottom, SMALLEST)
        shares = is_share[:, min(day, length - 1)] & (seen > 0)
        # The chance is never quite none or certain: one unit in those that have been seen.
        unit = np.maximum(bottom / RATE, 1.0)
        bounded = np.clip(ratio, 0.5 / unit, 1 - 0.5 / np.maximum(unit, 2.0))
        ratio = np.where(shares, bounded, ratio)
        least = np.where(shares, ratio * (1 - ratio), (LEAST_SPREAD * ratio) ** 2)
        ratios[:, day], variances[:, day] = ratio, np.maximum(variance, least + SMALLEST**2)
        if day == length:
            break
        known = learns[:, day]
        units = np.where(known, parts.denominator[:, day], 0.0)
        is_young = seen < YOUNG_DAYS
        spread = np.sqrt(variances[:, day] * units)
        error = np.where(known, parts.numerator[:, day] - ratio * units, 0.0)
        clipped = np.where(is_young, error, np.clip(error, -CLIP * spread, CLIP * spread))
        seen = seen + known
        rate = np.where(known, np.maximum(RATE, 1 / np.maximum(seen, 1)), 0.0)
        top = top + rate * (ratio * units + clipped - top)
        bottom = bottom + rate * (units - bottom)
        square = clipped**2 / np.maximum(units, SMALLEST)
        spread_rate = np.where(known & (seen > 1), np.maximum(SPREAD_RATE, 1 / np.maximum(seen, 1)), 0.0)
        # Clipped at CLIP spreads, squares of a normal residual are 5 % too small.
        variance = variance + spread_rate * (1.05 * square - variance)
    return _Usual(ratios, variances)


def _scores(parts: _Parts, usual: _Usual, counts: Flags, is_share: Flags) -> Scores:
    """Return the strongest evidence of all windows up to each day."""
    count, length = parts.numerator.shape
    raw = np.zeros((len(WINDOWS), count, length))
    for index, window in enumerate(WINDOWS[:length]):
        starts = length - window + 1
        ratio, variance = usual.ratio[:, :starts], usual.variance[:, :starts]
        top, units, total, filled, highest, lowest = np.zeros((6, count, starts))
        for lag in range(window):
            lagged = slice(lag, lag + starts)
            numerator, denominator = parts.numerator[:, lagged], parts.denominator[:, lagged]
            limit = MOST_OF_A_DAY * np.sqrt(variance * denominator)
            residual = np.clip(numerator - ratio * denominator, -limit, limit)
            highest, lowest = np.maximum(highest, residual), np.minimum(lowest, residual)
            total += residual
            top, units, filled = top + numerator, units + denominator, filled + counts[:, lagged]
        size = np.abs(total) / np.sqrt(np.maximum(variance * units, SMALLEST**2))
        # One dear sale is no price: few units count no more than those beside the largest residual allow.
        beside = np.where(total > 0, total - highest, lowest - total) * np.sqrt(2.0)
        other_units = units * (filled - 1) / np.maximum(filled, 1)
        beside = np.maximum(beside / np.sqrt(np.maximum(variance * other_units, SMALLEST**2)), 0.0)
        is_large = (filled < FEWEST_DAYS) & (units >= FEWEST_UNITS)
        is_small = units < MANY_UNITS
        size = np.where(filled >= FEWEST_DAYS, np.where(is_small, np.minimum(size, beside), size), size * is_large)
        of_average = np.sign(total) * size
        binomial = ratio * (1 - ratio)
        dispersion = np.sqrt(np.maximum(variance / np.maximum(binomial, SMALLEST), 1.0))
        of_share = _binomial(top, units, ratio) / dispersion
        raw[index, :, window - 1 :] = np.where(is_share[:, window - 1 :], of_share, of_average)
    scores = strongest(raw, WINDOWS)
    own = parts.numerator - usual.ratio[:, :-1] * parts.denominator
    return scores._replace(score=np.where(np.sign(own) == np.sign(scores.score), scores.score, 0.0))


def _binomial(top: Floats, units: Floats, ratio: Floats) -> Floats:
    """Return the signed roots of the likelihood ratios of `top` of `units`, where `ratio` of them were expected."""
    share = np.clip(top / np.maximum(units, SMALLEST), 0.0, 1.0)
    expected = np.clip(ratio, SMALLEST, 1 - SMALLEST)
    hit = share * np.log(np.maximum(share, SMALLEST) / expected)
    miss = (1 - share) * np.log(np.maximum(1 - share, SMALLEST) / (1 - expected))
    return np.asarray(np.sign(share - expected) * np.sqrt(np.maximum(2 * units * (hit + miss), 0.0)))


def _table(
    parts: _Parts,
    series: pd.Index,
    days: pd.DatetimeIndex,
    usual: _Usual,
    changes: Changes,
    chance: Floats,
    *,
    first: int,
    money: Money | None,
) -> pd.DataFrame:
    """Return a row for each judged day with units."""
    row, column = np.nonzero(parts.denominator[:, first:] > 0)
    column = column + first
    began = changes.began[row, column]
    units = parts.denominator[row, column]
    value = parts.numerator[row, column] / units
    expected = usual.ratio[row, began]
    sums = [np.pad(np.cumsum(part, axis=1), ((0, 0), (1, 0))) for part in parts]
    since_top, since_units = (total[row, column + 1] - total[row, began] for total in sums)
    reach = BAND * np.sqrt(usual.variance[row, began] / units)
    is_anomaly = (changes.is_new | changes.is_strong)[row, column] & (chance[row, column] < 1)
    up = value > expected
    # An ordinary day lies in its range, an anomalous one outside: halfway to the expected ratio, or further.
    half = (value + expected) / 2
    lower, upper = expected - reach, expected + reach
    lower = np.where(is_anomaly & ~up, np.maximum(lower, half), np.minimum(lower, value))
    upper = np.where(is_anomaly & up, np.minimum(upper, half), np.maximum(upper, value))
    least = np.where(np.minimum.accumulate(parts.numerator, axis=1)[row, column] < 0, -np.inf, 0.0)
    most = _most(parts)[row, column]
    expected, lower, upper = (np.clip(bound, -most, most) for bound in (expected, lower, upper))
    score = score_of(chance[row, column])
    is_one_day = began == column
    change = (parts.numerator - usual.ratio[:, :-1] * parts.denominator)[:, first:]
    size = size_of(change, parts.numerator, series, money)
    labels = {
        "direction": np.where(up, "up", "down").astype(object),
        "severity": severity_of(score, None if size is None else size[row, column - first]),
        "pattern": np.where(is_one_day, np.where(up, "spike", "dropout"), "level_shift").astype(object),
    }
    stamps = days.to_numpy()
    table = pd.DataFrame(
        {
            "series_id": series.to_numpy(dtype=object)[row],
            "day": stamps[column],
            "value": value,
            "expected": expected,
            "lower": np.maximum(lower, least),
            "upper": upper,
            "score": score,
            "is_anomaly": is_anomaly,
            "began": stamps[began],
            "since_value": since_top / np.maximum(since_units, SMALLEST),
            "since_expected": expected,
        }
    )
    for name, label in labels.items():
        table[name] = pd.Series(label, index=table.index, dtype="object").where(table["is_anomaly"], None)
    return table[COLUMNS]


def _most(parts: _Parts) -> Floats:
    """Return the largest plausible ratio (series, day): of shares 1, of others several times the largest one so far."""
    units = np.where(parts.denominator > 0, parts.denominator, 1.0)
    largest = np.maximum.accumulate(np.where(parts.denominator > 0, np.abs(parts.numerator) / units, 0.0), axis=1)
    return np.where(largest <= 1, np.minimum(beyond_largest(largest), 1.0), beyond_largest(largest))
