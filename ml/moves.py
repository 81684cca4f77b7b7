"""Moves: bookings of overloaded days that a colleague, or the same provider on another day, has free hours for."""

from collections import defaultdict
from typing import Any, Final

import pandas as pd

COLUMNS: Final = ("booking_id", "provider_id", "day", "to_provider_id", "to_day", "hours", "free_hours")
ENOUGH_HOURS: Final = 1.0  # an overload of up to an hour is a long day, and needs no move
FARTHEST_DAYS: Final = 7  # a client is asked to come up to a week earlier or later

_Place = tuple[str, Any]  # a provider and a day


def moves(bookings: pd.DataFrame, loads: pd.DataFrame, skills: pd.DataFrame) -> pd.DataFrame:
    """Return the moves that bring overloaded days to their available hours, the most overloaded day first.

    bookings: booking_id, provider_id, service_id, day, hours of those that can be moved (of one day, not begun);
    loads: provider_id, day, free_hours, overload_hours, of each coming day; skills: provider_id, service_id of services
    that a provider has done. Of an overloaded day, the shortest booking that ends the overload is moved, else the
    longest ones. A colleague on the same day comes before another day of the same provider. Free hours are used once.
    Returns COLUMNS; free_hours is what the receiving day had free before the move.
    """
    free: dict[_Place, float] = {}
    overloads: list[tuple[float, Any, str]] = []
    for load in loads.to_dict("records"):
        place = (str(load["provider_id"]), load["day"])
        free[place] = float(load["free_hours"])
        if load["overload_hours"] > ENOUGH_HOURS:
            overloads.append((-float(load["overload_hours"]), load["day"], place[0]))
    skilled: defaultdict[str, list[str]] = defaultdict(list)
    for skill in skills.to_dict("records"):
        skilled[str(skill["service_id"])].append(str(skill["provider_id"]))
    of_place: defaultdict[_Place, list[dict[Any, Any]]] = defaultdict(list)
    for booking in bookings.sort_values(["hours", "booking_id"]).to_dict("records"):
        of_place[(str(booking["provider_id"]), booking["day"])].append(booking)
    found = []
    for overload, day, provider in sorted(overloads):
        beyond, waiting = -overload, list(of_place[(provider, day)])
        while beyond > ENOUGH_HOURS and waiting:
            booking = next((each for each in waiting if each["hours"] >= beyond - ENOUGH_HOURS), waiting[-1])
            waiting.remove(booking)
            target = _target(provider, day, float(booking["hours"]), skilled[str(booking["service_id"])], free)
            if target is not None:
                found.append((booking["booking_id"], provider, day, *target, booking["hours"], free[target]))
                free[target] -= float(booking["hours"])
                beyond -= float(booking["hours"])
    return pd.DataFrame(found, columns=list(COLUMNS))


def _target(provider: str, day: Any, hours: float, skilled: list[str], free: dict[_Place, float]) -> _Place | None:
    """Return the colleague with the most free hours on the day, else the nearest own day; None: no place."""
    colleagues = [(free.get((each, day), 0.0), each) for each in skilled if each != provider]
    most, colleague = max(colleagues, default=(0.0, ""))
    if colleague and most >= hours:
        return colleague, day
    own = [
        (abs((pd.Timestamp(other) - pd.Timestamp(day)).days), other)
        for (owner, other), free_hours in free.items()
        if owner == provider and other != day and free_hours >= hours
    ]
    distance, nearest = min(own, default=(FARTHEST_DAYS + 1, day))
    return (provider, nearest) if distance <= FARTHEST_DAYS else None
