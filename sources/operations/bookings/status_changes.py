"""Status changes of bookings: lock the booking, let sources/lifecycle.py decide, write status and history."""

from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg

from sources import lifecycle
from sources.lifecycle import Transition
from sources.operations.errors import Kind, Refusal, not_found
from sources.operations.money.balance import paid_less_refunded
from sources.operations.transaction import Tx

_KINDS: Final[dict[str, Kind]] = {
    "unknown_action": "invalid",
    "wrong_status": "conflict",
    "not_allowed": "forbidden",
    "requirement_missing": "conflict",
}

# `known_start`: the start that the client knows. After a move by staff, it is the later one of both; none where the
# client has agreed to none (agreed_start is infinity). `work_from`: the earliest time that may be entered.
LOCK_BOOKING: Final = """
select status, row_version::text as version, client_id, provider_id, service_id, package_id, total_amount,
    deposit_amount, currency, scheduled_start, scheduled_end, created_at, created_at_known, offered_amount, list_amount,
    priced_start, is_exclusive, coalesce(fee_floor, 0) as fee_floor,
    nullif(greatest(scheduled_start, agreed_start), 'infinity') as known_start,
    least(created_at, coalesce(agreed_start, scheduled_start)) as work_from
from app.bookings where org_id = $1 and id = $2 for update
"""
# The requirements that depend on other rows of the booking.
SELECT_FACTS: Final = f"""
select
    {paid_less_refunded("payments.org_id = $1 and payments.booking_id = $2")} as paid,
    not exists (
        select from app.approvals
        where org_id = $1 and booking_id = $2 and milestone_id is null and status <> 'approved'
            and round = (
                select max(round) from app.approvals where org_id = $1 and booking_id = $2 and milestone_id is null
            )
    ) as approvals_given,
    not exists (
        select from app.milestones where org_id = $1 and booking_id = $2 and status not in ('approved', 'cancelled')
    ) as milestones_approved,
    (
        select actor_id from app.booking_status_history
        where org_id = $1 and booking_id = $2 and to_status = 'quoted' order by changed_at desc, id desc limit 1
    ) as quoted_by
"""  # noqa: S608  constants of this package
UPDATE_STATUS: Final = """
update app.bookings set
    status = $3,
    total_amount = coalesce($4, total_amount),
    offered_amount = case when $10 then null else coalesce($4, offered_amount) end,
    deposit_amount = coalesce($5, deposit_amount),
    priced_start = case when $4 is null then priced_start else scheduled_start end,
    agreed_start = case when $11 then null else agreed_start end,
    cancel_reason = case when $6 then $7 else cancel_reason end,
    cancelled_at = case when $6 then $8 else cancelled_at end,
    completed_at = case when $3 = 'completed' then $8 else completed_at end,
    cancellation_fee = coalesce($9, cancellation_fee)
where org_id = $1 and id = $2
"""
INSERT_HISTORY: Final = """
insert into app.booking_status_history (org_id, booking_id, from_status, to_status, actor_id, reason, changed_at)
values ($1, $2, $3, $4, $5, $6, $7)
"""


async def lock_booking(tx: Tx, booking_id: UUID, expected: str | None = None) -> asyncpg.Record:
    """Return the row of the booking, locked until the transaction ends. Every operation on a booking locks it first.

    Raises Refusal not_found, or stale where `expected` (a version) is not the current version of the booking.
    """
    row = await tx.row(LOCK_BOOKING, tx.org_id, booking_id)
    if row is None:
        raise not_found("booking")
    if expected is not None and expected != row["version"]:
        raise Refusal("stale", "changed_meanwhile", "The booking has changed since you read it. Read it again first.")
    return row


