"""Taking one step of a booking's life: sources/lifecycle.py decides, here it is written."""

from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from sources import lifecycle
from sources.operations.bookings import record_change
from sources.operations.errors import Kind, Refusal, not_found
from sources.operations.transaction import Tx

_KINDS: Final[dict[str, Kind]] = {
    "unknown_action": "invalid",
    "wrong_status": "conflict",
    "not_allowed": "forbidden",
    "requirement_missing": "conflict",
}

# The requirements that lie in the booking; the rest comes with the request.
LOCK_BOOKING: Final = """
select b.status, b.row_version::text as version, b.client_id, b.provider_id, b.total_amount, b.deposit_amount,
    b.scheduled_start, b.scheduled_end
from app.bookings as b where b.org_id = $1 and b.id = $2 for update
"""
SELECT_FACTS: Final = """
select
    coalesce((
        select sum(case kind when 'refund' then -amount else amount end) from app.payments
        where org_id = $1 and booking_id = $2 and status = 'succeeded'
    ), 0) as paid,
    not exists (
        select from app.approvals
        where org_id = $1 and booking_id = $2 and milestone_id is null and status <> 'approved'
            and round = (
                select max(round) from app.approvals where org_id = $1 and booking_id = $2 and milestone_id is null
            )
    ) as approvals_given,
    not exists (
        select from app.milestones where org_id = $1 and booking_id = $2 and status not in ('approved', 'cancelled')
    ) as milestones_approved
"""
UPDATE_STATUS: Final = """
update app.bookings set
    status = $3,
    total_amount = coalesce($4, total_amount),
    deposit_amount = coalesce($5, deposit_amount),
    cancel_reason = case when $6 then $7 else cancel_reason end,
    cancelled_at = case when $6 then $8 else cancelled_at end,
    completed_at = case when $3 = 'completed' then $8 else completed_at end,
    cancellation_fee = coalesce($9, cancellation_fee)
where org_id = $1 and id = $2
"""


async def lock_booking(tx: Tx, booking_id: UUID, expected: str | None = None) -> asyncpg.Record:
    """The booking's row, locked until the transaction ends. Every operation on a booking locks it first.

    Raises Refusal not_found, or stale where `expected` (a version) is not the booking's any more.
    """
    row = await tx.row(LOCK_BOOKING, tx.org_id, booking_id)
    if row is None:
        raise not_found("booking")
    if expected is not None and expected != row["version"]:
        raise Refusal("stale", "changed_meanwhile", "The booking has changed since you read it. Read it again first.")
    return row


async def take_step(
    tx: Tx, booking_id: UUID, booking: asyncpg.Record, action: str, *, reason: str | None = None,
    amount: Decimal | None = None, deposit: Decimal | None = None, fee: Decimal | None = None, by_system: bool = False,
) -> str:  # fmt: skip
    """Do what the lifecycle decides on a locked booking; the new status. Raises Refusal where it refuses.

    `by_system`: an automatic step, in the transaction of the event that causes it.
    """
    facts = await tx.one(SELECT_FACTS, tx.org_id, booking_id)
    met = {
        "reason": reason is not None,
        "amount": amount is not None,
        "schedule": booking["scheduled_start"] is not None and booking["scheduled_end"] is not None,
        "provider": booking["provider_id"] is not None,
        "start_passed": booking["scheduled_start"] is not None and booking["scheduled_start"] <= tx.at,
        "deposit_paid": facts["paid"] >= booking["deposit_amount"],
        "no_deposit_due": facts["paid"] >= booking["deposit_amount"],
        "approvals_given": facts["approvals_given"],
        "milestones_approved": facts["milestones_approved"],
    }
    try:
        step = lifecycle.decide(
            action,
            booking["status"],
            "system" if by_system else tx.caller.role,
            frozenset(name for name, holds in met.items() if holds),
        )
    except lifecycle.TransitionRefusedError as refused:
        raise Refusal(_KINDS[refused.code], refused.code, str(refused)) from None
    await tx.execute(
        UPDATE_STATUS, tx.org_id, booking_id, step.target, amount, deposit,
        step.target in lifecycle.CANCELLED, reason, tx.at, fee,
    )  # fmt: skip
    await record_change(tx, booking_id, booking["status"], step.target, reason, by_system=by_system)
    return step.target


async def take_automatic_step(
    tx: Tx, booking_id: UUID, booking: asyncpg.Record, action: str, reason: str
) -> str | None:
    """Take the automatic step that an event brings, if the lifecycle has it from here; the new status, or None."""
    try:
        return await take_step(tx, booking_id, booking, action, reason=reason, by_system=True)
    except Refusal:
        return None
