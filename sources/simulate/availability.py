"""Availability of the providers of a simulated organisation: weekdays, vacations, illnesses, hours, a known event."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sources.simulate.calendar import DAY, HOUR, Floats, Ints, Texts, weekday
from sources.simulate.people import People, World

VACATIONS: Final = ((215, 14), (95, 5), (355, 7))  # day of the year around which they begin, number of days
VACATION_SPREAD: Final = 18  # days: vacations begin up to this much earlier or later
VACATION_KNOWN: Final = 60  # days from the entry of a vacation to its beginning
PLANNED_AHEAD: Final = 90  # days after as_of up to which vacations are entered
ILLNESSES_PER_YEAR: Final = 2.5
ILLNESS_DAYS: Final = (1, 4)  # from, up to but not including
FAIR: Final = "Trade fair"
FAIR_AHEAD, FAIR_DAYS, FAIR_KNOWN = 21, 3, 10  # days: from as_of to the fair, its length, since it was entered


@dataclass(frozen=True)
class Absences:
    """Absences, one item each."""

    provider: Ints  # position in People
    first: Ints  # day number
    last: Ints  # day number
    reason: Texts
    entered: Ints  # local


def plan_absences(world: World, people: People) -> Absences:
    """Return the vacations and short illnesses of each provider since joining."""
    # A random generator of its own: the rest of the business does not depend on the absences' random numbers.
    (rng,) = world.rng.spawn(1)
    rows = []
    years = range(_year(world.first_day), _year(world.as_of + PLANNED_AHEAD) + 1)
    for provider, joined in enumerate(people.joined.tolist()):
        for year in years:
            new_year = int(np.datetime64(f"{year}-01-01", "D").astype(np.int64))
            for begins, days in VACATIONS:
                first = new_year + begins + int(rng.integers(-VACATION_SPREAD, VACATION_SPREAD + 1))
                entered = max((first - VACATION_KNOWN) * DAY, joined * DAY) + 10 * HOUR
                if joined < first <= world.as_of + PLANNED_AHEAD and entered < world.now:
                    rows.append((provider, first, first + days - 1, "Vacation", entered))
        illnesses = rng.poisson(ILLNESSES_PER_YEAR * max(world.as_of - joined, 0) / 365)
        for first in rng.integers(joined + 1, max(world.as_of, joined + 2), illnesses).tolist():
            days = int(rng.integers(*ILLNESS_DAYS))
            rows.append((provider, first, first + days - 1, "Illness", first * DAY + 8 * HOUR))
    return _absences([row for row in rows if row[4] < world.now])


def _absences(rows: list[tuple[int, int, int, str, int]]) -> Absences:
    columns = list(zip(*rows, strict=True)) or [()] * 5
    provider, first, last, entered = (np.array(columns[index], dtype=np.int64) for index in (0, 1, 2, 4))
    return Absences(provider, first, last, np.array(columns[3], dtype=object), entered)


def _year(day: int) -> int:
    year: int = np.datetime64(day, "D").astype(object).year
    return year


def free_hours(world: World, people: People, absences: Absences) -> Floats:
    """Return the hours of each provider (row) on each day of the calendar (column) before anything is booked."""
    calendar = world.calendar
    days = np.arange(calendar.first, calendar.first + len(calendar.open_for))
    hours = np.minimum(people.capacity[:, None], calendar.open_for / HOUR)
    hours = np.where(people.works_on[:, weekday(days)] & (people.joined[:, None] <= days), hours, 0.0)
    for provider, first, last in zip(absences.provider, absences.first, absences.last, strict=True):
        hours[provider, first - calendar.first : last + 1 - calendar.first] = 0.0
    return hours


def add_absences(world: World, people: People, absences: Absences, ill_provider: int) -> None:
    """Add provider_absences: the absences, and the long illness where the business has one."""
    provider, first, last, reason, entered = (
        absences.provider, absences.first, absences.last, absences.reason, absences.entered,
    )  # fmt: skip
    if illness := world.incidents.get("provider_illness"):
        provider, first, last = (
            np.append(values, value)
            for values, value in ((provider, ill_provider), (first, illness.first), (last, illness.last))
        )
        reason, entered = np.append(reason, "Illness"), np.append(entered, illness.first * DAY + 8 * HOUR)
    world.add_rows(
        "provider_absences", world.new_ids(entered), entered, entered, provider_id=people.providers[provider],
        starts_on=first.astype("datetime64[D]"), ends_on=last.astype("datetime64[D]"), reason=reason,
    )  # fmt: skip


def add_calendar_events(world: World) -> None:
    """Add one coming event in town, which no booking depends on, with random numbers that no other row depends on."""
    own_world = replace(world, rng=np.random.default_rng([world.as_of, world.first_day, FAIR_DAYS]))
    entered = np.array([max(world.as_of - FAIR_KNOWN, world.first_day) * DAY + 10 * HOUR])
    first = np.array([world.as_of + FAIR_AHEAD])
    own_world.add_rows(
        "calendar_events", own_world.new_ids(entered), entered, entered, kind="event", title=FAIR,
        starts_on=first.astype("datetime64[D]"), ends_on=(first + FAIR_DAYS - 1).astype("datetime64[D]"),
    )  # fmt: skip
