"""The state of one simulated organisation (`World`), and its people, services and packages."""

import json
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from sqlalchemy import DateTime

from sources import tables
from sources.simulate.business import (
    CLIENT_GROUP_SHARES,
    CLIENT_GROUPS,
    PACKAGES,
    Business,
)
from sources.simulate.calendar import DAY, Bools, Calendar, Floats, Ids, Ints, Texts, make_calendar
from sources.simulate.copy import NO_ID, Columns, or_null, uuid7s
from sources.simulate.incidents import Incident, plan_incidents

BOOKINGS_PER_CLIENT: Final = 12
MIN_CLIENTS: Final = 8
BEFORE: Final = 30  # days that the organisation exists before its first booking
AFTER: Final = 900  # days after as_of that the plans of the latest bookings can reach
CAPACITY_HOURS: Final = (5.0, 6.0, 6.5, 7.0, 7.5)
# ISO weekdays, and the share of the providers; None: not stated, they work on the organisation's days.
WORKING_DAYS: Final = ((None, 0.6), ((2, 3, 4, 5, 6), 0.25), ((1, 2, 3, 4), 0.15))
USUAL_DAYS: Final = (1, 2, 3, 4, 5)


@dataclass
class World:
    """One simulated organisation: its calendar, its random numbers, its incidents, and the rows made so far."""

    business: Business
    calendar: Calendar
    rng: np.random.Generator
    first_day: int
    as_of: int
    incidents: dict[str, Incident]
    rows: dict[str, Columns] = field(default_factory=dict)
    org_id: bytes = NO_ID

    @property
    def now(self) -> int:
        """Local seconds at the end of as_of: only what lies before is part of the sample."""
        return (self.as_of + 1) * DAY

    def new_ids(self, created: Ints) -> Ids:
        """Return new identifiers of rows created at these local moments."""
        return uuid7s(self.rng, self.calendar.utc(created))

    def add_rows(self, table: str, ids: Ids, created: Ints, updated: Ints, **columns: object) -> None:
        """Keep the rows of `table`. DateTime columns are given in local seconds; a single value applies to all rows."""
        types = tables.metadata.tables[f"{tables.SCHEMA}.{table}"].c
        rows: Columns = {"id": ids, "org_id": np.full(len(ids), self.org_id)}
        for name, values in {"created_at": created, "updated_at": updated, **columns}.items():
            if isinstance(types[name].type, DateTime):
                rows[name] = self.calendar.utc(np.asarray(values))
            else:
                rows[name] = values if isinstance(values, np.ndarray) else np.full(len(ids), values, dtype=object)
        self.rows[table] = rows


@dataclass(frozen=True)
class People:
    """Identifiers and properties of people, services and packages; bookings refer to them by position."""

    admins: Ids
    providers: Ids
    provider_names: list[str]
    capacity: Floats  # hours per working day
    works_on: Bools  # provider x weekday from Monday on
    joined: Ints  # day number
    clients: Ids
    client_names: Texts
    client_group: Ints
    services: Ids
    packages: Ids  # service by service, in the order of PACKAGES


def make_world(business: Business, rng: np.random.Generator, days: int, as_of: int) -> World:
    """Return the world of a business with `days` days of history up to day number `as_of`, without rows."""
    first_day = as_of - days + 1
    first = first_day - BEFORE - 1
    calendar = make_calendar(business.timezone, business.country, first, days + BEFORE + AFTER)
    incidents = plan_incidents(business.slug, calendar, first_day, as_of)
    return World(business, calendar, rng, first_day, as_of, incidents)


def add_organization(world: World, settings: dict[str, object]) -> None:
    """Add the row of the organisation."""
    business = world.business
    opened = np.array([(world.first_day - BEFORE) * DAY + 9 * 3_600])
    ids = world.new_ids(opened)
    world.org_id = ids[0]
    world.add_rows(
        "organizations", ids, opened, opened, name=business.name, slug=business.slug, timezone=business.timezone,
        country=business.country, currency=business.currency, settings=json.dumps(settings),
    )  # fmt: skip


