"""Milestones: told where clearly more than in usual fortnights will be late, the most valuable first."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import psycopg

from insights.milestones import milestone_findings
from tests.insights.conftest import DAY, ORGANIZATION, check_golden, insert, insert_named

AUDIT, ANA = uuid4(), uuid4()
COLUMNS = "milestone_id booking_id service_id provider_id position title due_day is_open slipped_days is_late is_behind"


def milestones(connection: psycopg.Connection, behind: int) -> None:
    """One milestone a day for a year, every tenth late, and those after a late one mostly; ten open, `behind` of them
    after a late one.
    """
    insert_named(connection, "dim_service", [(AUDIT, "Audit")])
    insert_named(connection, "dim_provider", [(ANA, "Ana Silva")])
    past = [
        (
            uuid4(),
            uuid4(),
            AUDIT,
            ANA,
            2,
            "Report",
            DAY - timedelta(days=ago),
            False,
            5 if late else 0,
            late,
            after_late,
        )
        for ago in range(1, 360)
        for after_late in [ago % 12 == 0]
        for late in [after_late or ago % 10 == 0]
    ]
    bookings = [uuid4() for _ in range(10)]
    coming = [
        (
            uuid4(),
            booking,
            AUDIT,
            ANA,
            2,
            "Report",
            DAY + timedelta(days=number + 1),
            True,
            None,
            False,
            number < behind,
        )
        for number, booking in enumerate(bookings)
    ]
    insert(connection, "intermediate.int_milestone_delays", COLUMNS, [*past, *coming])
    connection.execute(
        "update intermediate.int_milestone_delays set booking_amount = 1000 + 10 * extract(day from due_day)"
    )
    insert(
        connection,
        "marts.fct_bookings",
        "booking_id booking_number",
        [(booking, f"B-{number}") for number, booking in enumerate(bookings)],
    )


def test_many_milestones_after_late_ones_are_told(tables: psycopg.Connection) -> None:
    milestones(tables, behind=9)
    (finding,) = milestone_findings(tables, ORGANIZATION) or []
    assert finding["value"] >= 7
    assert finding["value"] > finding["upper"]
    assert [action["impact"] for action in finding["actions"]] == [1190, 1180, 1170]
    check_golden("milestone", finding)


def test_the_usual_number_of_late_milestones_is_no_news(tables: psycopg.Connection) -> None:
    milestones(tables, behind=1)
    assert milestone_findings(tables, ORGANIZATION) == []


def test_nothing_is_told_without_milestones_or_of_data_that_ended(tables: psycopg.Connection) -> None:
    assert milestone_findings(tables, ORGANIZATION) == []
    assert milestone_findings(tables, replace(ORGANIZATION, has_ended=True)) is None
