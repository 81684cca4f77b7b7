"""Connections to the Hub's database and to the operational source; migrations."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from sources import embedded_server, entry
from sources.errors import HubError
from sources.settings import Settings

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT = "5min"  # of a migration: a reader may hold a lock for as long as it likes
SCHEMAS = ("app", "raw", "staging", "snapshots", "intermediate", "marts", "analytics", "ml", "dagster")
API_ROLE = "hub_api"


def database_url(settings: Settings) -> str:
    """Return the URL of the Hub's database, in the form for psql (postgresql://...)."""
    return settings.database_url or embedded_server.url(settings)


def url_with_passfile(settings: Settings) -> str:
    """Return the URL of the Hub's database for libpq, with the path of a password file in place of the password.

    The file is under HUB_HOME and readable by its owner only (https://www.postgresql.org/docs/18/libpq-pgpass.html).
    """
    parts = urlsplit(database_url(settings))
    if parts.password is None:
        return parts.geturl()
    info = conninfo_to_dict(parts.geturl())  # as libpq reads it: decoded, and with a host of the query
    fields = [str(info.get(field) or "*") for field in ("host", "port", "dbname", "user")]
    line = ":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in (*fields, str(info["password"])))
    passfile = settings.home / "secrets" / "pgpass"
    passfile.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = passfile.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(line + "\n")
    written.replace(passfile)  # at once: another process may be reading it
    user, _, address = parts.netloc.rpartition("@")
    query = urlencode([*parse_qsl(parts.query), ("passfile", str(passfile))], safe="/", quote_via=quote)
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{address}", query=query))


def source_url(settings: Settings) -> str:
    """Return the URL of the database with the operational tables; by default the Hub's own."""
    return settings.source_url or database_url(settings)


def api_url(settings: Settings) -> str:
    """Return the URL of the Hub's database for the API: with the role hub_api, which cannot bypass row security."""
    return url_of(settings, API_ROLE, settings.secret("api_database_password"))


def url_of(settings: Settings, role: str, password: str) -> str:
    """Return the URL of the Hub's database for another role."""
    parts = urlsplit(database_url(settings))
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role)}:{quote(password)}@{host}"))


def driver_url(url: str, driver: str) -> str:
    """Return `url` for SQLAlchemy with `driver` ("psycopg" or "psycopg2")."""
    _, _, rest = url.partition("://")
    return f"postgresql+{driver}://{rest}"


def with_options(url: str, **options: str) -> str:
    """Return `url` with these settings of PostgreSQL for its connections."""
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query), ("options", " ".join(f"-c{name}={value}" for name, value in options.items()))]
    return urlunsplit(parts._replace(query=urlencode(query)))


def masked(url: str) -> str:
    """Return host, port and database of `url`, without its password, for messages and logs."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{host}{port}{parts.path}"


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection]:
    """Open a psycopg connection that commits on success and rolls back on an error.

    Raises HubError where the server cannot be reached.
    """
    try:
        connection = psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S, application_name="hub")
    except psycopg.OperationalError as error:
        raise _unreachable(url, error) from None
    with connection:
        yield connection


def records(
    connection: psycopg.Connection, query: LiteralString | sql.Composed, parameters: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """Return every row of `query` as a mapping of column names to values."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def start(settings: Settings) -> bool:
    """Start the embedded server if the Hub uses it; return True if this call started it."""
    if not settings.uses_embedded_server:
        return False
    started = embedded_server.start(settings)
    with connect(urlunsplit(urlsplit(embedded_server.url(settings))._replace(path="/postgres"))) as connection:
        connection.autocommit = True
        query = "select 1 from pg_database where datname = %s"
        if connection.execute(query, [embedded_server.DATABASE]).fetchone() is None:
            connection.execute(f"create database {embedded_server.DATABASE}")
        # A login of a BI tool has no business there, and what it owned there would be in the way of its end.
        for other in ("postgres", "template1"):
            if connection.execute("select has_database_privilege('public', %s, 'connect')", [other]).fetchone() == (
                True,
            ):
                connection.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier(other)))
    return started


def migrate(settings: Settings) -> None:
    """Migrate the Hub's database to the newest revision. Can be repeated.

    Raises HubError with the sessions that hold locks, if a lock is not free within LOCK_TIMEOUT.
    """
    from alembic import command  # with SQLAlchemy half of the time of a command that needs neither
    from sqlalchemy.exc import OperationalError

    with connect(database_url(settings)) as connection:
        try:
            # Of two processes that migrate at the same time, the second waits and then has nothing to do.
            connection.execute("select set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            connection.execute("select pg_advisory_lock(hashtext('hub migrate'))")
            command.upgrade(alembic_config(settings), "head")
        except (psycopg.errors.LockNotAvailable, OperationalError) as error:
            if not isinstance(getattr(error, "orig", error), psycopg.errors.LockNotAvailable):
                raise
            connection.rollback()
            raise HubError(
                f"The migration waited {LOCK_TIMEOUT} for a lock. Sessions that hold locks: "
                f"{_lock_holders(connection)}. End them (`select pg_terminate_backend(pid)`), then repeat the command."
            ) from None
        _set_api_password(connection, settings)
        connection.execute(
            "insert into app.entry_keys (inner_key, outer_key) values (%s, %s) "
            "on conflict (is_only) do update set inner_key = excluded.inner_key, outer_key = excluded.outer_key "
            "where entry_keys.inner_key <> excluded.inner_key",
            entry.keys(settings.secret("api_entry_secret")),
        )


def _lock_holders(connection: psycopg.Connection) -> str:
    """Return the sessions that hold an advisory lock, or a lock of a table, as `pid (user)`."""
    rows = connection.execute(
        """
        select distinct activity.pid, activity.usename
        from pg_locks as locks join pg_stat_activity as activity on activity.pid = locks.pid
        where locks.granted and locks.locktype in ('advisory', 'relation') and activity.pid <> pg_backend_pid()
            and activity.datname = current_database() and activity.backend_type = 'client backend'
        order by 1
        """
    ).fetchall()
    return ", ".join(f"{pid} ({user})" for pid, user in rows) or "none is left"


def _set_api_password(connection: psycopg.Connection, settings: Settings) -> None:
    """Set the password of hub_api, if the current user may; otherwise the administrator of the server sets it."""
    may_alter_role = connection.execute(
        "select rolsuper or rolcreaterole from pg_roles where rolname = current_user"
    ).fetchone()
    if may_alter_role == (True,):
        hashed = password_hash(connection, API_ROLE, settings.secret("api_database_password"))
        connection.execute(
            sql.SQL("alter role {} with login password {}").format(sql.Identifier(API_ROLE), sql.Literal(hashed))
        )


def password_hash(connection: psycopg.Connection, role: str, password: str) -> str:
    """Return what `alter role` takes in place of a password, with the scram_iterations of the session.

    The server keeps the text of statements in its log and in pg_stat_statements, so that they never have the password.
    """
    return connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()


def alembic_config(settings: Settings) -> "Config":
    """Return the configuration of Alembic for the Hub's database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = driver_url(database_url(settings), "psycopg")
    return config


def reset(settings: Settings) -> None:
    """Drop every schema of the Hub and migrate again."""
    with connect(database_url(settings)) as connection:
        for schema in SCHEMAS:
            connection.execute(f"drop schema if exists {schema} cascade")
    migrate(settings)


def _unreachable(url: str, error: BaseException) -> HubError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return HubError(
        f"The database {masked(url)} cannot be reached: {reason}. "
        "Start it (`hub db start` for the embedded one) or correct HUB_DATABASE_URL."
    )
