"""The delivery ledger (app.notification_deliveries): every message is a row first, and is sent from that row.

Guarantees: a committed row is sent at least once, or ends in state dead and is reported; a receiver that gets it twice
(a worker died between sending and recording it) gets the same id twice.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from notifications import claims, routing
from notifications.channels import channel_of_kind
from notifications.channels.base import ChannelRow, Delivery, RetryLater, Undeliverable, redacted
from notifications.claims import Settlement
from notifications.messages import BACK_TO_NORMAL, RESOLVED_PREFIX, Message
from notifications.rendering import message_for
from notifications.routing import Route
from sources import database
from sources.errors import HubError
from sources.insight_values import AttemptOutcome, InsightOccasion, Occasion
from sources.settings import Settings

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
    """The arguments of deliver_due, for the worker of each channel."""

    settings: Settings
    now: Clock
    limit: int
    render: Renderer
    jitter: Jitter


@dataclass(frozen=True)
class Enqueued:
    """Numbers of new rows."""

    deliveries: int
    in_app: int


@dataclass(frozen=True)
class Attempt:
    """One attempt to send a delivery, and its outcome."""

    delivery_id: UUID
    org_id: UUID
    channel: str
    kind: str
    recipient: str
    occasion: str
    insight_id: UUID | None
    digest_day: date | None
    attempt: int
    outcome: AttemptOutcome
    detail: str | None


@dataclass(frozen=True)
class DeliveryReport:
    """The attempts of one call of deliver_due. `broken`: channels whose worker itself failed, as sentences."""

    attempts: tuple[Attempt, ...]
    broken: tuple[str, ...] = ()

    def of(self, outcome: AttemptOutcome) -> tuple[Attempt, ...]:
        """Return the attempts with this outcome."""
        return tuple(attempt for attempt in self.attempts if attempt.outcome == outcome)


def enqueue_insights(
    connection: psycopg.Connection,
    insight_ids: Sequence[UUID],
    occasion: InsightOccasion,
    *,
    now: datetime,
    recipients: Mapping[UUID, Sequence[UUID]],
) -> Enqueued:
    """Write the deliveries and the in-app notifications of insights; repeatable. The caller commits.

    Call it in the transaction that writes the insights. recipients: profile ids by org_id, for in-app notifications;
    not needed for resolved insights, whose recipients are those of the opened ones.
    """
    find_routes = routing.routes_of_opened if occasion == "opened" else routing.routes_of_resolved
    deliveries = _enqueue(connection, find_routes(connection, insight_ids), occasion, now)
    return Enqueued(deliveries, _notify_in_app(connection, insight_ids, occasion, now, recipients))


def enqueue_digests(connection: psycopg.Connection, org_id: UUID, day: date, *, now: datetime) -> int:
    """Write the deliveries of an organisation's digest of `day` and return the number of new ones. Repeatable."""
    return _enqueue(connection, routing.routes_of_digest(connection, org_id, day), "digest", now)


