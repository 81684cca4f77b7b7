"""Relevant anomalies: graded by the business's money, without ordinary bookings, one finding per cause."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from insights.anomalies import anomaly_findings
from insights.findings import Finding
from insights.organizations import Organization

DAY = date(2026, 3, 10)
ORGANIZATION = Organization(
    uuid4(), "Studio", "EUR", DAY, datetime(2026, 3, 11, tzinfo=UTC), first_day=date(2025, 1, 1), last_day=DAY
)
SERVICE, PROVIDER, OTHER = uuid4(), uuid4(), uuid4()
TABLES = """
create schema marts;
create schema analytics;
create schema intermediate;
create table marts.dim_metric (metric text, label text, unit text, good_direction text);
create table marts.dim_organization (org_id uuid, currency text, first_day date);
create table marts.dim_service (service_id uuid, service_name text);
create table marts.kpi_daily (org_id uuid, day date, metric text, dimension text, member text, value numeric);
create table marts.fct_bookings (
    booking_id uuid default gen_random_uuid(), org_id uuid, service_id uuid, provider_id uuid,
    total_amount numeric(14, 2), currency text, created_day date, service_day date, completed_day date,
    cancelled_day date
);
create table intermediate.int_metric_worth (org_id uuid, metric text, unit text, worth numeric);
create table analytics.v_booking_anomalies (
    org_id uuid, as_of date, day date, metric text, dimension text, member text, member_name text, value numeric,
    expected numeric, lower numeric, upper numeric, score numeric, severity text, direction text, pattern text
);
insert into marts.dim_metric values
    ('bookings_created', 'Bookings created', 'count', 'up'), ('booked_revenue', 'Booked revenue', 'money', 'up'),
    ('realized_revenue', 'Realized revenue', 'money', 'up'), ('tracked_hours', 'Tracked hours', 'hours', 'up');
