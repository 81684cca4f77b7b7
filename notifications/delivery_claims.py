"""Claims: a worker takes one row of the delivery ledger at a time, and settles it with one statement.

The claim is a session-level advisory lock on the delivery's id: a row in state `sending` whose lock is free belongs to
a worker that has ended, and can be claimed at once, without waiting for a lease. It needs a connection of its own (not
one that a transaction pooler shares).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg

from notifications.channels.base import ChannelRow, Delivery
from sources.channel_secrets import FORMER_VALID_FOR
from sources.database import records
from sources.insight_values import INSIGHT_OCCASIONS, WAITING_STATES, AttemptOutcome

# A later message of an insight never overtakes an earlier one. Rows with fewest attempts come first, so that one bad
# row delays none.
_NEXT_DUE: Final = """
select deliveries.id
from app.notification_deliveries as deliveries
where deliveries.channel_id = %(channel)s
    and deliveries.state = any(%(waiting)s)
    and (deliveries.state = 'sending' or deliveries.next_attempt_at <= %(now)s)
    and deliveries.id <> all(%(skipped)s)
    and not exists (
        select from app.notification_deliveries as earlier
        where earlier.org_id = deliveries.org_id
            and earlier.insight_id = deliveries.insight_id
            and earlier.channel_id = deliveries.channel_id
            and earlier.recipient = deliveries.recipient
            and (array_position(%(order)s::text[], earlier.event), earlier.repeat)
                < (array_position(%(order)s::text[], deliveries.event), deliveries.repeat)
            and earlier.state = any(%(waiting)s)
    )
order by deliveries.attempts, deliveries.created_at, deliveries.id
limit 1
"""

_MARK_SENDING: Final = """
update app.notification_deliveries as deliveries
set state = 'sending', attempts = deliveries.attempts + 1
where deliveries.id = %(id)s
    and deliveries.state = any(%(waiting)s)
    and (deliveries.state = 'sending' or deliveries.next_attempt_at <= %(now)s)
returning id, org_id, channel_id, insight_id, view_id, digest_day, recipient, event as occasion,
    attempts as attempt, %(now)s::timestamptz as attempted_at, (
        select opened.receipt_ref
        from app.notification_deliveries as opened
        where deliveries.event <> 'opened'
            and opened.org_id = deliveries.org_id
            and opened.insight_id = deliveries.insight_id
            and opened.channel_id = deliveries.channel_id
            and opened.recipient = deliveries.recipient
            and opened.event = 'opened'
    ) as opened_receipt_ref, (
        select case
            when channels.secret_changed_at > %(now)s::timestamptz - %(former_valid_for)s::interval
                then array[channels.secret_number, channels.secret_number - 1]
            else array[channels.secret_number]
        end
        from app.notification_channels as channels
        where channels.id = deliveries.channel_id
    ) as secret_numbers
