"""A warehouse of empty tables, as the rules of the kinds beside anomalies and forecasts read them."""

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from insights.findings import Finding
from insights.narrative import with_texts
from insights.organizations import Organization

GOLDEN: Final = Path(__file__).parent / "golden" / "kinds"
DAY: Final = date(2026, 3, 10)
ORGANIZATION: Final = Organization(
    uuid4(), "Studio", "EUR", DAY, datetime(2026, 3, 11, tzinfo=UTC), first_day=date(2024, 1, 1), knows_capacity=True
)
TABLES: Final[LiteralString] = """
create schema marts; create schema analytics; create schema intermediate;
create table marts.dim_service (service_id uuid, service_name text);
create table marts.dim_provider (provider_id uuid, provider_name text);
create table marts.dim_client (client_id uuid, client_name text, email text);
create table marts.dim_organization (org_id uuid, timezone text, created_at timestamptz);
create table marts.kpi_daily (org_id uuid, day date, metric text, dimension text, member text, value numeric);
create table marts.fct_bookings (
    booking_id uuid, org_id uuid, booking_number text, client_id uuid, service_id uuid, service_day date,
    service_end_day date, scheduled_start timestamptz, total_amount numeric(14, 2), is_in_own_currency boolean,
    status_group text, completed_day date
);
create table marts.fct_invoices (org_id uuid);
create table intermediate.int_booking_pace (
    org_id uuid, weeks_ago integer, service_id uuid, week_ahead integer, bookings integer, revenue numeric(18, 2)
);
create table intermediate.int_overdue_weeks (
    org_id uuid, weeks_ago integer, invoices bigint, overdue_amount numeric(18, 2)
);
create table analytics.v_receivables (
    org_id uuid, invoice_id uuid, invoice_number text, client_name text, due_day date, days_overdue integer, age text,
    open_amount numeric(18, 2)
);
create table intermediate.int_unbilled_bookings (
    booking_id uuid, org_id uuid, service_id uuid, done_day date, unbilled_amount numeric(18, 2),
    tracked_hours numeric(18, 4)
);
create table intermediate.int_milestone_delays (
    milestone_id uuid, org_id uuid, booking_id uuid, service_id uuid, provider_id uuid, position smallint, title text,
    due_day date, done_day date, is_open boolean, slipped_days integer, is_late boolean, is_behind boolean,
    booking_amount numeric(14, 2)
);
create table intermediate.int_client_rhythm (
    client_id uuid, org_id uuid, visits integer, visit_day date, median_days numeric(8, 2), missed_after_days integer,
    yearly_amount numeric(18, 2)
);
create table intermediate.int_client_weeks (
    org_id uuid, client_id uuid, last_visit_day date, weeks_ago integer, is_missed boolean
);
create table intermediate.int_no_show_bookings (org_id uuid, outcome text, service_day date);
create table intermediate.int_provider_capacity (
    org_id uuid, provider_id uuid, day date, capacity_hours numeric(5, 2)
);
create table intermediate.int_provider_days (
    org_id uuid, provider_id uuid, day date, booking_id uuid, booked_hours numeric(16, 10)
);
create table intermediate.int_provider_services (org_id uuid, provider_id uuid, service_id uuid);
"""

Rule = Callable[[psycopg.Connection, Organization], list[Finding] | None]


@pytest.fixture
def tables(connection: psycopg.Connection) -> psycopg.Connection:
    """The empty tables; those of schema ml are the migrated ones."""
    connection.execute(TABLES)
    return connection


def insert(connection: psycopg.Connection, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of the organisation: `columns` are those after org_id."""
    names = [sql.Identifier(name) for name in ("org_id", *columns.split())]
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(names),
        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(ORGANIZATION.id, *row) for row in rows])


def insert_named(connection: psycopg.Connection, table: LiteralString, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of id and name into a dimension without org_id."""
    with connection.cursor() as cursor:
        cursor.executemany(sql.SQL("insert into {} values (%s, %s)").format(sql.Identifier("marts", table)), list(rows))


def check_golden(name: str, finding: Finding) -> None:
    """Compare the finding's text with its golden file; HUB_WRITE_GOLDEN=1 rewrites it: read the diff."""
    (texts,) = with_texts(ORGANIZATION, [finding])
    parts = [texts["title"], texts["summary"], texts["recommendation"], *(each["text"] for each in texts["actions"])]
    text = "\n\n".join(parts) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("HUB_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
