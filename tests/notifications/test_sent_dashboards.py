"""Dashboards in the ledger: which are due with the digest of a day, written once, withdrawn, and sent."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb

from notifications.channel_admin import add_channel
from notifications.channels.base import Delivery, Undeliverable
from notifications.delivery_ledger import enqueue_digests
from notifications.rendering import message_for
from sources.database import records
from sources.errors import HubError
from sources.operations.explorations import Exploration
from sources.operations.saved_views import Tile
from sources.settings import Settings
from tests.notifications.examples import NOW
from tests.notifications.ledger_rows import deliveries
from tests.sources.business import NORTH, SOUTH, seed

SUNDAY = date(2026, 5, 3)
TILE = Tile(id=NORTH.id_of("tile"), title="Revenue", size="half", exploration=Exploration())


@pytest.fixture
def north(connection: psycopg.Connection) -> psycopg.Connection:
    """The seeded organisations; of north, a dashboard that is sent each day to two addresses."""
    seed(connection)
    channel = add_channel(
        connection, NORTH.id, name="owners", kind="email", target="a@b.org, c@d.org", sends_digest=False
    )
    connection.execute(
        "insert into app.saved_views (id, org_id, profile_id, name, is_shared, tiles, sent_to, sent_every) "
        "values (%s, %s, %s, 'Money', true, %s, %s, 'day')",
        [NORTH.id_of("view"), NORTH.id, NORTH.admin, Jsonb([TILE.model_dump(mode="json")]), channel],
    )
    return connection


def claimed(connection: psycopg.Connection) -> Delivery:
    """Return one of the rows of the ledger as a worker claims it."""
    row: dict[str, Any] = records(
        connection,
        "select id, org_id, channel_id, insight_id, view_id, digest_day, recipient, event as occasion "
        "from app.notification_deliveries order by recipient limit 1",
        {},
    )[0]
    return Delivery(**row, attempt=1, attempted_at=NOW)


def test_a_dashboard_is_enqueued_once_a_day_for_each_recipient(north: psycopg.Connection) -> None:
    assert enqueue_digests(north, NORTH.id, SUNDAY, now=NOW) == 2
    assert enqueue_digests(north, NORTH.id, SUNDAY, now=NOW + timedelta(hours=3)) == 0
    assert enqueue_digests(north, NORTH.id, SUNDAY + timedelta(days=1), now=NOW) == 2
    assert enqueue_digests(north, SOUTH.id, SUNDAY, now=NOW) == 0
    found = {(row["event"], row["view_id"], row["recipient"]) for row in deliveries(north)}
    assert found == {("dashboard", NORTH.id_of("view"), "a@b.org"), ("dashboard", NORTH.id_of("view"), "c@d.org")}


def test_the_dashboard_of_a_week_goes_with_the_digest_of_its_sunday(north: psycopg.Connection) -> None:
    north.execute("update app.saved_views set sent_every = 'week'")
    week = [SUNDAY + timedelta(days=number) for number in range(-6, 2)]
    assert [enqueue_digests(north, NORTH.id, day, now=NOW) for day in week] == [0, 0, 0, 0, 0, 0, 2, 0]


@pytest.mark.parametrize(
    "change",
    [
        "update app.saved_views set sent_to = null",
        "update app.saved_views set tiles = '[]'",
        "update app.notification_channels set is_active = false",
    ],
)
def test_what_has_no_receiver_or_no_tile_is_not_sent(north: psycopg.Connection, change: str) -> None:
    north.execute(change.encode())
    assert enqueue_digests(north, NORTH.id, SUNDAY, now=NOW) == 0


def test_a_channel_of_another_organisation_cannot_be_stored(north: psycopg.Connection) -> None:
    foreign: UUID = add_channel(north, SOUTH.id, name="theirs", kind="email", target="x@y.org")
    with pytest.raises(ForeignKeyViolation):
        north.execute("update app.saved_views set sent_to = %s", [foreign])


@pytest.mark.parametrize(
    "change",
    [
        "delete from app.saved_views",
        "update app.saved_views set sent_to = null",
        "update app.profiles set is_active = false where role = 'admin'",
        "update app.profiles set role = 'analyst' where role = 'admin'",
    ],
)
def test_what_waits_is_withdrawn_and_what_was_sent_stays(north: psycopg.Connection, change: str) -> None:
    enqueue_digests(north, NORTH.id, SUNDAY, now=NOW)
    north.execute("update app.notification_deliveries set state = 'sent', sent_at = now() where recipient = 'a@b.org'")
    north.execute("update app.saved_views set name = 'Other'")
    assert len(deliveries(north)) == 2
    north.execute(change.encode())
    assert [(row["recipient"], row["state"]) for row in deliveries(north)] == [("a@b.org", "sent")]
    assert enqueue_digests(north, NORTH.id, SUNDAY + timedelta(days=1), now=NOW) == 0


def test_a_dashboard_waits_for_the_first_figures(north: psycopg.Connection, settings: Settings) -> None:
    enqueue_digests(north, NORTH.id, SUNDAY, now=NOW)
    with pytest.raises(HubError, match="There are no figures yet"):
        message_for(north, settings, claimed(north))


def test_one_that_is_withdrawn_while_it_is_claimed_is_not_sent(north: psycopg.Connection, settings: Settings) -> None:
    enqueue_digests(north, NORTH.id, SUNDAY, now=NOW)
    delivery = claimed(north)
    north.execute("update app.saved_views set sent_to = null")
    with pytest.raises(Undeliverable, match="not sent any more"):
        message_for(north, settings, delivery)
