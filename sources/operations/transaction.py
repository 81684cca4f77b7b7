"""Transactions of one caller: the connection, the caller and the time; retried after serialisation failures."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from sources import entry
from sources.lifecycle import Role
from sources.operations.errors import Refusal, of_database

ATTEMPTS: Final = 8  # of a transaction that the database aborted because of a concurrent one
BACKOFF_S: Final = 0.01  # doubled after each attempt, with jitter
ACQUIRE_TIMEOUT_S: Final = 5.0  # for a free connection; after that the response is 503

ENTER: Final = "select * from app.enter($1, $2, $3, $4, $5)"
ENTER_AS: Final = "select * from app.enter_as($1, $2, $3, $4)"

# Who sees everything of the organisation: app.sees_all() of the database.
SEES_ALL: Final = ("admin", "analyst", "system")
# What an analyst may write through the API: what is personal. The pages limit their forms themselves, and the database
# refuses every other change (app.refuse_analyst).
WRITES_OF_ANALYSTS: Final = ("notifications:write", "pages:write")

T = TypeVar("T")
# In quotes: these classes are generic in the stubs only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

# The last one is of a connection that the server ends while the pool resets it.
CONNECTION_LOST: Final = (TimeoutError, OSError, asyncpg.InternalClientError)
_RETRIED: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.exceptions.InvalidCachedStatementError,  # a migration ran in the meantime
)


@dataclass(frozen=True, slots=True)
class Person:
    """A person named by a verified token, by profile or, if there is no such active one, by e-mail.

    `role`, if given, must match their profile.
    """

    org_id: UUID
    profile_id: UUID | None = None
    email: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, by its SHA-256 hash."""

    key_hash: bytes


@dataclass(frozen=True, slots=True)
class System:
    """The Hub itself, within one organisation."""

    org_id: UUID


Identity = Person | Key | System


@dataclass(frozen=True, slots=True)
class Caller:
    """The person or system that acts, as read from the database. `scopes`: of an API key; empty: no restriction."""

    org_id: UUID
    profile_id: UUID | None  # None: the system
    role: Role
    scopes: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Tx:
    """An open transaction of `caller`; `at` is the time written to its rows."""

    connection: Connection
    caller: Caller
    at: datetime

    @property
    def org_id(self) -> UUID:
        return self.caller.org_id

    async def execute(self, statement: str, *values: object) -> None:
        await self.connection.execute(statement, *values)

    async def rows(self, query: str, *values: object) -> list[asyncpg.Record]:
        return await self.connection.fetch(query, *values)

    async def row(self, query: str, *values: object) -> asyncpg.Record | None:
        return await self.connection.fetchrow(query, *values)

    async def one(self, query: str, *values: object) -> asyncpg.Record:
        """Return the row of a query that always has exactly one."""
        row = await self.connection.fetchrow(query, *values)
        assert row is not None
        return row


class EnteringConnection(asyncpg.Connection):
    """A connection that proves on whose behalf it enters; `secret` is that of HUB_API_ENTRY_SECRET."""

    secret = ""
    _challenge: int | None = None  # None: it is to be asked for

    async def enter(self, query: str, what: str, *values: object) -> asyncpg.Record:
        """Return the row of `query`, one of app.enter and app.enter_as, with the proof for `what` as its last value."""
        challenge, self._challenge = self._challenge, None
        if challenge is None:
            challenge = await self.fetchval("select app.challenge()")
        proof = entry.proof(self.secret, self.get_server_pid(), challenge, what)
        row = await self.fetchrow(query, *values, proof)
        assert row is not None
        self._challenge = row["challenge"]
        return row


async def connect(url: str, secret: str, **options: Any) -> EnteringConnection:
    """Open a connection of its own, with `options` of asyncpg.connect."""
    connection: EnteringConnection = await asyncpg.connect(url, connection_class=EnteringConnection, **options)
    connection.secret = secret
    return connection


