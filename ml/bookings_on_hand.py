"""What the book says of days to come: additive pick-up by lead time and weekday.

Pick-up is the revenue manager's forecast: what stands on the books now, plus what still came in from the same lead
time on to the day itself, on average over recent days of that weekday (Weatherford and Kimes 2003).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.panel import Floats, Panel, to_book

Positions = npt.NDArray[np.int64]

# Measured on a hotel's revenue by arrival day, total and members (docs/methods.md).
WEEKS = 26  # how many past weeks teach; 8 to 52 differ by 3 %
WEEK_WEIGHT = 0.95  # each older week weighs this much of the next
WEEKDAY_SHARE = 0.5  # of the mean of the same weekday; the rest is the mean of all days


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


def pick_up(values: Floats, book: Floats, origins: Positions, horizon: int) -> tuple[Floats, Floats]:
    """Forecast and what was on hand, each (series, origin, step); NaN where the book does not reach.

    values: (series, day) what the days came to; book: as `book_array` gives it.
    """
    count, length = values.shape
    shape = (count, len(origins), horizon)
    forecast, standing = np.full(shape, np.nan), np.full(shape, np.nan)
    for lead in range(1, min(horizon, book.shape[2] - 1) + 1):
        still_came = values - book[:, :length, lead]
        target = origins + lead
        weeks = np.arange(WEEKS)
        newest = target - 7 * (-(-lead // 7))  # the last day of the target's weekday that is known
        same = _weighted_mean(still_came, newest[:, None] - 7 * weeks, weeks.astype(float))
        days = np.arange(7 * WEEKS)
        any_day = _weighted_mean(still_came, origins[:, None] - days, days / 7)
        share = np.where(np.isnan(same), 0.0, WEEKDAY_SHARE)
        more = share * np.nan_to_num(same) + (1 - share) * any_day
        standing[:, :, lead - 1] = book[:, target, lead]
        forecast[:, :, lead - 1] = standing[:, :, lead - 1] + more
    return forecast, standing


def _weighted_mean(values: Floats, positions: Positions, weeks_old: Floats) -> Floats:
    """Mean over the last axis of `positions` (origin, n), (series, origin); NaN where nothing is known."""
    found = np.where(positions >= 0, values[:, np.maximum(positions, 0)], np.nan)
    weights = np.where(np.isnan(found), 0.0, WEEK_WEIGHT**weeks_old)
    total = weights.sum(axis=2)
    mean = (np.nan_to_num(found) * weights).sum(axis=2) / np.where(total > 0, total, 1.0)
    return np.where(total > 0, mean, np.nan)
