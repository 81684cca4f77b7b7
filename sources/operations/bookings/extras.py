"""Extras: amounts beyond the price of a booking, which one side proposes and the other accepts.

The total of the booking contains the accepted ones, so that they can be invoiced.
"""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources.lifecycle import FIRM, PENDING, PRICE_BILLABLE
from sources.operations.bookings.access import All, demand_booking, demand_status, lock_child
from sources.operations.bookings.status_changes import lock_booking, may_accept_for_client
from sources.operations.errors import Refusal
from sources.operations.field_types import Line, Moment, Money, Named, Note, Request
from sources.operations.transaction import Tx
from sources.row_values import ExtraStatus

MOST: Final = 100
# The statuses in which the price is agreed and the booking has not ended without its work.
EXTENSIBLE: Final = tuple(status for status in PRICE_BILLABLE if status in (*PENDING, *FIRM))


class NewExtra(Request):
    """An amount beyond the price, and what it is for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "A fourth logo", "amount": "90.00"}]})
    description: Line
    amount: Annotated[Decimal, Field(gt=0, max_digits=9, decimal_places=2)]


class ExtraDecision(Request):
    """The decision on an extra. An admin who accepts it for the client says in `reason` how the client agreed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "accept"}]})
    decision: Literal["accept", "decline"]
    reason: Note | None = None


class Extra(BaseModel):
    """An extra of a booking."""

    id: UUID
    booking_id: UUID
    description: str
    amount: Money
    status: ExtraStatus
    reason: str | None
    proposed_by: Named
    decided_by: Named | None
    decided_at: Moment | None
    created_at: Moment


FROM_EXTRAS: Final = """
select extras.id, extras.booking_id, extras.description, extras.amount, extras.status, extras.reason,
    extras.proposer_id, proposers.full_name as proposer_name, extras.decider_id,
    deciders.full_name as decider_name, extras.decided_at, extras.created_at
from app.booking_extras as extras
left join app.profiles as proposers on proposers.org_id = extras.org_id and proposers.id = extras.proposer_id
left join app.profiles as deciders on deciders.org_id = extras.org_id and deciders.id = extras.decider_id
"""
SELECT_EXTRA: Final = f"{FROM_EXTRAS} where extras.org_id = $1 and extras.id = $2"
SELECT_EXTRAS: Final = f"{FROM_EXTRAS} where extras.org_id = $1 and extras.booking_id = $2 order by extras.id"
COUNT_EXTRAS: Final = "select count(*) as extras from app.booking_extras where org_id = $1 and booking_id = $2"
INSERT_EXTRA: Final = """
insert into app.booking_extras (org_id, booking_id, description, amount, proposer_id, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $6) returning id
"""
UPDATE_EXTRA: Final = """
update app.booking_extras set status = $3, reason = $4, decider_id = $5, decided_at = $6 where org_id = $1 and id = $2
"""
DECLINE_EXTRAS: Final = """
update app.booking_extras set status = 'declined', reason = $3, decider_id = $4, decided_at = $5
where org_id = $1 and booking_id = $2 and status <> 'declined'
"""
RAISE_TOTAL: Final = "update app.bookings set total_amount = total_amount + $3 where org_id = $1 and id = $2"


async def list_extras(tx: Tx, booking_id: UUID) -> All[Extra]:
    """Return the extras of a booking, the oldest first. Raises Refusal not_found."""
    await demand_booking(tx, booking_id)
    return All.model_construct(items=[_as_extra(row) for row in await tx.rows(SELECT_EXTRAS, tx.org_id, booking_id)])


async def propose_extra(tx: Tx, booking_id: UUID, request: NewExtra) -> Extra:
    """Propose an amount beyond the agreed price. Raises Refusal: not_found, conflict (wrong_status, too_many)."""
    booking = await lock_booking(tx, booking_id)
    demand_status(booking["status"], EXTENSIBLE, "booking", "agree on extras")
    if (await tx.one(COUNT_EXTRAS, tx.org_id, booking_id))["extras"] >= MOST:
        raise Refusal("conflict", "too_many", f"There are already {MOST} extras.")
    inserted = await tx.one(
        INSERT_EXTRA, tx.org_id, booking_id, request.description, request.amount, tx.caller.profile_id, tx.at
    )
    return _as_extra(await tx.one(SELECT_EXTRA, tx.org_id, inserted["id"]))


async def decide_extra(tx: Tx, extra_id: UUID, request: ExtraDecision) -> Extra:
    """Accept or decline an extra that the other side proposed; the proposer may decline it too, to withdraw it.

    Raises Refusal: not_found, forbidden, conflict (already_decided, wrong_status).
    """
    booking, extra = await lock_child(tx, SELECT_EXTRA, extra_id, "extra")
    if extra["status"] != "proposed":
        raise Refusal("conflict", "already_decided", f"This extra is already {extra['status']}.")
    if request.decision == "accept":
        demand_status(booking["status"], EXTENSIBLE, "booking", "agree on extras")
        if not _may_accept(tx, booking, extra, request.reason):
            raise Refusal("forbidden", "not_allowed", "The other side accepts an extra; for the client also an admin "
                          "who has not proposed it, with a reason.")  # fmt: skip
        await tx.execute(RAISE_TOTAL, tx.org_id, extra["booking_id"], extra["amount"])
    status = "accepted" if request.decision == "accept" else "declined"
    await tx.execute(UPDATE_EXTRA, tx.org_id, extra_id, status, request.reason, tx.caller.profile_id, tx.at)
    return _as_extra(await tx.one(SELECT_EXTRA, tx.org_id, extra_id))


async def decline_extras(tx: Tx, booking_id: UUID, reason: str) -> None:
    """Decline every extra of a locked booking, also accepted ones: another price takes their place."""
    await tx.execute(DECLINE_EXTRAS, tx.org_id, booking_id, reason, tx.caller.profile_id, tx.at)


def _may_accept(tx: Tx, booking: asyncpg.Record, extra: asyncpg.Record, reason: str | None) -> bool:
    if extra["proposer_id"] == booking["client_id"]:
        return tx.caller.role != "client"
    return may_accept_for_client(tx, extra["proposer_id"], reason)


def _as_extra(row: asyncpg.Record) -> Extra:
    values: dict[str, Any] = dict(row)
    proposer_id, proposer_name = values.pop("proposer_id"), values.pop("proposer_name")
    decider_id, decider_name = values.pop("decider_id"), values.pop("decider_name")
    return Extra.model_construct(
        proposed_by=Named.model_construct(id=proposer_id, name=proposer_name or ""),
        decided_by=Named.model_construct(id=decider_id, name=decider_name or "") if decider_id else None,
        **values,
    )