async def make_pool(url: str, size: int, secret: str) -> Pool:
    """Return a pool of at most `size` connections to `url`, which enter with `secret` (HUB_API_ENTRY_SECRET)."""

    async def prepare(connection: asyncpg.Connection) -> None:
        assert isinstance(connection, EnteringConnection)
        connection.secret = secret
        await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

    return await asyncpg.create_pool(
        url,
        min_size=min(2, size),
        max_size=size,
        init=prepare,
        connection_class=EnteringConnection,
        reset=_keep,
        statement_cache_size=500,
        server_settings={
            "application_name": "hub-api",
            # Planning under row security takes 3 ms, execution 0.3: statements by key are planned once per connection.
            "plan_cache_mode": "force_generic_plan",
        },
    )


async def _keep(_: asyncpg.Connection) -> None:
    """Reset nothing: every setting is local to its transaction."""


async def run(
    pool: Pool,
    identity: Identity,
    operation: Callable[[Tx], Awaitable[T]],
    *,
    at: datetime,
    timeout_ms: int,
    scope: str | None = None,
) -> T:
    """Run `operation` in a transaction of `identity`; retry it where the database aborted it for a concurrent one.

    `scope`: the scope that an API key with scopes must list. Raises Refusal; other database errors pass unchanged.
    """
    for attempt in range(ATTEMPTS):
        try:
            return await _run_once(pool, identity, operation, at, timeout_ms, scope)
        except _RETRIED:
            if attempt == ATTEMPTS - 1:
                raise Refusal(
                    "unavailable", "too_busy", "Too many requests changed the same rows at once. Try again."
                ) from None
            await asyncio.sleep(BACKOFF_S * 2**attempt * random.uniform(0.5, 1.5))
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if refusal := of_database(error):
                raise refusal from error
            raise
        except CONNECTION_LOST as error:
            raise Refusal(
                "unavailable", "database_unavailable", "The database does not answer. Try again shortly."
            ) from error
    raise AssertionError("unreachable")


async def _run_once(
    pool: Pool, identity: Identity, operation: Callable[[Tx], Awaitable[T]], at: datetime, timeout_ms: int,
    scope: str | None,
) -> T:  # fmt: skip
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection, connection.transaction():
        caller = await _enter(connection, identity, timeout_ms)
        if scope and caller.scopes and scope not in caller.scopes:
            raise Refusal("forbidden", "scope_missing", f"This API key lacks the scope {scope!r}.")
        if caller.role == "analyst" and scope and scope.endswith(":write") and scope not in WRITES_OF_ANALYSTS:
            raise Refusal("forbidden", "not_allowed", "An analyst reads, and changes nothing of the organisation.")
        return await operation(Tx(connection, caller, at))


async def _enter(connection: Connection, identity: Identity, timeout_ms: int) -> Caller:
    match identity:
        case Person(org_id, profile_id, email, role):
            row = await _enter_as_person(connection, org_id, profile_id, email, timeout_ms)
            if email is not None and row["profile_id"] is None:
                row = await _enter_as_person(connection, org_id, None, email, timeout_ms)
            if row["profile_id"] is None or role not in (None, row["role"]):
                raise Refusal(
                    "unauthenticated", "unknown_person", "The token names no active person of the organisation."
                )
            return Caller(org_id, row["profile_id"], row["role"])
        case Key(key_hash):
            query = "select * from app.enter_with_key($1, $2)"
            [row] = await connection.fetch(query, key_hash, timeout_ms)
            if row["profile_id"] is None:
                raise Refusal(
                    "unauthenticated", "unknown_key", "The API key does not exist, or it is revoked or has expired."
                )
            return Caller(row["org_id"], row["profile_id"], row["role"], frozenset(row["scopes"]))
        case System(org_id):
            await enter_as(connection, "system", org_id, timeout_ms)
            return Caller(org_id, None, "system")


async def _enter_as_person(
    connection: Connection, org_id: UUID, profile_id: UUID | None, email: str | None, timeout_ms: int
) -> asyncpg.Record:
    what = entry.person(org_id, profile_id, email)
    return await cast(EnteringConnection, connection).enter(ENTER, what, org_id, profile_id, email, timeout_ms)


async def enter_as(connection: Connection, role: str, org_id: UUID | None, timeout_ms: int) -> None:
    """Enter, with a connection of make_pool or connect, as a part of the Hub: `system`, `live` or `sign_in`."""
    what = entry.part(role, org_id)
    await cast(EnteringConnection, connection).enter(ENTER_AS, what, role, org_id, timeout_ms)
