"""Data that the bench measures on: public daily series, a hotel's bookings, and synthetic businesses.

The real files are read from a folder (see `real`); the synthetic ones are generated from a seed.
"""

from pathlib import Path
from typing import NamedTuple

import holidays
import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.forecasting import HORIZON_DAYS

LONGEST_LEAD = HORIZON_DAYS  # days ahead that the book is kept for, as in fct_bookings_on_hand
MOSTLY_ZERO = 0.6  # members with a larger share of zero days are left out: MASE has little meaning for them
SEED = 20240229

Floats = npt.NDArray[np.float64]


class DataSet(NamedTuple):
    """Data of one organisation: history (series_id, day, value), holidays (day, name), and the book if it has one."""

    name: str
    history: pd.DataFrame
    holidays: pd.DataFrame
    on_hand: pd.DataFrame | None = None


def real(folder: Path) -> list[DataSet]:
    """Return the real data sets: bike sharing in Washington, bicycles and transport in Madrid, UK flights, a hotel."""
    bike = pd.read_csv(folder / "bike_sharing_daily.csv", parse_dates=["dteday"]).set_index("dteday")
    bicimad = pd.read_csv(folder / "bicimad_daily_users.csv", parse_dates=["date"]).set_index("date")
    madrid = pd.read_csv(folder / "madrid_transport_daily.csv", parse_dates=["date"]).set_index("date")
    flights = pd.read_csv(folder / "uk_daily_flights.csv")
    flights.index = pd.DatetimeIndex(pd.to_datetime(flights["Date"], format="%d/%m/%Y"))
    return [
        _plain("bike", bike[["cnt", "casual", "registered"]], "US"),
        _plain("bicimad", bicimad[["users"]], "ES"),
        _plain("madrid", madrid[["metro", "bus", "road", "train", "total"]], "ES"),
        _plain("uk", flights[["Number of flights"]], "GB"),
        hotel(folder),
    ]


def hotel(folder: Path) -> DataSet:
    """Return revenue by arrival day of a resort hotel with its book: total, members by segment, room type, channel."""
    raw = pd.read_csv(folder / "resort_hotel_bookings.csv.gz", keep_default_na=False)
    arrival = (
        raw["arrival_date_year"].astype(str)
        + " " + raw["arrival_date_month"] + " " + raw["arrival_date_day_of_month"].astype(str)
    )  # fmt: skip
    day = pd.to_datetime(arrival, format="%Y %B %d")
    nights = raw["stays_in_weekend_nights"] + raw["stays_in_week_nights"]
    cancelled = raw["is_canceled"] == 1
    bookings = pd.DataFrame(
        {
            "service_day": day,
            "booked_on": day - pd.to_timedelta(raw["lead_time"], unit="D"),
            "cancelled_on": pd.to_datetime(raw["reservation_status_date"]).where(cancelled),
            "revenue": raw["adr"].astype(float) * nights,
            "segment": raw["market_segment"],
            "room": raw["assigned_room_type"],
            "channel": raw["distribution_channel"],
        }
    )
    return booked("hotel", bookings, ("segment", "room", "channel"), "PT")


def booked(name: str, bookings: pd.DataFrame, dimensions: tuple[str, ...], country: str) -> DataSet:
    """Return the history and the book of bookings: total and members by dimension.

    bookings: service_day, booked_on, cancelled_on (NaT: not cancelled), revenue and the dimensions.
    """
    groups = {"total": bookings}
    groups |= {f"{by}={member}": rows for by in dimensions for member, rows in bookings.groupby(by)}
    days = pd.date_range(bookings["service_day"].min(), bookings["service_day"].max())
    history, on_hand = [], []
    for series, rows in groups.items():
        value = _by_day(rows[rows["cancelled_on"].isna()], days)
        if (value == 0).mean() >= MOSTLY_ZERO:
            continue
        history.append(pd.DataFrame({"series_id": series, "day": days, "value": value}))
        for lead in range(LONGEST_LEAD + 1):
            evening = rows["service_day"] - pd.Timedelta(days=lead)
            on_the_evening = rows[(rows["booked_on"] <= evening) & ~(rows["cancelled_on"] <= evening)]
            table = {
                "series_id": series,
                "service_day": days,
                "lead_days": lead,
                "value": _by_day(on_the_evening, days),
            }
            on_hand.append(pd.DataFrame(table))
    book = pd.concat(on_hand, ignore_index=True)
    return DataSet(name, pd.concat(history, ignore_index=True), _holidays(country, days), book)


def synthetic(seed: int = SEED) -> list[DataSet]:
    """Generate shops with promotions, restaurants with closed days, a marketplace that grows fivefold, and a clinic."""
    streams = np.random.default_rng(seed).spawn(4)
    return [_shops(streams[0]), _restaurants(streams[1]), _marketplace(streams[2]), _clinic(streams[3])]


def _by_day(rows: pd.DataFrame, days: pd.DatetimeIndex) -> Floats:
    return rows.groupby("service_day")["revenue"].sum().reindex(days, fill_value=0.0).to_numpy(dtype=float)


def _plain(name: str, table: pd.DataFrame, country: str) -> DataSet:
    history = table.rename_axis("day").reset_index().melt("day", var_name="series_id")
    history["value"] = history["value"].astype(float)
    return DataSet(name, history[["series_id", "day", "value"]], _holidays(country, pd.DatetimeIndex(table.index)))


