"""The delivery ledger (app.notification_deliveries): everything is written down before it is sent.

What is guaranteed: a row that was committed is sent at least once, or ends dead and is reported; a receiver that sees
it twice (a worker died between sending and writing that down) sees the same id twice.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from notifications import claims, routing
from notifications.channels import CHANNELS
from notifications.channels.base import ChannelRow, Delivery, RetryLater, Undeliverable, redacted
from notifications.claims import Result, Settlement
from notifications.messages import BACK_TO_NORMAL, RESOLVED_PREFIX, Event, Message
from notifications.rendering import message_for
from sources import database
from sources.errors import HubError
from sources.settings import Settings
from sources.tables import SEVERITIES

# Twelve attempts with these waits last 8 hours on average and 16 at most: a receiver may be down for a night.
MAX_ATTEMPTS: Final = 12
BACKOFF_FIRST_S: Final = 60.0
BACKOFF_MAX_S: Final = 4 * 3600.0
CHANNELS_AT_ONCE: Final = 16  # each has a thread and a connection; PostgreSQL allows 100 by default
CHANNEL_BUDGET_S: Final = 60.0  # a slow channel ends its turn after this; the rest is due in the next one
DETAIL_MAX: Final = 500

Clock = Callable[[], datetime]
Renderer = Callable[[psycopg.Connection, Settings, Delivery], Message]
Jitter = Callable[[float, float], float]


@dataclass(frozen=True)
class _Turn:
    """What every channel's worker needs to know."""

    settings: Settings
    now: Clock
    limit: int
    render: Renderer
    jitter: Jitter


@dataclass(frozen=True)
class Enqueued:
    """How many rows were new."""

    deliveries: int
    in_app: int


@dataclass(frozen=True)
class Outcome:
    """How one attempt ended."""

    delivery_id: UUID
    org_id: UUID
    channel: str
    kind: str
    recipient: str
    event: str
    insight_id: UUID | None
    digest_day: date | None
    attempt: int
    result: Result
    detail: str | None


@dataclass(frozen=True)
class DeliveryReport:
    """What one call of deliver_due did. `broken`: channels whose worker itself failed, as sentences."""

    outcomes: tuple[Outcome, ...]
    broken: tuple[str, ...] = ()

    def of(self, result: Result) -> tuple[Outcome, ...]:
        """The attempts that ended as `result`."""
        return tuple(outcome for outcome in self.outcomes if outcome.result == result)


def enqueue_insights(
    connection: psycopg.Connection,
    insight_ids: Sequence[UUID],
    event: Event,
    *,
    now: datetime,
    recipients: Mapping[UUID, Sequence[UUID]],
) -> Enqueued:
    """Write the deliveries and the in-app notifications of insights; repeatable, and the caller commits.

    Call it in the transaction that writes the insights. recipients: profile ids by org_id, for in-app notifications;
    a resolved insight goes to those who were told of it, so they are not asked for then.
    """
    ids = list(insight_ids)
    select = routing.OPENED if event == "opened" else routing.RESOLVED
    deliveries = _enqueue(connection, select, event, now, {"ids": ids, "severities": list(SEVERITIES)})
    return Enqueued(deliveries, _notify_in_app(connection, ids, event, now, recipients))


def enqueue_digests(connection: psycopg.Connection, org_id: UUID, day: date, *, now: datetime) -> int:
    """Write the deliveries of an organisation's digest of `day`; the number of new ones. Repeatable."""
    return _enqueue(connection, routing.DIGEST, "digest", now, {"org": org_id, "day": day})


def _enqueue(
    connection: psycopg.Connection, select: LiteralString, event: str, now: datetime, params: Mapping[str, object]
) -> int:
    insert = sql.SQL(
        """
        insert into app.notification_deliveries
            (org_id, channel_id, insight_id, digest_day, recipient, event, next_attempt_at, created_at)
        select org_id, channel_id, insight_id, digest_day, recipient, %(event)s, %(now)s, %(now)s
        from ({routed}) as routed
        on conflict do nothing
        """
    ).format(routed=sql.SQL(select))
    return connection.execute(insert, {**params, "event": event, "now": now}).rowcount


def _notify_in_app(
    connection: psycopg.Connection,
    ids: list[UUID],
    event: Event,
    now: datetime,
    recipients: Mapping[UUID, Sequence[UUID]],
) -> int:
    pairs = [(org_id, profile_id) for org_id, profiles in recipients.items() for profile_id in profiles]
    select: LiteralString = """
        select insight.org_id, told.profile_id, insight.id as insight_id, insight.title, insight.summary as body
        from app.insight_events as insight
        join unnest(%(orgs)s::uuid[], %(profiles)s::uuid[]) as told (org_id, profile_id) using (org_id)
        where insight.id = any(%(ids)s)
    """
    if event == "resolved":
        select = """
            select org_id, profile_id, insight_id, %(prefix)s || title as title, %(body)s as body
            from app.notifications
            where insight_id = any(%(ids)s) and event = 'opened'
        """
    insert = sql.SQL(
        """
        insert into app.notifications (org_id, profile_id, insight_id, event, title, body, created_at)
        select org_id, profile_id, insight_id, %(event)s, title, body, %(now)s from ({told}) as told
        on conflict do nothing
        """
    ).format(told=sql.SQL(select))
    params = {
        "ids": ids,
        "orgs": [org_id for org_id, _ in pairs],
        "profiles": [profile_id for _, profile_id in pairs],
        "event": event,
        "now": now,
        "prefix": RESOLVED_PREFIX,
        "body": BACK_TO_NORMAL,
    }
    return connection.execute(insert, params).rowcount


