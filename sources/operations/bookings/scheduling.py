"""Changes of a booking apart from its status: details, provider and schedule."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg
from pydantic import ConfigDict, Field

from sources import lifecycle
from sources.operations.bookings.access import demand_staff
from sources.operations.bookings.booking import Booking, get_booking
from sources.operations.bookings.schedule_limits import check_schedule, offered_length
from sources.operations.bookings.status_changes import (
    lock_booking,
    may_accept_for_client,
    take_automatic_transition,
)
from sources.operations.errors import Refusal
from sources.operations.field_types import Line, Moment, Note, Price, Request
from sources.operations.money import effects_of_status
from sources.operations.money.fees import cancellation_fee
from sources.operations.money.prices_and_deposits import SELECT_LISTED, list_price
from sources.operations.transaction import Tx
from sources.row_values import Priority

# The fields that each role may change of a booking that has not ended. Prices change by a quote, times by rescheduling.
MAY_CHANGE: Final = {
    "client": ("title", "notes"),
    "provider": ("title", "notes", "priority"),
    "admin": ("title", "notes", "priority", "provider_id"),
}

UPDATE_DETAILS: Final = """
update app.bookings set
    title = coalesce($3, title),
    notes = case when $4 then $5 else notes end,
    priority = coalesce($6, priority),
    provider_id = case when $7 then $8 else provider_id end
where org_id = $1 and id = $2
"""
UPDATE_SCHEDULE: Final = """
update app.bookings set scheduled_start = $3, scheduled_end = $4, provider_id = $5, is_exclusive = $6,
    total_amount = $7::numeric, offered_amount = case when offered_amount is not null then $7::numeric end,
    priced_start = $8, fee_floor = $9,
    agreed_start = case when not $10 then coalesce(agreed_start, scheduled_start, 'infinity') end
where org_id = $1 and id = $2
"""
IS_PROVIDER: Final = """
select exists (
    select from app.profiles where org_id = $1 and id = $2 and role = 'provider' and is_active
) as is_provider
"""
INSERT_MESSAGE: Final = """
insert into app.messages (org_id, booking_id, sender_id, body, sent_at, created_at, updated_at)
values ($1, $2, $3, $4, $5, $5, $5)
"""


class BookingChange(Request):
    """The fields to change; a field that is absent is kept. Only `notes` and `provider_id` may become null."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Brand package, second round"}]})
    title: Line = Field(default="")
    notes: Note | None = None
    priority: Priority = "normal"
    provider_id: UUID | None = Field(None, description="For admins only.")


