"""What the coming days ask of providers beyond their hours, and what they bring, as one finding each."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from insights.forecasts import forecast_findings
from insights.organizations import Organization
from insights.workload import workload_findings

DAY = date(2026, 3, 10)
ORGANIZATION = Organization(uuid4(), "Studio", "EUR", DAY, datetime(2026, 3, 11, tzinfo=UTC), knows_capacity=True)
ANA, BEN = uuid4(), uuid4()


@pytest.fixture
def warehouse(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute("create schema marts")
    connection.execute("create table marts.dim_provider (provider_id uuid, provider_name text)")
    connection.execute("insert into marts.dim_provider values (%s, 'Ana'), (%s, 'Ben')", [ANA, BEN])
    return connection


def works(connection: psycopg.Connection, provider: UUID, days: int, expected: float) -> None:
    """A day `days` ahead on which 8 hours are available."""
    connection.execute(
        "insert into ml.provider_workload values (%(org)s, %(as_of)s, %(who)s, %(day)s, 1, %(expected)s, 8, 7, "
        "greatest(%(expected)s - 8, 0), %(expected)s / 8.0, %(expected)s > 8)",
        {
            "org": ORGANIZATION.id,
            "as_of": DAY,
            "who": provider,
            "day": DAY + timedelta(days=days),
            "expected": expected,
        },
    )


def test_those_who_overload_are_one_finding_the_worst_named_first(warehouse: psycopg.Connection) -> None:
    for provider, days, expected in ((ANA, 2, 10.0), (BEN, 3, 13.0), (BEN, 4, 8.0), (ANA, 8, 40.0)):
        works(warehouse, provider, days, expected)
    (found,) = workload_findings(warehouse, ORGANIZATION) or []
    assert (found["severity"], found["providers"], found["beyond"]) == ("high", 2, 7.0)
    assert (found["value"], found["expected"], found["first_day"]) == (31.0, 24.0, DAY + timedelta(days=2))
    assert [(driver["member_name"], driver["contribution"]) for driver in found["drivers"]] == [
        ("Ben", 5.0),
        ("Ana", 2.0),
    ]
    assert found["title"] == "Workload: 2 providers will overload in the next 7 days"


def test_a_little_too_much_is_no_news(warehouse: psycopg.Connection) -> None:
    for days in range(1, 8):
        works(warehouse, ANA, days, 8.5 if days == 1 else 4.0)
    assert workload_findings(warehouse, ORGANIZATION) == []


def test_without_hours_there_is_nothing_to_say(warehouse: psycopg.Connection) -> None:
    assert workload_findings(warehouse, ORGANIZATION) == []
    assert workload_findings(warehouse, replace(ORGANIZATION, knows_capacity=False)) is None


@pytest.fixture
def falling(warehouse: psycopg.Connection) -> psycopg.Connection:
    """€ 100 a day for eight weeks, and € 50 a day forecast for the next four."""
    warehouse.execute(
        """
        create schema analytics;
        create table marts.dim_metric (metric text, label text, unit text, good_direction text);
        insert into marts.dim_metric values ('realized_revenue', 'Realized revenue', 'money', 'up');
        create table marts.kpi_daily (org_id uuid, day date, metric text, dimension text, member text, value numeric);
        create view analytics.v_revenue_forecast as select * from ml.revenue_forecasts;
        """
    )
    warehouse.execute(
        "insert into marts.kpi_daily select %s, %s::date - n, 'realized_revenue', 'total', 'all', 100 "
        "from generate_series(0, 55) as n",
        [ORGANIZATION.id, DAY],
    )
    warehouse.execute(
        "insert into ml.revenue_forecasts "
        "(org_id, as_of, day, forecast, lower_80, upper_80, lower_95, upper_95, model) "
        "select %(org_id)s, %(as_of)s, %(as_of)s::date + n, 50, 40, 60, 30, 70, 'test' "
        "from generate_series(1, 28) as n",
        {"org_id": ORGANIZATION.id, "as_of": DAY},
    )
    return warehouse


def test_a_fall_of_the_forecast_is_told_with_advice(falling: psycopg.Connection) -> None:
    (found,) = forecast_findings(falling, ORGANIZATION) or []
    assert (found["value"], found["previous"], found["severity"]) == (1400, 2800, "high")
    assert "Fill the free days ahead" in found["recommendation"]


def test_no_advice_to_fill_days_beside_providers_who_overload(falling: psycopg.Connection) -> None:
    works(falling, ANA, 2, 10.0)
    (found,) = forecast_findings(falling, ORGANIZATION) or []
    assert "Fill the free days" not in found["recommendation"]


def test_the_edge_of_the_data_is_no_fall(falling: psycopg.Connection) -> None:
    assert forecast_findings(falling, replace(ORGANIZATION, book_until=DAY)) is None


def test_a_month_is_not_compared_with_a_part_of_one(falling: psycopg.Connection) -> None:
    falling.execute("delete from marts.kpi_daily where day <= %s", [DAY - timedelta(days=27)])
    assert forecast_findings(falling, ORGANIZATION) == []


def test_a_part_of_a_forecast_is_not_compared(falling: psycopg.Connection) -> None:
    falling.execute("delete from ml.revenue_forecasts where day > %s", [DAY + timedelta(days=20)])
    assert forecast_findings(falling, ORGANIZATION) == []
