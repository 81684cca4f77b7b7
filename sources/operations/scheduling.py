"""What changes about a booking apart from its status: details, time, provider; and what it costs to give it up."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg
from pydantic import ConfigDict, Field

from sources import lifecycle
from sources.operations import consequences
from sources.operations.bookings import Booking, Priority, get_booking
from sources.operations.errors import Refusal
from sources.operations.pricing import to_cents
from sources.operations.steps import lock_booking, take_automatic_step
from sources.operations.transaction import Tx
from sources.operations.values import Line, Moment, Note, Request

# What each role may change of a booking that has not ended. Prices change by a quote, times by rescheduling.
MAY_CHANGE: Final = {
    "client": ("title", "notes"),
    "provider": ("title", "notes", "priority"),
    "admin": ("title", "notes", "priority", "provider_id"),
}
# Work that has begun is moved by those who do it.
MOVABLE_BY_CLIENT: Final = lifecycle.MOVABLE_BY_CLIENT
NEEDS_PROVIDER: Final = lifecycle.NEEDS_PROVIDER

UPDATE_DETAILS: Final = """
update app.bookings set
    title = coalesce($3, title),
    notes = case when $4 then $5 else notes end,
    priority = coalesce($6, priority),
    provider_id = case when $7 then $8 else provider_id end
where org_id = $1 and id = $2
"""
UPDATE_SCHEDULE: Final = """
update app.bookings set scheduled_start = $3, scheduled_end = $4, provider_id = $5, is_exclusive = $6
where org_id = $1 and id = $2
"""
IS_PROVIDER: Final = """
select exists (
    select from app.profiles where org_id = $1 and id = $2 and role = 'provider' and is_active
) as is_provider
"""
SELECT_RULES: Final = "select settings -> 'cancellation_rules' as rules from app.organizations where id = $1"
INSERT_MESSAGE: Final = """
insert into app.messages (org_id, booking_id, sender_id, body, sent_at, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5, $5)
"""


class BookingChange(Request):
    """What is to be different; what is left out stays. Only `notes` and `provider_id` may become null."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Brand package, second round"}]})
    title: Line = Field(default="")
    notes: Note | None = None
    priority: Priority = "normal"
    provider_id: UUID | None = Field(None, description="By admins.")