"""

# Only for the attempt that was claimed: a worker that lost its connection meanwhile settles nothing.
_SETTLE: Final = """
with settled as (
    update app.notification_deliveries
    set state = %(outcome)s,
        sent_at = case when %(outcome)s = 'sent' then %(at)s::timestamptz end,
        receipt_ref = %(receipt_ref)s,
        last_error = %(detail)s,
        next_attempt_at = coalesce(%(next_attempt_at)s, next_attempt_at)
    where id = %(id)s and state = 'sending' and attempts = %(attempt)s
    returning org_id, id, attempts
)
insert into app.notification_attempts (org_id, delivery_id, attempt, attempted_at, outcome, detail)
select org_id, id, attempts, %(attempted_at)s, %(outcome)s, %(detail)s from settled
"""


@dataclass(frozen=True)
class Settlement:
    """The outcome of an attempt; detail: the error message, as a sentence."""

    outcome: AttemptOutcome
    detail: str | None = None
    receipt_ref: str | None = None
    next_attempt_at: datetime | None = None


def due_channels(connection: psycopg.Connection, now: datetime) -> list[ChannelRow]:
    """Return the active channels that have deliveries due at `now`."""
    rows = records(
        connection,
        """
        select channels.id, channels.org_id, channels.name, channels.kind
        from app.notification_channels as channels
        where channels.is_active and exists (
            select from app.notification_deliveries as deliveries
            where deliveries.channel_id = channels.id
                and deliveries.state = any(%(waiting)s)
                and (deliveries.state = 'sending' or deliveries.next_attempt_at <= %(now)s)
        )
        order by channels.id
        """,
        {"now": now, "waiting": list(WAITING_STATES)},
    )
    return [ChannelRow(**row) for row in rows]


@contextmanager
def claim_next(
    connection: psycopg.Connection, channel: ChannelRow, now: datetime, attempted: Collection[UUID]
) -> Iterator[Delivery | None]:
    """Claim the channel's next due delivery until the block ends, and mark it as being sent; None if there is none.

    connection: in autocommit; attempted: ids of deliveries that are not to be claimed again.
    """
    skipped = set(attempted)
    while delivery_id := _next_due(connection, channel, now, skipped):
        if _lock(connection, delivery_id):
            try:
                delivery = _mark_sending(connection, delivery_id, now)
                if delivery:
                    yield delivery
                    return
            finally:
                if not connection.broken:
                    _unlock(connection, delivery_id)
        skipped.add(delivery_id)  # another worker claims it, or settled it just now
    yield None


def _next_due(
    connection: psycopg.Connection, channel: ChannelRow, now: datetime, skipped: Collection[UUID]
) -> UUID | None:
    parameters = {
        "channel": channel.id,
        "now": now,
        "skipped": list(skipped),
        "waiting": list(WAITING_STATES),
        "order": list(INSIGHT_OCCASIONS),
    }
    rows = records(connection, _NEXT_DUE, parameters)
    return rows[0]["id"] if rows else None


def _mark_sending(connection: psycopg.Connection, delivery_id: UUID, now: datetime) -> Delivery | None:
    """Mark the locked row as being sent; None where another worker settled it before it was locked."""
    parameters = {
        "id": delivery_id,
        "now": now,
        "waiting": list(WAITING_STATES),
        "former_valid_for": FORMER_VALID_FOR,
    }
    rows = records(connection, _MARK_SENDING, parameters)
    return Delivery(**rows[0]) if rows else None


def _lock(connection: psycopg.Connection, delivery_id: UUID) -> bool:
    """Take the delivery's advisory lock; return False if another worker holds it."""
    row = connection.execute("select pg_try_advisory_lock(hashtextextended(%s::text, 0))", [delivery_id]).fetchone()
    return bool(row and row[0])


def _unlock(connection: psycopg.Connection, delivery_id: UUID) -> None:
    connection.execute("select pg_advisory_unlock(hashtextextended(%s::text, 0))", [delivery_id])


def settle(connection: psycopg.Connection, delivery: Delivery, settlement: Settlement, at: datetime) -> None:
    """Record the outcome of an attempt, in the delivery and in the log of attempts."""
    connection.execute(
        _SETTLE,
        {
            "id": delivery.id,
            "attempt": delivery.attempt,
            "attempted_at": delivery.attempted_at,
            "at": at,
            "outcome": settlement.outcome,
            "detail": settlement.detail,
            "receipt_ref": settlement.receipt_ref,
            "next_attempt_at": settlement.next_attempt_at,
        },
    )


def postpone(connection: psycopg.Connection, channel: ChannelRow, until: datetime) -> None:
    """Postpone all other deliveries of the channel until then."""
    connection.execute(
        """
        update app.notification_deliveries set next_attempt_at = %(until)s
        where channel_id = %(channel)s and state in ('pending', 'failed') and next_attempt_at < %(until)s
        """,
        {"channel": channel.id, "until": until},
    )
