"""The functions that migrations share, and the constraints of the database beside the lifecycle."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
import sqlalchemy as sa
from alembic import op
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from sources import database, lifecycle
from sources.migrations import helpers
from sources.settings import Settings
from tests.sources.business import NORTH, SOUTH
from tests.sources.conftest import seeded_settings
from tests.sources.entering import enter

COLUMNS = """
    id uuid primary key default uuidv7(), org_id uuid not null, provider_id uuid, subject text,
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
    row_version xid8 not null default pg_current_xact_id()
"""
# The constraints that list statuses of bookings, with the statuses that each one has to list.
STATUS_CONSTRAINTS = {
    "ck_bookings_status": lifecycle.STATUSES,
    "ck_booking_status_history_from_status": lifecycle.STATUSES,
    "ck_booking_status_history_to_status": lifecycle.STATUSES,
    "ck_bookings_completed_at": [it for it, column in lifecycle.END_COLUMNS.items() if column == "completed_at"],
    "ck_bookings_cancelled_at": [it for it, column in lifecycle.END_COLUMNS.items() if column == "cancelled_at"],
    "ex_bookings_provider_time": lifecycle.HOLDS_TIME,
}


@pytest.fixture
def seeded_one(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with seeded_settings(seeded, tmp_path_factory.mktemp("hub")) as settings:
        yield settings


@contextmanager
def migration(settings: Settings) -> Iterator[None]:
    """Let `op` of Alembic work on the database, as within a migration."""
    engine = sa.create_engine(database.driver_url(settings.database_url, "psycopg"), poolclass=sa.NullPool)
    with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        yield


def listed(connection: psycopg.Connection, constraint: str) -> set[str]:
    """Return the values that a constraint lists."""
    row = connection.execute(
        "select pg_get_constraintdef(oid) from pg_constraint where conname = %s and connamespace = 'app'::regnamespace",
        [constraint],
    ).fetchone()
    assert row is not None, constraint
    return set(re.findall(r"'(\w+)'", row[0]))


@pytest.mark.parametrize("constraint", STATUS_CONSTRAINTS)
def test_the_database_lists_the_statuses_of_the_lifecycle(connection: psycopg.Connection, constraint: str) -> None:
    assert listed(connection, constraint) == set(STATUS_CONSTRAINTS[constraint])


def test_no_other_constraint_lists_statuses_of_bookings(connection: psycopg.Connection) -> None:
    names = connection.execute(
        "select conname from pg_constraint where conrelid in ('app.bookings'::regclass, "
        "'app.booking_status_history'::regclass) and contype in ('c', 'x') and pg_get_constraintdef(oid) ~ 'status'"
    )
    assert {name for (name,) in names} == set(STATUS_CONSTRAINTS)


def test_a_status_is_added_and_removed_again(seeded_one: Settings) -> None:
    with psycopg.connect(seeded_one.database_url, autocommit=True) as connection:
        before = {name: listed(connection, name) for name in STATUS_CONSTRAINTS}
        with migration(seeded_one):
            helpers.replace_status_checks(
                [*lifecycle.STATUSES, "parked", "abandoned"],
                holds_time=[*lifecycle.HOLDS_TIME, "parked"],
                cancelled_at=["cancelled", "no_show", "abandoned"],
            )
        assert listed(connection, "ck_bookings_status") == {*lifecycle.STATUSES, "parked", "abandoned"}
        assert listed(connection, "ex_bookings_provider_time") == {*lifecycle.HOLDS_TIME, "parked"}
        assert listed(connection, "ck_bookings_completed_at") == {"completed"}
        book(connection, "1", "parked")
        with pytest.raises(psycopg.errors.ExclusionViolation):
            book(connection, "2", "parked")
        with pytest.raises(psycopg.errors.CheckViolation):
            book(connection, "3", "abandoned")
        connection.execute("delete from app.bookings")
        with migration(seeded_one):
            helpers.replace_status_checks(
                lifecycle.STATUSES, holds_time=lifecycle.HOLDS_TIME, completed_at=["completed"],
                cancelled_at=["cancelled", "no_show"],
            )  # fmt: skip
        assert {name: listed(connection, name) for name in STATUS_CONSTRAINTS} == before


def book(connection: psycopg.Connection, number: str, status: str) -> None:
    connection.execute(
        "insert into app.bookings (org_id, booking_number, client_id, provider_id, service_id, status, title, "
        "total_amount, currency, scheduled_start, scheduled_end) values "
        "(%s, %s, %s, %s, %s, %s, 'Advice', 1, 'EUR', '2030-01-01T09:00Z', '2030-01-01T10:00Z')",
        [NORTH.id, number, NORTH.client, NORTH.provider, NORTH.service, status],
    )


def test_a_table_is_made_operational(seeded_one: Settings) -> None:
    with migration(seeded_one):
        op.execute(f"create table app.objections ({COLUMNS})")
        helpers.make_operational("objections", visible=helpers.own_rows("provider_id"), rights="select, insert")
    insert = "insert into app.objections (org_id, provider_id, subject) values (%s, %s, 'Late') returning id"
    with psycopg.connect(seeded_one.database_url, autocommit=True) as owner:
        for org in (NORTH, SOUTH):
            kept = owner.execute(insert, [org.id, org.provider]).fetchone()
            gone = owner.execute(insert, [org.id, org.provider2]).fetchone()
            assert kept
            assert gone
        owner.execute("update app.objections set row_version = '1'")
        assert owner.execute("select count(*) from app.objections where row_version = '1'").fetchone() == (0,)
        owner.execute("delete from app.objections where id = %s", gone)
        tombstones = owner.execute("select row_id from app.tombstones where table_name = 'objections'").fetchall()
        assert tombstones == [gone]
        with owner.transaction():
            owner.execute("set local role hub_source")
            assert owner.execute("select count(*) from app.objections").fetchone() == (3,)
    with psycopg.connect(database.api_url(seeded_one), autocommit=True) as hub_api:
        for person, seen in (("admin", 2), ("provider", 1), ("client", 0)):
            with hub_api.transaction():
                enter(hub_api, NORTH.id, NORTH.id_of(person))
                assert hub_api.execute("select count(*) from app.objections").fetchone() == (seen,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            hub_api.execute("delete from app.objections")
