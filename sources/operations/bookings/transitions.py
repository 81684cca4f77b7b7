"""Transitions of a booking that people ask for, with all their consequences; and the history of its status."""

from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sources import lifecycle
from sources.operations.bookings.access import All, demand_booking
from sources.operations.bookings.booking import Booking, get_booking
from sources.operations.bookings.extras import decline_extras
from sources.operations.bookings.status_changes import change_status, decide_transition, lock_booking
from sources.operations.errors import Refusal
from sources.operations.field_types import Moment, Named, Note, Price, Request, one_of
from sources.operations.money import effects_of_status
from sources.operations.money.fees import cancellation_fee
from sources.operations.money.prices_and_deposits import to_cents
from sources.operations.transaction import Tx

# Every action that a person may take; the others are the system's alone.
ACTIONS: Final = tuple(
    dict.fromkeys(transition.action for transition in lifecycle.TRANSITIONS if transition.by != ("system",))
)
Action = Annotated[str, one_of(ACTIONS)]

SELECT_DEPOSIT_PCT: Final = """
select coalesce((settings ->> 'deposit_pct')::numeric, 0) as deposit_pct from app.organizations where id = $1
"""
SELECT_HISTORY: Final = """
select history.from_status, history.to_status, history.actor_id, actors.full_name as actor_name, history.reason,
    history.changed_at as at
from app.booking_status_history as history
left join app.profiles as actors on actors.org_id = history.org_id and actors.id = history.actor_id
where history.org_id = $1 and history.booking_id = $2
order by history.changed_at, history.id
"""


class TransitionRequest(Request):
    """The action to take, with the values that it requires."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"action": "quote", "total_amount": "480.00", "deposit_amount": "120.00"}]}
    )
    action: Action
    reason: Note | None = None
    total_amount: Price | None = Field(
        None, description="With `quote` the price; with `accept_quote` the quoted price, which is accepted."
    )
    deposit_amount: Price | None = Field(
        None,
        description="With `quote` the amount to pay before the booking is confirmed, by default the organisation's "
        "share of the price; with `accept_quote` the quoted deposit, which is accepted.",
    )


class Cancellation(Request):
    """The reason for a cancellation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "change of plans"}]})
    reason: Note


class StatusChange(BaseModel):
    """One change of a booking's status."""

    from_status: str | None = Field(description="Null for the first status.")
    to_status: str
    actor: Named | None = Field(
        description="Null: the system. The name is empty for a person whom the caller may not see."
    )
    reason: str | None
    at: Moment


async def transition_booking(tx: Tx, booking_id: UUID, request: TransitionRequest, expected: str | None) -> Booking:
    """Take one transition of a booking. `expected`: the version that the caller last read, if given.

    Raises Refusal: not_found, forbidden, invalid, stale, conflict where the status or a requirement does not allow it.
    """
    booking = await lock_booking(tx, booking_id, expected)
    deposit = await _deposit(tx, request)
    transition = await decide_transition(
        tx, booking_id, booking, request.action, reason=request.reason, amount=request.total_amount,
        deposit=request.deposit_amount, has_read=expected is not None,
    )  # fmt: skip
    # A draft without a list price awaits a quote. Whoever names the version of a quote has read its start as well.
    accepts = transition.accepts_price and tx.caller.role != "provider"
    is_priced = booking["status"] != "draft" or booking["list_amount"] is not None
    fee = await cancellation_fee(tx, booking) if request.action == "cancel" else None
    await change_status(
        tx, booking_id, booking, transition.target, reason=request.reason,
        amount=request.total_amount if request.action == "quote" else None, deposit=deposit, fee=fee,
        accepts_price=accepts and is_priced, accepts_start=accepts and expected is not None,
    )  # fmt: skip
    if request.action == "quote":
        await decline_extras(tx, booking_id, "The booking has a new quote.")
    await effects_of_status.apply(tx, booking_id, booking, transition.target)
    return await get_booking(tx, booking_id)


async def cancel_booking(tx: Tx, booking_id: UUID, request: Cancellation, expected: str | None) -> Booking:
    """Cancel a booking; the returned booking has the fee. Raises Refusal as transition_booking does."""
    return await transition_booking(tx, booking_id, TransitionRequest(action="cancel", reason=request.reason), expected)


async def _deposit(tx: Tx, request: TransitionRequest) -> Decimal | None:
    """Return the deposit of the price that a quote names; None where nothing is quoted. Raises Refusal invalid."""
    if request.action not in ("quote", "accept_quote"):
        for name in ("total_amount", "deposit_amount"):
            if getattr(request, name) is not None:
                raise Refusal("invalid", "not_a_quote", "Only a quote and its acceptance take amounts.", field=name)
    if request.action != "quote" or request.total_amount is None:
        return None
    if request.deposit_amount is None:
        return to_cents(request.total_amount * (await tx.one(SELECT_DEPOSIT_PCT, tx.org_id))["deposit_pct"] / 100)
    if request.deposit_amount > request.total_amount:
        raise Refusal("invalid", "deposit_too_large", "The deposit exceeds the price.", field="deposit_amount")
    return request.deposit_amount


async def read_history(tx: Tx, booking_id: UUID) -> All[StatusChange]:
    """Return every change of the booking's status, the oldest first. Raises Refusal not_found."""
    await demand_booking(tx, booking_id)
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
