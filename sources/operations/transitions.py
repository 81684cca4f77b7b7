"""What people do with a booking: one named step of its life, with all that follows from it; and the steps so far."""

from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sources.operations import consequences
from sources.operations.bookings import Booking, get_booking
from sources.operations.children import All, see_booking
from sources.operations.errors import Refusal
from sources.operations.pricing import to_cents
from sources.operations.scheduling import fee_of_cancelling
from sources.operations.steps import lock_booking, take_step
from sources.operations.transaction import Tx
from sources.operations.values import Moment, Named, Note, Price, Request

Action = Literal[
    "submit", "review", "quote", "approve", "accept_quote", "decline", "decline_quote", "request_payment", "confirm",
    "schedule", "start", "hold", "await_client", "resume", "respond", "deliver", "request_revision", "accept",
    "dispute", "settle", "refund", "no_show", "cancel",
]  # fmt: skip

SELECT_DEPOSIT_PCT: Final = """
select coalesce((settings ->> 'deposit_pct')::numeric, 0) as deposit_pct from app.organizations where id = $1
"""
SELECT_HISTORY: Final = """
select h.from_status, h.to_status, h.actor_id, p.full_name as actor_name, h.reason, h.changed_at as at
from app.booking_status_history as h
left join app.profiles as p on p.org_id = h.org_id and p.id = h.actor_id
where h.org_id = $1 and h.booking_id = $2
order by h.changed_at, h.id
"""


class TransitionRequest(Request):
    """Which step to take, with what the step requires."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"action": "quote", "total_amount": "480.00", "deposit_amount": "120.00"}]}
    )
    action: Action
    reason: Note | None = None
    total_amount: Price | None = Field(None, description="Of a quote.")
    deposit_amount: Price | None = Field(
        None, description="Of a quote: what is due before it is confirmed; by default the organisation's share of it."
    )


class Cancellation(Request):
    """Why a booking is given up."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "change of plans"}]})
    reason: Note


class StatusChange(BaseModel):
    """One step of a booking's life."""

    from_status: str | None = Field(description="Null: how it began.")
    to_status: str
    actor: Named | None = Field(description="Null: the system. Without a name: somebody whom the caller may not see.")
    reason: str | None
    at: Moment


async def transition_booking(tx: Tx, booking_id: UUID, request: TransitionRequest, expected: str | None) -> Booking:
    """Take one step with a booking. `expected`: the version that the caller last saw, if they said so.

    Raises Refusal: not_found, forbidden, conflict where the status or a requirement stands against it, stale.
    """
    booking = await lock_booking(tx, booking_id, expected)
    status = await take_step(
        tx, booking_id, booking, request.action, reason=request.reason, amount=request.total_amount,
        deposit=await _deposit(tx, request),
        fee=await fee_of_cancelling(tx, booking) if request.action == "cancel" else None,
    )  # fmt: skip
    await consequences.follow(tx, booking_id, booking, status)
    return await get_booking(tx, booking_id)


async def cancel_booking(tx: Tx, booking_id: UUID, request: Cancellation, expected: str | None) -> Booking:
    """Give a booking up; the answer tells the fee. Raises Refusal as transition_booking does."""
    return await transition_booking(tx, booking_id, TransitionRequest(action="cancel", reason=request.reason), expected)


async def _deposit(tx: Tx, request: TransitionRequest) -> Decimal | None:
    """What is due first of the price that a quote names; None where nothing is quoted. Raises Refusal invalid."""
    if request.action != "quote" and (request.total_amount, request.deposit_amount) != (None, None):
        raise Refusal("invalid", "not_a_quote", "Only a quote names amounts.", field="total_amount")
    if request.total_amount is None:
        return None
    if request.deposit_amount is None:
        return to_cents(request.total_amount * (await tx.one(SELECT_DEPOSIT_PCT, tx.org_id))["deposit_pct"] / 100)
    if request.deposit_amount > request.total_amount:
        raise Refusal("invalid", "deposit_too_large", "The deposit exceeds the price.", field="deposit_amount")
    return request.deposit_amount


async def read_history(tx: Tx, booking_id: UUID) -> All[StatusChange]:
    """Every change of the booking's status, the first one first. Raises Refusal not_found."""
    await see_booking(tx, booking_id)
    return All.model_construct(
        items=[
            StatusChange.model_construct(
                from_status=row["from_status"],
                to_status=row["to_status"],
                actor=row["actor_id"] and Named.model_construct(id=row["actor_id"], name=row["actor_name"] or ""),
                reason=row["reason"],
                at=row["at"],
            )
            for row in await tx.rows(SELECT_HISTORY, tx.org_id, booking_id)
        ]
    )
