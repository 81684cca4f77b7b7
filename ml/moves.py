"""Moves: bookings of overloaded days that a colleague, or the same provider on another day, has free hours for."""

from typing import Final

import pandas as pd

COLUMNS: Final = ("booking_id", "provider_id", "day", "to_provider_id", "to_day", "hours", "free_hours")
ENOUGH_HOURS: Final = 1.0  # an overload of up to an hour is a long day, and needs no move
FARTHEST_DAYS: Final = 7  # a client is asked to come up to a week earlier or later


def moves(bookings: pd.DataFrame, loads: pd.DataFrame, skills: pd.DataFrame) -> pd.DataFrame:
    """Return the moves that bring overloaded days to their available hours, the most overloaded day first.

    bookings: booking_id, provider_id, service_id, day, hours of those that can be moved (of one day, not begun);
    loads: provider_id, day, free_hours, overload_hours, of each coming day; skills: provider_id, service_id of services
    that a provider has done. Of an overloaded day, the shortest booking that ends the overload is moved, else the
    longest ones. A colleague on the same day comes before another day of the same provider. Free hours are used once.
    Returns COLUMNS; free_hours is what the receiving day had free before the move.
    """
    free = {(row.provider_id, row.day): float(row.free_hours) for row in loads.itertuples()}
    skilled = skills.groupby("service_id")["provider_id"].agg(sorted).to_dict()
    overloads = loads[loads["overload_hours"] > ENOUGH_HOURS]
    found = []
    for overload in overloads.sort_values(["overload_hours", "day", "provider_id"], ascending=[False, True, True]).itertuples():
        is_here = (bookings["provider_id"] == overload.provider_id) & (bookings["day"] == overload.day)
        waiting = bookings[is_here].sort_values(["hours", "booking_id"])
        beyond = float(overload.overload_hours)
        while beyond > ENOUGH_HOURS and len(waiting):
            ending = waiting[waiting["hours"] >= beyond - ENOUGH_HOURS]
            booking = ending.iloc[0] if len(ending) else waiting.iloc[-1]
            waiting = waiting[waiting["booking_id"] != booking["booking_id"]]
            place = _place(booking, free, skilled.get(booking["service_id"], []))
            if place is None:
                continue
            found.append(
                (booking["booking_id"], overload.provider_id, overload.day, *place, booking["hours"], free[place])
            )
            free[place] -= float(booking["hours"])
            beyond -= float(booking["hours"])
    return pd.DataFrame(found, columns=list(COLUMNS))


def _place(
    booking: "pd.Series[object]", free: dict[tuple[object, object], float], skilled: list[object]
) -> tuple[object, object] | None:
    """Return the provider and day with the most free hours that fit: a colleague's, else the nearest own day."""
    provider, day, hours = booking["provider_id"], pd.Timestamp(str(booking["day"])), float(str(booking["hours"]))
    colleagues = [
        (free.get((colleague, booking["day"]), 0.0), colleague) for colleague in skilled if colleague != provider
    ]
    if colleagues:
        most, colleague = max(colleagues, key=lambda each: (each[0], str(each[1])))
        if most >= hours:
            return colleague, booking["day"]
    own = [
        (abs((pd.Timestamp(str(other)) - day).days), other)
        for (owner, other), hours_free in free.items()
        if owner == provider and other != booking["day"] and hours_free >= hours
    ]
    near = [each for each in own if each[0] <= FARTHEST_DAYS]
    return (provider, min(near)[1]) if near else None  # type: ignore[type-var]
