"""Receivables: overdue sums beyond their own past, and finished work that is not invoiced as it used to be."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import psycopg

from insights.receivables import receivable_findings
from tests.insights.conftest import DAY, ORGANIZATION, check_golden, insert, insert_named

SERVICE = uuid4()


def overdue(connection: psycopg.Connection, now: float, *, weeks: int = 26, usual: float = 2000) -> None:
    """Overdue sums of the past weeks about `usual`, and three invoices at as_of."""
    sums = [(ago, 4, usual + 50 * (ago % 3)) for ago in range(1, weeks + 1)]
    insert(connection, "intermediate.int_overdue_weeks", "weeks_ago invoices overdue_amount", [(0, 3, now), *sums])
    insert(
        connection,
        "marts.kpi_daily",
        "day metric dimension member value",
        [(DAY - timedelta(days=7 * week), "invoiced_revenue", "total", "all", 2500) for week in range(4)],
    )
    insert(
        connection,
        "analytics.v_receivables",
        "invoice_id invoice_number client_name due_day days_overdue age open_amount",
        [
            (uuid4(), "2026-7", "Ann Bell", DAY - timedelta(days=10), 10, "1-30 days", now / 2),
            (uuid4(), "2025-90", "Cy Shaw", DAY - timedelta(days=75), 75, "61-90 days", now / 4),
            (uuid4(), "2025-91", None, DAY - timedelta(days=100), 100, "over 90 days", now / 4),
            (uuid4(), "2026-9", "Bo Lund", DAY + timedelta(days=9), 0, "not due", 700),
        ],
    )


def test_a_large_overdue_sum_is_told_by_age_with_the_invoices_to_chase(tables: psycopg.Connection) -> None:
    overdue(tables, 8000)
    (finding,) = receivable_findings(tables, ORGANIZATION) or []
    assert (finding["metric"], finding["severity"], finding["expected"]) == ("overdue_amount", "high", 2050)
    assert [action["impact"] for action in finding["actions"]] == [2000, 2000, 4000]
    assert all(action["link"].startswith("/v1/invoices/") for action in finding["actions"])
    check_golden("receivable_overdue", finding)


def test_what_is_usually_overdue_is_no_news(tables: psycopg.Connection) -> None:
    overdue(tables, 2400)
    assert receivable_findings(tables, ORGANIZATION) == []


def test_of_a_young_business_nothing_is_usual_yet(tables: psycopg.Connection) -> None:
    overdue(tables, 8000, weeks=5)
    assert receivable_findings(tables, replace(ORGANIZATION, first_day=DAY - timedelta(days=35))) == []
    assert receivable_findings(tables, replace(ORGANIZATION, has_ended=True)) is None


def finished(connection: psycopg.Connection, unbilled_before: int) -> None:
    """Work of 100 a day for 450 days; the last ten that should be invoiced are not, and some of the year before."""
    insert_named(connection, "dim_service", [(SERVICE, "Audit")])
    insert(connection, "marts.fct_invoices", "", [()])
    days = [DAY - timedelta(days=ago) for ago in range(450)]
    ids = {day: uuid4() for day in days}
    insert(
        connection,
        "marts.fct_bookings",
        "booking_id booking_number service_id total_amount is_in_own_currency status_group completed_day",
        [(ids[day], f"B-{number}", SERVICE, 100, True, "completed", day) for number, day in enumerate(days)],
    )
    insert(
        connection,
        "intermediate.int_unbilled_bookings",
        "booking_id service_id done_day unbilled_amount tracked_hours",
        [(ids[day], SERVICE, day, 100, 1.5) for day in [*days[:17], *days[440 - unbilled_before : 440]]],
    )


def test_finished_work_without_an_invoice_is_told(tables: psycopg.Connection) -> None:
    finished(tables, unbilled_before=0)
    (finding,) = receivable_findings(tables, ORGANIZATION) or []
    assert (finding["metric"], finding["value"], finding["expected"]) == ("unbilled_amount", 1000, 0)
    check_golden("receivable_unbilled", finding)


def test_a_business_that_never_invoices_some_work_is_left_alone(tables: psycopg.Connection) -> None:
    finished(tables, unbilled_before=60)
    assert receivable_findings(tables, ORGANIZATION) == []
