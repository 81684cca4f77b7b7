"""Migrations that agree with the metadata, and the view of slow queries."""

from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from alembic import command

from sources import database
from sources.errors import HubError
from sources.settings import Settings


def test_migrations_and_metadata_agree(settings: Settings) -> None:
    command.check(database.alembic_config(settings))


def test_migrating_twice_changes_nothing(settings: Settings) -> None:
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
    without = settings.model_copy(update={"database_url": "postgresql://me@db.example/hub"})
    assert database.url_with_passfile(without) == "postgresql://me@db.example/hub"


def test_a_secret_that_can_be_guessed_signs_no_tokens(tmp_path: Path) -> None:
    with pytest.raises(HubError, match="HUB_JWT_SECRET is shorter than 32"):
        Settings(home=tmp_path, jwt_secret="s" * 31).secret("jwt_secret")
    assert Settings(home=tmp_path, jwt_secret="s" * 32).secret("jwt_secret") == "s" * 32
    assert len(Settings(home=tmp_path).secret("jwt_secret")) > 32
