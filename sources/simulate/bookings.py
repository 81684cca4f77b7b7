"""Bookings to simulate: their clients, services, providers, days and prices."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources.simulate.business import CLIENT_GROUP_PRICES, PACKAGE_SHARES, PACKAGES, Service
from sources.simulate.calendar import DAY, HOUR, Bools, Floats, Ints, weekday
from sources.simulate.incidents import CAMPAIGN_LIFT, HANDED_OVER, INTAKE_LEFT, PRICE_RISE
from sources.simulate.people import BOOKINGS_PER_CLIENT, MIN_CLIENTS, People, World

BOOKING_WEEKDAYS: Final = np.array([1.1, 1.15, 1.05, 1.0, 0.85, 0.28, 0.22])
SERVICE_WEEKDAYS: Final = np.array([0.9, 1.0, 1.0, 0.95, 0.75, 0.12, 0.0])  # chance that a day is accepted
HOLIDAY_DEMAND: Final = 0.3
GROWTH_PER_YEAR: Final = 1.18
DAY_NOISE: Final = 0.1  # standard deviation of the logarithm of a day's demand
MAX_LEAD_DAYS: Final = 150
INSISTING: Final = 0.01  # share of the clients who want a provider even without free hours
NOTICE: Final = 2 * HOUR  # between a booking and a service on the same day
SLOT: Final = HOUR // 2
WORKDAY: Final = 9 * HOUR


@dataclass(frozen=True)
class Orders:
    """Planned bookings in the order of booking; every array has one item per booking."""

    created: Ints  # local
    client: Ints
    provider: Ints
    service: Ints
    package: Ints  # -1: none
    hours: Floats
    amount: Ints  # hundredths
    start: Ints  # worked time
    span: Ints  # worked seconds from start to the planned end
    ill_provider: int  # position of the one who falls ill; -1: nobody

    def __len__(self) -> int:
        return len(self.created)


@dataclass(frozen=True)
class Requests:
    """Requests of clients for services, one item each; they are drawn before the rows of the people are made."""

    created: Ints
    client: Ints
    service: Ints


@dataclass(frozen=True)
class _Needs:
    """Needs that a provider must meet, one item per booking."""

    service: Ints
    hours: Floats
    first: Ints  # day number, as is last
    last: Ints


def make_requests(world: World, bookings: int) -> Requests:
    """Draw requests over the simulated days, by season, growth, weekday, holiday and incident."""
    rng = world.rng
    days = np.arange(world.first_day, world.as_of + 1)
    shares = np.array([service.share for service in world.business.services])
    popular = int(shares.argmax())
    intake = world.incidents.get("intake_outage")
    demand = _demand(world, days)
    if intake:
        demand[intake.covers(days * DAY)] *= 1 - shares[popular] * (1 - INTAKE_LEFT)
    day = np.repeat(days, rng.multinomial(bookings, demand / demand.sum()))
    created = np.sort(day * DAY + 9 * HOUR + (rng.beta(1.6, 1.9, bookings) * WORKDAY).astype(np.int64))
    weights = np.tile(shares, (bookings, 1))
    if intake:
        weights[intake.covers(created), popular] *= INTAKE_LEFT
    clients = max(MIN_CLIENTS, bookings // BOOKINGS_PER_CLIENT)
    loyalty = rng.lognormal(0, 1, clients)
    drawn = rng.choice(clients, bookings, p=loyalty / loyalty.sum())
    return Requests(created, np.unique(drawn, return_inverse=True)[1], _choose(rng, weights))


def first_bookings(requests: Requests) -> Ints:
    """Return the local moment of each client's first booking."""
    return requests.created[np.unique(requests.client, return_index=True)[1]]


