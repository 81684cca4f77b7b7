"""Approvals of a booking or a milestone: ordered levels, requested in rounds, of which only the latest counts.

A level names a person, who alone decides it, or a role, of which any person of the booking may decide. An admin cannot
decide for others, but may request a new round while one is open, which closes the open one.
"""

from typing import Any, Final, Literal, Self
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sources import lifecycle
from sources.operations.bookings.access import All, demand_booking, demand_staff, demand_status, lock_child
from sources.operations.bookings.status_changes import lock_booking, take_automatic_transition
from sources.operations.errors import Refusal
from sources.operations.field_types import Moment, Named, Note, Request
from sources.operations.money import effects_of_status
from sources.operations.transaction import Tx
from sources.operations.work.milestones import (
    CLOSE_LEVELS,
    EDITABLE,
    SELECT_MILESTONE,
    approve_milestone,
    get_milestone,
    return_milestone,
)
from sources.row_values import ActingRole, ApprovalStatus

MOST_ROUNDS: Final = 100


class Level(Request):
    """The approver of a level: either any person of a role, or one person who sees the booking."""

    role: ActingRole | None = None
    approver_id: UUID | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.role is None) == (self.approver_id is None):
            raise ValueError("give either `role` or `approver_id`, and not both")
        return self


class ApprovalRequest(Request):
    """The levels of a round, in the order in which they decide."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"levels": [{"role": "provider"}, {"role": "client"}]}]})
    levels: list[Level] = Field(min_length=1, max_length=10)


class Decision(Request):
    """A decision; `reject` requires a reason and returns the booking with it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "reject", "reason": "The price is too high."}]}
    )
    decision: Literal["approve", "reject"]
    reason: Note | None = None


class Approval(BaseModel):
    """One level of one round."""

    id: UUID
    booking_id: UUID
    milestone_id: UUID | None = Field(description="null: an approval of the booking itself.")
    round: int
    level: int
    approver: Named | None
    approver_role: ActingRole | None
    status: ApprovalStatus = Field(description="closed: the round ended before this level was decided.")
    reason: str | None
    decided_by: Named | None
    decided_at: Moment | None
    created_at: Moment


FROM_APPROVALS: Final = """
select approvals.id, approvals.booking_id, approvals.milestone_id, approvals.round, approvals.level,
    approvals.approver_id, approvers.full_name as approver_name, approvals.approver_role, approvals.status,
    approvals.reason, approvals.decided_by as decider_id, deciders.full_name as decider_name, approvals.decided_at,
    approvals.created_at
from app.approvals as approvals
left join app.profiles as approvers on approvers.org_id = approvals.org_id and approvers.id = approvals.approver_id
left join app.profiles as deciders on deciders.org_id = approvals.org_id and deciders.id = approvals.decided_by
"""
SELECT_APPROVAL: Final = f"{FROM_APPROVALS} where approvals.org_id = $1 and approvals.id = $2"
SELECT_APPROVALS: Final = f"""
{FROM_APPROVALS}
where approvals.org_id = $1 and approvals.booking_id = $2 and approvals.milestone_id is not distinct from $3
order by approvals.round desc, approvals.level
"""
SELECT_ROUND: Final = """
select coalesce(max(round), 0) as latest, coalesce(bool_or(status = 'pending'), false) as is_open
from app.approvals where org_id = $1 and booking_id = $2 and milestone_id is not distinct from $3
"""
# Approvers who do not see the booking. $3: the people of the booking.
COUNT_UNKNOWN_APPROVERS: Final = """
select count(*) as unknown from unnest($2::uuid[]) as approvers (id)
where not exists (
    select from app.profiles as profiles
    where profiles.org_id = $1 and profiles.id = approvers.id and profiles.is_active
        and (profiles.role = 'admin' or profiles.id = any($3::uuid[]))
)
"""
INSERT_LEVELS: Final = """
insert into app.approvals (
    org_id, booking_id, milestone_id, round, level, approver_role, approver_id, created_at, updated_at
)
select $1, $2, $3, $4, levels.level, levels.role, levels.approver_id, $7, $7
from unnest($5::text[], $6::uuid[]) with ordinality as levels (role, approver_id, level)
"""
COUNT_PENDING: Final = """
select
    count(*) filter (where level < $5) as earlier, count(*) filter (where level > $5) as later
from app.approvals
where org_id = $1 and booking_id = $2 and milestone_id is not distinct from $3 and round = $4 and status = 'pending'
"""
UPDATE_DECISION: Final = """
update app.approvals set status = $3, reason = $4, decided_by = $5, decided_at = $6 where org_id = $1 and id = $2
"""


async def list_booking_approvals(tx: Tx, booking_id: UUID) -> All[Approval]:
    """Return the approvals of a booking itself, the latest round first. Raises Refusal not_found."""
    await demand_booking(tx, booking_id)
    return await _list(tx, booking_id, None)


async def list_milestone_approvals(tx: Tx, milestone_id: UUID) -> All[Approval]:
    """Return the approvals of a milestone, the latest round first. Raises Refusal not_found."""
    milestone = await get_milestone(tx, milestone_id)
    return await _list(tx, milestone.booking_id, milestone_id)


async def request_booking_approvals(tx: Tx, booking_id: UUID, request: ApprovalRequest) -> All[Approval]:
    """Request a round of approvals of a booking that is not confirmed yet; return all rounds, the new one first.

    Raises Refusal: not_found, forbidden, conflict (wrong_status, round_open), invalid (unknown_approver).
    """
    booking = await lock_booking(tx, booking_id)
    demand_staff(tx, "request approvals")
    demand_status(booking["status"], lifecycle.APPROVABLE, "booking", "request approvals")
    return await _open_round(tx, booking, booking_id, None, request)


