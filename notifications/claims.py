"""One row of the ledger at a time: claimed by a lock that dies with its worker, and settled by one statement.

The lock is a session-level advisory lock on the delivery's id: a row in state `sending` whose lock is free belongs
to a worker that is gone, and is claimed at once, without a lease to wait for. It needs a connection of its own
(not one that a transaction pooler shares).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import psycopg

from notifications.channels.base import ChannelRow, Delivery
from sources.database import records

Result = Literal["sent", "failed", "dead"]

# A resolved message never overtakes its alert. Rows tried least come first, so that one bad row holds up nobody.
_NEXT_DUE: Final = """
select delivery.id
from app.notification_deliveries as delivery
where delivery.channel_id = %(channel)s
    and delivery.state in ('pending', 'sending', 'failed')
    and (delivery.state = 'sending' or delivery.next_attempt_at <= %(now)s)
    and delivery.id <> all(%(tried)s)
    and not (
        delivery.event = 'resolved'
        and exists (
            select from app.notification_deliveries as opened
            where opened.org_id = delivery.org_id
                and opened.insight_id = delivery.insight_id
                and opened.channel_id = delivery.channel_id
                and opened.recipient = delivery.recipient
                and opened.event = 'opened'
                and opened.state in ('pending', 'sending', 'failed')
        )
    )
order by delivery.attempts, delivery.created_at, delivery.id
limit 1
"""

_CLAIM: Final = """
update app.notification_deliveries as delivery
set state = 'sending', attempts = delivery.attempts + 1
where delivery.id = %(id)s
    and (delivery.state = 'sending' or delivery.state in ('pending', 'failed') and delivery.next_attempt_at <= %(now)s)
returning id, org_id, channel_id, insight_id, digest_day, recipient, event, attempts as attempt,
    %(now)s::timestamptz as attempted_at, (
        select opened.provider_ref
        from app.notification_deliveries as opened
        where delivery.event = 'resolved'
            and opened.org_id = delivery.org_id
            and opened.insight_id = delivery.insight_id
            and opened.channel_id = delivery.channel_id
            and opened.recipient = delivery.recipient
            and opened.event = 'opened'
    ) as opened_ref
"""

# Only for the attempt that was claimed: a worker that lost its connection meanwhile settles nothing.
_SETTLE: Final = """
with settled as (
    update app.notification_deliveries
    set state = %(result)s,
        sent_at = case when %(result)s = 'sent' then %(at)s::timestamptz end,
        provider_ref = %(provider_ref)s,
        last_error = %(detail)s,
        next_attempt_at = coalesce(%(next_attempt_at)s, next_attempt_at)
    where id = %(id)s and state = 'sending' and attempts = %(attempt)s
    returning org_id, id, attempts
)
insert into app.notification_attempts (org_id, delivery_id, attempt, attempted_at, outcome, detail)
select org_id, id, attempts, %(attempted_at)s, %(result)s, %(detail)s from settled
"""


@dataclass(frozen=True)
class Settlement:
    """How an attempt ended; detail: what went wrong, as a sentence."""

    result: Result
    detail: str | None = None
    provider_ref: str | None = None
    next_attempt_at: datetime | None = None


def due_channels(connection: psycopg.Connection, now: datetime) -> list[ChannelRow]:
    """The active channels that have something to send."""
    found = records(
        connection,
        """
        select channel.id, channel.org_id, channel.name, channel.kind
        from app.notification_channels as channel
        where channel.is_active and exists (
            select from app.notification_deliveries as delivery
            where delivery.channel_id = channel.id
                and delivery.state in ('pending', 'sending', 'failed')
                and (delivery.state = 'sending' or delivery.next_attempt_at <= %(now)s)
        )
        order by channel.id
        """,
        {"now": now},
    )
    return [ChannelRow(**row) for row in found]


@contextmanager
def claimed(
    connection: psycopg.Connection, channel: ChannelRow, now: datetime, tried: set[UUID]
) -> Iterator[Delivery | None]:
    """The channel's next due delivery, marked as being sent and ours until the block ends; None: there is none.

    connection: in autocommit; tried: what this worker has looked at already, added to here.
    """
    delivery = None
    while delivery is None:
        due = records(connection, _NEXT_DUE, {"channel": channel.id, "now": now, "tried": list(tried)})
        if not due:
            yield None
            return
        delivery_id = due[0]["id"]
        tried.add(delivery_id)
        if _lock(connection, delivery_id):
            delivery = _claim(connection, delivery_id, now)
    try:
        yield delivery
    finally:
        if not connection.broken:
            _unlock(connection, delivery.id)


def _claim(connection: psycopg.Connection, delivery_id: UUID, now: datetime) -> Delivery | None:
    """Mark the locked row as being sent; None, and unlocked, where another worker settled it just before."""
    taken = records(connection, _CLAIM, {"id": delivery_id, "now": now})
    if taken:
        return Delivery(**taken[0])
    _unlock(connection, delivery_id)
    return None


def _lock(connection: psycopg.Connection, delivery_id: UUID) -> bool:
    got = connection.execute("select pg_try_advisory_lock(hashtextextended(%s::text, 0))", [delivery_id]).fetchone()
    return bool(got and got[0])


def _unlock(connection: psycopg.Connection, delivery_id: UUID) -> None:
    connection.execute("select pg_advisory_unlock(hashtextextended(%s::text, 0))", [delivery_id])


def settle(connection: psycopg.Connection, delivery: Delivery, settlement: Settlement, at: datetime) -> None:
    """Record how the attempt ended, in the delivery and in the log of attempts."""
    connection.execute(
        _SETTLE,
        {
            "id": delivery.id,
            "attempt": delivery.attempt,
            "attempted_at": delivery.attempted_at,
            "at": at,
            "result": settlement.result,
            "detail": settlement.detail,
            "provider_ref": settlement.provider_ref,
            "next_attempt_at": settlement.next_attempt_at,
        },
    )


def postpone(connection: psycopg.Connection, channel: ChannelRow, until: datetime) -> None:
    """Put off everything else of the channel until then."""
    connection.execute(
        """
        update app.notification_deliveries set next_attempt_at = %(until)s
        where channel_id = %(channel)s and state in ('pending', 'failed') and next_attempt_at < %(until)s
        """,
        {"channel": channel.id, "until": until},
    )
