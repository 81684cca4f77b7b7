"""Long frames to arrays: what every method starts from, so that bad input is refused in one place."""

from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Day = date | str | pd.Timestamp

# Older days do not enter: three years hold the yearly season three times and bound the work.
MEMORY_DAYS = 1096
LONGEST_LEAD = 10_000  # days; a longer one is a mistake


class Panel(NamedTuple):
    """`values[i, t]` is series `series[i]` on `days[t]`; NaN where the day is missing."""

    series: pd.Index
    days: pd.DatetimeIndex
    values: Floats


def midnight(day: Day) -> pd.Timestamp:
    """The day as a timestamp without zone or time."""
    if pd.isna(day):
        raise ValueError("the day is missing")
    return pd.Timestamp(day).tz_localize(None).normalize()


def checked(frame: pd.DataFrame, name: str, columns: tuple[str, ...], days: tuple[str, ...]) -> pd.DataFrame:
    """The named columns only: series ids as text, days as dates, numbers as floats (infinite ones are missing).

    Raises ValueError with the frame, the column and why.
    """
    absent = [column for column in columns if column not in frame.columns]
    if absent:
        raise ValueError(f"{name} has no column {', '.join(absent)}; it needs {', '.join(columns)}")
    clean = frame.loc[:, list(columns)].reset_index(drop=True)
    for column in columns:
        try:
            if column in days:
                stamps = pd.to_datetime(clean[column], format="ISO8601")
                clean[column] = stamps.dt.tz_localize(None).dt.normalize().astype("datetime64[s]")
            elif column == "series_id":
                clean[column] = clean[column].astype(str).astype(object)
            else:
                numbers = clean[column].astype("Float64" if clean[column].dtype != object else object)
                clean[column] = pd.to_numeric(numbers).to_numpy(dtype=float, na_value=np.nan)
        except (ValueError, TypeError, OverflowError) as error:
            raise ValueError(f"{name}: column {column} cannot be read ({error})") from None
        if column in days and clean[column].isna().any():
            raise ValueError(f"{name}: column {column} has an empty day")
    return clean


def _refuse_duplicates(frame: pd.DataFrame, name: str, keys: list[str]) -> None:
    twice = frame.duplicated(keys)
    if twice.any():
        row = frame.loc[twice, keys].iloc[0]
        where = ", ".join(f"{key} {value}" for key, value in row.items())
        raise ValueError(f"{name} has more than one row for {where}")


def to_panel(history: pd.DataFrame, *, as_of: Day, also: pd.Index | None = None) -> Panel:
    """History (series_id, day, value) up to and with `as_of`, sorted by series; `also` adds series without rows.

    Raises ValueError for a missing column, an unreadable value, or two rows of one series and day.
    """
    end = midnight(as_of)
    # What comes later is not even read: it must not be able to change anything.
    day = checked(history, "history", ("day",), ("day",))["day"]
    rows = checked(history[(day <= end).to_numpy()], "history", ("series_id", "day", "value"), ("day",))
    _refuse_duplicates(rows, "history", ["series_id", "day"])
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


def to_book(on_hand: pd.DataFrame, *, as_of: Day) -> pd.DataFrame:
    """On-hand rows (series_id, service_day, lead_days, value) whose snapshot lies at or before `as_of`.

    Adds `snapshot`, the day at whose end the value stood. Raises ValueError like `to_panel`.
    """
    when = checked(on_hand, "on_hand", ("service_day", "lead_days"), ("service_day",))
    lead = when["lead_days"]
    if not (lead.isna() | ((lead % 1 == 0) & (lead.abs() < LONGEST_LEAD))).all():
        raise ValueError(f"on_hand: column lead_days must be whole days within {LONGEST_LEAD}")
    snapshot = when["service_day"] - pd.to_timedelta(lead, unit="D")
    early = (snapshot <= midnight(as_of)) & (lead >= 0)
    columns = ("series_id", "service_day", "lead_days", "value")
    rows = checked(on_hand[early.to_numpy()], "on_hand", columns, ("service_day",))
    rows = rows.assign(lead_days=rows["lead_days"].astype(int), snapshot=snapshot[early].to_numpy())
    known: pd.DataFrame = rows[np.isfinite(rows["value"])]
    _refuse_duplicates(known, "on_hand", ["series_id", "service_day", "lead_days"])
    return known


def holiday_days(holidays: pd.DataFrame | None) -> pd.DatetimeIndex:
    """The distinct days of a holidays frame (day, name); empty where none is given."""
    if holidays is None or holidays.empty:
        return pd.DatetimeIndex([])
    return pd.DatetimeIndex(checked(holidays, "holidays", ("day",), ("day",))["day"].unique()).sort_values()


def observed_days(values: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each row of a panel: position of the first observed day (the width if none), and how many there are."""
    seen = ~np.isnan(values)
    first = np.where(seen.any(axis=1), seen.argmax(axis=1), values.shape[1])
    return first, seen.sum(axis=1)


def fill_gaps(values: Floats) -> Floats:
    """Each missing day as a week before, else as the day before, else 0: a stand-in for lags, never a target."""
    filled = values.copy()
    for t in range(1, filled.shape[1]):
        missing = np.isnan(filled[:, t])
        if missing.any():
            week_ago = filled[missing, t - 7] if t >= 7 else np.full(missing.sum(), np.nan)
            filled[missing, t] = np.where(np.isnan(week_ago), filled[missing, t - 1], week_ago)
    return np.nan_to_num(filled)
