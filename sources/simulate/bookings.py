"""What is booked: when, by whom, with whom, for which day, at what price."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from sources.simulate.business import CLIENT_GROUP_PRICES, PACKAGE_SHARES, PACKAGES, Service
from sources.simulate.calendar import DAY, HOUR, Bools, Floats, Ints, weekday
from sources.simulate.incidents import CAMPAIGN_LIFT, HANDED_OVER, INTAKE_LEFT, PRICE_RISE
from sources.simulate.people import BOOKINGS_PER_CLIENT, MIN_CLIENTS, People, World

BOOKING_WEEKDAYS: Final = np.array([1.1, 1.15, 1.05, 1.0, 0.85, 0.28, 0.22])
SERVICE_WEEKDAYS: Final = np.array([0.9, 1.0, 1.0, 0.95, 0.75, 0.12, 0.0])  # chance that a wanted day is taken
HOLIDAY_DEMAND: Final = 0.3
GROWTH_A_YEAR: Final = 1.18
DAY_NOISE: Final = 0.1  # of the logarithm: days differ by more than chance alone
MAX_LEAD_DAYS: Final = 150
INSISTING: Final = 0.01  # of the clients want a provider who is there, whether or not the hours are free
NOTICE: Final = 2 * HOUR  # between a booking and a service on the same day
SLOT: Final = HOUR // 2
WORKDAY: Final = 9 * HOUR


@dataclass(frozen=True)
class Orders:
    """What was booked, in the order of booking; every array has one item a booking."""

    created: Ints  # local
    client: Ints
    provider: Ints
    service: Ints
    package: Ints  # -1: none
    hours: Floats
    amount: Ints  # hundredths
    start: Ints  # worked time
    span: Ints  # worked seconds from start to the planned end
    ill_provider: int  # the one who falls ill; -1: nobody

    def __len__(self) -> int:
        return len(self.created)


@dataclass(frozen=True)
class Requests:
    """Who asked for what, and when: known before the people are written down."""

    created: Ints
    client: Ints
    service: Ints


@dataclass(frozen=True)
class _Wanted:
    """What a provider is sought for, one item a booking."""

    service: Ints
    hours: Floats
    first: Ints  # day number, as is last
    last: Ints


def take_requests(world: World, bookings: int) -> Requests:
    """`bookings` requests over the simulated days, by season, growth, weekday, holiday and incident."""
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
    """For each client, the local moment of the first booking."""
    return requests.created[np.unique(requests.client, return_index=True)[1]]


def place_orders(world: World, people: People, requests: Requests, free: Floats) -> Orders:
    """Give each request a price, a day and a provider. `free`: of each provider (row), hours by day of the calendar."""
    rng, calendar, services = world.rng, world.calendar, world.business.services
    count, service = len(requests.created), requests.service
    package = rng.choice([0, 1, -1], count, p=[*PACKAGE_SHARES, 1 - sum(PACKAGE_SHARES)])
    hours = _of(services, "hours")[service] * np.append([p.hours for p in PACKAGES], 1.0)[package]
    working_days = _of(services, "working_days")[service].astype(np.int64)
    start = _starts(world, requests, hours, working_days > 0)
    span = np.where(working_days > 0, working_days * WORKDAY, hours * HOUR).astype(np.int64)
    wanted = _Wanted(service, hours, calendar.local(start) // DAY, calendar.local_end(start + span) // DAY)
    provider, ill_provider = _providers(world, people, wanted, free)
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


def _of(services: tuple[Service, ...], trait: str) -> Floats:
    return np.array([getattr(service, trait) for service in services], dtype=np.float64)


def _choose(rng: np.random.Generator, weights: Floats) -> Ints:
    """One column for each row, drawn by its weights (any scale)."""
    reach = np.cumsum(weights, axis=1)
    chosen: Ints = (reach < rng.random((len(weights), 1)) * reach[:, -1:]).sum(axis=1)
    return chosen


def _demand(world: World, days: Ints) -> Floats:
    dates = days.astype("datetime64[D]")
    in_year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    season = np.interp(in_year, np.arange(12) * 30.4 + 15, world.business.season, period=365)
    growth = GROWTH_A_YEAR ** ((days - days[0]) / 365)
    demand: Floats = BOOKING_WEEKDAYS[weekday(days)] * season * growth * world.rng.lognormal(0, DAY_NOISE, len(days))
    demand[world.calendar.is_holiday[days - world.calendar.first]] *= HOLIDAY_DEMAND
    if campaign := world.incidents.get("campaign"):
        demand[campaign.covers(days * DAY)] *= CAMPAIGN_LIFT
    return demand


def _starts(world: World, requests: Requests, hours: Floats, is_long: Bools) -> Ints:
    """Worked time of each start: a gamma lead, then the first day that suits."""
    rng, calendar = world.rng, world.calendar
    created, count = requests.created, len(requests.created)
    mean = _of(world.business.services, "lead_days")[requests.service]
    lead = np.minimum(rng.gamma(1.8, mean / 1.8), MAX_LEAD_DAYS).astype(np.int64)
    booked_on, since_opening = created // DAY, created % DAY - 9 * HOUR
    day = booked_on + lead
    sitting = np.where(is_long, WORKDAY - 2 * HOUR, hours * HOUR).astype(np.int64)
    waiting = np.arange(count)
    while len(waiting):
        index = day[waiting] - calendar.first
        earliest = np.where(day[waiting] == booked_on[waiting], since_opening[waiting] + NOTICE, 0)
        fits = earliest + sitting[waiting] + SLOT <= calendar.open_for[index]
        willing = rng.random(len(waiting)) < SERVICE_WEEKDAYS[weekday(day[waiting])]
        waiting = waiting[~(fits & willing)]
        day[waiting] += 1
    index = day - calendar.first
    earliest = np.where(day == booked_on, since_opening + NOTICE, 0)
    slots = (calendar.open_for[index] - sitting - earliest) // SLOT
    offset = -(-earliest // SLOT) * SLOT + (rng.random(count) * slots).astype(np.int64) * SLOT
    start: Ints = calendar.worked_before[index] + offset
    # Booked while closed, for the next opening: leave an hour to confirm it.
    return np.where(start - calendar.worked(created) < HOUR, start + HOUR, start)


def _providers(world: World, people: People, orders: _Wanted, free: Floats) -> tuple[Ints, int]:
    """A provider each, and who falls ill: the one who suits most, for whom colleagues stand in.

    First come, first served: among those who work that day and have the hours free, by liking; where nobody has, among
    those who work that day. A few clients insist on a provider, who then has too much to do.
    """
    rng, count = world.rng, len(orders.service)
    liking = rng.lognormal(0, 0.25, len(people.capacity)) * people.capacity
    weights = liking * rng.lognormal(0, 0.4, (len(world.business.services), len(people.capacity)))
    chance, insists = rng.random(count), rng.random(count) < INSISTING
    illness = world.incidents.get("provider_illness")
    ill = int(np.where(people.joined < world.first_day, weights.sum(axis=0), 0).argmax()) if illness else -1
    handed_over = np.zeros(count, dtype=bool)
    if illness:
        handed_over = illness.covers(orders.first * DAY) & (rng.random(count) < HANDED_OVER)
    works, first, last = free > 0, orders.first - world.calendar.first, orders.last + 1 - world.calendar.first
    has_joined = people.joined <= orders.first[:, None]
    free, chosen = free.copy(), np.empty(count, dtype=np.int64)
    for booking in range(count):
        days = slice(first[booking], last[booking])
        liked = weights[orders.service[booking]] * has_joined[booking]
        if handed_over[booking]:
            liked[ill] = 0
        is_there, room = works[:, first[booking]], free[:, days].sum(axis=1)
        has_room = is_there & (room >= orders.hours[booking])
        for suits in (is_there if insists[booking] else has_room, is_there):
            if (liked * suits).any():
                liked = liked * suits
                break
        reach = np.cumsum(liked)
        chosen[booking] = provider = int(np.searchsorted(reach, chance[booking] * reach[-1], side="right"))
        free[provider, days] *= 1 - min(orders.hours[booking] / max(room[provider], 0.01), 1)
    return chosen, ill


def _amounts(world: World, people: People, requests: Requests, package: Ints) -> Ints:
    price = _of(world.business.services, "price")[requests.service]
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
    """The service that is booked most: the one that incidents of a service strike."""
    return int(_of(world.business.services, "share").argmax())
