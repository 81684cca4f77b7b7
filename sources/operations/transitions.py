"""What people do with a booking: one named step of its life, with all that follows from it."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from sources.operations.bookings import Booking, get_booking
from sources.operations.steps import lock_booking, take_step
from sources.operations.transaction import Tx
from sources.operations.values import Note, Price, Request

Action = Literal[
    "submit", "review", "quote", "approve", "accept_quote", "decline", "decline_quote", "request_payment", "confirm",
    "schedule", "start", "hold", "await_client", "resume", "deliver", "request_revision", "accept", "dispute", "settle",
    "refund", "no_show", "cancel",
]  # fmt: skip


class TransitionRequest(Request):
    """Which step to take, with what the step requires."""

    action: Action
    reason: Note | None = None
    total_amount: Price | None = Field(None, description="Of a quote.")
    deposit_amount: Price | None = Field(None, description="Of a quote: what is due before it is confirmed.")


async def transition_booking(tx: Tx, booking_id: UUID, request: TransitionRequest, expected: str | None) -> Booking:
    """Take one step with a booking. `expected`: the version that the caller last saw, if they said so.

    Raises Refusal: not_found, forbidden, conflict where the status or a requirement stands against it, stale.
    """
    booking = await lock_booking(tx, booking_id, expected)
    await take_step(
        tx, booking_id, booking, request.action, reason=request.reason, amount=request.total_amount,
        deposit=request.deposit_amount,
    )  # fmt: skip
    return await get_booking(tx, booking_id)
