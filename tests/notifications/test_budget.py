"""The budget of alerts: the largest at once, the rest in the digest; nothing that is counted twice or lost."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg

from notifications.budget import ALERTS_PER_WEEK, KEPT_FOR_CRITICAL
from notifications.channel_admin import add_channel
from notifications.delivery_ledger import enqueue_insights
from tests.notifications.examples import NOW, ORG, insert_insight
from tests.notifications.ledger_rows import deliveries


def raise_insights(connection: psycopg.Connection, *amounts: float, **changes: Any) -> list[UUID]:
    return [
        insert_insight(
            connection, **{"dedupe_key": f"{amount} {changes}", "impact": amount, "severity": "high"} | changes
        )
        for amount in amounts
    ]


def tell(connection: psycopg.Connection, insights: list[UUID], occasion: Any = "opened", *, days: float = 0) -> int:
    at = NOW + timedelta(days=days)
    return enqueue_insights(connection, {occasion: insights}, now=NOW, recipients={}, at=at).deliveries


def told_amounts(connection: psycopg.Connection) -> set[int]:
    rows = connection.execute(
        "select impact from app.insight_events join app.notification_deliveries d on d.insight_id = insight_events.id"
    )
    return {int(row[0]) for row in rows}


def add_owner(connection: psycopg.Connection, **options: Any) -> None:
    add_channel(connection, ORG, name="owner", kind="email", target="owner@example.org", **options)


def test_the_largest_go_at_once(connection: psycopg.Connection) -> None:
    add_owner(connection)
    assert tell(connection, raise_insights(connection, *range(100, 900, 100), severity="critical")) == ALERTS_PER_WEEK
    assert told_amounts(connection) == {400, 500, 600, 700, 800}


def test_the_week_is_a_rolling_one(connection: psycopg.Connection) -> None:
    add_owner(connection)
    tell(connection, raise_insights(connection, *range(100, 600, 100), severity="critical"))
    assert tell(connection, raise_insights(connection, 5000, severity="critical"), days=6.9) == 0
    assert tell(connection, raise_insights(connection, 6000), days=7) == 1
    # A run of an earlier day has a week of its own.
    assert tell(connection, raise_insights(connection, 7000), days=-30) == 1


def test_lesser_ones_leave_room_for_critical_ones(connection: psycopg.Connection) -> None:
    add_owner(connection)
    assert tell(connection, raise_insights(connection, *range(100, 600, 100))) == ALERTS_PER_WEEK - KEPT_FOR_CRITICAL
    assert tell(connection, raise_insights(connection, 9000)) == 0
    critical = [tell(connection, raise_insights(connection, amount, severity="critical")) for amount in (10, 20, 30)]
    assert critical == [1, 1, 0]
    assert {10, 20} <= told_amounts(connection)


def test_failures_of_the_hub_are_always_sent_and_not_counted(connection: psycopg.Connection) -> None:
    add_owner(connection)
    failures = [
        insert_insight(connection, kind="pipeline", metric=f"job {n}", dedupe_key=f"job {n}", impact=None)
        for n in range(8)
    ]
    assert tell(connection, failures) == 8
    assert tell(connection, raise_insights(connection, 100)) == 1


def test_recipients_have_budgets_of_their_own_over_all_channels(connection: psycopg.Connection) -> None:
    add_owner(connection, min_severity="critical")
    add_channel(connection, ORG, name="team", kind="email", target="owner@example.org, team@example.org")
    tell(connection, raise_insights(connection, *range(100, 900, 100), severity="critical"))
    recipients = [row["recipient"] for row in deliveries(connection)]
    assert recipients.count("owner@example.org") == recipients.count("team@example.org") == ALERTS_PER_WEEK


def test_a_channel_sets_its_own_number(connection: psycopg.Connection) -> None:
    add_owner(connection, alerts_per_week=0)
    add_channel(connection, ORG, name="program", kind="webhook", target="http://x/y", alerts_per_week=100)
    assert tell(connection, raise_insights(connection, *range(100, 900, 100), severity="critical")) == 8


def test_a_notice_that_something_is_over_leaves_room_for_alerts(connection: psycopg.Connection) -> None:
    add_owner(connection)
    insights = raise_insights(connection, 100, 200)
    tell(connection, insights)
    assert tell(connection, insights, "resolved") == 1
    assert len(deliveries(connection)) == 3


def test_the_digest_alone_says_that_a_lesser_one_is_over(connection: psycopg.Connection) -> None:
    add_owner(connection)
    insights = raise_insights(connection, 100, severity="medium")
    tell(connection, insights)
    assert tell(connection, insights, "resolved") == 0


def test_opened_and_worsened_ones_compete_by_money(connection: psycopg.Connection) -> None:
    add_owner(connection)
    opened = raise_insights(connection, 100, 200, 300, severity="critical")
    worsened = raise_insights(connection, 150, 250, 350, 450, severity="critical")
    over = raise_insights(connection, 9000)
    tell(connection, over, days=-30)
    occasions: dict[Any, list[UUID]] = {"resolved": over, "opened": opened, "worsened": worsened}
    enqueue_insights(connection, occasions, now=NOW, recipients={}, at=NOW)
    assert told_amounts(connection) == {9000, 200, 250, 300, 350, 450}


def test_nobody_hears_that_something_is_over_who_was_not_told(connection: psycopg.Connection) -> None:
    add_owner(connection, alerts_per_week=3)
    tell(connection, raise_insights(connection, 1000, 2000, 3000, severity="critical"))
    held = raise_insights(connection, 100)
    assert tell(connection, held) == tell(connection, held, "resolved", days=8) == 0


def test_each_growth_is_one_message(connection: psycopg.Connection) -> None:
    add_owner(connection)
    insights = raise_insights(connection, 100)
    tell(connection, insights)
    for times in (1, 2):
        connection.execute("update app.insight_events set worsened_times = %s", [times])
        assert tell(connection, insights, "worsened") == 1
        assert tell(connection, insights, "worsened") == 0
    assert [(row["event"], row["repeat"]) for row in deliveries(connection)] == [
        ("opened", 0),
        ("worsened", 1),
        ("worsened", 2),
    ]
