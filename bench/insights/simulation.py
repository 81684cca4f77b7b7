"""Made businesses: bookings drawn day by day, and the records that follow from them, with any set of incidents."""

from dataclasses import dataclass
from typing import Final

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.insights import incidents as changes
from bench.insights.businesses import Kind
from bench.insights.incidents import CAMPAIGN_LIFT, DAY, GROUP_BOOKINGS, Incident

HOUR: Final = 3600
DAY_NOISE: Final = 0.08  # standard deviation of the logarithm of a day's demand, beyond chance
PRICE_NOISE: Final = 0.08
LEAD_SHAPE: Final = 1.4
ATTEMPTS: Final = 10  # to find an open day
NEVER: Final = np.iinfo(np.int64).max
NIGHTS: Final = 1.2  # mean of the nights beyond the first one, where services last overnight
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Business:
    """A made business: what it is, its days, and the bookings that it would have, with those that incidents add."""

    kind: Kind
    slug: str
    seed: int
    first: int  # days since 1970-01-01, as is last
    last: int
    incidents: list[Incident]
    drawn: pd.DataFrame


@dataclass(frozen=True)
class World:
    """All that happens to a business with a set of incidents. Moments are local seconds; NEVER: it does not happen."""

    bookings: pd.DataFrame
    invoices: pd.DataFrame
    payments: pd.DataFrame
    hours: pd.DataFrame


def draw(kind: Kind, slug: str, seed: int, first: int, last: int, incidents: list[Incident]) -> Business:
    """Draw a business with its bookings from `first` to `last`, and those that its incidents add."""
    random = np.random.default_rng([seed, *slug.encode()])
    per_day = random.uniform(*kind.per_day)
    demand = _demand(kind, random, first, last, per_day)
    counts = random.poisson(demand)
    frames = [_bookings(kind, random, np.repeat(np.arange(first, last + 1), counts)).assign(added_by=-1)]
    for incident in incidents:
        own = np.random.default_rng([seed, incident.position, *slug.encode()])
        days = np.arange(incident.first, incident.last + 1)
        if incident.sort == "campaign":
            extra = own.poisson((CAMPAIGN_LIFT - 1) * demand[days - first])
            frames.append(_bookings(kind, own, np.repeat(days, extra)).assign(added_by=incident.position))
        elif incident.sort == "large_group":
            group = _bookings(kind, own, np.repeat(days, round(GROUP_BOOKINGS * per_day)))
            start = _open_day(kind, own, np.array([incident.first + 25]))[0]
            frames.append(
                group.assign(
                    added_by=incident.position, group=list(kind.groups).index(str(incident.member)), client=-1,
                    service=0, start=start * DAY + group["start"] % DAY, amount=kind.services[0].price,
                    u_cancelled=1.0, u_missed=1.0,
                )
            )  # fmt: skip
    return Business(kind, slug, seed, first, last, incidents, pd.concat(frames, ignore_index=True))


def build(business: Business, incidents: list[Incident]) -> World:
    """Return what happens with these incidents of the business."""
    kind, random = business.kind, np.random.default_rng(business.seed)
    present = [-1, *(incident.position for incident in incidents)]
    bookings = business.drawn[business.drawn["added_by"].isin(present)]
    for incident in incidents:
        bookings = changes.change_demand(bookings, incident, _struck(kind, bookings, incident))
    bookings = _outcomes(kind, bookings)
    for incident in incidents:
        struck = _struck(kind, bookings, incident)
        bookings = changes.change_delivery(bookings, incident, struck, kind.providers)
    ends = bookings["start"] + (bookings["hours"] * HOUR).astype(int)
    is_cancelled = bookings["cancelled"] < bookings["start"]
    missed = bookings["start"] + HOUR // 2
    bookings = bookings.assign(
        completed=(ends + 600).where(~is_cancelled & ~bookings["is_missed"], NEVER),
        cancelled=bookings["cancelled"].where(is_cancelled, missed.where(bookings["is_missed"], NEVER)),
        is_missed=bookings["is_missed"] & ~is_cancelled,
    )
    done = bookings[bookings["completed"] < NEVER]
    draws = pd.DataFrame(random.random((int(business.drawn.index.max()) + 1, 3)))[[0, 1, 2]].loc[done.index]
    issued = done["completed"] + (draws[0] * 20 * HOUR).astype(int)
    invoices = pd.DataFrame({"booking": done.index, "issued": issued, "amount": done["amount"], "copy": 0})
    paid_after = (-np.log1p(-draws[1]) * kind.pays_after * DAY).astype(int)
    fails = done["u_failed"] < kind.failing
    attempted = issued + HOUR + paid_after
    payments = pd.DataFrame(
        {
            "booking": done.index, "amount": done["amount"], "attempted": attempted, "u_outage": draws[2],
            "retried": (attempted + 2 * DAY).where(fails, NEVER),
        }
    )  # fmt: skip
    worked = done["hours"] * done["work"] if kind.tracks_hours else done["hours"][:0]
    hours = pd.DataFrame({"booking": worked.index, "started": done["start"][worked.index], "hours": worked.round(2)})
    for incident in incidents:
        invoices = changes.change_invoices(invoices, incident)
        payments = changes.change_payments(payments, incident)
        hours = changes.change_hours(hours, incident)
    return World(bookings, invoices, payments, hours)


