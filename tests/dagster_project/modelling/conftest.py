"""An organisation whose warehouse is made of the few columns that modelling reads."""

from datetime import date
from uuid import uuid4

import psycopg
import pytest

from dagster_project.modelling.organizations import Organization

DAY = date(2026, 3, 10)
SERVICES = [uuid4(), uuid4(), uuid4()]


@pytest.fixture
def organization(connection: psycopg.Connection) -> Organization:
    """An organisation with a metric of each unit, and the same figures on each day of eight weeks."""
    organization = Organization(uuid4(), "ES", DAY)
    connection.execute("create schema marts")
    connection.execute(
        "create table marts.kpi_daily (org_id uuid, day date, metric text, dimension text, member text, value numeric)"
    )
    connection.execute(
        "create table marts.dim_metric (metric text, unit text, kind text default 'sum', numerator text, "
        "denominator text, dimensions text[] default '{total,service}', day_column text default 'day', "
        "is_watched boolean default true, is_forecast boolean default false)"
    )
    connection.execute("create schema intermediate")
    connection.execute("create table intermediate.int_on_hand_spans (org_id uuid, service_day date, revenue numeric)")
    connection.execute("create table intermediate.int_metric_worth (org_id uuid, metric text, worth numeric)")
    connection.execute("create schema staging")
    connection.execute(
        "create table staging.stg_app__calendar_events (org_id uuid, kind text, starts_on date, ends_on date, "
        "service_id uuid, provider_id uuid, expected_effect numeric)"
    )
    connection.execute(
        "create table marts.dim_organization (org_id uuid, country text, as_of date, first_day date, last_day date, "
        "has_ended boolean, book_until date, bookings_complete_until date, region text, sensitivity text, "
        "as_of_at timestamptz)"
    )
    connection.execute(
        "insert into marts.dim_organization values (%(org)s, 'ES', %(day)s, %(day)s::date - 55, %(day)s, false)",
        {"org": organization.id, "day": DAY},
    )
    units = {
        "bookings_created": "count",
        "booked_revenue": "money",
        "realized_revenue": "money",
        "tracked_hours": "hours",
    }
    for (metric, unit), value in zip(units.items(), (4, 800, 600, 30), strict=True):
        connection.execute(
            "insert into marts.dim_metric (metric, unit, is_forecast) values (%s, %s, %s)",
            [metric, unit, metric == "realized_revenue"],
        )
        connection.execute(
            "insert into marts.kpi_daily select %s, %s::date - n, %s, 'total', 'all', %s "
            "from generate_series(0, 55) as n",
            [organization.id, DAY, metric, value],
        )
    return organization
