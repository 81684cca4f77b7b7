"""The rule for forecasts, and the drivers of findings."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pandas as pd
import psycopg
import pytest

from insights.findings import NAMED_DRIVERS, named_drivers
from insights.forecasts import forecast_findings
from insights.organizations import Organization

DAY = date(2026, 3, 10)
ORGANIZATION = Organization(uuid4(), "Studio", "EUR", DAY, datetime(2026, 3, 11, tzinfo=UTC), knows_capacity=True)
ANA, BEN = uuid4(), uuid4()


@pytest.fixture
def warehouse(connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute("create schema marts")
    connection.execute("create table marts.dim_provider (provider_id uuid, provider_name text)")
    connection.execute("insert into marts.dim_provider values (%s, 'Ana'), (%s, 'Ben')", [ANA, BEN])
    return connection


def insert_load(connection: psycopg.Connection, provider: UUID, days: int, expected: float) -> None:
    """Insert the provider's load of the day `days` ahead, with 8 available hours."""
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


def insert_change(connection: psycopg.Connection, forecast: float) -> None:
    """Insert a forecast of the next four weeks, after € 2,800 in the last ones."""
    connection.execute(
        "insert into intermediate.int_forecast_changes values (%s, %s, 28, %s, %s, %s, 2800, %s)",
        [ORGANIZATION.id, DAY, forecast, 0.8 * forecast, 1.2 * forecast, forecast / 2800 - 1],
    )


@pytest.fixture
def forecasting(warehouse: psycopg.Connection) -> psycopg.Connection:
    """A warehouse without a whole horizon of forecasts."""
    warehouse.execute(
        """
        create schema intermediate;
        create table marts.kpi_daily (
            org_id uuid, day date, metric text, dimension text, member text, value numeric
        );
        create table marts.dim_metric (metric text, label text, unit text, good_direction text);
        insert into marts.dim_metric values ('realized_revenue', 'Realized revenue', 'money', 'up');
        create table intermediate.int_forecast_changes (
            org_id uuid, as_of date, days integer, forecast numeric, lower_80 numeric, upper_80 numeric,
            previous numeric, change numeric
        );
        """
    )
    return warehouse


@pytest.fixture
def falling(forecasting: psycopg.Connection) -> psycopg.Connection:
    """A forecast of half the revenue."""
    insert_change(forecasting, 1400)
    return forecasting


def test_a_fall_of_the_forecast_has_a_recommendation(falling: psycopg.Connection) -> None:
    (found,) = forecast_findings(falling, ORGANIZATION) or []
    assert (found["value"], found["previous"], found["severity"]) == (1400, 2800, "high")
    assert "Fill the free days ahead" in found["recommendation"]


def test_filling_days_is_not_recommended_where_providers_overload(falling: psycopg.Connection) -> None:
    insert_load(falling, ANA, 2, 10.0)
    (found,) = forecast_findings(falling, ORGANIZATION) or []
    assert "Fill the free days" not in found["recommendation"]


@pytest.mark.parametrize(("a_year_ago", "opens"), [(50, False), (100, True)])
def test_the_season_of_the_last_year_is_no_news(falling: psycopg.Connection, a_year_ago: float, opens: bool) -> None:
    falling.execute(
        "insert into marts.kpi_daily select %s, day::date, 'realized_revenue', 'total', 'all', %s "
        "from generate_series(%s::date, %s, interval '1 day') as day",
        [ORGANIZATION.id, a_year_ago, DAY - timedelta(days=363), DAY - timedelta(days=336)],
    )
    (found,) = forecast_findings(falling, ORGANIZATION) or []
    assert found["opens"] is opens


def test_there_is_no_forecast_finding_at_the_edge_of_the_data(falling: psycopg.Connection) -> None:
    assert forecast_findings(falling, replace(ORGANIZATION, book_until=DAY)) is None


@pytest.mark.parametrize(
    ("forecast", "direction", "severity"),
    [
        (2800 * 0.59, "down", "high"),
        (2800 * 0.61, "down", "medium"),
        (2800 * 0.84, "down", "medium"),
        (2800 * 0.86, None, None),
        (2800 * 1.14, None, None),
        (2800 * 1.16, "up", "medium"),
    ],
)
def test_severity_is_the_size_of_the_change(
    forecasting: psycopg.Connection, forecast: float, direction: str | None, severity: str | None
) -> None:
    insert_change(forecasting, forecast)
    findings = forecast_findings(forecasting, ORGANIZATION) or []
    assert [(found["direction"], found["severity"]) for found in findings] == (
        [(direction, severity)] if direction else []
    )


def test_without_a_whole_horizon_or_revenue_there_is_no_finding(forecasting: psycopg.Connection) -> None:
    assert forecast_findings(forecasting, ORGANIZATION) == []


def test_a_change_of_another_day_is_no_finding(falling: psycopg.Connection) -> None:
    assert forecast_findings(falling, replace(ORGANIZATION, as_of=DAY + timedelta(days=1))) == []


def test_only_the_first_members_are_named_as_drivers() -> None:
    names = ["Repairs", "Moving", "Gardening", "Painting"]
    members = pd.DataFrame({"member_name": names, "value": 1.0, "expected": 2.0, "contribution": -1.0})
    assert [driver["member_name"] for driver in named_drivers(members, "service")] == names[:NAMED_DRIVERS]