class Reschedule(Request):
    """A new schedule, optionally with another provider."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"scheduled_start": "2026-05-04T09:00:00+02:00", "reason": "a holiday"}]}
    )
    scheduled_start: Moment
    scheduled_end: Moment | None = Field(None, description="By default the duration is kept.")
    provider_id: UUID | None = Field(None, description="For admins only; by default the provider is kept.")
    shares_provider_time: bool | None = Field(
        None,
        description="May overlap other bookings of the provider; by default as it is. Providers and admins change it.",
    )
    total_amount: Price | None = Field(
        None, description="The price that the client accepts, where the new time is dearer than the present one."
    )
    reason: Note | None = Field(None, description="From an admin: how the client agreed to the new start.")


async def change_booking(tx: Tx, booking_id: UUID, change: BookingChange, expected: str | None) -> Booking:
    """Change details of a booking that has not ended. `expected`, the version that the caller last read, is required.

    Raises Refusal: not_found, forbidden, conflict, stale, invalid; unconditional without `expected`.
    """
    if expected is None:
        raise Refusal("unconditional", "if_match_required", "Send the ETag that you last read as If-Match.")
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
    """Move a booking to another time; conflict slot_taken where another exclusive booking holds the provider's time.

    A message in the booking records the old and the new time and the reason. A confirmed booking that has a provider
    becomes scheduled. A client who moves to a dearer time names the new price (409 price_changes otherwise), and owes
    at least the cancellation fee that was due before; once the start of a firm booking has passed, only staff move it.
    A move by staff changes neither the price nor the start that counts for the fee, until the client moves the booking
    as well, or an admin says in `reason` how the client agreed. A client who knew no start owes nothing for it.

    Raises Refusal: not_found, forbidden, conflict, stale, invalid.
    """
    booking = await lock_booking(tx, booking_id, expected)
    if booking["status"] not in lifecycle.UNDELIVERED:
        raise _wrong_status(booking, "be moved")
    is_by_client = tx.caller.role == "client"
    if is_by_client:
        _check_move_by_client(tx, booking)
    if request.provider_id not in (None, booking["provider_id"]):
        if tx.caller.role != "admin":
            raise Refusal("forbidden", "not_allowed", "Only an admin may change the provider.", field="provider_id")
        await _check_provider(tx, request.provider_id, booking)
    provider_id = request.provider_id or booking["provider_id"]
    start, end = request.scheduled_start, request.scheduled_end or _end_of_same_length(booking, request.scheduled_start)
    is_exclusive = booking["is_exclusive"]
    if request.shares_provider_time is not None and request.shares_provider_time == is_exclusive:
        demand_staff(tx, "share a provider's time")
        is_exclusive = not request.shares_provider_time
    offer = await tx.one(SELECT_LISTED, tx.org_id, booking["service_id"], booking["package_id"])
    check_schedule(tx, start, end, offered_length(offer), _length(booking) or timedelta(0))
    priced_start, surcharge = await _dearer(tx, booking, offer, start)
    total = booking["total_amount"]
    if is_by_client and total > 0 and surcharge > 0:
        total += surcharge
        _demand_price(booking, total, request.total_amount)
    fee = await cancellation_fee(tx, booking) if is_by_client else booking["fee_floor"]
    await tx.execute(
        UPDATE_SCHEDULE, tx.org_id, booking_id, start, end, provider_id, is_exclusive, total, priced_start, fee,
        may_accept_for_client(tx, None, request.reason),
    )  # fmt: skip
    if tx.caller.profile_id is not None:
        message = _moved_message(booking["scheduled_start"], start, request.reason)
        await tx.execute(INSERT_MESSAGE, tx.org_id, booking_id, tx.caller.profile_id, message, tx.at)
    booking = await lock_booking(tx, booking_id)
    status = await take_automatic_transition(tx, booking_id, booking, "schedule", "rescheduled")
    if status is not None:
        await effects_of_status.apply(tx, booking_id, booking, status)
    return await get_booking(tx, booking_id)


def _check_move_by_client(tx: Tx, booking: asyncpg.Record) -> None:
    if booking["status"] not in lifecycle.MOVABLE_BY_CLIENT:
        raise Refusal("forbidden", "not_allowed", "A client may not move a booking that is under way.")
    has_passed = booking["known_start"] is not None and booking["known_start"] <= tx.at
    if has_passed and booking["status"] in lifecycle.FIRM:
        raise Refusal("conflict", "start_passed", "The start has passed: ask the provider for another one.",
                      field="scheduled_start")  # fmt: skip


async def _dearer(
    tx: Tx, booking: asyncpg.Record, offer: asyncpg.Record, start: datetime
) -> tuple[datetime | None, Decimal]:
    """Return the dearer one of `start` and the start that the price covers, and what `start` costs more.

    Both at the list price of today, for the day of the booking, so that only the time decides. The dearest start is
    kept: a booking that is moved to and fro is raised once.
    """

    async def at(moment: datetime | None) -> Decimal:
        return await list_price(tx, offer, booking["service_id"], booking["package_id"], moment, booking["created_at"])

    priced_start = booking["priced_start"]
    if booking["list_amount"] is None:  # imported, or quoted for the start that it had
        priced_start = priced_start or booking["scheduled_start"]
    surcharge = await at(start) - await at(priced_start)
    return (start, surcharge) if surcharge > 0 else (priced_start, Decimal(0))


def _demand_price(booking: asyncpg.Record, total: Decimal, accepted: Decimal | None) -> None:
    if accepted != total:
        raise Refusal(
            "conflict", "price_changes",
            f"At that time the price is {total:.2f} {booking['currency']}: accept it as `total_amount`.",
            field="total_amount",
        )  # fmt: skip


async def _check_provider(tx: Tx, provider_id: UUID | None, booking: asyncpg.Record) -> None:
    if provider_id is None:
        if booking["status"] in lifecycle.NEEDS_PROVIDER:
            raise Refusal(
                "conflict", "provider_required",
                f"A booking that is {lifecycle.words(booking['status'])} needs its provider.", field="provider_id",
            )  # fmt: skip
    elif not (await tx.one(IS_PROVIDER, tx.org_id, provider_id))["is_provider"]:
        raise Refusal("invalid", "unknown_provider", "There is no such active provider.", field="provider_id")


def _length(booking: asyncpg.Record) -> timedelta | None:
    if booking["scheduled_start"] is None or booking["scheduled_end"] is None:
        return None
    length: timedelta = booking["scheduled_end"] - booking["scheduled_start"]
    return length


def _end_of_same_length(booking: asyncpg.Record, start: datetime) -> datetime:
    length = _length(booking)
    if length is None:
        raise Refusal("invalid", "end_required", "The booking has no duration yet: give its end.",
                      field="scheduled_end")  # fmt: skip
    return start + length


def _moved_message(before: datetime | None, after: datetime, reason: str | None) -> str:
    moved = f"Moved from {before:%Y-%m-%d %H:%M} to" if before else "Set for"
    return f"{moved} {after:%Y-%m-%d %H:%M %Z}" + (f": {reason}" if reason else ".")


def _wrong_status(booking: asyncpg.Record, operation: str) -> Refusal:
    status = lifecycle.words(booking["status"])
    return Refusal("conflict", "wrong_status", f"A booking that is {status} cannot {operation}.")