def place_orders(world: World, people: People, requests: Requests, free: Floats) -> Orders:
    """Return the orders: each request with a price, a day and a provider.

    free: free hours of each provider (row) by day of the calendar (column).
    """
    rng, calendar, services = world.rng, world.calendar, world.business.services
    count, service = len(requests.created), requests.service
    package = rng.choice([0, 1, -1], count, p=[*PACKAGE_SHARES, 1 - sum(PACKAGE_SHARES)])
    hours = _values(services, "hours")[service] * np.append([p.hours for p in PACKAGES], 1.0)[package]
    working_days = _values(services, "working_days")[service].astype(np.int64)
    start = _starts(world, requests, hours, working_days > 0)
    span = np.where(working_days > 0, working_days * WORKDAY, hours * HOUR).astype(np.int64)
    needs = _Needs(service, hours, calendar.local(start) // DAY, calendar.local_end(start + span) // DAY)
    provider, ill_provider = _providers(world, people, needs, free)
    return Orders(
        created=requests.created,
        client=requests.client,
        provider=provider,
        service=service,
        package=np.where(package < 0, -1, service * len(PACKAGES) + package),
        hours=hours,
        amount=_amounts(world, people, requests, package),
        start=start,
        span=span,
        ill_provider=ill_provider,
    )


def _values(services: tuple[Service, ...], field: str) -> Floats:
    return np.array([getattr(service, field) for service in services], dtype=np.float64)


def _choose(rng: np.random.Generator, weights: Floats) -> Ints:
    """Return one column for each row, drawn by the row's weights (any scale)."""
    cumulative = np.cumsum(weights, axis=1)
    chosen: Ints = (cumulative < rng.random((len(weights), 1)) * cumulative[:, -1:]).sum(axis=1)
    return chosen


def _demand(world: World, days: Ints) -> Floats:
    dates = days.astype("datetime64[D]")
    in_year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    season = np.interp(in_year, np.arange(12) * 30.4 + 15, world.business.season, period=365)
    growth = GROWTH_PER_YEAR ** ((days - days[0]) / 365)
    demand: Floats = BOOKING_WEEKDAYS[weekday(days)] * season * growth * world.rng.lognormal(0, DAY_NOISE, len(days))
    demand[world.calendar.is_holiday[days - world.calendar.first]] *= HOLIDAY_DEMAND
    if campaign := world.incidents.get("campaign"):
        demand[campaign.covers(days * DAY)] *= CAMPAIGN_LIFT
    return demand


def _starts(world: World, requests: Requests, hours: Floats, is_long: Bools) -> Ints:
    """Return the worked time of each start: a gamma-distributed lead, then the first day that suits."""
    rng, calendar = world.rng, world.calendar
    created, count = requests.created, len(requests.created)
    mean = _values(world.business.services, "lead_days")[requests.service]
    lead = np.minimum(rng.gamma(1.8, mean / 1.8), MAX_LEAD_DAYS).astype(np.int64)
    booked_on, since_opening = created // DAY, created % DAY - 9 * HOUR
    day = booked_on + lead
    needed = np.where(is_long, WORKDAY - 2 * HOUR, hours * HOUR).astype(np.int64)  # seconds on the first day
    unplaced = np.arange(count)
    while len(unplaced):
        index = day[unplaced] - calendar.first
        earliest = np.where(day[unplaced] == booked_on[unplaced], since_opening[unplaced] + NOTICE, 0)
        fits = earliest + needed[unplaced] + SLOT <= calendar.open_for[index]
        is_accepted = rng.random(len(unplaced)) < SERVICE_WEEKDAYS[weekday(day[unplaced])]
        unplaced = unplaced[~(fits & is_accepted)]
        day[unplaced] += 1
    index = day - calendar.first
    earliest = np.where(day == booked_on, since_opening + NOTICE, 0)
    slots = (calendar.open_for[index] - needed - earliest) // SLOT
    offset = -(-earliest // SLOT) * SLOT + (rng.random(count) * slots).astype(np.int64) * SLOT
    start: Ints = calendar.worked_before[index] + offset
    # If booked while closed for the next opening, an hour is left to confirm it.
    return np.where(start - calendar.worked(created) < HOUR, start + HOUR, start)


def _providers(world: World, people: People, needs: _Needs, free: Floats) -> tuple[Ints, int]:
    """Return the provider of each booking, and the one who falls ill: the most popular, whom colleagues replace.

    In the order of booking, a provider is drawn by popularity from those who work that day and have the hours free;
    if there is none, from those who work that day. A few clients insist on a provider, who then has too much to do.
    """
    rng, count = world.rng, len(needs.service)
    popularity = rng.lognormal(0, 0.25, len(people.capacity)) * people.capacity
    weights = popularity * rng.lognormal(0, 0.4, (len(world.business.services), len(people.capacity)))
    chance, insists = rng.random(count), rng.random(count) < INSISTING
    illness = world.incidents.get("provider_illness")
    ill = int(np.where(people.joined < world.first_day, weights.sum(axis=0), 0).argmax()) if illness else -1
    handed_over = np.zeros(count, dtype=bool)
    if illness:
        handed_over = illness.covers(needs.first * DAY) & (rng.random(count) < HANDED_OVER)
    works, first, last = free > 0, needs.first - world.calendar.first, needs.last + 1 - world.calendar.first
    has_joined = people.joined <= needs.first[:, None]
    free, chosen = free.copy(), np.empty(count, dtype=np.int64)
    for booking in range(count):
        days = slice(first[booking], last[booking])
        weight = weights[needs.service[booking]] * has_joined[booking]
        if handed_over[booking]:
            weight[ill] = 0
        is_working, free_hours = works[:, first[booking]], free[:, days].sum(axis=1)
        has_hours = is_working & (free_hours >= needs.hours[booking])
        for suits in (is_working if insists[booking] else has_hours, is_working):
            if (weight * suits).any():
                weight = weight * suits
                break
        cumulative = np.cumsum(weight)
        chosen[booking] = provider = int(np.searchsorted(cumulative, chance[booking] * cumulative[-1], side="right"))
        free[provider, days] *= 1 - min(needs.hours[booking] / max(free_hours[provider], 0.01), 1)
    return chosen, ill


def _amounts(world: World, people: People, requests: Requests, package: Ints) -> Ints:
    price = _values(world.business.services, "price")[requests.service]
    if change := world.incidents.get("price_change"):
        popular = popular_service(world)
        earlier = (requests.service == popular) & (requests.created < change.first * DAY)
        price = np.where(earlier, price / PRICE_RISE, price)
    level = np.array(CLIENT_GROUP_PRICES)[people.client_group[requests.client]]
    factor = np.append([p.price for p in PACKAGES], 1.0)[package]
    noise = world.rng.lognormal(0, 0.06, len(price))
    amounts: Ints = np.maximum(np.rint(price * level * factor * noise), 1).astype(np.int64) * 100
    return amounts


def popular_service(world: World) -> int:
    """Return the position of the service that is booked most, which the incidents of a service affect."""
    return int(_values(world.business.services, "share").argmax())
