"""Logins of BI tools: roles of the server that see the rows of the organisations in app.bi_access, and no others."""

import re
import secrets
from collections.abc import Collection
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from sources import database
from sources.errors import HubError

READERS: Final = "hub_reader"  # the role that may read; its policies are those of app.wall_off
LOGIN: Final = re.compile(r"(?!pg_)[a-z][a-z0-9_]{0,39}")
CONNECTIONS: Final = 10  # a tool opens one for each chart of a page
PASSWORD_BYTES: Final = 24
# PostgreSQL's default of scram_iterations; the embedded server has fewer, for its own generated passwords.
LEAST_ITERATIONS: Final = 4096
ENDS_WITHIN_MS: Final = 5000  # of a session whose login is revoked
# A login begins with these settings; a session may change them, as PostgreSQL has no limit that it may not.
SESSION: Final[dict[LiteralString, str]] = {
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "search_path": "analytics, marts, ml",
}


def add(connection: psycopg.Connection, login: str, org_ids: Collection[UUID]) -> str | None:
    """Let `login` see the organisations too; return its password if it was created, None if it existed.

    Only a hash of the password is stored, by the server. Raises HubError for a name that is no login of the Hub's, and
    where the role of `connection` may not create roles.
    """
    if not LOGIN.fullmatch(login):
        raise HubError(
            f"{login!r} is no name of a login: use up to 40 lower-case letters, digits and _, a letter first."
        )
    exists = _exists(connection, login)
    if exists and not _has_access(connection, login):
        raise HubError(f"The server has a role {login} that is no login of this Hub: choose another name.")
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into app.bi_access (login, org_id) values (%s, %s) on conflict (login, org_id) do nothing",
            [(login, org_id) for org_id in org_ids],
        )
    return None if exists else _create(connection, login)


def listed(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Return the logins: login, org_ids, exists (False: the role is missing on the server), created_at, connections."""
    return database.records(
        connection,
        """
        select access.login, array_agg(access.org_id order by access.created_at, access.org_id) as org_ids,
            roles.rolname is not null as exists, min(access.created_at) as created_at,
            (select count(*) from pg_stat_activity where usename = access.login) as connections
        from app.bi_access as access
        left join pg_roles as roles on roles.rolname = access.login
        group by access.login, roles.rolname
        order by access.login
        """,
    )


def revoke(connection: psycopg.Connection, login: str, org_ids: Collection[UUID] | None = None) -> bool:
    """Take the organisations, or all (None), from `login`; without any left its sessions end and it is dropped.

    Commits before the drop, which fails where the login has objects in another database: it is closed then too.
    Returns True if it was dropped. Raises HubError if it sees none of the organisations, or if it is closed only.
    """
    wanted = {"login": login, "org_ids": None if org_ids is None else list(org_ids)}
    taken = connection.execute(
        "delete from app.bi_access where login = %(login)s "
        "and (%(org_ids)s::uuid[] is null or org_id = any(%(org_ids)s::uuid[]))",
        wanted,
    ).rowcount
    if not taken:
        raise HubError(f"{login} is no login of this Hub with that access: `hub bi list` shows them.")
    if _has_access(connection, login):
        return False
    if _exists(connection, login):
        _close(connection, login)
        _drop(connection, login)
    return True


def _close(connection: psycopg.Connection, login: str) -> None:
    """End the rights and the sessions of a login, and commit."""
    name = sql.Identifier(login)
    # The membership is what an owner who is no superuser needs to end its sessions and to drop what it owns.
    connection.execute(
        sql.SQL("alter role {name} nologin; revoke {readers} from {name}; grant {name} to current_user").format(
            name=name, readers=sql.Identifier(READERS)
        )
    )
    connection.commit()
    connection.execute(
        "select pg_terminate_backend(pid, %s) from pg_stat_activity where usename = %s", [ENDS_WITHIN_MS, login]
    )


def _drop(connection: psycopg.Connection, login: str) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(login)))
    except psycopg.errors.DependentObjectsStillExist:
        databases = connection.execute(
            "select distinct datname from pg_shdepend join pg_database on pg_database.oid = dbid "
            "where refclassid = 'pg_authid'::regclass and refobjid = to_regrole(%s) and datname <> current_database()",
            [login],
        ).fetchall()
        raise HubError(
            f"{login} is closed: it reads nothing, cannot connect, and its sessions have ended. Its role remains, as "
            f"it owns objects in another database ({', '.join(name for (name,) in databases)}). As the administrator, "
            f"run there: drop owned by {login}; drop role {login}."
        ) from None


def revoke_all(connection: psycopg.Connection) -> list[str]:
    """Close and drop every login of the Hub; return a sentence for each whose role remains.

    The database may be without tables.
    """
    remaining = []
    if connection.execute("select to_regclass('app.bi_access')").fetchone() != (None,):
        for row in listed(connection):
            try:
                revoke(connection, row["login"])
            except HubError as error:
                remaining.append(str(error))
    return remaining


def _has_access(connection: psycopg.Connection, login: str) -> bool:
    return connection.execute("select from app.bi_access where login = %s", [login]).fetchone() is not None


def _exists(connection: psycopg.Connection, login: str) -> bool:
    return connection.execute("select from pg_roles where rolname = %s", [login]).fetchone() is not None


def _create(connection: psycopg.Connection, login: str) -> str:
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    connection.execute(
        "select set_config('scram_iterations', greatest(current_setting('scram_iterations')::int, %s)::text, true)",
        [LEAST_ITERATIONS],
    )
    name, hashed = sql.Identifier(login), database.password_hash(connection, login, password)
    try:
        connection.execute(
            sql.SQL("create role {} login connection limit {} password {}").format(
                name, sql.Literal(CONNECTIONS), sql.Literal(hashed)
            )
        )
    except psycopg.errors.InsufficientPrivilege:
        raise HubError(
            "The role of HUB_DATABASE_URL may not create logins. As the administrator of the server: "
            "alter role <role> createrole; grant hub_reader to <role> with admin option."
        ) from None
    connection.execute(sql.SQL("grant {} to {} with inherit true, set false").format(sql.Identifier(READERS), name))
    for setting, value in SESSION.items():
        connection.execute(
            sql.SQL("alter role {} set {} = {}").format(
                name, sql.SQL(setting), sql.SQL(value) if setting == "search_path" else sql.Literal(value)
            )
        )
    return password
