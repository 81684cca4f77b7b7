"""Sessions of people in a browser: the cookie, and the checks that keep other pages of the browser out.

A cookie is sent by the browser whatever page asks for it. So whoever relies on it first checks `comes_from_own_page`.
"""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from sources import sign_in
from sources.operations import transaction
from sources.operations.errors import Refusal
from sources.operations.transaction import CONNECTION_LOST, Connection, Pool
from sources.settings import Settings

LASTS: Final = timedelta(days=7)
MOST_UNUSED: Final = 3  # links of a person in 15 minutes, before they are used
PATIENCE_S: Final = 5.0  # for a free connection, and for its answer
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def cookie_of(settings: Settings) -> str:
    """Return the name of the cookie. It has the port: a browser sends cookies to every port of a name."""
    return f"hub_session_{settings.port_api}"


@dataclass(frozen=True, slots=True)
class Session:
    """A running session. The operator's has no person until it opens the pages as an admin."""

    org_id: UUID | None
    profile_id: UUID | None
    role: str | None
    opens_dagster: bool
    is_operators: bool


@dataclass(frozen=True, slots=True)
class Admin:
    """An admin as whom the operator may open the pages."""

    org_id: UUID
    organization_name: str
    profile_id: UUID
    full_name: str
    email: str | None


async def start(pool: Pool, link: str, secret: str) -> bool:
    """Start the session `secret` with a one-time link; False: the link is unknown, used or too old."""
    now = datetime.now(UTC)
    row = await _ask(
        pool, "select app.start_session($1, $2, $3, $4) as has_started", sign_in.hash_of(link), sign_in.hash_of(secret),
        now, now + LASTS,
    )  # fmt: skip
    return row is not None and bool(row["has_started"])


async def of_request(connection: HTTPConnection) -> Session | None:
    """Return the running session of the request's cookie; None where it has ended or its person is not active."""
    secret = _secret(connection)
    if not secret:
        return None
    pool = connection.app.state.pool
    row = await _ask(pool, "select * from app.session($1, $2)", sign_in.hash_of(secret), datetime.now(UTC))
    return Session(**dict(row)) if row else None


async def admins(connection: HTTPConnection) -> list[Admin]:
    """Return the admins as whom the operator's session may open the pages, by organisation; none for a person's."""
    rows = await _ask_all(
        connection.app.state.pool, "select * from app.admins_for_operator($1, $2)", _hash(connection),
        datetime.now(UTC),
    )  # fmt: skip
    return [Admin(**dict(row)) for row in rows]


async def organizations_without_admin(connection: HTTPConnection) -> dict[UUID, str]:
    """Return the names of the organisations without an admin, by id; none for a person's session."""
    pool = connection.app.state.pool
    query = "select * from app.organizations_without_admin($1, $2)"
    rows = await _ask_all(pool, query, _hash(connection), datetime.now(UTC))
    return {row["org_id"]: row["organization_name"] for row in rows}


async def add_first_admin(connection: HTTPConnection, org_id: UUID, name: str, email: str | None) -> bool:
    """Add the first admin of an organisation, and open the pages as this admin with the operator's session.

    False: the session is not the operator's, or the organisation has an admin.
    """
    pool = connection.app.state.pool
    query = "select app.add_first_admin($1, $2, $3, $4, $5) as id"
    row = await _ask(pool, query, _hash(connection), org_id, name, email, datetime.now(UTC))
    return row is not None and row["id"] is not None


async def act_as(connection: HTTPConnection, profile_id: UUID) -> bool:
    """Open the pages as this admin with the operator's session; False where it is not the operator's, or no admin."""
    pool = connection.app.state.pool
    rows = await _ask_all(
        pool, "select app.act_as($1, $2, $3) as has_changed", _hash(connection), profile_id, datetime.now(UTC)
    )
    return bool(rows and rows[0]["has_changed"])


