"""What the book says of days to come: additive pick-up by lead time and weekday.

Pick-up is the revenue manager's forecast: what stands on the books now, plus what still came in from the same lead
time on to the day itself, on average over recent days of that weekday (Weatherford and Kimes 2003).
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


def book_series(on_hand: pd.DataFrame | None, *, as_of: pd.Timestamp) -> pd.DataFrame | None:
    """The checked book, or None where none is given or nothing of it was known at `as_of`."""
    if on_hand is None or on_hand.empty:
        return None
    book = to_book(on_hand, as_of=as_of)
    return None if book.empty else book


def book_array(book: pd.DataFrame, panel: Panel, horizon: int) -> Floats:
    """What stood on the books: (series, day, lead), days running `horizon` past the panel; NaN where not known.

    Snapshots between the first and the last in the whole book are known, and what they do not list is zero; a
    series that the book never names stays NaN, as do days further ahead than the book's longest lead.
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
    result[position, day, rows["lead_days"].to_numpy()] = rows["value"].to_numpy(dtype=float)
    return result


class Pace(NamedTuple):
    """How days fill, each (series, day, lead): known at the end of the day, of that day and those before."""

    book: Floats  # what stood, days running past the values
    more: Floats  # what still came in from that lead on: weighted mean of all days
    more_weekday: Floats  # the same of the same weekdays
    stood_weekday: Floats  # what stood, mean of the same weekdays
    came_weekday: Floats  # what they came to
    more_season: Floats  # what still came in, mean of the fortnight up to the day
    stood_season: Floats


def pace(values: Floats, book: Floats) -> Pace:
    """Tables of a book (series, day, lead) as `book_array` gives it, for values (series, day)."""
    stood = book[:, : values.shape[1]]
    came = np.where(np.isnan(stood), np.nan, values[:, :, None])
    more = came - stood
    return Pace(
        book=book,
        more=_weighted_mean(more, 1, WEEK_WEIGHT ** (1 / 7)),
        more_weekday=_weighted_mean(more, 7, WEEK_WEIGHT),
        stood_weekday=_weighted_mean(np.where(np.isnan(came), np.nan, stood), 7, WEEK_WEIGHT),
        came_weekday=_weighted_mean(came, 7, WEEK_WEIGHT),
        more_season=_fortnight(more),
        stood_season=_fortnight(stood),
    )


def pick_up(tables: Pace, series: Positions, origin: Positions, step: Positions) -> Floats:
    """Additive pick-up for each (series, origin, step): on hand, plus what still came in; NaN beyond the book."""
    lead = np.minimum(step, tables.book.shape[2] - 1)
    newest = origin + step - 7 * (-(-step // 7))
    same = np.where(newest >= 0, tables.more_weekday[series, np.maximum(newest, 0), lead], np.nan)
    any_day = tables.more[series, origin, lead]
    more = np.where(np.isnan(same), any_day, same)
    return np.where(step == lead, tables.book[series, origin + step, lead] + more, np.nan)


def features(tables: Pace, level: Floats, series: Positions, origin: Positions, step: Positions) -> list[Floats]:
    """What the book says of each (series, origin, step), in units of the level (series, day); NaN where nothing."""
    longest = tables.book.shape[2] - 1
    target = origin + step
    lead = np.minimum(step, longest)
    newest = target - 7 * (-(-step // 7))
    unit = level[series, origin]
    standing = tables.book[series, target, lead]
    usual, came = tables.stood_weekday[series, newest, lead], tables.came_weekday[series, newest, lead]
    week_before = np.where(step + 7 <= longest, tables.book[series, target, np.minimum(step + 7, longest)], np.nan)
    beside = [
        tables.book[series, np.clip(target + shift, 0, tables.book.shape[1] - 1), np.clip(lead + shift, 0, longest)]
        for shift in (-1, 1)
    ]
    ratio = standing * np.clip(came / np.where(usual > 0, usual, np.nan), 0, 5)
    columns = [standing, tables.more[series, origin, lead], tables.more_weekday[series, newest, lead]]
    columns += [usual, ratio, standing - week_before, (beside[0] + beside[1]) / 2]
    last_year = target - 364
    known = last_year - 7 >= 0
    around = np.minimum(np.maximum(last_year + 7, 0), origin)
    then = np.where(known, level[series, np.maximum(origin - 364, 0)], np.nan)
    seasonal = [table[series, around, lead] / then for table in (tables.more_season, tables.stood_season)]
    return [column / unit for column in columns] + seasonal + [growth(tables)[series, origin]]


def growth(tables: Pace) -> Floats:
    """What stands for the days ahead by what stood for them 364 days before, (series, day); NaN without both."""
    longest = tables.book.shape[2] - 1
    length = tables.more.shape[1]
    ahead = np.arange(1, longest + 1)
    at = np.minimum(np.arange(length)[:, None] + ahead, tables.book.shape[1] - 1)
    total = tables.book[:, at, ahead[None, :]].sum(axis=2)
    result = np.full(total.shape, np.nan)
    if length > 364:
        before = total[:, :-364]
        result[:, 364:] = np.clip(total[:, 364:] / np.where(before > 0, before, np.nan), 0, 5)
    return result


def _weighted_mean(values: Floats, every: int, weight: float) -> Floats:
    """Mean over each `every`-th day up to each day, the newer weighing more; NaN where nothing is known."""
    known = ~np.isnan(values)
    recursion = np.zeros(every + 1)
    recursion[0], recursion[every] = 1.0, -weight
    total = signal.lfilter([1.0], recursion, np.where(known, values, 0.0), axis=1)
    count = signal.lfilter([1.0], recursion, known.astype(float), axis=1)
    return np.asarray(np.where(count > 1e-9, total / np.maximum(count, 1e-9), np.nan))


def _fortnight(values: Floats) -> Floats:
    """Mean of the 15 days up to each day."""
    known = ~np.isnan(values)
    total, count = (np.cumsum(part, axis=1) for part in (np.where(known, values, 0.0), known.astype(float)))
    for part in (total, count):
        part[:, 15:] = part[:, 15:] - part[:, :-15]
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
