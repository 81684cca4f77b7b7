"""Stand-ins for what ingestion and dbt build, with the columns that the digest reads."""

from datetime import date, timedelta

import psycopg

from tests.notifications.examples import DAY, ORG

TABLES = """
create schema if not exists analytics;
create table raw.organizations (id uuid, name text, currency text, timezone text, _deleted_at timestamptz);
create table analytics.v_booking_trends (
    org_id uuid, day date, bookings_created integer, bookings_completed integer, bookings_cancelled integer,
    booked_revenue numeric(14, 2), realized_revenue numeric(14, 2), collected_revenue numeric(14, 2)
);
create table analytics.v_booking_status_metrics (
    org_id uuid, as_of date, period_start date, period_end date, total_bookings bigint, pending bigint, active bigint,
    at_risk bigint, overdue bigint, completed bigint, cancelled bigint, total_revenue numeric(14, 2)
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


def build(connection: psycopg.Connection) -> None:
    """The empty warehouse, with one organisation in it."""
    connection.execute(TABLES)
    connection.execute(
        "insert into raw.organizations values (%s, 'Nordlicht Studio', 'EUR', 'Europe/Berlin', null)", [ORG]
    )


def fill(connection: psycopg.Connection) -> None:
    """Five weeks up to DAY: 10 bookings and € 1,000 a day, on DAY 12 bookings, € 500 and no collection."""
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
    state_statuses(connection, DAY)
    forecast(connection, DAY)


def state_statuses(connection: psycopg.Connection, as_of: date) -> None:
    connection.execute("delete from analytics.v_booking_status_metrics")
    connection.execute(
        "insert into analytics.v_booking_status_metrics values (%s, %s, %s, %s, 280, 20, 100, 10, 5, 120, 25, 98765.4)",
        [ORG, as_of, as_of - timedelta(days=27), as_of],
    )


def forecast(connection: psycopg.Connection, as_of: date, *, a_day: int = 950) -> None:
    """28 days of total revenue, and one of a service that is not to be counted."""
    connection.execute(
        """
        insert into ml.revenue_forecasts
            (org_id, as_of, day, service_id, forecast, lower_80, upper_80, lower_95, upper_95, on_hand, model)
        select %(org)s, %(as_of)s, %(as_of)s::date + n, service, %(a_day)s, %(a_day)s - 50, %(a_day)s + 50,
            %(a_day)s - 100, %(a_day)s + 100, case when n <= 7 then 200 end, 'test'
        from generate_series(1, 28) as n, unnest(array[null, %(org)s]::uuid[]) as service
        """,
        {"org": ORG, "as_of": as_of, "a_day": a_day},
    )


def overload(connection: psycopg.Connection, provider_name: str, day: date, *, will_overload: bool = True) -> None:
    """A provider with 11 hours booked, 12 expected and 8 of capacity on the day."""
    connection.execute(
        "insert into analytics.v_provider_workload_analytics "
        "values (%s, %s, %s, %s, 11, 8, 1.375, 4, 0, 'overloaded', 12, %s)",
        [ORG, ORG, provider_name, day, will_overload],
    )


def judge_forecasts(connection: psycopg.Connection, as_of: date, *, days: int = 60) -> None:
    """Forecasts of the total made a week ahead that missed 14 %, where the same weekday missed 31 %."""
    connection.execute(
        "insert into analytics.v_forecast_accuracy values (%s, %s, null, 7, %s, 0.142, 0.307, 0.83)",
        [ORG, as_of, days],
    )