async def decide_transition(
    tx: Tx, booking_id: UUID, booking: asyncpg.Record, action: str, *, reason: str | None,
    amount: Decimal | None = None, deposit: Decimal | None = None, has_read: bool = False, by_system: bool = False,
) -> Transition:  # fmt: skip
    """Return the transition that `action` takes from the status of a locked booking.

    `amount`, `deposit`: the price and the deposit that the caller names; `has_read`: the caller named the current
    version of the booking. `by_system`: the system takes it, in the transaction of the change that causes it. Raises
    Refusal where the lifecycle does not allow it.
    """
    facts = await tx.one(SELECT_FACTS, tx.org_id, booking_id)
    met = {
        "reason": reason is not None,
        "amount": amount is not None,
        "schedule": booking["scheduled_start"] is not None and booking["scheduled_end"] is not None,
        "provider": booking["provider_id"] is not None,
        "price_accepted": booking["offered_amount"] is None,
        "quote_named": has_read or (amount == booking["total_amount"] and (deposit or 0) == booking["deposit_amount"]),
        "for_the_client": may_accept_for_client(tx, facts["quoted_by"], reason),
        "start_near": booking["known_start"] is None
        or booking["known_start"] <= tx.at + timedelta(hours=lifecycle.STARTS_BEFORE_HOURS),
        "start_passed": booking["known_start"] is not None and booking["known_start"] <= tx.at,
        "deposit_paid": facts["paid"] >= booking["deposit_amount"],
        "no_deposit_due": facts["paid"] >= booking["deposit_amount"],
        "approvals_given": facts["approvals_given"],
        "milestones_approved": facts["milestones_approved"],
    }
    try:
        return lifecycle.decide(
            action,
            booking["status"],
            "system" if by_system else tx.caller.role,
            frozenset(name for name, is_met in met.items() if is_met),
        )
    except lifecycle.TransitionRefusedError as refused:
        raise Refusal(_KINDS[refused.code], refused.code, str(refused)) from None


def may_accept_for_client(tx: Tx, offered_by: UUID | None, reason: str | None) -> bool:
    """Return True if the caller may accept an amount on the client's side: the client, or an admin for them.

    An admin says in `reason` how the client agreed, and is not the person who offered the amount.
    """
    is_proxy = tx.caller.role == "admin" and reason is not None and tx.caller.profile_id != offered_by
    return tx.caller.role == "client" or is_proxy


async def change_status(
    tx: Tx, booking_id: UUID, booking: asyncpg.Record, status: str, *, reason: str | None,
    amount: Decimal | None = None, deposit: Decimal | None = None, fee: Decimal | None = None,
    accepts_price: bool = False, accepts_start: bool = False, by_system: bool = False,
) -> None:  # fmt: skip
    """Give a locked booking the `status` of a transition that is allowed, and write its history.

    `amount`, `deposit` and `fee` become the total, deposit and cancellation fee of the booking; None keeps them. An
    `amount` awaits the consent of the client; `accepts_price`, `accepts_start`: the client accepts the price and
    the start as they stand.
    """
    await tx.execute(
        UPDATE_STATUS, tx.org_id, booking_id, status, amount, deposit, status in lifecycle.CANCELLED, reason, tx.at,
        fee, accepts_price, accepts_start,
    )  # fmt: skip
    await record_status(tx, booking_id, booking["status"], status, reason, by_system=by_system)


async def take_automatic_transition(
    tx: Tx, booking_id: UUID, booking: asyncpg.Record, action: str, reason: str
) -> str | None:
    """Take an automatic transition of a locked booking, if the lifecycle allows it; return the new status, or None."""
    try:
        transition = await decide_transition(tx, booking_id, booking, action, reason=reason, by_system=True)
    except Refusal:
        return None
    await change_status(tx, booking_id, booking, transition.target, reason=reason, by_system=True)
    return transition.target


async def record_status(
    tx: Tx, booking_id: UUID, before: str | None, after: str, reason: str | None, *, by_system: bool = False
) -> None:
    """Write the history row of a status change; `before` is None for the first status."""
    actor = None if by_system else tx.caller.profile_id
    await tx.execute(INSERT_HISTORY, tx.org_id, booking_id, before, after, actor, reason, tx.at)
