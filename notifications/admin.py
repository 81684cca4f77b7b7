"""Channels as their administrators see them: list, add, test."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.errors import UniqueViolation

from notifications.channels import CHANNELS
from notifications.channels.base import Delivery, RetryLater, Undeliverable
from notifications.messages import trial_message
from sources.database import records
from sources.errors import HubError
from sources.settings import Settings
from sources.tables import INSIGHT_KINDS, SEVERITIES


def list_channels(connection: psycopg.Connection, org_id: UUID) -> list[dict[str, Any]]:
    """The organisation's channels with how many deliveries of each are sent, waiting and dead."""
    return records(
        connection,
        """
        select channel.id, channel.name, channel.kind, channel.target, channel.min_severity, channel.insight_kinds,
            channel.sends_insights, channel.sends_digest, channel.is_active,
            count(delivery.id) filter (where delivery.state = 'sent') as sent,
            count(delivery.id) filter (where delivery.state in ('pending', 'sending', 'failed')) as waiting,
            count(delivery.id) filter (where delivery.state = 'dead') as dead
        from app.notification_channels as channel
        left join app.notification_deliveries as delivery on delivery.channel_id = channel.id
        where channel.org_id = %(org)s
        group by channel.id
        order by channel.name
        """,
        {"org": org_id},
    )


def add_channel(
    connection: psycopg.Connection,
    org_id: UUID,
    *,
    name: str,
    kind: str,
    target: str,
    min_severity: str = "low",
    insight_kinds: Sequence[str] = (),
    sends_insights: bool = True,
    sends_digest: bool = True,
) -> UUID:
    """Add a channel and return its id; the caller commits. insight_kinds: empty for every kind.

    Raises HubError that says what is wrong with a value, or that the name is taken.
    """
    name = name.strip()
    if not name:
        raise HubError("A channel needs a name.")
    _check_one_of("kind of channel", kind, tuple(CHANNELS))
    _check_one_of("severity", min_severity, SEVERITIES)
    for insight_kind in insight_kinds:
        _check_one_of("kind of insight", insight_kind, INSIGHT_KINDS)
    row = {
        "org": org_id,
        "name": name,
        "kind": kind,
        "target": CHANNELS[kind].check_target(target),
        "min_severity": min_severity,
        "insight_kinds": list(insight_kinds),
        "sends_insights": sends_insights,
        "sends_digest": sends_digest,
    }
    try:
        with connection.transaction():
            found = records(
                connection,
                """
                insert into app.notification_channels
                    (org_id, name, kind, target, min_severity, insight_kinds, sends_insights, sends_digest)
                values (%(org)s, %(name)s, %(kind)s, %(target)s, %(min_severity)s, %(insight_kinds)s,
                    %(sends_insights)s, %(sends_digest)s)
                returning id
                """,
                row,
            )
    except UniqueViolation:
        raise HubError(f"There is a channel named {name!r} already: choose another name.") from None
    channel_id: UUID = found[0]["id"]
    return channel_id


def _check_one_of(what: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise HubError(f"{value!r} is no {what}: choose one of {', '.join(allowed)}.")


def test_channel(
    connection: psycopg.Connection, settings: Settings, org_id: UUID, name: str, *, now: datetime
) -> list[str]:
    """Send a test message to each recipient of the channel, the way alerts go; return the recipients.

    Raises HubError that says why a message did not arrive.
    """
    found = records(
        connection,
        "select id, kind, target from app.notification_channels where org_id = %(org)s and name = %(name)s",
        {"org": org_id, "name": name},
    )
    if not found:
        raise HubError(f"There is no channel named {name!r}: hub channel list shows those that there are.")
    kind, target = found[0]["kind"], found[0]["target"]
    recipients = target.split(", ") if kind == "email" else [target]
    message = trial_message(name, at=now, link_base=settings.link_base)
    for recipient in recipients:
        delivery = Delivery(
            id=uuid4(),
            org_id=org_id,
            channel_id=found[0]["id"],
            insight_id=None,
            digest_day=None,
            recipient=recipient,
            event="test",
            attempt=1,
            attempted_at=now,
        )
        try:
            CHANNELS[kind].send(settings, delivery, message)
        except (RetryLater, Undeliverable) as error:
            raise HubError(f"The test of the channel {name!r} failed. {error}") from None
    return recipients