def holidays_of(kind: Kind, first: int, last: int) -> NDArray[np.bool_]:
    """Return True for each day from `first` to `last` that is a public holiday."""
    days = pd.to_datetime(np.arange(first, last + 1), unit="D")
    names = holidays.country_holidays(kind.country, years=range(days[0].year, days[-1].year + 1))
    return np.array([day.date() in names for day in days])


def _demand(kind: Kind, random: np.random.Generator, first: int, last: int, per_day: float) -> Floats:
    days = np.arange(first, last + 1)
    of_year = pd.to_datetime(days, unit="D").dayofyear.to_numpy()
    weekdays = np.array(kind.booking_days)[(days + 3) % 7]  # 1970-01-01 was a Thursday
    season = 1 + kind.season * np.cos(2 * np.pi * (of_year - kind.peak) / 365.25)
    growth = random.uniform(*kind.growth) ** ((days - first) / 365.25)
    on_holidays = np.where(holidays_of(kind, first, last), kind.holiday, 1.0)
    noise = random.lognormal(0, DAY_NOISE, len(days))
    return np.asarray(per_day * weekdays / np.mean(kind.booking_days) * season * growth * on_holidays * noise)


def _bookings(kind: Kind, random: np.random.Generator, days: NDArray[np.int64]) -> pd.DataFrame:
    """Return one booking for each of `days`, with all that is drawn for it."""
    size = len(days)
    shares = np.array([service.share for service in kind.services])
    service = random.choice(len(shares), size, p=shares / shares.sum())
    created = days * DAY + 8 * HOUR + (random.beta(1.5, 1.7, size) * 12 * HOUR).astype(np.int64)
    mean_leads = np.array([offer.lead for offer in kind.services])[service]
    leads = random.gamma(LEAD_SHAPE, mean_leads / LEAD_SHAPE).astype(np.int64) + 1
    start = _open_day(kind, random, days + leads) * DAY + (9 * 4 + random.integers(0, 28, size)) * HOUR // 4
    hours = np.array([offer.hours for offer in kind.services])[service]
    prices = np.array([offer.price for offer in kind.services])[service]
    if not kind.providers:  # rooms
        nights = 1 + random.poisson(NIGHTS, size)
        start, hours, prices = start // DAY * DAY + 15 * HOUR, 20.0 + 24 * (nights - 1), prices * nights
    is_new = random.random(size) > kind.returning
    is_new[:1] = True
    clients = np.cumsum(is_new)
    earlier = (random.random(size) * clients).astype(np.int64)
    client = np.where(is_new, clients - 1, earlier)
    groups = random.choice(len(kind.groups), size, p=list(kind.groups.values()))
    return pd.DataFrame(
        {
            "created": created, "service": service, "start": start, "hours": hours,
            "amount": (prices * random.lognormal(0, PRICE_NOISE, size)).round(2),
            "provider": random.integers(0, kind.providers, size) if kind.providers else np.full(size, -1),
            "client": client, "group": groups[np.flatnonzero(is_new)][client] if size else groups,
            "channel": random.choice(len(kind.channels), size, p=list(kind.channels.values())),
            "work": random.uniform(0.85, 1.2, size),
            **{f"u_{name}": random.random(size) for name in ("kept", "cancelled", "when", "missed", "failed")},
        }
    )  # fmt: skip


def _open_day(kind: Kind, random: np.random.Generator, days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each of `days`, or a later one that the business accepts: by its weekdays, and no holidays of offices."""
    weights = np.array(kind.service_days) / max(kind.service_days)
    first = int(days.min()) if len(days) else 0
    closed = holidays_of(kind, first, int(days.max()) + 3 * ATTEMPTS) if len(days) else np.zeros(0, dtype=bool)
    is_office = kind.holiday < 0.5
    is_accepted = np.zeros(len(days), dtype=bool)
    for _ in range(ATTEMPTS):
        refused = random.random(len(days)) > weights[(days + 3) % 7]
        if is_office:
            refused |= closed[np.minimum(days - first, len(closed) - 1)]
        is_accepted |= ~refused
        days = days + np.where(is_accepted, 0, random.integers(1, 4, len(days)))
    return days


def _struck(kind: Kind, bookings: pd.DataFrame, incident: Incident) -> pd.Series:
    """Return True for the bookings of the member that the incident strikes, or for all."""
    members = {
        "service": [service.name for service in kind.services],
        "provider": [f"Provider {number + 1}" for number in range(kind.providers)],
        "channel": list(kind.channels),
        "client_group": list(kind.groups),
    }
    dimension = changes.SORTS[incident.sort].driver
    if dimension is None or incident.member is None:
        return pd.Series(True, index=bookings.index)
    column = "group" if dimension == "client_group" else dimension
    struck: pd.Series = bookings[column] == members[dimension].index(incident.member)
    return struck


def _outcomes(kind: Kind, bookings: pd.DataFrame) -> pd.DataFrame:
    """Add what the clients do by themselves: cancelled (moment), is_missed; moved_at, start_before, provider_before."""
    notice = bookings["start"] - bookings["created"]
    cancelled = bookings["created"] + np.maximum(HOUR, bookings["u_when"] * notice).astype(int)
    return bookings.assign(
        cancelled=cancelled.where(bookings["u_cancelled"] < kind.cancelled, NEVER),
        is_missed=bookings["u_missed"] < kind.no_shows,
        moved_at=NEVER,
        start_before=bookings["start"],
        provider_before=bookings["provider"],
    )
