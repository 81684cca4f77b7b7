"""Sending: what is due in the delivery ledger, each channel in a thread of its own."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg

from notifications import delivery_claims
from notifications.channels import channel_of_kind
from notifications.channels.base import ChannelRow, Delivery, RetryLater, Undeliverable, redacted
from notifications.delivery_claims import Settlement
from notifications.messages import Message
from notifications.rendering import message_for
from notifications.retries import MAX_ATTEMPTS, Jitter, wait_s
from sources import database
from sources.errors import HubError
from sources.insight_values import AttemptOutcome
from sources.settings import Settings

CHANNELS_AT_ONCE: Final = 16  # each has a thread and a connection; PostgreSQL allows 100 by default
CHANNEL_BUDGET_S: Final = 60.0  # a slow channel ends its turn after this; the rest is due in the next one
DETAIL_MAX: Final = 500

Clock = Callable[[], datetime]
Renderer = Callable[[psycopg.Connection, Settings, Delivery], Message]


@dataclass(frozen=True)
class _Turn:
    """The arguments of deliver_due, for the worker of each channel."""

    settings: Settings
    now: Clock
    limit: int
    render: Renderer
    jitter: Jitter


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
        channels = delivery_claims.due_channels(connection, now())
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
            with delivery_claims.claim_next(connection, channel, turn.now(), attempted) as delivery:
                if delivery is None:
                    return
                attempted.add(delivery.id)
                settlement, wait_until = _attempt(turn, connection, channel, delivery)
                delivery_claims.settle(connection, delivery, settlement, turn.now())
            attempts.append(_reported(channel, delivery, settlement))
            if wait_until:
                delivery_claims.postpone(connection, channel, wait_until)
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
