"""Bookings of the sample business as CSV, in the format of `bench.accuracy --bookings`.

python -m bench.sample_bookings > bookings.csv
"""

import sys
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from sources import lifecycle
from sources.simulate import simulate
from sources.simulate.business import BUSINESSES
from sources.simulate.calendar import day_number

AS_OF: Final = date(2026, 10, 31)  # fixed, so that every run measures the same
BOOKINGS, DAYS, SEED = 20_000, 730, 7  # as `hub sample` makes them


def bookings() -> pd.DataFrame:
    """Return the bookings that are or were on hand.

    Columns: business, country, service_day, booked_on, cancelled_on (empty: not cancelled), revenue, service.
    """
    rng = np.random.default_rng([SEED, AS_OF.toordinal(), BOOKINGS, DAYS])
    parts = []
    for business in BUSINESSES:
        world = simulate(business, rng, round(BOOKINGS * business.share), DAYS, day_number(AS_OF), {})
        rows = world.rows["bookings"]
        frame = pd.DataFrame(
            {
                "business": business.slug,
                "country": business.country,
                **{
                    name: _local_day(rows[column], business.timezone)
                    for name, column in (
                        ("service_day", "scheduled_start"),
                        ("booked_on", "created_at"),
                        ("cancelled_on", "cancelled_at"),
                    )
                },
                "revenue": np.asarray(rows["total_amount"], dtype=float) / 100,
                "service": np.asarray(rows["service_id"]).astype(str),
                "status": rows["status"],
            }
        )
        is_firm = ~frame["status"].isin(lifecycle.PENDING) & frame["service_day"].notna()
        parts.append(frame[is_firm & (frame["service_day"] <= pd.Timestamp(AS_OF))].drop(columns="status"))
    return pd.concat(parts, ignore_index=True)


def _local_day(moments: object, timezone: str) -> pd.Series:
    stamps = pd.Series(pd.to_datetime(np.asarray(moments), utc=True))
    return stamps.dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize()


if __name__ == "__main__":
    bookings().to_csv(sys.stdout, index=False)
