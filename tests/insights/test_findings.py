"""What the coming days ask of providers beyond their hours, as one finding."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from insights.findings import Scope, workload_findings

DAY = date(2026, 3, 10)
SCOPE = Scope(uuid4(), "Studio", "EUR", DAY, datetime(2026, 3, 11, tzinfo=UTC), knows_capacity=True)
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
            "org": SCOPE.org_id,
            "as_of": DAY,
            "who": provider,
            "day": DAY + timedelta(days=days),
            "expected": expected,
        },
    )


def test_those_who_overload_are_one_finding_the_worst_named_first(warehouse: psycopg.Connection) -> None:
    for provider, days, expected in ((ANA, 2, 10.0), (BEN, 3, 13.0), (BEN, 4, 8.0), (ANA, 8, 40.0)):
        works(warehouse, provider, days, expected)
    (found,) = workload_findings(warehouse, SCOPE)
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
    assert workload_findings(warehouse, SCOPE) == []


def test_without_hours_there_is_nothing_to_say(warehouse: psycopg.Connection) -> None:
    assert workload_findings(warehouse, SCOPE) == []
