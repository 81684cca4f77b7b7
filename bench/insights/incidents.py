"""The incidents that strike made businesses: how long, whom, which metrics show them, and what they change.

Each function takes bookings (or records) and returns them with the incident. All that is random in it comes from draws
of the bookings themselves or from a generator of the incident alone, so that a world with the incident and one without
it differ by the incident only.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np
import pandas as pd

from bench.insights.businesses import Kind

DAY: Final = 86_400
CAMPAIGN_LIFT: Final = 2.3
GROUP_BOOKINGS: Final = 1.5  # bookings of the large group, in usual days of the business
CALLED_OFF: Final = 0.55  # share of the bookings on hand that a burst cancels
LOST: Final = 0.95  # share of the bookings through a broken form, or of a lost channel or client group
FALL: Final = 0.55  # share of the demand that is lost at the end of a slow fall
FALL_DAYS: Final = 28
PRICE_FACTORS: Final = {"price_rise": 1.6, "price_cut": 0.6}
REFUSED: Final = 0.96
MISSED: Final = 0.5
MOVED, HANDED_OVER = 0.55, 0.8  # of an ill provider's bookings; the rest is cancelled

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Sort:
    """One sort of incident. roots: the metrics that name it, with their direction; of a ratio, its numerator.

    driver: the dimension of the member that it strikes; money: the metric whose change is its money; ratio: numerator
    and denominator of a ratio that shows it.
    """

    days: int
    roots: dict[str, Direction]
    money: str | None
    driver: str | None = None
    ratio: tuple[str, str] | None = None


AVERAGE_VALUE: Final = ("booked_revenue", "bookings_created")
SORTS: Final = {
    "campaign": Sort(10, {"bookings_created": "up"}, "booked_revenue"),
    "large_group": Sort(1, {"bookings_created": "up"}, "booked_revenue", "client_group"),
    "broken_form": Sort(7, {"bookings_created": "down"}, "booked_revenue", "service"),
    "lost_channel": Sort(21, {"bookings_created": "down"}, "booked_revenue", "channel"),
    "lost_group": Sort(21, {"bookings_created": "down"}, "booked_revenue", "client_group"),
    "slow_fall": Sort(FALL_DAYS + 10, {"bookings_created": "down"}, "booked_revenue"),
    "price_rise": Sort(28, {"booked_revenue": "up"}, "booked_revenue", "service", AVERAGE_VALUE),
    "price_cut": Sort(28, {"booked_revenue": "down"}, "booked_revenue", "service", AVERAGE_VALUE),
    "cancellation_burst": Sort(2, {"bookings_cancelled": "up"}, "cancelled_amount"),
    "no_show_wave": Sort(3, {"no_shows": "up", "services_missed": "up"}, "cancelled_amount"),
    "provider_illness": Sort(
        10,
        {"tracked_hours": "down", "bookings_completed": "down", "realized_revenue": "down", "booked_hours": "down"},
        "realized_revenue",
        "provider",
    ),
    "closure": Sort(
        2,
        {"realized_revenue": "down", "bookings_completed": "down", "tracked_hours": "down", "booked_hours": "down"},
        "realized_revenue",
    ),
    "payment_outage": Sort(2, {"failed_payments": "up"}, "collected_revenue"),
    "tracker_outage": Sort(3, {"tracked_hours": "down"}, None),
    "double_invoices": Sort(2, {"invoiced_revenue": "up"}, "invoiced_revenue"),
}


@dataclass(frozen=True)
class Incident:
    """One incident of one business, by its position among them; member: the service, provider, ... that it strikes."""

    position: int
    sort: str
    first: int  # days since 1970-01-01, as is last
    last: int
    member: str | None

    @property
    def first_day(self) -> date:
        return date(1970, 1, 1) + timedelta(self.first)

    @property
    def last_day(self) -> date:
        return date(1970, 1, 1) + timedelta(self.last)

    def covers(self, moments: pd.Series) -> pd.Series:
        """Return True for each moment (local seconds) on one of its days."""
        return (moments >= self.first * DAY) & (moments < (self.last + 1) * DAY)


def plan(kind: Kind, sorts: list[str], starts: list[int]) -> list[Incident]:
    """Return the incidents of a business: one of `sorts` at each of `starts`, with the members that they strike."""
    incidents = []
    for position, (sort, start) in enumerate(zip(sorts, starts, strict=True)):
        first = start - FALL_DAYS if sort == "slow_fall" else start
        incidents.append(Incident(position, sort, first, first + SORTS[sort].days - 1, _member(kind, sort)))
    return incidents


def _member(kind: Kind, sort: str) -> str | None:
    """Return the member that the incident strikes: the largest of its dimension, of client groups the second one."""
    match SORTS[sort].driver:
        case "service":
            return kind.services[0].name
        case "provider":
            return "Provider 1"
        case "channel":
            return next(iter(kind.channels))
        case "client_group":
            return list(kind.groups)[-1 if sort == "large_group" else 1]
    return None


def change_demand(bookings: pd.DataFrame, incident: Incident, struck: pd.Series) -> pd.DataFrame:
    """Return the bookings that are made, at their prices. struck: True for the bookings of the member."""
    during = incident.covers(bookings["created"])
    match incident.sort:
        case "broken_form" | "lost_channel" | "lost_group":
            return bookings[~(during & struck & (bookings["u_kept"] < LOST))]
        case "slow_fall":
            begun = (bookings["created"] // DAY - incident.first) / FALL_DAYS
            return bookings[~(during & (bookings["u_kept"] < FALL * begun.clip(0, 1)))]
        case "price_rise" | "price_cut":
            factor = np.where(during & struck, PRICE_FACTORS[incident.sort], 1.0)
            return bookings.assign(amount=(bookings["amount"] * factor).round(2))
    return bookings


def change_delivery(bookings: pd.DataFrame, incident: Incident, struck: pd.Series, providers: int) -> pd.DataFrame:
    """Return the bookings with what happens to them: cancelled, missed, moved or handed over."""
    changed = bookings.copy()
    random = np.random.default_rng(incident.first)
    draw = pd.Series(random.random(int(changed.index.max()) + 1))[changed.index]
    if incident.sort == "cancellation_burst":
        at = (incident.first + (draw > CALLED_OFF / 2)) * DAY + 9 * 3600 + (draw * 10_007 % 1 * 8 * 3600).astype(int)
        is_on_hand = (changed["created"] < incident.first * DAY) & (changed["start"] > (incident.last + 1) * DAY)
        is_hit = is_on_hand & (draw < CALLED_OFF) & ~(changed["cancelled"] <= at)
        changed.loc[is_hit, "cancelled"] = at[is_hit]
    elif incident.sort == "no_show_wave":
        changed.loc[incident.covers(changed["start"]) & (draw < MISSED), "is_missed"] = True
    elif incident.sort in ("closure", "provider_illness"):
        moment = np.maximum(changed["created"] + 3600, incident.first * DAY + 7 * 3600)
        is_hit = incident.covers(changed["start"]) & struck & ~(changed["cancelled"] <= moment)
        is_moved = is_hit & ((incident.sort == "closure") | (draw < MOVED))
        weeks = 1 if incident.sort == "closure" else -(-(incident.last - incident.first + 1) // 7)
        changed.loc[is_moved, "moved_at"] = moment[is_moved]
        changed.loc[is_moved, "start_before"] = changed.loc[is_moved, "start"]
        changed.loc[is_moved, "start"] += weeks * 7 * DAY
        is_handed_over = is_hit & ~is_moved & (draw < HANDED_OVER)
        changed.loc[is_handed_over, "moved_at"] = moment[is_handed_over]
        changed.loc[is_handed_over, "provider"] = 1 + (draw[is_handed_over] * 10_007).astype(int) % max(
            1, providers - 1
        )
        is_cancelled = is_hit & ~is_moved & ~is_handed_over
        changed.loc[is_cancelled, "cancelled"] = moment[is_cancelled]
    return changed


def change_invoices(invoices: pd.DataFrame, incident: Incident) -> pd.DataFrame:
    """Return the invoices (booking, issued, amount, copy), doubled on the days of double invoices."""
    if incident.sort != "double_invoices":
        return invoices
    doubled = invoices[incident.covers(invoices["issued"])]
    return pd.concat([invoices, doubled.assign(copy=1, issued=doubled["issued"] + 600)], ignore_index=True)


def change_payments(payments: pd.DataFrame, incident: Incident) -> pd.DataFrame:
    """Return the payments (booking, attempted, retried, u_outage); retried: the moment of success after a failure."""
    if incident.sort != "payment_outage":
        return payments
    refused = incident.covers(payments["attempted"]) & (payments["u_outage"] < REFUSED)
    later = (incident.last + 2) * DAY + 10 * 3600 + (payments["u_outage"] * 6 * 3600).astype(int)
    return payments.assign(retried=payments["retried"].where(~refused, later))


def change_hours(hours: pd.DataFrame, incident: Incident) -> pd.DataFrame:
    """Return the time entries (booking, started, hours) that are recorded."""
    return hours[~incident.covers(hours["started"])] if incident.sort == "tracker_outage" else hours
