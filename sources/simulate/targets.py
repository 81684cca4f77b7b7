"""Targets that each organisation sets itself: bookings and realized revenue a month."""

from dataclasses import replace
from typing import Final

import numpy as np

from sources.simulate.bookings import Orders
from sources.simulate.calendar import DAY
from sources.simulate.people import World

MONTH_DAYS: Final = 365.25 / 12
AMBITION: Final = 1.05  # of a month of the history
ROUNDED_TO: Final = 10
HUNDREDTHS: Final = 100  # numbers with decimals are written in hundredths


def add_targets(world: World, orders: Orders) -> None:
    """Add metric_targets: a month's mean of the bookings made and of their amounts, and a little more.

    Their ids are of random numbers that no other row depends on.
    """
    own_world = replace(world, rng=np.random.default_rng([world.as_of, world.first_day, len(orders)]))
    months = (world.as_of - world.first_day + 1) / MONTH_DAYS
    means = np.array([len(orders), orders.amount.sum() / 100]) / months
    written = np.full(len(means), world.first_day * DAY)
    own_world.add_rows(
        "metric_targets", own_world.new_ids(written), written, written,
        metric=np.array(["bookings_created", "realized_revenue"], dtype=object), dimension="total", member="all",
        grain="month", starts_on=np.full(len(means), world.first_day).astype("datetime64[D]"),
        target=np.maximum(np.round(means * AMBITION / ROUNDED_TO) * ROUNDED_TO, ROUNDED_TO) * HUNDREDTHS,
    )  # fmt: skip
