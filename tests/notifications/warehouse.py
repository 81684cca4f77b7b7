"""Tables in place of those of ingestion and dbt, with the columns that the digest reads."""

from datetime import date, timedelta
from typing import Any

import psycopg

from tests.notifications.examples import DAY, ORG

TABLES = """
create schema if not exists analytics;
create schema if not exists marts;
create table marts.dim_organization (
    org_id uuid, as_of date, first_day date, last_day date, has_ended boolean, book_until date,
    bookings_complete_until date, knows_payments boolean, knows_capacity boolean
);
create table marts.dim_metric (metric text, label text, unit text, kind text);
create table marts.kpi_daily (org_id uuid, day date, metric text, dimension text, member text, value numeric);
create table marts.fct_bookings (org_id uuid, status_group text, service_day date, cancelled_day date);
create table marts.fct_bookings_on_hand (
    org_id uuid, dimension text, member text, service_day date, lead_days integer, bookings integer,
    revenue numeric(14, 2)
);
create table raw.organizations (id uuid, name text, currency text, timezone text, locale text, _deleted_at timestamptz);
create table analytics.v_booking_trends (
    org_id uuid, day date, bookings_created integer, bookings_completed integer, bookings_cancelled integer,
    booked_revenue numeric(14, 2), realized_revenue numeric(14, 2), collected_revenue numeric(14, 2)
);
create table analytics.v_booking_status_metrics (
    org_id uuid, as_of date, period_start date, period_end date, total_bookings bigint, pending bigint, active bigint,
    at_risk bigint, overdue bigint, completed bigint, cancelled bigint, previous_period_start date,
    previous_period_end date, total_bookings_previous bigint, pending_previous bigint, active_previous bigint,
    at_risk_previous bigint, overdue_previous bigint, completed_previous bigint, cancelled_previous bigint,
    pending_now bigint, active_now bigint, at_risk_now bigint, overdue_now bigint, overdue_provider_now bigint,
    overdue_client_now bigint, overdue_payment_now bigint, cancellations bigint, no_shows bigint, declined bigint,
    expired bigint, refunded bigint, cancellations_previous bigint, no_shows_previous bigint,
    declined_previous bigint, expired_previous bigint, refunded_previous bigint
);
create table analytics.v_provider_workload_analytics (
    org_id uuid, provider_id uuid, provider_name text, day date, booked_hours numeric(10, 2),
    capacity_hours numeric(5, 2), utilization numeric, active_bookings bigint, overdue_tasks bigint, load_level text,
    expected_hours numeric(10, 2), will_overload boolean
);
create table analytics.v_forecast_accuracy (
    org_id uuid, as_of date, service_id uuid, lead_days integer, days integer, error_share numeric,
    naive_error_share numeric, covered_80_share numeric
);
"""


METRICS = {
    "bookings_created": "count",
    "bookings_completed": "count",
    "bookings_cancelled": "count",
    "booked_revenue": "money",
    "realized_revenue": "money",
    "collected_revenue": "money",
}


def build(connection: psycopg.Connection) -> None:
    """Create the empty warehouse with one organisation."""
    connection.execute(TABLES)
    connection.execute(
        "insert into raw.organizations values (%s, 'Nordlicht Studio', 'EUR', 'Europe/Berlin', 'en_US', null)", [ORG]
    )
    for metric, unit in METRICS.items():
        label = metric.replace("_", " ").capitalize()
        connection.execute("insert into marts.dim_metric values (%s, %s, %s, 'sum')", [metric, label, unit])


def set_coverage(connection: psycopg.Connection, **changes: Any) -> None:
    """Set the extent of the data: five weeks up to DAY, payments and capacities, with `changes`."""
    coverage = {
        "org_id": ORG,
        "as_of": DAY,
        "first_day": DAY - timedelta(days=35),
        "last_day": DAY,
        "has_ended": False,
        "book_until": None,
        "bookings_complete_until": None,
        "knows_payments": True,
        "knows_capacity": True,
        **changes,
    }
    connection.execute("delete from marts.dim_organization")
    connection.execute(
        "insert into marts.dim_organization values (%(org_id)s, %(as_of)s, %(first_day)s, %(last_day)s, "
        "%(has_ended)s, %(book_until)s, %(bookings_complete_until)s, %(knows_payments)s, %(knows_capacity)s)",
        coverage,
    )


