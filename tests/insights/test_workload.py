"""Workload: told where more is beyond capacity than in any of the last weeks, with the moves that solve it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from insights.workload import will_overload, workload_findings
from tests.insights.conftest import DAY, ORGANIZATION, check_golden, insert, insert_named

ANA, BEN, AUDIT = uuid4(), uuid4(), uuid4()
NEXT = DAY + timedelta(days=1)


def team(connection: psycopg.Connection, *, past_hours: float = 7, bens_service: Any = AUDIT) -> None:
    """Ana has bookings of 4 hours: five tomorrow and `past_hours` on each past day; Ben has 8 free hours a day."""
    insert_named(connection, "dim_service", [(AUDIT, "Audit")])
    insert_named(connection, "dim_provider", [(ANA, "Ana Silva"), (BEN, "Ben Ruiz")])
    columns = (
        "as_of provider_id day booked_hours expected_hours available_hours free_hours overload_hours load will_overload"
    )
    days = [DAY + timedelta(days=ahead) for ahead in range(1, 8)]
    loads = [(DAY, BEN, day, 0, 0, 8, 8, 0, 0, False) for day in days]
    loads += [(DAY, ANA, day, 0, 0, 8, 0, 0, 0, False) for day in days[1:]]
    insert(connection, "ml.provider_workload", columns, [(DAY, ANA, NEXT, 20, 20, 8, 0, 12, 2.5, True), *loads])
    capacity = [(each, DAY - timedelta(days=ago), 8) for each in (ANA, BEN) for ago in range(28)]
    insert(connection, "intermediate.int_provider_capacity", "provider_id day capacity_hours", capacity)
    bookings = [uuid4() for _ in range(5)]
    past = [(ANA, DAY - timedelta(days=ago), uuid4(), past_hours) for ago in range(28)]
    coming = [(ANA, NEXT, booking, 4) for booking in bookings]
    insert(connection, "intermediate.int_provider_days", "provider_id day booking_id booked_hours", [*past, *coming])
    insert(
        connection,
        "marts.fct_bookings",
        "booking_id booking_number service_id service_day service_end_day total_amount is_in_own_currency",
        [(booking, f"B-{number}", AUDIT, NEXT, NEXT, 300, True) for number, booking in enumerate(sorted(bookings))],
    )
    skills = [(ANA, AUDIT), (BEN, bens_service)]
    insert(connection, "intermediate.int_provider_services", "provider_id service_id", skills)


def test_an_overload_is_told_with_the_moves_that_solve_it(tables: psycopg.Connection) -> None:
    team(tables)
    (finding,) = workload_findings(tables, ORGANIZATION) or []
    assert (finding["severity"], finding["beyond"], finding["providers"]) == ("medium", 12, 1)
    assert (finding["moves"], finding["moved_hours"]) == (2, 8)
    check_golden("workload", finding)


def test_without_a_colleague_who_does_the_service_no_move_is_advised(tables: psycopg.Connection) -> None:
    team(tables, bens_service=uuid4())
    (finding,) = workload_findings(tables, ORGANIZATION) or []
    assert finding["actions"] == []
    check_golden("workload_without_moves", finding)


@pytest.mark.parametrize(("past_hours", "told"), [(9, 1), (11, 0)])
def test_a_team_that_always_works_long_days_is_not_told(
    tables: psycopg.Connection, past_hours: float, told: int
) -> None:
    team(tables, past_hours=past_hours)
    assert len(workload_findings(tables, ORGANIZATION) or []) == told
    assert will_overload(tables, ORGANIZATION)


def test_nothing_is_told_without_capacity_or_of_data_that_ended(tables: psycopg.Connection) -> None:
    assert workload_findings(tables, ORGANIZATION) == []
    assert workload_findings(tables, replace(ORGANIZATION, knows_capacity=False)) is None
    assert workload_findings(tables, replace(ORGANIZATION, has_ended=True)) is None


def load(connection: psycopg.Connection, provider: UUID, days: int, expected: float) -> None:
    """Insert the provider's expected hours of the day `days` ahead, with 8 available ones."""
    columns = (
        "as_of provider_id day booked_hours expected_hours available_hours free_hours overload_hours load will_overload"
    )
    beyond = max(expected - 8, 0)
    row = (DAY, provider, DAY + timedelta(days=days), 1, expected, 8, 7, beyond, expected / 8, beyond > 0)
    insert(connection, "ml.provider_workload", columns, [row])


def test_overloaded_providers_are_one_finding_the_most_overloaded_first(tables: psycopg.Connection) -> None:
    insert_named(tables, "dim_provider", [(ANA, "Ana Silva"), (BEN, "Ben Ruiz")])
    for provider, days, expected in ((ANA, 2, 10.0), (BEN, 3, 13.0), (BEN, 4, 8.0), (ANA, 8, 40.0)):
        load(tables, provider, days, expected)
    (found,) = workload_findings(tables, ORGANIZATION) or []
    assert (found["severity"], found["providers"], found["beyond"]) == ("high", 2, 7.0)
    assert (found["value"], found["expected"], found["first_day"]) == (31.0, 24.0, DAY + timedelta(days=2))
    assert [(driver["member_name"], driver["contribution"]) for driver in found["drivers"]] == [
        ("Ben Ruiz", 5.0),
        ("Ana Silva", 2.0),
    ]


def test_a_small_overload_is_no_finding(tables: psycopg.Connection) -> None:
    insert_named(tables, "dim_provider", [(ANA, "Ana Silva")])
    for days in range(1, 8):
        load(tables, ANA, days, 8.5 if days == 1 else 4.0)
    assert workload_findings(tables, ORGANIZATION) == []
