"""Migrations that agree with the metadata, and the view of slow queries."""

from contextlib import nullcontext
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from alembic import command
from pydantic import ValidationError

from sources import database
from sources.errors import HubError
from sources.settings import Settings


def test_migrations_and_metadata_agree(settings: Settings) -> None:
    command.check(database.alembic_config(settings))


def test_migrating_twice_changes_nothing(settings: Settings) -> None:
    database.migrate(settings)


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        ("select pg_advisory_lock(hashtext('hub migrate'))", "0025"),
        ("lock table app.payments in access share mode", "0024"),
    ],
)
def test_a_migration_that_waits_for_a_session_says_which(
    settings: Settings, connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, lock: str, name: str
) -> None:
    command.downgrade(database.alembic_config(settings), name)
    monkeypatch.setattr(database, "LOCK_TIMEOUT", "100ms")
    with connection.transaction():
        connection.execute(lock.encode())
        with pytest.raises(HubError, match=rf"waited 100ms .* {connection.info.backend_pid} \(hub\)"):
            database.migrate(settings)


def test_slow_queries_are_shown_without_passwords(connection: psycopg.Connection) -> None:
    with connection.transaction(force_rollback=True):  # roles belong to the server, which all tests share
        connection.execute("create role somebody password 'in the clear'")
    connection.execute("select count(*) as slow_ones from app.bookings")
    connection.execute("set role pg_monitor")
    rows = connection.execute("select query, calls, mean_ms, total_ms, rows from app.slow_queries").fetchall()
    assert any("slow_ones" in row[0] for row in rows)
    assert not any("in the clear" in row[0] for row in rows)


def test_the_url_for_psql_has_no_password_and_connects(settings: Settings, tmp_path: Path) -> None:
    own_home = settings.model_copy(update={"home": tmp_path / "a home: of mine"})
    url = database.url_with_passfile(own_home)
    assert urlsplit(settings.database_url).password not in (None, "")
    assert urlsplit(url).password is None
    assert str(urlsplit(settings.database_url).password) not in url
    with psycopg.connect(url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    [passfile] = (own_home.home / "secrets").iterdir()
    assert passfile.stat().st_mode & 0o777 == 0o600


def test_a_password_file_has_its_separators_escaped(tmp_path: Path) -> None:
    password = quote("a:b\\c@d", safe="")
    settings = Settings(home=tmp_path, database_url=f"postgresql://me:{password}@db.example:5432/hub?sslmode=require")
    url = database.url_with_passfile(settings)
    assert url == f"postgresql://me@db.example:5432/hub?sslmode=require&passfile={quote(str(tmp_path))}/secrets/pgpass"
    assert (tmp_path / "secrets" / "pgpass").read_text() == "db.example:5432:hub:me:a\\:b\\\\c@d\n"
    encoded = settings.model_copy(update={"database_url": "postgresql://m%65:x@/my%20hub?host=/run/Pg"})
    database.url_with_passfile(encoded)
    assert (tmp_path / "secrets" / "pgpass").read_text() == "/run/Pg:*:my hub:me:x\n"
    without = settings.model_copy(update={"database_url": "postgresql://me@db.example/hub"})
    assert database.url_with_passfile(without) == "postgresql://me@db.example/hub"


@pytest.mark.parametrize("setting", ["database_url", "source_url"])
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example/hub?user=hub&password=S",
        "postgresql://me@db.example/hub?%70assword=S",
        "postgresql://h1:5432,h2:5432/hub",
    ],
)
def test_a_url_that_parts_of_the_hub_would_read_differently_is_refused(setting: str, url: str) -> None:
    """The address of a BI login with the owner's password in its query would connect as the owner."""
    with pytest.raises(ValidationError, match=r"belong before the host|needs one host"):
        Settings.model_validate({setting: url})


@pytest.mark.parametrize(("network", "is_valid"), [("10.0.0.5", True), ("10.0.0.5/24", False), ("10.0.0.0/33", False)])
def test_a_trusted_proxy_is_an_address_or_a_network(network: str, is_valid: bool) -> None:
    """uvicorn takes other text for a literal, and trusts nobody."""
    with nullcontext() if is_valid else pytest.raises(ValidationError, match="trusted_proxies"):
        Settings.model_validate({"trusted_proxies": [network]})


def test_a_secret_that_can_be_guessed_signs_no_tokens(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="HUB_JWT_SECRET is shorter than 32"):
        Settings(home=tmp_path, jwt_secret="s" * 31).secret("jwt_secret")
    assert Settings(home=tmp_path, jwt_secret="s" * 32).secret("jwt_secret") == "s" * 32
    assert len(Settings(home=tmp_path).secret("jwt_secret")) > 32


@pytest.mark.parametrize(
    "url",
    ["hub.example.com", "hub.example.com:80", "https://hub.example.com/hub", "https://me@h.example", "ftp://h.example"],
)
def test_the_public_address_is_that_of_a_site(url: str) -> None:
    with pytest.raises(ValidationError, match="without a path"):
        Settings(public_url=url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://hub.example.com/", "https://hub.example.com"),
        ("https://Hub.Example.com:443", "https://hub.example.com"),
        ("http://hub.example.com:8080", "http://hub.example.com:8080"),
    ],
)
def test_the_public_address_is_kept_as_browsers_write_it(url: str, origin: str) -> None:
    """With another spelling no request of a page has the origin of the Hub."""
    assert Settings(public_url=url).link_base == origin
