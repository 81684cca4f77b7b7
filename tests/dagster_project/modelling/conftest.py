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
    connection.execute("create table marts.dim_metric (metric text, unit text, day_column text, is_watched boolean)")
    connection.execute(
        "create table marts.dim_organization (org_id uuid, country text, as_of date, first_day date, last_day date, "
        "has_ended boolean, book_until date, bookings_complete_until date)"
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
        connection.execute("insert into marts.dim_metric values (%s, %s, 'day', true)", [metric, unit])
        connection.execute(
            "insert into marts.kpi_daily select %s, %s::date - n, %s, 'total', 'all', %s "
            "from generate_series(0, 55) as n",
            [organization.id, DAY, metric, value],
        )
    return organization
