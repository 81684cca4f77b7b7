"""Administration of channels: list, add and test them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.errors import UniqueViolation

from notifications.channels import CHANNELS, channel_of_kind, recipients_of, webhook
from notifications.channels.base import Delivery, RetryLater, Undeliverable
from notifications.messages import trial_message
from sources.channel_secrets import SIGNED_KIND
from sources.database import records
from sources.errors import HubError
from sources.insight_values import INSIGHT_KINDS, SEVERITIES, WAITING_STATES
from sources.settings import Settings


def list_channels(connection: psycopg.Connection, org_id: UUID) -> list[dict[str, Any]]:
    """Return the organisation's channels with their numbers of sent, waiting and dead deliveries."""
    return records(
        connection,
        """
        select channels.id, channels.name, channels.kind, channels.target, channels.min_severity,
            channels.insight_kinds, channels.sends_insights, channels.sends_digest, channels.is_active,
            channels.alerts_per_week,
            count(deliveries.id) filter (where deliveries.state = 'sent') as sent,
            count(deliveries.id) filter (where deliveries.state = any(%(waiting)s)) as waiting,
            count(deliveries.id) filter (where deliveries.state = 'dead') as dead
        from app.notification_channels as channels
        left join app.notification_deliveries as deliveries on deliveries.channel_id = channels.id
        where channels.org_id = %(org)s and channels.removed_at is null
        group by channels.id
        order by channels.name
        """,
        {"org": org_id, "waiting": list(WAITING_STATES)},
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
    alerts_per_week: int | None = None,
) -> UUID:
    """Add a channel and return its id; the caller commits.

    insight_kinds: empty for every kind; alerts_per_week: of each recipient, None for the default.

    Raises HubError for a value that is not valid, and for a name that is taken.
    """
    name = name.strip()
    if not name:
        raise HubError("A channel needs a name.")
    _check_one_of("kind of channel", kind, tuple(CHANNELS))
    _check_one_of("severity", min_severity, SEVERITIES)
    for insight_kind in insight_kinds:
        _check_one_of("kind of insight", insight_kind, INSIGHT_KINDS)
    values = {
        "org": org_id,
        "name": name,
        "kind": kind,
        "target": CHANNELS[kind].check_target(target),
        "min_severity": min_severity,
        "insight_kinds": list(insight_kinds),
        "sends_insights": sends_insights,
        "sends_digest": sends_digest,
        "alerts_per_week": alerts_per_week,
    }
    try:
        with connection.transaction():
            rows = records(
                connection,
                """
                insert into app.notification_channels
                    (org_id, name, kind, target, min_severity, insight_kinds, sends_insights, sends_digest,
                    alerts_per_week)
                values (%(org)s, %(name)s, %(kind)s, %(target)s, %(min_severity)s, %(insight_kinds)s,
                    %(sends_insights)s, %(sends_digest)s, %(alerts_per_week)s)
                returning id
                """,
                values,
            )
    except UniqueViolation:
        raise HubError(f"The name {name!r} is taken by another channel: choose another name.") from None
    channel_id: UUID = rows[0]["id"]
    return channel_id


def _check_one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise HubError(f"{value!r} is not a {name}: choose one of {', '.join(allowed)}.")


def webhook_secret(connection: psycopg.Connection, settings: Settings, org_id: UUID, name: str) -> str:
    """Return the secret with which the receiver of a webhook verifies signatures. Raises HubError if there is none."""
    channel = _channel(connection, org_id, name)
    if channel["kind"] != SIGNED_KIND:
        raise HubError(f"The channel {name!r} has no secret: only webhooks are signed.")
    return webhook.signing_secret(settings, channel["id"], channel["secret_number"])


def _channel(connection: psycopg.Connection, org_id: UUID, name: str) -> dict[str, Any]:
    rows = records(
        connection,
        "select id, kind, target, secret_number from app.notification_channels "
        "where org_id = %(org)s and name = %(name)s and removed_at is null",
        {"org": org_id, "name": name},
    )
    if not rows:
        raise HubError(f"There is no channel named {name!r}: hub channel list shows the existing ones.")
    return rows[0]


def test_channel(
    connection: psycopg.Connection, settings: Settings, org_id: UUID, name: str, *, now: datetime
) -> list[str]:
    """Send a test message to each recipient of the channel, as alerts are sent; return the recipients.

    Raises HubError with the reason where a message could not be sent.
    """
    channel = _channel(connection, org_id, name)
    recipients = recipients_of(channel["kind"], channel["target"])
    message = trial_message(name, at=now, link_base=settings.link_base)
    for recipient in recipients:
        delivery = Delivery(
            id=uuid4(),
            org_id=org_id,
            channel_id=channel["id"],
            insight_id=None,
            digest_day=None,
            recipient=recipient,
            occasion="test",
            attempt=1,
            attempted_at=now,
            secret_numbers=(channel["secret_number"],),
        )
        try:
            channel_of_kind(channel["kind"]).send(settings, delivery, message)
        except (RetryLater, Undeliverable) as error:
            raise HubError(f"The test of the channel {name!r} failed. {error}") from None
    return recipients
