"""Migrations that agree with the metadata, and the view of slow queries."""

import psycopg
from alembic import command

from sources import database
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
