"""Due work: digests, insights and requests, by the state of the database."""

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from dagster_project.automation import due_queries
from dagster_project.ingestion.landing import create_raw_table
from notifications.delivery_ledger import enqueue_digests
from sources.settings import Settings
from sources.tables import organizations

DAY = date(2026, 3, 10)
HOUR = 7


@pytest.fixture
def org_id(connection: psycopg.Connection) -> UUID:
    """An organisation in New York whose figures reach to DAY, with an e-mail channel."""
    org_id = uuid4()
    create_raw_table(connection, organizations)
    connection.execute(
        "insert into raw.organizations (id, org_id, timezone) values (%(id)s, %(id)s, 'America/New_York')",
        {"id": org_id},
    )
    connection.execute("insert into raw.run_clock values (%s, %s, now())", [org_id, DAY])
    connection.execute(
        "insert into app.notification_channels (org_id, name, kind, target) values (%s, 'mail', 'email', 'a@b.de')",
        [org_id],
    )
    return org_id


@pytest.mark.parametrize(
    ("now", "is_due"),
    [
        (datetime(2026, 3, 11, 10, 59, tzinfo=UTC), False),  # 06:59 in New York
        (datetime(2026, 3, 11, 11, 0, tzinfo=UTC), True),  # 07:00
        (datetime(2026, 3, 12, 3, 30, tzinfo=UTC), True),  # 23:30 of the same day there: late, but not lost
        (datetime(2026, 3, 12, 11, 0, tzinfo=UTC), False),  # the day after: these figures are old
    ],
)
def test_the_digest_is_due_at_seven_local_time(settings: Settings, org_id: UUID, now: datetime, is_due: bool) -> None:
    assert due_queries.digests_due(settings, now, HOUR) == ([(org_id, DAY)] if is_due else [])


def test_a_digest_in_the_ledger_is_not_due_again(
    settings: Settings, connection: psycopg.Connection, org_id: UUID
) -> None:
    connection.execute(
        "insert into app.notification_deliveries (org_id, channel_id, digest_day, recipient, event) "
        "select org_id, id, %s, target, 'digest' from app.notification_channels",
        [DAY],
    )
    assert due_queries.digests_due(settings, datetime(2026, 3, 11, 12, 0, tzinfo=UTC), HOUR) == []


def test_a_dashboard_is_due_where_no_digest_is(
    settings: Settings, connection: psycopg.Connection, org_id: UUID
) -> None:
    connection.execute("update app.notification_channels set sends_digest = false")
    assert due_queries.digests_due(settings, datetime(2026, 3, 11, 12, 0, tzinfo=UTC), HOUR) == []
    connection.execute(
        "insert into app.organizations (id, org_id, name, slug, timezone, currency) "
        "values (%(org)s, %(org)s, 'North', 'north', 'America/New_York', 'USD')",
        {"org": org_id},
    )
    connection.execute(
        "with made as (insert into app.profiles (org_id, role, full_name, email) "
        "values (%(org)s, 'admin', 'Ana Bell', 'ana@b.de') returning id) "
        "insert into app.saved_views (org_id, profile_id, name, is_shared, tiles, sent_to, sent_every) "
        "select %(org)s, made.id, 'Money', true, '[{}]', channels.id, 'day' "
        "from made, app.notification_channels as channels",
        {"org": org_id},
    )
    assert due_queries.digests_due(settings, datetime(2026, 3, 11, 12, 0, tzinfo=UTC), HOUR) == [(org_id, DAY)]
    enqueue_digests(connection, org_id, DAY, now=datetime(2026, 3, 11, 12, 0, tzinfo=UTC))
    assert due_queries.digests_due(settings, datetime(2026, 3, 11, 12, 0, tzinfo=UTC), HOUR) == []


def test_deliveries_of_a_paused_channel_are_not_due(
    settings: Settings, connection: psycopg.Connection, org_id: UUID
) -> None:
    connection.execute(
        "insert into app.notification_deliveries (org_id, channel_id, digest_day, recipient, event) "
        "select org_id, id, %s, target, 'digest' from app.notification_channels",
        [DAY],
    )
    assert due_queries.deliveries_due(settings, datetime.now(UTC)) == 1
    connection.execute("update app.notification_channels set is_active = false")
    assert due_queries.deliveries_due(settings, datetime.now(UTC)) == 0


def test_before_the_first_run_nothing_is_due(settings: Settings) -> None:
    assert due_queries.digests_due(settings, datetime(2026, 3, 11, 12, 0, tzinfo=UTC), HOUR) == []
    assert due_queries.organizations_awaiting_insights(settings) == []
    assert due_queries.deliveries_due(settings, datetime.now(UTC)) == 0


def test_a_day_awaits_insights_until_its_forecast_was_made(
    settings: Settings, connection: psycopg.Connection, org_id: UUID
) -> None:
    """Or until there was too little to forecast, or it failed: neither is repeated every 15 minutes."""
    assert due_queries.organizations_awaiting_insights(settings) == [org_id]
    mark = "insert into ml.fingerprints (org_id, model, fingerprint, as_of) values (%s, %s, 'x', %s)"
    connection.execute(mark, [org_id, "anomalies", DAY])
    assert due_queries.organizations_awaiting_insights(settings) == [org_id]
    connection.execute(mark, [org_id, "revenue_forecasts", DAY])
    assert due_queries.organizations_awaiting_insights(settings) == []
    connection.execute("update ml.fingerprints set as_of = as_of - 1")
    assert due_queries.organizations_awaiting_insights(settings) == [org_id]
    connection.execute("insert into raw.run_failures values (%s, 'anomalies', %s, 'It failed.')", [org_id, DAY])
    assert due_queries.organizations_awaiting_insights(settings) == []
