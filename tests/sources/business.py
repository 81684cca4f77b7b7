"""Two equal organisations, `north` and `south`, with people, a service and a package, and functions to act as them."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID, uuid5

import psycopg

from sources import database
from sources.operations import transaction
from sources.operations.transaction import Person, Pool, Tx
from sources.settings import Settings

T = TypeVar("T")
NAMESPACE: Final = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
PEOPLE: Final = {
    "admin": "admin", "client": "client", "client2": "client", "provider": "provider", "provider2": "provider",
    "analyst": "analyst",
}  # fmt: skip


@dataclass(frozen=True)
class Organization:
    """The ids of a seeded organisation, which follow from its slug and the names of its rows. Prices are in EUR."""

    slug: str

    def id_of(self, name: str) -> UUID:
        """Return the id of `organization`, a key of PEOPLE, `service` (120.00, 2 h) or `package` (300.00, 4 h)."""
        return uuid5(NAMESPACE, f"{self.slug}/{name}")

    @property
    def id(self) -> UUID:
        return self.id_of("organization")

    @property
    def admin(self) -> UUID:
        return self.id_of("admin")

    @property
    def analyst(self) -> UUID:
        return self.id_of("analyst")

    @property
    def client(self) -> UUID:
        return self.id_of("client")

    @property
    def client2(self) -> UUID:
        return self.id_of("client2")

    @property
    def provider(self) -> UUID:
        return self.id_of("provider")

    @property
    def provider2(self) -> UUID:
        return self.id_of("provider2")

    @property
    def service(self) -> UUID:
        return self.id_of("service")

    @property
    def package(self) -> UUID:
        return self.id_of("package")

    def person(self, name: str) -> Person:
        """Return the identity of a key of PEOPLE."""
        return Person(self.id, profile_id=self.id_of(name), role=PEOPLE[name])


NORTH: Final = Organization("north")
SOUTH: Final = Organization("south")


def seed(connection: psycopg.Connection, people: Mapping[str, str] = PEOPLE) -> None:
    """Insert both organisations, with these people (the role by name)."""
    seed_organizations(connection, (NORTH, SOUTH), people)


def seed_organizations(
    connection: psycopg.Connection, organizations: Iterable[Organization], people: Mapping[str, str] = PEOPLE
) -> None:
    """Insert organisations with their people, a service and a package."""
    for org in organizations:
        connection.execute(
            "insert into app.organizations (id, org_id, name, slug, timezone, country, currency) "
            "values (%s, %s, %s, %s, 'Europe/Madrid', 'ES', 'EUR')",
            [org.id, org.id, f"{org.slug.title()} Studio", org.slug],
        )
        for name, role in people.items():
            connection.execute(
                "insert into app.profiles (id, org_id, role, full_name, email, capacity_hours_per_day) "
                "values (%s, %s, %s, %s, %s, %s)",
                [
                    org.id_of(name), org.id, role, f"{org.slug.title()} {name.title()}",
                    f"{name}@{org.slug}.example", 8 if role == "provider" else None,
                ],
            )  # fmt: skip
        connection.execute(
            "insert into app.services (id, org_id, name, category, base_price, currency, duration_hours) "
            "values (%s, %s, %s, 'advice', 120, 'EUR', 2)",
            [org.service, org.id, f"{org.slug.title()} Consultation"],
        )
        connection.execute(
            "insert into app.service_packages (id, org_id, service_id, name, price, currency, hours_included) "
            "values (%s, %s, %s, %s, 300, 'EUR', 4)",
            [org.package, org.id, org.service, f"{org.slug.title()} Half day"],
        )


class Business:
    """The seeded database, with functions that run operations as its people, without HTTP.

    `connection` belongs to the owner of the database, without row security, and commits each statement.
    """

    org: Final = NORTH
    other: Final = SOUTH

    def __init__(
        self, settings: Settings, connection: psycopg.Connection, pool: Pool, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.settings = settings
        self.connection = connection
        self.pool = pool
        self._loop = loop

    def run(
        self,
        who: str,
        operation: Callable[[Tx], Awaitable[T]],
        *,
        at: datetime | None = None,
        org: Organization = NORTH,
    ) -> T:
        """Run one operation in its own transaction as `who` (a key of PEOPLE, or "system"). Raises Refusal."""
        return self.wait_for(self.start(who, operation, at=at, org=org))

    async def start(
        self,
        who: str,
        operation: Callable[[Tx], Awaitable[T]],
        *,
        at: datetime | None = None,
        org: Organization = NORTH,
    ) -> T:
        """Like `run`, as a coroutine for `wait_for`, such as to run several operations at once."""
        identity = transaction.System(org.id) if who == "system" else org.person(who)
        return await transaction.run(
            self.pool, identity, operation, at=at or datetime.now(UTC), timeout_ms=self.settings.statement_timeout_ms
        )

    def wait_for(self, work: Awaitable[T], *, timeout_s: float = 60) -> T:
        """Run a coroutine on the loop of the pool and return its result."""

        async def awaited() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(timeout_s)


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield an event loop that runs in its own thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def open_business(settings: Settings) -> Iterator[Business]:
    """Yield the business in the seeded database of `settings`, with a pool of connections as hub_api."""
    with running_loop() as loop, psycopg.connect(settings.database_url, autocommit=True) as connection:
        pool = asyncio.run_coroutine_threadsafe(
            transaction.make_pool(
                database.api_url(settings), settings.api_pool_size, settings.secret("api_entry_secret")
            ),
            loop,
        ).result(10)
        try:
            yield Business(settings, connection, pool, loop)
        finally:
            asyncio.run_coroutine_threadsafe(pool.close(), loop).result(10)