async def request_milestone_approvals(tx: Tx, milestone_id: UUID, request: ApprovalRequest) -> All[Approval]:
    """Request a round of approvals of a milestone that is not approved or cancelled; decided once it is submitted.

    Raises Refusal: not_found, forbidden, conflict (wrong_status, round_open), invalid (unknown_approver).
    """
    booking, milestone = await lock_child(tx, SELECT_MILESTONE, milestone_id, "milestone")
    demand_staff(tx, "request approvals")
    demand_status(milestone["status"], EDITABLE, "milestone", "request approvals")
    return await _open_round(tx, booking, milestone["booking_id"], milestone_id, request)


async def decide_approval(tx: Tx, approval_id: UUID, decision: Decision) -> Approval:
    """Approve or reject a level; earlier levels must be decided first.

    The last approval of a milestone approves it; a rejection closes the later levels and returns the booking with the
    reason. Raises Refusal: not_found, forbidden, invalid, conflict (already_decided, not_its_turn, wrong_status).
    """
    booking, level = await lock_child(tx, SELECT_APPROVAL, approval_id, "approval")
    if not _may_decide(tx, level):
        raise Refusal("forbidden", "not_allowed", f"Only {_approver(level)} may decide this level.")
    if decision.decision == "reject" and decision.reason is None:
        raise Refusal("invalid", "reason_required", "Give the reason of the rejection.", field="reason")
    if level["status"] != "pending":
        raise Refusal("conflict", "already_decided", f"This level is already {level['status']}.")
    booking_id, milestone_id = level["booking_id"], level["milestone_id"]
    milestone = await tx.one(SELECT_MILESTONE, tx.org_id, milestone_id) if milestone_id else None
    demand_status(
        booking["status"], lifecycle.ANSWERABLE if milestone else lifecycle.APPROVABLE, "booking", "decide on approvals"
    )
    if milestone:
        demand_status(milestone["status"], ("submitted",), "milestone", "decide on approvals")
    pending = await tx.one(COUNT_PENDING, tx.org_id, booking_id, milestone_id, level["round"], level["level"])
    if pending["earlier"]:
        raise Refusal("conflict", "not_its_turn", "An earlier level is not decided yet.")
    status = "approved" if decision.decision == "approve" else "rejected"
    await tx.execute(UPDATE_DECISION, tx.org_id, approval_id, status, decision.reason, tx.caller.profile_id, tx.at)
    if status == "rejected":
        reason = decision.reason or ""
        await tx.execute(CLOSE_LEVELS, tx.org_id, booking_id, milestone_id, level["level"], tx.at, reason)
        if milestone:
            await return_milestone(tx, booking, milestone, reason)
        else:
            returned_to = await take_automatic_transition(tx, booking_id, booking, "return", reason)
            if returned_to is not None:
                await effects_of_status.apply(tx, booking_id, booking, returned_to)
    elif milestone and not pending["later"]:
        await approve_milestone(tx, booking, milestone)
    return _as_approval(await tx.one(SELECT_APPROVAL, tx.org_id, approval_id))


async def _list(tx: Tx, booking_id: UUID, milestone_id: UUID | None) -> All[Approval]:
    rows = await tx.rows(SELECT_APPROVALS, tx.org_id, booking_id, milestone_id)
    return All.model_construct(items=[_as_approval(row) for row in rows])


async def _open_round(
    tx: Tx, booking: asyncpg.Record, booking_id: UUID, milestone_id: UUID | None, request: ApprovalRequest
) -> All[Approval]:
    approvers = [level.approver_id for level in request.levels if level.approver_id]
    people = [person for person in (booking["client_id"], booking["provider_id"]) if person]
    if (await tx.one(COUNT_UNKNOWN_APPROVERS, tx.org_id, approvers, people))["unknown"]:
        raise Refusal("invalid", "unknown_approver", "An approver does not see the booking.", field="levels")
    rounds = await tx.one(SELECT_ROUND, tx.org_id, booking_id, milestone_id)
    if rounds["is_open"] and tx.caller.role != "admin":
        raise Refusal("conflict", "round_open", "A round of approvals is open. Only an admin may request a new one.")
    if rounds["latest"] >= MOST_ROUNDS:
        raise Refusal("conflict", "too_many", f"There are already {MOST_ROUNDS} rounds of approvals.")
    await tx.execute(CLOSE_LEVELS, tx.org_id, booking_id, milestone_id, 0, tx.at, "A new round was requested.")
    await tx.execute(
        INSERT_LEVELS, tx.org_id, booking_id, milestone_id, rounds["latest"] + 1,
        [level.role for level in request.levels], [level.approver_id for level in request.levels], tx.at,
    )  # fmt: skip
    return await _list(tx, booking_id, milestone_id)


def _may_decide(tx: Tx, level: asyncpg.Record) -> bool:
    if level["approver_id"]:
        return bool(level["approver_id"] == tx.caller.profile_id)
    return bool((level["approver_role"] or "admin") == tx.caller.role)


def _approver(level: asyncpg.Record) -> str:
    role = level["approver_role"] or "admin"
    return level["approver_name"] or ("an admin" if role == "admin" else f"a {role}")


def _as_approval(row: asyncpg.Record) -> Approval:
    values: dict[str, Any] = dict(row)
    approver_id, approver_name = values.pop("approver_id"), values.pop("approver_name")
    decider_id, decider_name = values.pop("decider_id"), values.pop("decider_name")
    return Approval.model_construct(
        approver=Named.model_construct(id=approver_id, name=approver_name or "") if approver_id else None,
        decided_by=Named.model_construct(id=decider_id, name=decider_name or "") if decider_id else None,
        **values,
    )
