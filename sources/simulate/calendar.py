"""The working time of a simulated organisation, and conversions from its wall clock.

Moments are int64 seconds on one of two clocks. *Local*: wall-clock seconds since 1970-01-01 00:00 in the organisation's
zone. *Worked*: seconds during which the organisation was open since the calendar began; work is planned in worked time,
so that nights, Sundays and holidays need no special treatment.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ids = NDArray[np.bytes_]
Texts = NDArray[np.object_]
Times = NDArray[np.datetime64]

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
NEVER: Final = 2**60

# Opening second of the day and seconds open, Monday to Sunday.
OPENS: Final = np.array([9, 9, 9, 9, 9, 10, 9]) * HOUR
OPEN_FOR: Final = np.array([9, 9, 9, 9, 9, 3, 0]) * HOUR


def day_number(day: date) -> int:
    """Return the days since 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def weekday(days: Ints) -> Ints:
    """Return 0 for Monday to 6 for Sunday, of days since 1970-01-01 (a Thursday)."""
    return (days + 3) % 7


@dataclass(frozen=True)
class Calendar:
    """Opening hours of each day from `first` on; every array is indexed by day minus `first`."""

    timezone: str
    first: int
    is_holiday: Bools
    opens: Ints
    open_for: Ints
    worked_before: Ints

    def worked(self, local: Ints) -> Ints:
        """Return the worked time at a local moment; a closed moment counts as the next opening."""
        day = local // DAY - self.first
        since_opening = local % DAY - self.opens[day]
        worked: Ints = self.worked_before[day] + np.clip(since_opening, 0, self.open_for[day])
        return worked

    def local(self, worked: Ints) -> Ints:
        """Return the local moment at which `worked` is reached; at closing time, the next opening."""
        day = np.searchsorted(self.worked_before, worked, side="right") - 1
        return (self.first + day) * DAY + self.opens[day] + worked - self.worked_before[day]

    def local_end(self, worked: Ints) -> Ints:
        """Return the local moment at which `worked` is reached; at closing time, closing time."""
        return self.local(worked - 1) + 1

    def left_today(self, worked: Ints) -> Ints:
        """Return the seconds from `worked` until closing time of that day."""
        day = np.searchsorted(self.worked_before, worked, side="right") - 1
        return self.worked_before[day] + self.open_for[day] - worked

    def utc(self, local: Ints) -> Times:
        """Return `local` as UTC without zone, datetime64[s]; NEVER becomes NaT."""
        wall = np.where(local >= NEVER, np.iinfo(np.int64).min, local).astype("datetime64[s]")
        zoned = pd.DatetimeIndex(wall).tz_localize(self.timezone, ambiguous=False, nonexistent="shift_forward")
        return zoned.tz_convert(None).to_numpy().astype("datetime64[s]")


def make_calendar(timezone: str, country: str, first: int, days: int) -> Calendar:
    """Return the calendar of `days` days from day number `first`, with the public holidays of `country`."""
    numbers = np.arange(first, first + days)
    dates = numbers.astype("datetime64[D]")
    years = range(dates[0].item().year, dates[-1].item().year + 1)
    observed = np.array(sorted(holidays.country_holidays(country, years=years)), dtype="datetime64[D]")
    is_holiday = np.isin(dates, observed)
    open_for = np.where(is_holiday, 0, OPEN_FOR[weekday(numbers)])
    return Calendar(
        timezone=timezone,
        first=first,
        is_holiday=is_holiday,
        opens=OPENS[weekday(numbers)],
        open_for=open_for,
        worked_before=np.concatenate([[0], np.cumsum(open_for)[:-1]]),
    )


def in_daytime(local: Ints) -> Ints:
    """Return moments of the same day with its 24 hours mapped to 08:00 to 22:00, for payments and reviews."""
    return local // DAY * DAY + 8 * HOUR + local % DAY * 14 // 24