"""


@pytest.fixture
def warehouse(connection: psycopg.Connection) -> psycopg.Connection:
    """A business with ten bookings of € 100 per day, in its fourteenth month; 30 bookings of one service."""
    connection.execute(TABLES)
    connection.execute(
        "insert into marts.dim_organization values (%s, 'EUR', %s)", [ORGANIZATION.id, ORGANIZATION.first_day]
    )
    connection.execute("insert into marts.dim_service values (%s, 'Massage'), (%s, 'Sauna')", [SERVICE, OTHER])
    for metric, value in (("bookings_created", 10), ("booked_revenue", 1000), ("realized_revenue", 900)):
        connection.execute(
            "insert into marts.kpi_daily "
            "select %s, day::date, %s, 'total', 'all', %s from generate_series(%s::date, %s, interval '1 day') as day",
            [ORGANIZATION.id, metric, value, DAY - timedelta(days=100), DAY],
        )
    connection.execute(
        "insert into intermediate.int_metric_worth "
        "select %s, metric, unit, case unit when 'money' then 1 when 'count' then 100 end from marts.dim_metric",
        [ORGANIZATION.id],
    )
    book(connection, 30, amount=100, day=DAY - timedelta(days=50))
    book(connection, 300, amount=100, day=DAY - timedelta(days=50), service=OTHER, provider=OTHER)
    return connection


def book(
    connection: psycopg.Connection,
    bookings: int,
    *,
    amount: float,
    day: date,
    service: UUID = SERVICE,
    provider: UUID = PROVIDER,
) -> None:
    connection.execute(
        "insert into marts.fct_bookings (org_id, service_id, provider_id, total_amount, currency, created_day, "
        "service_day) select %s, %s, %s, %s, 'EUR', %s, %s from generate_series(1, %s)",
        [ORGANIZATION.id, service, provider, amount, day, day, bookings],
    )


def flag(
    connection: psycopg.Connection, metric: str, member: UUID | None, value: float, expected: float, **changes: Any
) -> None:
    """Insert an anomaly of the total or of a member, as the detector writes it."""
    row = {
        "org_id": ORGANIZATION.id,
        "as_of": DAY,
        "day": DAY,
        "metric": metric,
        "dimension": "total" if member is None else "service",
        "member": str(member or "all"),
        "member_name": str(member or "all"),
        "value": value,
        "expected": expected,
        "lower": 0,
        "upper": expected * 2,
        "score": 9,
        "severity": "high",
        "direction": "up" if value > expected else "down",
        "pattern": "spike",
        **changes,
    }
    names = list(row)
    connection.execute(
        f"insert into analytics.v_booking_anomalies ({', '.join(names)}) "
        f"values ({', '.join(f'%({name})s' for name in names)})".encode(),
        row,
    )


def opened(connection: psycopg.Connection, organization: Organization = ORGANIZATION) -> list[tuple[str, str, str]]:
    """Return metric, dimension and severity of the anomalies that open an event."""
    found: Sequence[Finding] | None = anomaly_findings(connection, organization)
    assert found is not None
    return [(each["metric"], each["dimension"], each["severity"]) for each in found if each["opens"]]


def test_severity_uses_the_same_scale_for_each_member(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", SERVICE, 600, 0.01, severity="low")
    flag(warehouse, "realized_revenue", OTHER, 600, 0.01, severity="critical")
    assert opened(warehouse) == [
        ("booked_revenue", "service", "critical"),
        ("realized_revenue", "service", "critical"),
    ]


@pytest.mark.parametrize(("missed", "severity"), [(-500, "critical"), (-499, "high"), (-249, "medium"), (-99, None)])
def test_severity_is_the_share_of_a_usual_day(
    warehouse: psycopg.Connection, missed: float, severity: str | None
) -> None:
    flag(warehouse, "realized_revenue", None, 900 + missed, 900)
    assert opened(warehouse) == ([("realized_revenue", "total", severity)] if severity else [])


def test_without_money_the_detectors_severity_stays(warehouse: psycopg.Connection) -> None:
    warehouse.execute("delete from marts.kpi_daily where metric <> 'bookings_created'")
    flag(warehouse, "bookings_created", None, 1, 10, severity="medium")
    assert opened(warehouse) == [("bookings_created", "total", "medium")]


@pytest.mark.parametrize("member", [SERVICE, None])
def test_one_or_two_bookings_at_list_price_are_ordinary(warehouse: psycopg.Connection, member: UUID | None) -> None:
    warehouse.execute("update marts.fct_bookings set total_amount = 300")
    flag(warehouse, "booked_revenue", member, 600, 0.08)
    flag(warehouse, "bookings_created", member, 2, 0.01)
    assert opened(warehouse) == []


def test_three_bookings_are_not_ordinary(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", SERVICE, 300, 0.08)
    assert opened(warehouse) == [("booked_revenue", "service", "high")]


def test_a_member_with_few_bookings_is_compared_with_the_whole_business(warehouse: psycopg.Connection) -> None:
    rare = uuid4()
    book(warehouse, 2, amount=5000, day=DAY - timedelta(days=60), service=rare)
    flag(warehouse, "booked_revenue", rare, 5000, 1)
    assert opened(warehouse) == [("booked_revenue", "service", "critical")]


def test_the_same_bookings_open_one_event(warehouse: psycopg.Connection) -> None:
    book(warehouse, 12, amount=100, day=DAY)
    for metric, dimension, member, value in (
        ("booked_revenue", "service", SERVICE, 1200),
        ("bookings_created", "service", SERVICE, 12),
        ("bookings_created", "provider", PROVIDER, 12),
        ("realized_revenue", "provider", PROVIDER, 1200),
    ):
        flag(warehouse, metric, member, value, 0, dimension=dimension)
    assert len(opened(warehouse)) == 1


def test_other_bookings_open_an_event_of_their_own(warehouse: psycopg.Connection) -> None:
    book(warehouse, 12, amount=100, day=DAY)
    book(warehouse, 8, amount=100, day=DAY, service=OTHER, provider=OTHER)
    flag(warehouse, "booked_revenue", SERVICE, 1200, 0)
    flag(warehouse, "bookings_created", OTHER, 8, 0, dimension="provider")
    assert len(opened(warehouse)) == 2


def test_the_total_covers_its_members_and_names_them(warehouse: psycopg.Connection) -> None:
    book(warehouse, 12, amount=100, day=DAY)
    flag(warehouse, "bookings_created", None, 22, 10)
    flag(warehouse, "booked_revenue", SERVICE, 1200, 0)
    warehouse.execute(
        "insert into ml.anomalies (org_id, metric, dimension, member, day, as_of, value, expected, lower, upper, "
        "score, is_anomaly) values (%s, 'bookings_created', 'service', %s, %s, %s, 12, 0, 0, 1, 9, false)",
        [ORGANIZATION.id, str(SERVICE), DAY, DAY],
    )
    found = anomaly_findings(warehouse, ORGANIZATION)
    assert found
    (total,) = [each for each in found if each["opens"]]
    assert (total["metric"], total["dimension"]) == ("bookings_created", "total")
    assert [driver["member_name"] for driver in total["drivers"]] == ["Massage"]


def test_an_anomaly_with_an_open_event_is_preferred_on_the_next_day(warehouse: psycopg.Connection) -> None:
    book(warehouse, 12, amount=100, day=DAY)
    flag(warehouse, "booked_revenue", SERVICE, 1200, 0)
    flag(
        warehouse, "bookings_created", PROVIDER, 20, 0, dimension="provider"
    )  # the larger one, by the mean worth of a booking
    warehouse.execute(
        "insert into app.insight_events (org_id, kind, severity, metric, day, title, summary, dedupe_key, first_seen, "
        "last_seen) values (%s, 'anomaly', 'high', 'booked_revenue', %s, 't', 's', %s, now(), now())",
        [ORGANIZATION.id, DAY, f"anomaly|booked_revenue|service|{SERVICE}|up|{DAY}"],
    )
    next_day = replace(ORGANIZATION, as_of=DAY + timedelta(days=1))
    assert opened(warehouse, next_day) == [("booked_revenue", "service", "critical")]


def test_an_irrelevant_anomaly_is_returned_without_opening_an_event(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", SERVICE, 20, 0)
    found = anomaly_findings(warehouse, ORGANIZATION)
    assert found
    assert [each["opens"] for each in found] == [False]


def test_a_fall_at_the_edge_of_the_data_is_not_relevant(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", None, 100, 1000)
    assert opened(warehouse, replace(ORGANIZATION, bookings_complete_until=DAY - timedelta(days=1))) == []
    assert opened(warehouse, replace(ORGANIZATION, bookings_complete_until=DAY)) == [
        ("booked_revenue", "total", "critical")
    ]


def test_data_that_ended_are_not_judged(warehouse: psycopg.Connection) -> None:
    flag(warehouse, "booked_revenue", None, 0, 1000)
    assert anomaly_findings(warehouse, replace(ORGANIZATION, has_ended=True, last_day=DAY - timedelta(days=28))) is None
    assert opened(warehouse, replace(ORGANIZATION, has_ended=True)) == [("booked_revenue", "total", "critical")]