def add_people_and_services(world: World, first_bookings: Ints) -> People:
    """Add profiles, services and service_packages.

    first_bookings: the local moment of each client's first booking; the profile is created just before.
    """
    business, rng = world.business, world.rng
    opened = (world.first_day - BEFORE) * DAY + 10 * 3_600
    joined = np.full(business.providers, world.first_day - BEFORE)
    joined[-2:] = world.first_day + (world.as_of - world.first_day) * np.array([1, 2]) // 4
    arrivals = [np.full(business.admins, opened), joined * DAY + 10 * 3_600, first_bookings - 300]
    created = np.concatenate(arrivals)
    role = np.repeat(np.array(["admin", "provider", "client"], dtype=object), [len(part) for part in arrivals])
    names = _names(world, len(role))
    groups = rng.choice(len(CLIENT_GROUPS), len(role), p=CLIENT_GROUP_SHARES)
    capacity = rng.choice(CAPACITY_HOURS, len(role))
    pattern = rng.choice(len(WORKING_DAYS), len(role), p=[share for _, share in WORKING_DAYS])
    stated = [days and "{" + ",".join(map(str, days)) + "}" for days, _ in WORKING_DAYS]
    works_on = np.array([[day in (days or USUAL_DAYS) for day in range(1, 8)] for days, _ in WORKING_DAYS])
    ids = world.new_ids(created)
    world.add_rows(
        "profiles", ids, created, created, role=role, full_name=names, email=_emails(names),
        client_group=or_null(role == "client", np.array(CLIENT_GROUPS, dtype=object)[groups]),
        capacity_hours_per_day=or_null(role == "provider", (capacity * 100).astype(np.int64)),
        working_days=or_null(role == "provider", np.array(stated, dtype=object)[pattern]), is_active=True,
    )  # fmt: skip
    is_provider, is_client = role == "provider", role == "client"
    services, packages = _add_services(world, opened)
    return People(
        admins=ids[role == "admin"],
        providers=ids[is_provider],
        provider_names=names[is_provider].tolist(),
        capacity=capacity[is_provider],
        works_on=works_on[pattern[is_provider]],
        joined=joined,
        clients=ids[is_client],
        client_names=names[is_client],
        client_group=groups[is_client],
        services=services,
        packages=packages,
    )


def _names(world: World, count: int) -> Texts:
    """Return `count` full names; none is repeated before all were used."""
    business = world.business
    pairs = [f"{given} {family}" for given in business.given_names for family in business.family_names]
    order = np.concatenate([world.rng.permutation(len(pairs)) for _ in range(count // len(pairs) + 1)])
    names: Texts = _objects(pairs)[order[:count]]
    return names


def _emails(names: Texts) -> Texts:
    plain = str.maketrans("áéíóúñ ", "aeioun.")
    return _objects([f"{name.lower().translate(plain)}.{n}@example.com" for n, name in enumerate(names, 1)])


def _add_services(world: World, opened: int) -> tuple[Ids, Ids]:
    """Add services and service_packages; return their identifiers."""
    services, currency = world.business.services, world.business.currency
    created = np.full(len(services), opened)
    ids = world.new_ids(created)
    prices = np.array([service.price for service in services]) * 100
    hours = np.array([service.hours for service in services])
    world.add_rows(
        "services", ids, created, created, name=_objects([service.name for service in services]),
        category=_objects([service.category for service in services]), base_price=prices, currency=currency,
        duration_hours=(hours * 100).astype(np.int64), is_active=True,
    )  # fmt: skip
    service = np.repeat(np.arange(len(services)), len(PACKAGES))
    kind = np.tile(np.arange(len(PACKAGES)), len(services))
    package_ids = world.new_ids(created[service])
    price_factor = np.array([package.price for package in PACKAGES])[kind]
    hours_factor = np.array([package.hours for package in PACKAGES])[kind]
    world.add_rows(
        "service_packages", package_ids, created[service], created[service], service_id=ids[service],
        name=_objects([package.name for package in PACKAGES])[kind],
        price=np.rint(prices[service] * price_factor).astype(np.int64), currency=currency,
        hours_included=np.rint(hours[service] * hours_factor * 100).astype(np.int64),
    )  # fmt: skip
    return ids, package_ids


def _objects(values: list[str]) -> Texts:
    return np.array(values, dtype=object)
