"""Retention: more regular clients than usual are missed, or one of great worth; named by their yearly value."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import psycopg

from insights.retention import retention_findings
from tests.insights.conftest import DAY, ORGANIZATION, check_golden, insert

REVENUE = 100_000
LAST_VISIT = DAY - timedelta(days=70)


def clients(connection: psycopg.Connection, now: int, usual: int, *, amount: float = 800, followed: int = 100) -> None:
    """Of 100 clients `now` are missed at as_of, the first with `amount` a year; before, `usual` of the `followed`."""
    ids, others = ([uuid4() for _ in range(number)] for number in (max(now, usual), 100 - max(now, usual)))
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into marts.dim_client values (%s, %s, %s)",
            [(each, f"Client {number}", None if number else "c0@example.com") for number, each in enumerate(ids)],
        )
    insert(
        connection,
        "intermediate.int_client_rhythm",
        "client_id visits visit_day median_days missed_after_days yearly_amount",
        [(each, 8, LAST_VISIT, 28, 45, amount - 10 * number) for number, each in enumerate(ids)],
    )
    weeks = [
        (each, LAST_VISIT, ago, number < (usual if ago else now))
        for ago in range(27)
        for number, each in enumerate([*ids, *others])
        if not ago or number < followed
    ]
    insert(connection, "intermediate.int_client_weeks", "client_id last_visit_day weeks_ago is_missed", weeks)
    columns = "day metric dimension member value"
    insert(connection, "marts.kpi_daily", columns, [(DAY, "realized_revenue", "total", "all", REVENUE)])


def test_more_missed_clients_than_usual_are_told_by_value(tables: psycopg.Connection) -> None:
    clients(tables, 12, 4)
    (finding,) = retention_findings(tables, ORGANIZATION) or []
    assert (finding["value"], finding["expected"]) == (12, 4)
    assert finding["impact"] == round(-8940 * 8 / 12 * 28 / 365, 2)  # four weeks of the eight beyond the usual four
    assert [action["impact"] for action in finding["actions"]] == [800, 790, 780, 770, 760]
    assert [action.get("link") for action in finding["actions"][:2]] == ["mailto:c0@example.com", None]
    check_golden("retention", finding)


def test_the_usual_number_of_missed_clients_is_no_news(tables: psycopg.Connection) -> None:
    clients(tables, 5, 4)
    assert retention_findings(tables, ORGANIZATION) == []


def test_a_business_that_grows_has_more_of_them(tables: psycopg.Connection) -> None:
    clients(tables, 12, 4, followed=34)
    assert retention_findings(tables, ORGANIZATION) == []


def test_one_client_of_great_worth_is_told_alone(tables: psycopg.Connection) -> None:
    clients(tables, 4, 4, amount=0.06 * REVENUE)
    connection_amounts = "update intermediate.int_client_rhythm set yearly_amount = 500 where yearly_amount < 6000"
    tables.execute(connection_amounts)
    (finding,) = retention_findings(tables, ORGANIZATION) or []
    assert finding["value"] == 1
    check_golden("retention_of_one", finding)


def test_nobody_missed_or_data_that_ended(tables: psycopg.Connection) -> None:
    assert retention_findings(tables, ORGANIZATION) == []
    assert retention_findings(tables, replace(ORGANIZATION, has_ended=True)) is None
    assert retention_findings(tables, replace(ORGANIZATION, book_until=DAY)) is None