def _enqueue(connection: psycopg.Connection, routes: Sequence[Route], occasion: Occasion, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into app.notification_deliveries
                (org_id, channel_id, insight_id, digest_day, recipient, event, next_attempt_at, created_at)
            values (%(org_id)s, %(channel_id)s, %(insight_id)s, %(digest_day)s, %(recipient)s, %(occasion)s,
                %(now)s, %(now)s)
            on conflict do nothing
            """,
            [{**asdict(route), "occasion": occasion, "now": now} for route in routes],
        )
        return max(cursor.rowcount, 0)


def _notify_in_app(
    connection: psycopg.Connection,
    insight_ids: Sequence[UUID],
    occasion: InsightOccasion,
    now: datetime,
    recipients: Mapping[UUID, Sequence[UUID]],
) -> int:
    pairs = [(org_id, profile_id) for org_id, profiles in recipients.items() for profile_id in profiles]
    select: LiteralString = """
        select insights.org_id, recipients.profile_id, insights.id as insight_id, insights.title,
            insights.summary as body
        from app.insight_events as insights
        join unnest(%(orgs)s::uuid[], %(profiles)s::uuid[]) as recipients (org_id, profile_id) using (org_id)
        where insights.id = any(%(ids)s)
    """
    if occasion == "resolved":
        select = """
            select org_id, profile_id, insight_id, %(prefix)s || title as title, %(body)s as body
            from app.notifications
            where insight_id = any(%(ids)s) and event = 'opened'
        """
    insert = sql.SQL(
        """
        insert into app.notifications (org_id, profile_id, insight_id, event, title, body, created_at)
        select org_id, profile_id, insight_id, %(occasion)s, title, body, %(now)s from ({messages}) as messages
        on conflict do nothing
        """
    ).format(messages=sql.SQL(select))
    params = {
        "ids": list(insight_ids),
        "orgs": [org_id for org_id, _ in pairs],
        "profiles": [profile_id for _, profile_id in pairs],
        "occasion": occasion,
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
    """Send all due deliveries, each channel in a thread of its own, and return the outcome of each attempt.

    limit: attempts per channel; jitter: (low, high) -> seconds. Any number of workers may call it at once. Failed
    deliveries are tried again by a later call; the caller reports the dead ones (`report.of("dead")`) to people.
    Raises HubError where the database cannot be reached.
    """
    turn = _Turn(settings, now, limit, render, jitter)
    with database.connect(database.database_url(settings)) as connection:
        channels = claims.due_channels(connection, now())
    if not channels:
        return DeliveryReport(())
    with ThreadPoolExecutor(min(len(channels), CHANNELS_AT_ONCE), thread_name_prefix="deliver") as pool:
        attempts: list[Attempt] = []  # shared: what a worker sent before it failed is reported too
        workers = [pool.submit(_work_channel, turn, channel, attempts) for channel in channels]
    broken = tuple(
        redacted(settings, f"The channel {channel.name} stopped: {_sentence(error)}")
        for channel, worker in zip(channels, workers, strict=True)
        if (error := worker.exception())
    )
    return DeliveryReport(tuple(attempts), broken)


def _work_channel(turn: _Turn, channel: ChannelRow, attempts: list[Attempt]) -> None:
    """Send the channel's due deliveries one by one and append each attempt.

    Ends when none is left, when the receiver asks to wait, or when the channel's turn is over.
    """
    ends = turn.now() + timedelta(seconds=CHANNEL_BUDGET_S)
    attempted: set[UUID] = set()
    with database.connect(database.database_url(turn.settings)) as connection:
        connection.autocommit = True
        while len(attempted) < turn.limit and turn.now() < ends:
            with claims.claim_next(connection, channel, turn.now(), attempted) as delivery:
                if delivery is None:
                    return
                attempted.add(delivery.id)
                settlement, wait_until = _attempt(turn, connection, channel, delivery)
                claims.settle(connection, delivery, settlement, turn.now())
            attempts.append(_reported(channel, delivery, settlement))
            if wait_until:
                claims.postpone(connection, channel, wait_until)
                return


def _attempt(
    turn: _Turn, connection: psycopg.Connection, channel: ChannelRow, delivery: Delivery
) -> tuple[Settlement, datetime | None]:
    """Send one message; return the settlement, and until when the whole channel has to wait (None: not at all)."""
    if delivery.attempt > MAX_ATTEMPTS:
        return Settlement("dead", f"Given up: {MAX_ATTEMPTS} attempts, and the last worker ended while sending."), None
    try:
        sender = channel_of_kind(channel.kind)
        message = turn.render(connection, turn.settings, delivery)
        receipt_ref = sender.send(turn.settings, delivery, message)
    except Undeliverable as error:
        return Settlement("dead", _detail(turn, error)), None
    except RetryLater as error:
        wait = timedelta(seconds=wait_s(delivery.attempt, error.after_s, turn.jitter))
        until = turn.now() + wait
        return _failed(turn, delivery, error, until), until
    except Exception as error:  # whatever is wrong with one row must not affect the next one
        if connection.broken:
            raise
        wait = timedelta(seconds=wait_s(delivery.attempt, None, turn.jitter))
        return _failed(turn, delivery, error, turn.now() + wait), None
    return Settlement("sent", receipt_ref=receipt_ref), None


def _failed(turn: _Turn, delivery: Delivery, error: Exception, next_attempt_at: datetime) -> Settlement:
    detail = _detail(turn, error)
    if delivery.attempt >= MAX_ATTEMPTS:
        return Settlement("dead", f"Given up after {MAX_ATTEMPTS} attempts. {detail}")
    return Settlement("failed", detail, next_attempt_at=next_attempt_at)


def wait_s(attempt: int, after_s: float | None, jitter: Jitter) -> float:
    """Return the seconds to wait after a failed attempt (counted from 1): exponential backoff with full jitter
    (aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter), and never less than the receiver asked for."""
    ceiling = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (attempt - 1))
    return max(after_s or 0.0, jitter(0.0, ceiling))


def _detail(turn: _Turn, error: Exception) -> str:
    return redacted(turn.settings, _sentence(error))[:DETAIL_MAX]


def _sentence(error: BaseException) -> str:
    if isinstance(error, (HubError, RetryLater, Undeliverable)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _reported(channel: ChannelRow, delivery: Delivery, settlement: Settlement) -> Attempt:
    return Attempt(
        delivery_id=delivery.id,
        org_id=delivery.org_id,
        channel=channel.name,
        kind=channel.kind,
        recipient=delivery.recipient,
        occasion=delivery.occasion,
        insight_id=delivery.insight_id,
        digest_day=delivery.digest_day,
        attempt=delivery.attempt,
        outcome=settlement.outcome,
        detail=settlement.detail,
    )
