"""Conversion of long frames to arrays, for every method, so that bad input is refused in one place."""

from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_number

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]
Day = date | str | pd.Timestamp

# Older days are not used: three years contain the yearly season three times and bound the work.
MEMORY_DAYS = 1096
LONGEST_LEAD = 10_000  # days; a longer one is an error in the data
MOST_OF_LARGEST = 3.0  # forecasts and bounds lie within this many times the largest value of the series
NAMES = ("series_id", "total_id", "dimension", "kind")  # columns that hold text


class Panel(NamedTuple):
    """Values of series by day: `values[i, t]` is series `series[i]` on `days[t]`; NaN where the day is missing."""

    series: pd.Index
    days: pd.DatetimeIndex
    values: Floats


def midnight(day: Day) -> pd.Timestamp:
    """Return the day as a timestamp without zone or time."""
    if pd.isna(day):
        raise ValueError("the day is missing")
    return pd.Timestamp(day).tz_localize(None).normalize()


def checked(frame: pd.DataFrame, name: str, columns: tuple[str, ...], days: tuple[str, ...]) -> pd.DataFrame:
    """Return the columns `columns` alone: series ids as text, days as dates, numbers as floats.

    Raises ValueError that names the frame, the column and the reason.
    """
    labels = [label if isinstance(label, str) else None for label in frame.columns]
    absent = [column for column in columns if column not in labels]
    if absent:
        raise ValueError(f"{name} has no column {', '.join(absent)}; it needs {', '.join(columns)}")
    clean = {}
    for column in columns:
        if labels.count(column) > 1:
            raise ValueError(f"{name} has more than one column {column}")
        read, kind = (_days, "day") if column in days else (_names, "name") if column in NAMES else (_numbers, "number")
        try:
            clean[column] = read(_plain(frame.iloc[:, labels.index(column)].reset_index(drop=True)))
        # All errors with which pandas and its libraries refuse a cell.
        except (ValueError, TypeError, ArithmeticError, AttributeError, NotImplementedError) as error:
            raise ValueError(f"{name}: column {column} cannot be read ({error})") from None
        if kind != "number" and clean[column].isna().any():
            raise ValueError(f"{name}: column {column} has an empty {kind}")
    return pd.DataFrame(clean)


