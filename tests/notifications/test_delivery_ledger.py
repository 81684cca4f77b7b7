"""The delivery ledger: routing of insights and digests, and rows that are written once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from notifications.channel_admin import add_channel
from notifications.delivery_ledger import Enqueued, enqueue_digests
from sources.database import records
from sources.settings import Settings
from tests.notifications.examples import DAY, NOW, ORG, OTHER_ORG, insert_insight
from tests.notifications.ledger_rows import deliveries, enqueue


@pytest.mark.parametrize(
    ("severity", "kind", "names"),
    [
        ("critical", "anomaly", {"all", "high and up", "anomalies"}),
        ("high", "workload", {"all", "high and up"}),
        ("medium", "anomaly", {"all", "anomalies"}),
        ("low", "pipeline", {"all"}),
    ],
)
def test_routing_by_severity_and_kind(
    connection: psycopg.Connection, severity: str, kind: str, names: set[str]
) -> None:
    def add(name: str, org_id: UUID = ORG, **row: Any) -> None:
        add_channel(connection, org_id, name=name, kind="slack", target="#alerts", **row)

    add("all")
    add("high and up", min_severity="high")
    add("anomalies", insight_kinds=["anomaly"])
    add("digest only", sends_insights=False)
    add("switched off")
    connection.execute("update app.notification_channels set is_active = false where name = 'switched off'")
    add("of somebody else", OTHER_ORG)
    enqueue(connection, insert_insight(connection, severity=severity, kind=kind))
    found = records(
        connection,
        "select name from app.notification_deliveries join app.notification_channels c on c.id = channel_id",
        {},
    )
    assert {row["name"] for row in found} == names


def test_enqueuing_again_adds_nothing(connection: psycopg.Connection) -> None:
    add_channel(connection, ORG, name="owners", kind="email", target="a@b.org, c@d.org")
    insight = insert_insight(connection)
    assert enqueue(connection, insight) == Enqueued(deliveries=2, in_app=1)
    assert enqueue(connection, insight) == Enqueued(deliveries=0, in_app=0)
    assert enqueue(connection) == enqueue(connection, occasion="resolved") == Enqueued(deliveries=0, in_app=0)
    assert {row["recipient"] for row in deliveries(connection)} == {"a@b.org", "c@d.org"}


def test_resolved_goes_only_to_recipients_of_the_alert(connection: psycopg.Connection) -> None:
    add_channel(connection, ORG, name="alerts", kind="slack", target="#alerts")
    insight = insert_insight(connection)
    assert enqueue(connection, insight, occasion="resolved") == Enqueued(deliveries=0, in_app=0)
    enqueue(connection, insight)
    add_channel(connection, ORG, name="newcomer", kind="slack", target="#newcomer")
    assert enqueue(connection, insight, occasion="resolved") == Enqueued(deliveries=1, in_app=1)
    found = records(connection, "select event, title from app.notifications order by id", {})
    assert [row["title"] for row in found] == ["Booked revenue fell by half", "Resolved: Booked revenue fell by half"]


def test_resolved_is_not_sent_where_the_alert_is_dead(connection: psycopg.Connection) -> None:
    add_channel(connection, ORG, name="alerts", kind="slack", target="#alerts")
    insight = insert_insight(connection)
    enqueue(connection, insight)
    connection.execute("update app.notification_deliveries set state = 'dead'")
    assert enqueue(connection, insight, occasion="resolved").deliveries == 0


def test_enqueuing_is_part_of_the_callers_transaction(settings: Settings, connection: psycopg.Connection) -> None:
    add_channel(connection, ORG, name="alerts", kind="slack", target="#alerts")
    with psycopg.connect(settings.database_url) as other:
        enqueue(other, insert_insight(other))
        other.rollback()
    assert deliveries(connection) == []


def test_digest_is_enqueued_once_a_day(connection: psycopg.Connection) -> None:
    add_channel(connection, ORG, name="owners", kind="email", target="a@b.org")
    add_channel(connection, ORG, name="alerts", kind="slack", target="#alerts", sends_digest=False)
    assert enqueue_digests(connection, ORG, DAY, now=NOW) == 1
    assert enqueue_digests(connection, ORG, DAY, now=NOW + timedelta(hours=3)) == 0
    assert enqueue_digests(connection, ORG, DAY + timedelta(days=1), now=NOW) == 1
    assert enqueue_digests(connection, OTHER_ORG, DAY, now=NOW) == 0