class Reschedule(Request):
    """A new time, and perhaps another provider."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scheduled_start": "2026-05-04T09:00:00+02:00", "reason": "a holiday"}]}
    )
    scheduled_start: Moment
    scheduled_end: Moment | None = Field(None, description="By default it lasts as long as before.")
    provider_id: UUID | None = Field(None, description="By admins; by default the same as before.")
    shares_provider_time: bool = Field(False, description="May overlap other bookings of the provider.")
    reason: Note | None = None


async def change_booking(tx: Tx, booking_id: UUID, change: BookingChange, expected: str | None) -> Booking:
    """Change details of a booking that has not ended. `expected`, the version last seen, is required.

    Raises Refusal: not_found, forbidden, conflict, stale, invalid; unconditional without `expected`.
    """
    if expected is None:
        raise Refusal("unconditional", "if_match_required", "Send the ETag that you last saw as If-Match.")
    booking = await lock_booking(tx, booking_id, expected)
    changed = change.model_fields_set
    for name in sorted(changed.difference(MAY_CHANGE[tx.caller.role])):
        raise Refusal("forbidden", "not_allowed", f"A {tx.caller.role} may not change the {name}.", field=name)
    if booking["status"] in (*lifecycle.COMPLETED, *lifecycle.CANCELLED):
        raise _wrong_status(booking, "be changed")
    if "provider_id" in changed:
        await _check_provider(tx, change.provider_id, booking)
    await tx.execute(
        UPDATE_DETAILS, tx.org_id, booking_id, change.title if "title" in changed else None,
        "notes" in changed, change.notes, change.priority if "priority" in changed else None,
        "provider_id" in changed, change.provider_id,
    )  # fmt: skip
    return await get_booking(tx, booking_id)


async def reschedule_booking(tx: Tx, booking_id: UUID, request: Reschedule, expected: str | None) -> Booking:
    """Move a booking; the database refuses (conflict slot_taken) where its provider's time is taken.

    A message to its people keeps what was moved, when and why. A confirmed booking that has a provider becomes
    scheduled. Raises Refusal: not_found, forbidden, conflict, stale, invalid.
    """
    booking = await lock_booking(tx, booking_id, expected)
    if booking["status"] not in lifecycle.UNDELIVERED:
        raise _wrong_status(booking, "be moved")
    if tx.caller.role == "client" and booking["status"] not in MOVABLE_BY_CLIENT:
        raise Refusal("forbidden", "not_allowed", "A client may not move a booking that is under way.")
    if request.provider_id not in (None, booking["provider_id"]):
        if tx.caller.role != "admin":
            raise Refusal("forbidden", "not_allowed", "Only an admin may change the provider.", field="provider_id")
        await _check_provider(tx, request.provider_id, booking)
    provider_id = request.provider_id or booking["provider_id"]
    start, end = request.scheduled_start, request.scheduled_end or _same_length(booking, request.scheduled_start)
    if end <= start:
        raise Refusal("invalid", "bad_schedule", "The end must lie after the start.", field="scheduled_end")
    await tx.execute(UPDATE_SCHEDULE, tx.org_id, booking_id, start, end, provider_id, not request.shares_provider_time)
    if tx.caller.profile_id is not None:
        moved = _told(booking["scheduled_start"], start, request.reason)
        await tx.execute(INSERT_MESSAGE, tx.org_id, booking_id, tx.caller.profile_id, moved, tx.at)
    booking = await lock_booking(tx, booking_id)
    status = await take_automatic_step(tx, booking_id, booking, "schedule", "rescheduled")
    if status is not None:
        await consequences.follow(tx, booking_id, booking, status)
    return await get_booking(tx, booking_id)


async def fee_of_cancelling(tx: Tx, booking: asyncpg.Record) -> Decimal:
    """What a client pays who gives up this booking now: a share of its price, the greater the nearer its start.

    settings.cancellation_rules of the organisation, such as [{"hours_before": 24, "fee_pct": 50}]: of the rules whose
    hours have begun the one nearest to the start counts. Nothing before the booking is confirmed.
    """
    if tx.caller.role != "client" or booking["status"] in lifecycle.PENDING or booking["scheduled_start"] is None:
        return Decimal(0)
    rules = (await tx.one(SELECT_RULES, tx.org_id))["rules"] or []
    hours_left = Decimal((booking["scheduled_start"] - tx.at).total_seconds()) / 3600
    begun = [rule for rule in rules if hours_left < Decimal(str(rule["hours_before"]))]
    nearest = min(begun, key=lambda rule: Decimal(str(rule["hours_before"])), default={"fee_pct": 0})
    return max(Decimal(0), to_cents(booking["total_amount"] * Decimal(str(nearest["fee_pct"])) / 100))


async def _check_provider(tx: Tx, provider_id: UUID | None, booking: asyncpg.Record) -> None:
    if provider_id is None:
        if booking["status"] in NEEDS_PROVIDER:
            raise Refusal(
                "conflict", "provider_required",
                f"A booking that is {lifecycle.words(booking['status'])} needs its provider.", field="provider_id",
            )  # fmt: skip
    elif not (await tx.one(IS_PROVIDER, tx.org_id, provider_id))["is_provider"]:
        raise Refusal("invalid", "unknown_provider", "There is no such provider at work.", field="provider_id")


def _same_length(booking: asyncpg.Record, start: datetime) -> datetime:
    if booking["scheduled_start"] is None or booking["scheduled_end"] is None:
        raise Refusal("invalid", "end_required", "The booking has no length yet: say when it ends.",
                      field="scheduled_end")  # fmt: skip
    length: timedelta = booking["scheduled_end"] - booking["scheduled_start"]
    return start + length


def _told(before: datetime | None, after: datetime, reason: str | None) -> str:
    moved = f"Moved from {before:%Y-%m-%d %H:%M} to" if before else "Set for"
    return f"{moved} {after:%Y-%m-%d %H:%M %Z}" + (f": {reason}" if reason else ".")


def _wrong_status(booking: asyncpg.Record, done: str) -> Refusal:
    return Refusal("conflict", "wrong_status", f"A booking that is {lifecycle.words(booking['status'])} cannot {done}.")