def _plain(cells: pd.Series) -> pd.Series:
    """Return a categorical column in the type of its categories, an object column in the common type of its cells."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        cells = cells.astype(cells.cat.categories.dtype)
    return cells.infer_objects()


def _names(cells: pd.Series) -> pd.Series:
    return cells.map(str, na_action="ignore").astype(object)


def _days(cells: pd.Series) -> pd.Series:
    if isinstance(cells.dtype, pd.PeriodDtype) and cells.dtype.freq.name == "D":
        cells = cells.dt.to_timestamp()
    elif cells.dtype.kind in "biufcm" or (cells.dtype == object and cells.map(is_number).any()):
        raise TypeError("a number is not a day")
    stamps = pd.to_datetime(cells, format="ISO8601")
    return stamps.dt.tz_localize(None).dt.normalize().astype("datetime64[s]")


def _numbers(cells: pd.Series) -> pd.Series:
    if cells.dtype.kind in "cmM" or isinstance(cells.dtype, pd.PeriodDtype | pd.IntervalDtype):
        raise TypeError(f"{cells.dtype} is not a number")
    numbers = pd.to_numeric(cells if cells.dtype == object else cells.astype("Float64"))
    return pd.Series(numbers.to_numpy(dtype=float, na_value=np.nan))


def refuse_duplicates(frame: pd.DataFrame, name: str, keys: list[str]) -> None:
    """Raise ValueError where two rows of the checked `frame` have the same `keys`."""
    twice = frame.duplicated(keys)
    if twice.any():
        row = frame.loc[twice, keys].iloc[0]
        where = ", ".join(f"{key} {value}" for key, value in row.items())
        raise ValueError(f"{name} has more than one row for {where}")


def to_panel(history: pd.DataFrame, *, as_of: Day, also: pd.Index | None = None) -> Panel:
    """Return the history (series_id, day, value) up to and with `as_of`, by series; `also` adds series without rows.

    Raises ValueError for a missing column, an unreadable value, or two rows of one series and day.
    """
    end = midnight(as_of)
    # Later rows are not read at all, so that they cannot change the result.
    day = checked(history, "history", ("day",), ("day",))["day"]
    rows = checked(history[(day <= end).to_numpy()], "history", ("series_id", "day", "value"), ("day",))
    refuse_duplicates(rows, "history", ["series_id", "day"])
    series = pd.Index(rows["series_id"].unique(), dtype=object)
    if also is not None:
        series = series.union(also, sort=False)
    series = series.sort_values()
    values = rows["value"].to_numpy(dtype=float)
    rows = rows[np.isfinite(values) & (rows["day"] > end - pd.Timedelta(days=MEMORY_DAYS)).to_numpy()]
    first = rows["day"].min() if len(rows) else end
    days = pd.date_range(first, end, freq="D")
    panel = np.full((len(series), len(days)), np.nan)
    columns = (rows["day"] - first).dt.days.to_numpy()
    panel[series.get_indexer(pd.Index(rows["series_id"])), columns] = rows["value"].to_numpy(dtype=float)
    return Panel(series, days, panel)


def snapshots(on_hand: pd.DataFrame) -> pd.Series:
    """Return the snapshot of each on-hand row: the day at whose end its value was on hand; NaT without a lead time.

    Raises ValueError like `to_panel`.
    """
    rows = checked(on_hand, "on_hand", ("service_day", "lead_days"), ("service_day",))
    lead = rows["lead_days"]
    if not (lead.isna() | ((lead % 1 == 0) & (lead.abs() < LONGEST_LEAD))).all():
        raise ValueError(f"on_hand: column lead_days must be whole days within {LONGEST_LEAD}")
    return pd.Series(rows["service_day"] - pd.to_timedelta(lead, unit="D"), name="snapshot")


def to_book(on_hand: pd.DataFrame, *, as_of: Day) -> pd.DataFrame:
    """Return the on-hand rows (series_id, service_day, lead_days, value) whose snapshot is at or before `as_of`.

    Adds `snapshot`, the day at whose end the value was on hand. Raises ValueError like `to_panel`.
    """
    snapshot = snapshots(on_hand)
    early = (snapshot <= midnight(as_of)).to_numpy()
    columns = ("series_id", "service_day", "lead_days", "value")
    rows = checked(on_hand[early], "on_hand", columns, ("service_day",))
    rows = rows.assign(lead_days=rows["lead_days"].astype(int), snapshot=snapshot[early].to_numpy())
    known: pd.DataFrame = rows[np.isfinite(rows["value"]) & (rows["lead_days"] >= 0)]
    refuse_duplicates(known, "on_hand", ["series_id", "service_day", "lead_days"])
    return known


def holiday_days(holidays: pd.DataFrame | None) -> pd.DatetimeIndex:
    """Return the distinct days of a holidays frame (day, name); empty where none is given."""
    if holidays is None or holidays.empty:
        return pd.DatetimeIndex([])
    return pd.DatetimeIndex(checked(holidays, "holidays", ("day",), ("day",))["day"].unique()).sort_values()


def observed_days(values: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return, for each row of a panel, the position of the first observed day (the width if none), and their number."""
    known = ~np.isnan(values)
    first = np.where(known.any(axis=1), known.argmax(axis=1), values.shape[1])
    return first, known.sum(axis=1)


def same_phase(origin: Positions, step: Positions, cycle: int) -> Positions:
    """Return the last position up to each origin in the same phase of a cycle of days as the day `step` ahead."""
    return origin + step - cycle * -(-step // cycle)


def fill_gaps(values: Floats) -> Floats:
    """Return values whose missing days are as a week before, else as the day before, else 0: for lags, not targets."""
    filled = values.copy()
    for day in range(1, filled.shape[1]):
        missing = np.isnan(filled[:, day])
        if missing.any():
            week_ago = filled[missing, day - 7] if day >= 7 else np.full(missing.sum(), np.nan)
            filled[missing, day] = np.where(np.isnan(week_ago), filled[missing, day - 1], week_ago)
    return np.nan_to_num(filled)


def beyond_largest(largest: Floats) -> Floats:
    """Return the size that no forecast and no bound exceeds, for series with this `largest` value."""
    return np.asarray(MOST_OF_LARGEST * np.minimum(largest, np.finfo(float).max / (2 * MOST_OF_LARGEST)))