def fill(connection: psycopg.Connection) -> None:
    """Insert five weeks up to DAY: 10 bookings and € 1,000 per day, on DAY 12 bookings, € 500 and no collection."""
    set_coverage(connection)
    connection.execute(
        """
        insert into analytics.v_booking_trends
        select %(org)s, day::date, 10, 8, 1, 1000, 900, 800
        from generate_series(%(day)s::date - 35, %(day)s::date, interval '1 day') as day
        """,
        {"org": ORG, "day": DAY},
    )
    connection.execute(
        """
        update analytics.v_booking_trends
        set bookings_created = 12, booked_revenue = 500, collected_revenue = 0, bookings_cancelled = 1
        where day = %s
        """,
        [DAY],
    )
    connection.execute(
        "insert into marts.kpi_daily select %s, %s, metric, 'total', 'all', 1 from marts.dim_metric",
        [ORG, DAY - timedelta(days=35)],
    )
    insert_on_hand(connection, DAY)
    set_statuses(connection, DAY)
    forecast(connection, DAY)


def insert_on_hand(connection: psycopg.Connection, as_of: date) -> None:
    """Insert € 200 on hand for each of the seven days after as_of, and nothing later."""
    connection.execute(
        """
        insert into marts.fct_bookings_on_hand
        select %(org)s, 'total', 'all', %(as_of)s::date + n, n, 2, case when n <= 7 then 200 else 0 end
        from generate_series(1, 28) as n
        """,
        {"org": ORG, "as_of": as_of},
    )


def set_statuses(connection: psycopg.Connection, as_of: date) -> None:
    """Set the bookings by status: 280 of 30 days, 135 of them open; 260 of the 30 days before; 150 open ones in all."""
    connection.execute("delete from analytics.v_booking_status_metrics")
    connection.execute(
        "insert into analytics.v_booking_status_metrics values "
        "(%s, %s, %s, %s, 280, 20, 100, 10, 5, 120, 25, %s, %s, 260, 10, 90, 10, 10, 110, 30, 22, 108, 11, 9, 4, 3, 2, "
        "20, 3, 2, 0, 0, 22, 4, 0, 3, 1)",
        [
            ORG,
            as_of,
            as_of - timedelta(days=29),
            as_of,
            as_of - timedelta(days=59),
            as_of - timedelta(days=30),
        ],
    )


def forecast(connection: psycopg.Connection, as_of: date, *, per_day: int = 950) -> None:
    """Insert forecasts of 28 days, of the total and of a service that the digest must not count."""
    connection.execute(
        """
        insert into ml.revenue_forecasts
            (org_id, as_of, day, service_id, forecast, lower_80, upper_80, lower_95, upper_95, on_hand, model)
        select %(org)s, %(as_of)s, %(as_of)s::date + n, service, %(per_day)s, %(per_day)s - 50, %(per_day)s + 50,
            %(per_day)s - 100, %(per_day)s + 100, case when n <= 7 then 200 end, 'test'
        from generate_series(1, 28) as n, unnest(array[null, %(org)s]::uuid[]) as service
        """,
        {"org": ORG, "as_of": as_of, "per_day": per_day},
    )


def overload(connection: psycopg.Connection, provider_name: str, day: date, *, will_overload: bool = True) -> None:
    """Insert a provider's day with 11 hours booked, 12 expected and 8 of capacity."""
    connection.execute(
        "insert into analytics.v_provider_workload_analytics "
        "values (%s, %s, %s, %s, 11, 8, 1.375, 4, 0, 'overloaded', 12, %s)",
        [ORG, ORG, provider_name, day, will_overload],
    )


def insert_accuracy(connection: psycopg.Connection, as_of: date, *, days: int = 60) -> None:
    """Insert the accuracy of the total a week ahead: 14 % error, and 31 % of the same weekday."""
    connection.execute(
        "insert into analytics.v_forecast_accuracy values (%s, %s, null, 7, %s, 0.142, 0.307, 0.83)",
        [ORG, as_of, days],
    )