def _holidays(country: str, days: pd.DatetimeIndex) -> pd.DataFrame:
    named = holidays.country_holidays(country, years=range(days.min().year, days.max().year + 2))
    return pd.DataFrame({"day": pd.to_datetime(sorted(named)), "name": [named[day] for day in sorted(named)]})


def _shops(rng: np.random.Generator, count: int = 8, length: int = 900) -> DataSet:
    days = pd.date_range("2022-03-01", periods=length)
    holiday_days = _holidays("DE", days)["day"]
    closed = days.isin(holiday_days) | (days.day_of_week == 6)
    payday = np.where(np.isin(days.day, [1, 2, 30, 31]), 1.12, 1.0)
    december = np.where((days.month == 12) & (days.day < 24), 1.3, 1.0)
    table = {}
    for shop in range(count):
        # Promotions: most second weeks, Monday to Friday; no method gets the plan.
        fortnight = (np.arange(length) // 7) % 2 == shop % 2
        promotion = fortnight & (rng.random(length // 7 + 1) < 0.85)[np.arange(length) // 7] & (days.day_of_week < 5)
        weekday = np.array([1.15, 1.0, 0.95, 0.95, 1.1, 0.9, 0.0])[days.day_of_week]
        drift = np.exp(np.cumsum(rng.normal(0.0, 0.006, length)))
        mean = 5000 * rng.lognormal(0, 0.4) * weekday * drift * payday * december * np.where(promotion, 1.35, 1.0)
        table[f"shop {shop}"] = np.where(closed, 0.0, mean * rng.lognormal(0, 0.08, length)).round()
    return _plain("shops", pd.DataFrame(table, index=days), "DE")


def _restaurants(rng: np.random.Generator, count: int = 8, length: int = 560) -> DataSet:
    days = pd.date_range("2022-01-01", periods=length)
    holiday_days = pd.DatetimeIndex(_holidays("JP", days)["day"])
    eve = days.isin(holiday_days - pd.Timedelta(days=1))
    table = {}
    for place in range(count):
        weekday = np.array([0.7, 0.75, 0.8, 0.9, 1.4, 1.5, 1.0])[days.day_of_week]
        closed = (days.day_of_week == rng.integers(0, 3)) | (days.isin(holiday_days) & (rng.random() < 0.5))
        season = 1 + 0.12 * np.sin(2 * np.pi * (days.day_of_year.to_numpy() - 80) / 365.25)
        mean = rng.lognormal(3.2, 0.5) * weekday * season * np.exp(np.cumsum(rng.normal(0, 0.008, length)))
        guests = rng.negative_binomial(6, 6 / (6 + mean * np.where(eve, 1.25, 1.0))).astype(float)
        guests[closed] = np.nan if place % 3 == 0 else 0.0  # some record a zero, some nothing
        guests[: rng.integers(0, 120)] = np.nan
        table[f"place {place}"] = guests
    whole = _plain("restaurants", pd.DataFrame(table, index=days), "JP")
    return whole._replace(history=whole.history.dropna())


def _marketplace(rng: np.random.Generator, count: int = 6, length: int = 600) -> DataSet:
    days = pd.date_range("2017-01-05", periods=length)
    weekday = np.array([1.1, 1.08, 1.04, 1.02, 1.0, 0.85, 0.9])[days.day_of_week]
    table = {}
    for member in range(count):
        growth = np.exp(np.linspace(0, np.log(5), length) + np.cumsum(rng.normal(0, 0.01, length)))
        mean = rng.lognormal(3, 0.7) * weekday * growth
        mean[(days.month == 11) & (days.day >= 23) & (days.day <= 26)] *= 2.5
        table[f"category {member}"] = rng.poisson(mean) * rng.lognormal(4, 0.1, length)
    return _plain("marketplace", pd.DataFrame(table, index=days), "BR")


def _clinic(rng: np.random.Generator, length: int = 760) -> DataSet:
    days = pd.date_range("2022-06-01", periods=length)
    weekday = np.array([1.2, 1.1, 1.0, 1.0, 1.1, 0.5, 0.0])[days.day_of_week]
    season = 1 + 0.3 * np.sin(2 * np.pi * days.day_of_year.to_numpy() / 365.25)
    growth = np.exp(np.linspace(0, 0.5, length) + np.cumsum(rng.normal(0, 0.01, length)))
    parts = []
    for service in range(6):
        position = np.repeat(np.arange(length), rng.poisson(rng.lognormal(1.5, 0.5) * weekday * season * growth))
        count = len(position)
        # Lead times: some on the day, most within weeks, a tail of months; longer for the services that plan ahead.
        lead = rng.geometric(1 / (3 + 5 * service), count) + np.where(
            rng.random(count) < 0.3, rng.integers(0, 90, count), -1
        )
        day = days[position]
        booked_on = day - pd.to_timedelta(lead, unit="D")
        is_cancelled = (rng.random(count) < 0.18) & (lead > 0)
        cancelled_on = booked_on + pd.to_timedelta((rng.random(count) * (lead + 1)).astype(int), unit="D")
        parts.append(
            pd.DataFrame(
                {
                    "service_day": day,
                    "booked_on": booked_on,
                    "cancelled_on": pd.Series(cancelled_on).where(is_cancelled),
                    "revenue": (40 + 15 * service) * rng.lognormal(0, 0.25, count),
                    "service": f"{service}",
                }
            )
        )
    return booked("clinic", pd.concat(parts, ignore_index=True), ("service",), "ES")