async def make_links(pool: Pool, email: str, links: list[str], *, is_verified: bool = False) -> dict[str, str]:
    """Let the person with this address sign in with `links`: one for each organisation, as far as there are links.

    is_verified: who asks is known to have the address. Returns the organisation of each link; none where nobody active
    has the address, or where somebody who is not known asked too often.
    """
    now = datetime.now(UTC)
    links_by_hash = {sign_in.hash_of(link): link for link in links}
    ends_at = now + timedelta(minutes=sign_in.LINK_MINUTES)
    query = "select link_hash, organization_name from app.request_links($1, $2, $3, $4, $5)"
    most = None if is_verified else MOST_UNUSED
    async with _asking(pool) as connection, connection.transaction():
        await transaction.enter_as(connection, "sign_in", None, int(PATIENCE_S * 1000))
        rows = await connection.fetch(query, email, list(links_by_hash), ends_at, now, most)
    return {links_by_hash[row["link_hash"]]: row["organization_name"] for row in rows}


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A running session of the same person."""

    id: UUID
    started_at: datetime
    ends_at: datetime
    is_current: bool


async def of_same_person(connection: HTTPConnection) -> list[OwnSession]:
    """Return the running sessions of the person of the request's session, the latest first."""
    pool = connection.app.state.pool
    rows = await _ask_all(pool, "select * from app.own_sessions($1, $2)", _hash(connection), datetime.now(UTC))
    return [OwnSession(**dict(row)) for row in rows]


async def end_one(connection: HTTPConnection, session_id: UUID) -> bool:
    """End a session of the same person; False where there is no such one."""
    pool = connection.app.state.pool
    query = "select app.end_own_session($1, $2, $3) as has_ended"
    row = await _ask(pool, query, _hash(connection), session_id, datetime.now(UTC))
    return row is not None and bool(row["has_ended"])


def form_token(connection: HTTPConnection) -> str:
    """Return the token that a form of the session carries. A page that cannot read the cookie cannot know it."""
    return hashlib.sha256(f"form of {_secret(connection)}".encode()).hexdigest()


async def end(connection: HTTPConnection) -> None:
    """End the session of the request's cookie, if there is one."""
    if secret := _secret(connection):
        pool = connection.app.state.pool
        await _ask(pool, "select app.end_session($1, $2)", sign_in.hash_of(secret), datetime.now(UTC))


def _hash(connection: HTTPConnection) -> bytes:
    return sign_in.hash_of(_secret(connection) or "")


def _secret(connection: HTTPConnection) -> str | None:
    return connection.cookies.get(cookie_of(connection.app.state.settings))


async def _ask(pool: Pool, query: str, *values: object) -> asyncpg.Record | None:
    """Return the first row of `query`. Raises Refusal where the database does not answer in time."""
    rows = await _ask_all(pool, query, *values)
    return rows[0] if rows else None


async def _ask_all(pool: Pool, query: str, *values: object) -> list[asyncpg.Record]:
    async with _asking(pool) as connection:
        return await connection.fetch(query, *values, timeout=PATIENCE_S)


@asynccontextmanager
async def _asking(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection. Raises Refusal where the database does not answer in time, or refuses a value."""
    try:
        async with pool.acquire(timeout=PATIENCE_S) as connection:
            yield connection
    except asyncpg.DataError as error:
        raise Refusal("invalid", "value_malformed", "A value cannot be stored: it is malformed.") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, *CONNECTION_LOST) as error:
        raise Refusal(
            "unavailable", "database_unavailable", "The database does not answer. Try again shortly."
        ) from error


def check_host(headers: Headers, settings: Settings) -> None:
    """Refuse a request to a foreign name, which may have been made to resolve to this machine (DNS rebinding)."""
    if _host(f"//{headers.get('host', '')}") not in LOOPBACK | {urlsplit(settings.link_base).hostname}:
        raise Refusal("forbidden", "host_unknown", "The Hub is not served under this name; see HUB_PUBLIC_URL.")


def check_origin(headers: Headers, settings: Settings) -> None:
    """Refuse a request that the browser sent for a page of another site, or that does not say for which."""
    host = headers.get("host", "")
    on_this_machine = {f"http://{host}"} if _host(f"//{host}") in LOOPBACK else set()
    if headers.get("origin") not in {settings.link_base} | on_this_machine:
        raise Refusal("forbidden", "origin_foreign", "Only pages of the Hub itself may do this.")


def _host(url: str) -> str | None:
    """Return the host name of `url`; None where there is none, or it is not valid."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
