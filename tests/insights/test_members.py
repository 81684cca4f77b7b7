"""Anomalies of members that open events by themselves: neither chance nor known ahead."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from insights.members import unlikely
from tests.insights.conftest import DAY, ORGANIZATION

MEMBER = uuid4()


@pytest.fixture
def warehouse(tables: psycopg.Connection) -> psycopg.Connection:
    """A member with 4 and 6 bookings on alternating days."""
    tables.execute(
        """
        create schema if not exists staging;
        create table if not exists staging.stg_app__provider_absences (
            org_id uuid, provider_id uuid, starts_on date, ends_on date, created_at timestamptz
        );
        """
    )
    tables.execute("insert into marts.dim_organization values (%s, 'Europe/Madrid')", [ORGANIZATION.id])
    for dimension in ("service", "provider"):
        tables.execute(
            "insert into marts.kpi_daily select %s, day::date, 'bookings_completed', %s, %s, "
            "4 + 2 * (extract(doy from day)::int %% 2) from generate_series(%s::date, %s, interval '1 day') as day",
            [ORGANIZATION.id, dimension, str(MEMBER), DAY - timedelta(days=100), DAY],
        )
    return tables


def is_unlikely(connection: psycopg.Connection, value: float, expected: float, **changes: Any) -> bool:
    row = {
        "metric": "bookings_completed", "dimension": "service", "member": str(MEMBER), "unit": "count",
        "kind_of_metric": "sum", "good_direction": "up", "pattern": "level_shift",
        "started_on": DAY - timedelta(days=1), "day": DAY,
        "value": value, "expected": expected, "direction": "up" if value > expected else "down", **changes,
    }  # fmt: skip
    return bool(unlikely(connection, ORGANIZATION, [row]))


@pytest.mark.parametrize(("value", "expected", "told"), [(0, 4.4, False), (0, 10, True), (16, 9, False), (26, 9, True)])
def test_quiet_days_of_a_member_may_be_chance(
    warehouse: psycopg.Connection, value: float, expected: float, told: bool
) -> None:
    assert is_unlikely(warehouse, value, expected) is told


@pytest.mark.parametrize(("value", "expected"), [(11, 0.5), (9, 40)])
def test_what_is_usual_is_no_news_though_the_expected_value_followed_an_incident(
    warehouse: psycopg.Connection, value: float, expected: float
) -> None:
    assert not is_unlikely(warehouse, value, expected)


def test_bookings_that_come_in_groups_are_less_unlikely(warehouse: psycopg.Connection) -> None:
    warehouse.execute(
        "update marts.kpi_daily set value = case when extract(day from day)::int % 10 = 0 then 50 else 0 end"
    )
    assert not is_unlikely(warehouse, 0, 10)
    assert not is_unlikely(warehouse, 50, 10)


def test_a_rise_of_a_provider_is_left_to_the_workload(warehouse: psycopg.Connection) -> None:
    assert not is_unlikely(warehouse, 40, 4, dimension="provider")
    assert is_unlikely(warehouse, 40, 4, dimension="provider", good_direction="down")


@pytest.mark.parametrize(("entered", "told"), [(DAY - timedelta(days=9), False), (DAY - timedelta(days=1), True)])
def test_an_absence_is_news_only_if_it_was_not_planned(
    warehouse: psycopg.Connection, entered: date, told: bool
) -> None:
    warehouse.execute(
        "insert into staging.stg_app__provider_absences values (%s, %s, %s, %s, %s)",
        [ORGANIZATION.id, MEMBER, DAY - timedelta(days=1), DAY + timedelta(days=5), entered],
    )
    assert is_unlikely(warehouse, 0, 5, dimension="provider") is told
