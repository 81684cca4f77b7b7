"""Incidents of the sample business, good and bad: planned by date, and recorded as ground truth for the detector."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources.simulate.calendar import DAY, OPEN_FOR, Bools, Calendar, Ints

PRICE_RISE: Final = 1.6
CAMPAIGN_LIFT: Final = 2.3
INTAKE_LEFT: Final = 0.06  # share of a service's bookings that are still made while its form is broken
BURST_SHARE: Final = 0.55  # share of the bookings on hand that a burst cancels
PAYMENTS_HIT: Final = 0.96  # share of the payments due during an outage that fail
HANDED_OVER: Final = 0.6  # share of an ill provider's bookings that a colleague takes
SETTLING_DAYS: Final = 14  # least days of history before an incident


@dataclass(frozen=True)
class Plan:
    """A planned incident, by days before as_of."""

    slug: str
    kind: str
    days_ago: int
    days: int
    description: str
    rises: tuple[str, ...] = ()  # metrics of kpi_daily
    falls: tuple[str, ...] = ()
    dimension: str = "total"
    on_workdays: bool = False  # moved back until each of its days is an open weekday


PLANS: Final = (
    Plan("estudio-meridiano", "price_change", 42, 28,
         "The price of {member} rises by 60 percent and stays; its first four weeks are marked.",
         rises=("booked_revenue",), dimension="service"),
    Plan("estudio-meridiano", "provider_illness", 75, 14,
         "{member} falls ill: colleagues take over some of the bookings, the others wait.",
         falls=("tracked_hours", "bookings_completed"), dimension="provider"),
    Plan("estudio-meridiano", "payment_outage", 1, 2,
         "The card processor refuses nearly every payment for two days.",
         rises=("failed_payments",), falls=("collected_revenue",)),
    Plan("harbor-and-pine", "payment_outage", 130, 2,
         "The card processor refuses nearly every payment for two days.",
         rises=("failed_payments",), falls=("collected_revenue",), on_workdays=True),
    Plan("harbor-and-pine", "intake_outage", 85, 7,
         "The booking form of {member} is broken: hardly a booking comes in.",
         falls=("bookings_created", "booked_revenue"), dimension="service"),
    Plan("harbor-and-pine", "campaign", 45, 10,
         "A campaign more than doubles the bookings for ten days.",
         rises=("bookings_created", "booked_revenue")),
    Plan("harbor-and-pine", "tracking_outage", 24, 3,
         "The time tracker is down: no hours are recorded for three days.",
         falls=("tracked_hours",), on_workdays=True),
    Plan("harbor-and-pine", "cancellation_burst", 5, 2,
         "A storm warning: more than half of the bookings on hand are called off.",
         rises=("bookings_cancelled",), on_workdays=True),
)  # fmt: skip


@dataclass(frozen=True)
class Incident:
    """A plan with its first and last day as day numbers, both included."""

    plan: Plan
    first: int
    last: int

    @property
    def until(self) -> int:
        """The local moment (seconds) at which it ends."""
        return (self.last + 1) * DAY

    def covers(self, local: Ints) -> Bools:
        """Return True for each local moment that falls on one of its days."""
        return (local >= self.first * DAY) & (local < self.until)


def plan_incidents(slug: str, calendar: Calendar, first_day: int, as_of: int) -> dict[str, Incident]:
    """Return the incidents of one organisation by kind, without those before its history."""
    placed = {}
    for plan in PLANS:
        first = as_of - plan.days_ago
        if plan.slug != slug or first < first_day + SETTLING_DAYS:
            continue
        while plan.on_workdays and not _are_workdays(calendar, first, plan.days):
            first -= 1
        placed[plan.kind] = Incident(plan, first, first + plan.days - 1)
    return placed


def _are_workdays(calendar: Calendar, first: int, days: int) -> bool:
    span = slice(first - calendar.first, first - calendar.first + days)
    return bool(np.all(calendar.open_for[span] == OPEN_FOR.max()))