def deliver_due(
    settings: Settings,
    *,
    now: Clock,
    limit: int = 500,
    render: Renderer = message_for,
    jitter: Jitter = random.uniform,
) -> DeliveryReport:
    """Send what is due, each channel in a thread of its own, and say how every attempt ended.

    limit: attempts a channel; jitter: (low, high) -> seconds. Any number of workers may call it at once. What failed
    is tried again by a later call; raise the dead (`report.of("dead")`) with people. Raises HubError where the
    database cannot be reached.
    """
    turn = _Turn(settings, now, limit, render, jitter)
    with database.connect(database.database_url(settings)) as connection:
        channels = claims.due_channels(connection, now())
    if not channels:
        return DeliveryReport(())
    outcomes: list[Outcome] = []
    with ThreadPoolExecutor(min(len(channels), CHANNELS_AT_ONCE), thread_name_prefix="deliver") as pool:
        work = [pool.submit(_work_channel, turn, channel, outcomes) for channel in channels]
    broken = tuple(
        redacted(settings, f"The channel {channel.name} stopped: {_sentence(error)}")
        for channel, done in zip(channels, work, strict=True)
        if (error := done.exception())
    )
    return DeliveryReport(tuple(outcomes), broken)


def _work_channel(turn: _Turn, channel: ChannelRow, outcomes: list[Outcome]) -> None:
    """Send what is due in one channel, row by row, until there is no more, or it says to wait, or its turn is over."""
    ends = turn.now() + timedelta(seconds=CHANNEL_BUDGET_S)
    tried: set[UUID] = set()
    with database.connect(database.database_url(turn.settings)) as connection:
        connection.autocommit = True
        while len(tried) < turn.limit and turn.now() < ends:
            with claims.claimed(connection, channel, turn.now(), tried) as delivery:
                if delivery is None:
                    return
                settlement, wait_until = _attempt(turn, connection, channel, delivery)
                claims.settle(connection, delivery, settlement, turn.now())
            outcomes.append(_outcome(channel, delivery, settlement))
            if wait_until:
                claims.postpone(connection, channel, wait_until)
                return


def _attempt(
    turn: _Turn, connection: psycopg.Connection, channel: ChannelRow, delivery: Delivery
) -> tuple[Settlement, datetime | None]:
    """Send one message; how it ended, and until when the whole channel is to wait (None: it need not)."""
    if delivery.attempt > MAX_ATTEMPTS:
        return Settlement("dead", f"Given up: {MAX_ATTEMPTS} attempts, and the last worker ended while sending."), None
    try:
        message = turn.render(connection, turn.settings, delivery)
        reference = CHANNELS[channel.kind].send(turn.settings, delivery, message)
    except Undeliverable as error:
        return Settlement("dead", _detail(turn, error)), None
    except RetryLater as error:
        wait = timedelta(seconds=wait_s(delivery.attempt, error.after_s, turn.jitter))
        until = turn.now() + wait
        return _failed(turn, delivery, error, until), until
    except Exception as error:  # whatever is wrong with one row, the next one is not to suffer
        if connection.broken:
            raise
        wait = timedelta(seconds=wait_s(delivery.attempt, None, turn.jitter))
        return _failed(turn, delivery, error, turn.now() + wait), None
    return Settlement("sent", provider_ref=reference), None


def _failed(turn: _Turn, delivery: Delivery, error: Exception, next_attempt_at: datetime) -> Settlement:
    detail = _detail(turn, error)
    if delivery.attempt >= MAX_ATTEMPTS:
        return Settlement("dead", f"Given up after {MAX_ATTEMPTS} attempts. {detail}")
    return Settlement("failed", detail, next_attempt_at=next_attempt_at)


def wait_s(attempt: int, after_s: float | None, jitter: Jitter) -> float:
    """The wait after a failed attempt (counted from 1), in seconds: exponential with full jitter
    (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter), and never less than the receiver asked for."""
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (attempt - 1))
    return max(after_s or 0.0, jitter(0.0, ceiling))


def _detail(turn: _Turn, error: Exception) -> str:
    return redacted(turn.settings, _sentence(error))[:DETAIL_MAX]


def _sentence(error: BaseException) -> str:
    if isinstance(error, (HubError, RetryLater, Undeliverable)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _outcome(channel: ChannelRow, delivery: Delivery, settlement: Settlement) -> Outcome:
    return Outcome(
        delivery_id=delivery.id,
        org_id=delivery.org_id,
        channel=channel.name,
        kind=channel.kind,
        recipient=delivery.recipient,
        event=delivery.event,
        insight_id=delivery.insight_id,
        digest_day=delivery.digest_day,
        attempt=delivery.attempt,
        result=settlement.result,
        detail=settlement.detail,
    )
