"""The day of a run: yesterday, a given day, or the last day of data that have ended."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import dagster as dg
import psycopg
import pytest

from dagster_project.delivery.assets import digest_deliveries
from dagster_project.ingestion.landing import create_raw_table
from dagster_project.ingestion.run_clock import (
    QUIET_DAYS,
    clock_notes,
    parse_moment,
    refuse_day_ahead,
    run_clock,
    set_clock,
)
from dagster_project.resources import HubDatabase
from sources.errors import HubError
from sources.settings import Settings
from sources.tables import OPERATIONAL

NOW = datetime(2026, 3, 31, 2, tzinfo=UTC)  # still the 30th in New York
YESTERDAY = date(2026, 3, 29)


@pytest.fixture
def org_id(connection: psycopg.Connection) -> UUID:
    org_id = uuid4()
    for table in OPERATIONAL:
        create_raw_table(connection, table)
    connection.execute(
        "insert into raw.organizations (id, org_id, name, timezone) values (%(id)s, %(id)s, 'Salon', %(zone)s)",
        {"id": org_id, "zone": "America/New_York"},
    )
    return org_id


def book(connection: psycopg.Connection, org_id: UUID, made: date, start: date, status: str = "confirmed") -> None:
    connection.execute(
        "insert into raw.bookings (id, org_id, status, created_at, scheduled_start) values (%s, %s, %s, %s, %s)",
        [uuid4(), org_id, status, f"{made} 12:00-04", f"{start} 12:00-04"],
    )


def clock(connection: psycopg.Connection, as_of: date | None = None) -> tuple[date, date | None, date | None, bool]:
    set_clock(connection, as_of=as_of, now=NOW)
    (row,) = connection.execute("select as_of, first_day, last_day, has_ended from raw.run_clock").fetchall()
    return row


def test_the_day_of_an_active_business_is_its_yesterday(connection: psycopg.Connection, org_id: UUID) -> None:
    first = YESTERDAY - timedelta(days=QUIET_DAYS - 1)
    book(connection, org_id, first, first)
    assert clock(connection) == (YESTERDAY, first, first, False)
    assert clock_notes(connection) == []


def test_the_day_of_data_that_have_ended_is_their_last_day_and_a_note_says_so(
    connection: psycopg.Connection, org_id: UUID
) -> None:
    book(connection, org_id, date(2017, 6, 1), date(2017, 8, 31))
    connection.execute("update raw.bookings set status = 'completed', completed_at = '2017-09-14 12:00+00'")
    assert clock(connection) == (date(2017, 8, 31), date(2017, 6, 1), date(2017, 8, 31), True)
    assert clock_notes(connection) == [
        "The bookings of Salon end on 31 August 2017, so this run is as of that day.",
    ]
    moment = connection.execute("select as_of_at from raw.run_clock").fetchone()
    assert moment == (datetime(2017, 9, 1, 4, tzinfo=UTC),)


def test_data_with_scheduled_bookings_have_not_ended(connection: psycopg.Connection, org_id: UUID) -> None:
    book(connection, org_id, date(2025, 6, 1), date(2025, 8, 31))
    book(connection, org_id, date(2025, 6, 2), YESTERDAY, "requested")
    assert clock(connection) == (YESTERDAY, date(2025, 6, 1), date(2025, 8, 31), False)
    connection.execute("update raw.bookings set status = 'cancelled' where status = 'requested'")
    assert clock(connection)[0] == date(2025, 8, 31)


def test_any_record_is_activity(connection: psycopg.Connection, org_id: UUID) -> None:
    book(connection, org_id, date(2025, 1, 1), date(2025, 1, 1))
    for table, column in (
        ("booking_status_history", "changed_at"),
        ("invoices", "issued_at"),
        ("payments", "paid_at"),
        ("time_entries", "started_at"),
        ("reviews", "reviewed_at"),
    ):
        connection.execute(
            f"insert into raw.{table} (id, org_id, {column}) values (%s, %s, %s)".encode(),
            [uuid4(), org_id, NOW - timedelta(minutes=1)],
        )
        assert clock(connection) == (YESTERDAY, date(2025, 1, 1), date(2025, 1, 1), False), table
        connection.execute(f"delete from raw.{table}".encode())
    assert clock(connection)[0] == date(2025, 1, 1)


def test_a_given_day_is_kept(connection: psycopg.Connection, org_id: UUID) -> None:
    """Long after the end of the data a note says that there are no results; later data do not count."""
    book(connection, org_id, date(2017, 6, 1), date(2017, 8, 31))
    book(connection, org_id, date(2020, 1, 1), date(2020, 1, 2))
    given = date(2019, 1, 1)
    assert clock(connection, given) == (given, date(2017, 6, 1), date(2017, 8, 31), True)
    assert clock_notes(connection) == [
        "The bookings of Salon end on 31 August 2017, long before 1 January 2019: "
        "there are no anomalies and no forecasts."
    ]
    assert clock(connection, date(2017, 9, 5)) == (date(2017, 9, 5), date(2017, 6, 1), date(2017, 8, 31), False)


def test_before_the_first_activity_there_are_no_data(connection: psycopg.Connection, org_id: UUID) -> None:
    book(connection, org_id, YESTERDAY + timedelta(days=3), YESTERDAY + timedelta(days=5))
    assert clock(connection) == (YESTERDAY, None, None, False)
    assert clock_notes(connection) == [
        "Salon has no data up to 29 March 2026: there are no anomalies and no forecasts."
    ]


def test_a_day_in_the_future_is_refused_except_for_the_sample(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into app.organizations (id, org_id, name, slug, timezone, currency, settings) values "
        "(%(id)s, %(id)s, 'Salon', 'salon', 'America/New_York', 'USD', %(settings)s)",
        {"id": uuid4(), "settings": "{}"},
    )
    refuse_day_ahead(connection, as_of=date(2026, 3, 30), now=NOW)
    with pytest.raises(HubError, match=r"2026-03-31 is in the future: for Salon .* today is 2026-03-30"):
        refuse_day_ahead(connection, as_of=date(2026, 3, 31), now=NOW)
    connection.execute("""update app.organizations set settings = '{"sample": {}}'""")
    refuse_day_ahead(connection, as_of=date(2026, 3, 31), now=NOW)


@pytest.mark.parametrize("config", [{"as_of": "2099-01-01"}, {"now": "2099-01-01T00:00:00+00:00"}])
def test_a_run_that_is_launched_with_a_future_day_fails(
    environment: Settings, connection: psycopg.Connection, config: dict[str, str]
) -> None:
    connection.execute(
        "insert into app.organizations (id, org_id, name, slug, timezone, currency) values "
        "(%(id)s, %(id)s, 'Salon', 'salon', 'America/New_York', 'USD')",
        {"id": uuid4()},
    )
    run_config = {"ops": {"raw__run_clock": {"config": config}}}
    with pytest.raises(HubError, match="in the future"):
        dg.materialize([run_clock], resources={"database": HubDatabase()}, run_config=run_config)


@pytest.mark.parametrize(("text", "why"), [("2026-03-31", "zone"), ("2026-03-31T09:00", "zone"), ("soon", "moment")])
def test_a_moment_has_a_time_zone(text: str, why: str) -> None:
    with pytest.raises(HubError, match=why):
        parse_moment(text, "now")


def test_there_is_no_digest_of_a_day_ahead_of_the_figures(
    environment: Settings, connection: psycopg.Connection, org_id: UUID
) -> None:
    book(connection, org_id, YESTERDAY, YESTERDAY)
    set_clock(connection, as_of=YESTERDAY, now=NOW)
    run_config = {"ops": {"app__digest_deliveries": {"config": {"day": "2026-03-30"}}}}
    with pytest.raises(HubError, match="no digest of 2026-03-30 yet: the figures end on 2026-03-29"):
        dg.materialize([digest_deliveries], run_config=run_config)
