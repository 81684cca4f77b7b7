"""Milestones of a booking: plan and edit them, and take the steps from start to approval."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources import lifecycle
from sources.lifecycle import Role
from sources.operations.bookings.access import (
    All,
    Weight,
    demand_booking,
    demand_staff,
    demand_status,
    demand_version,
    lock_child,
)
from sources.operations.bookings.status_changes import lock_booking, take_automatic_transition
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Note, Request
from sources.operations.transaction import Tx
from sources.row_values import MilestoneStatus

MOST_MILESTONES: Final = 200  # of one booking

Action = Literal["start", "submit", "approve", "reject", "cancel"]
Position = Annotated[int, Field(ge=1, le=10_000)]
EDITABLE: Final = ("pending", "in_progress", "submitted")


class NewMilestone(Request):
    """A part of the booking's work. Without `position` it is added at the end."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Concept", "weight": "2", "due_at": "2026-06-12T15:00:00Z"}]}
    )
    title: Line
    weight: Weight = Decimal(1)
    due_at: Moment | None = None
    position: Position | None = None


class MilestoneChange(Request):
    """The fields to change; a field that is absent is kept."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"weight": "3", "due_at": None}]})
    title: Line = Field(default_factory=str)
    weight: Weight = Field(default_factory=Decimal)
    due_at: Moment | None = None
    position: Position = Field(default_factory=int)


class MilestoneStep(Request):
    """A step of a milestone; `reject` requires a reason."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"action": "reject", "reason": "The logo is missing."}]})
    action: Action
    reason: Note | None = None


class Milestone(BaseModel):
    """A milestone of a booking."""

    id: UUID
    booking_id: UUID
    title: str
    position: int
    weight: Decimal
    status: MilestoneStatus
    progress_pct: Decimal = Field(description="The progress of its tasks by weight; without tasks 100 once approved.")
    due_at: Moment | None
    completed_at: Moment | None
    created_at: Moment
    updated_at: Moment
    version: str = Field(description="The ETag; it differs after every change.")


@dataclass(frozen=True)
class Step:
    """A step from one of `sources` to `target`, by the roles in `by`, where the booking has a status in `bookings`."""

    sources: tuple[MilestoneStatus, ...]
    target: MilestoneStatus
    by: tuple[Role, ...]
    bookings: tuple[str, ...]


STEPS: Final[Mapping[Action, Step]] = {
    "start": Step(("pending",), "in_progress", ("provider", "admin"), lifecycle.WORKABLE),
    "submit": Step(("pending", "in_progress"), "submitted", ("provider", "admin"), lifecycle.WORKABLE),
    "approve": Step(("submitted",), "approved", ("client", "admin"), lifecycle.ANSWERABLE),
    "reject": Step(("submitted",), "in_progress", ("client", "admin"), lifecycle.ANSWERABLE),
    "cancel": Step(EDITABLE, "cancelled", ("provider", "admin"), lifecycle.UNDELIVERED),
}
# An approved milestone may still be rejected while the booking is delivered.
REJECT_DELIVERED: Final = Step(("approved",), "in_progress", ("client", "admin"), ("delivered",))
# Status of the booking -> the action that a rejected milestone takes with it.
RETURN_ACTIONS: Final = {"in_progress": "rework", "delivered": "request_revision"}

COLUMNS: Final = """
    id, booking_id, title, position, weight, status, progress_pct, due_at, completed_at, created_at, updated_at,
    row_version::text as version"""
SELECT_MILESTONE: Final = f"select {COLUMNS} from app.milestones where org_id = $1 and id = $2"  # noqa: S608  constants of this file
SELECT_MILESTONES: Final = f"""
select {COLUMNS} from app.milestones where org_id = $1 and booking_id = $2 order by position
"""  # noqa: S608
INSERT_MILESTONE: Final = f"""
insert into app.milestones (org_id, booking_id, title, weight, due_at, position, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $7)
returning {COLUMNS}
"""  # noqa: S608
COUNT_MILESTONES: Final = """
select count(*) as milestones, coalesce(max(position), 0) as last_position
from app.milestones where org_id = $1 and booking_id = $2
"""
UPDATE_MILESTONE: Final = f"""
update app.milestones set title = $3, weight = $4, due_at = $5, position = $6
where org_id = $1 and id = $2 returning {COLUMNS}
"""  # noqa: S608
# Progress is that of the tasks; a milestone without tasks has 100 when it is approved, else 0.
UPDATE_STATUS: Final = """
update app.milestones set
    status = $3,
    completed_at = case when $3 = 'approved' then $4::timestamptz end,
    progress_pct = case
        when exists (
            select from app.tasks where org_id = $1 and milestone_id = $2 and status <> 'cancelled'
        ) then progress_pct
        when $3 = 'approved' then 100
        else 0
    end
where org_id = $1 and id = $2
"""
CANCEL_TASKS: Final = """
update app.tasks set status = 'cancelled'
where org_id = $1 and milestone_id = $2 and status in ('todo', 'in_progress')
"""
HAS_LEVELS: Final = "select exists (select from app.approvals where org_id = $1 and milestone_id = $2) as has_levels"
# Closes the levels that are pending. $4: only levels after this one.
CLOSE_LEVELS: Final = """
update app.approvals set status = 'closed', decided_at = $5, reason = $6
where org_id = $1 and booking_id = $2 and milestone_id is not distinct from $3 and level > $4 and status = 'pending'
"""
# Repeats the levels of the latest round, unless a level is pending.
REPEAT_ROUND: Final = """
with latest as (
    select max(round) as round from app.approvals where org_id = $1 and milestone_id = $2
)
insert into app.approvals (
    org_id, booking_id, milestone_id, round, level, approver_id, approver_role, created_at, updated_at
)
select approvals.org_id, approvals.booking_id, approvals.milestone_id, approvals.round + 1, approvals.level,
    approvals.approver_id, approvals.approver_role, $3, $3
from app.approvals as approvals join latest on latest.round = approvals.round
where approvals.org_id = $1 and approvals.milestone_id = $2 and not exists (
    select from app.approvals where org_id = $1 and milestone_id = $2 and status = 'pending'
)
"""


async def list_milestones(tx: Tx, booking_id: UUID) -> All[Milestone]:
    """Return the milestones of a booking, by position. Raises Refusal not_found."""
    await demand_booking(tx, booking_id)
    rows = await tx.rows(SELECT_MILESTONES, tx.org_id, booking_id)
    return All.model_construct(items=[Milestone.model_construct(**row) for row in rows])


async def get_milestone(tx: Tx, milestone_id: UUID) -> Milestone:
    """Return the milestone, if the caller sees its booking. Raises Refusal not_found."""
    row = await tx.row(SELECT_MILESTONE, tx.org_id, milestone_id)
    if row is None:
        raise not_found("milestone")
    return Milestone.model_construct(**row)


async def create_milestone(tx: Tx, booking_id: UUID, request: NewMilestone) -> Milestone:
    """Create a milestone of a booking that is not delivered yet.

    Raises Refusal: not_found, forbidden, conflict (wrong_status, position_taken, too_many).
    """
    booking = await lock_booking(tx, booking_id)
    demand_staff(tx, "plan milestones")
    demand_status(booking["status"], lifecycle.UNDELIVERED, "booking", "plan milestones")
    existing = await tx.one(COUNT_MILESTONES, tx.org_id, booking_id)
    if existing["milestones"] >= MOST_MILESTONES:
        raise Refusal("conflict", "too_many", f"A booking has at most {MOST_MILESTONES} milestones.")
    position = request.position or existing["last_position"] + 1
    row = await tx.one(
        INSERT_MILESTONE, tx.org_id, booking_id, request.title, request.weight, request.due_at, position, tx.at
    )
    return Milestone.model_construct(**row)


async def edit_milestone(tx: Tx, milestone_id: UUID, change: MilestoneChange, expected: str | None) -> Milestone:
    """Change the plan of a milestone. `expected`: the version that the caller last read, if given.

    Raises Refusal: not_found, forbidden, stale, conflict (wrong_status, position_taken).
    """
    booking, row = await lock_child(tx, SELECT_MILESTONE, milestone_id, "milestone")
    demand_staff(tx, "edit milestones")
    demand_version(row, expected, "milestone")
    demand_status(booking["status"], lifecycle.UNDELIVERED, "booking", "edit milestones")
    demand_status(row["status"], EDITABLE, "milestone", "edit it")
    new = dict(row) | change.model_dump(exclude_unset=True)
    changed = await tx.one(
        UPDATE_MILESTONE, tx.org_id, milestone_id, new["title"], new["weight"], new["due_at"], new["position"]
    )
    return Milestone.model_construct(**changed)


async def step_milestone(tx: Tx, milestone_id: UUID, request: MilestoneStep, expected: str | None) -> Milestone:
    """Take one step of a milestone, and the transition of its booking that follows from it.

    The last approval delivers a booking in progress; a rejection returns it with the reason. A milestone with approval
    levels is approved and rejected by them alone. Raises Refusal: not_found, forbidden, stale, invalid, conflict.
    """
    booking, row = await lock_child(tx, SELECT_MILESTONE, milestone_id, "milestone")
    action = request.action
    is_late = action == "reject" and booking["status"] == "delivered"
    step = REJECT_DELIVERED if is_late else STEPS[action]
    if tx.caller.role not in step.by:
        raise Refusal("forbidden", "not_allowed", f"A {tx.caller.role} may not {action} a milestone.")
    demand_version(row, expected, "milestone")
    demand_status(booking["status"], step.bookings, "booking", f"{action} a milestone")
    demand_status(row["status"], step.sources, "milestone", f"{action} it")
    if action == "reject" and request.reason is None:
        raise Refusal("invalid", "reason_required", "Give the reason of the rejection.", field="reason")
    if action in ("approve", "reject") and not is_late:
        await _demand_no_levels(tx, milestone_id)
    match action:
        case "approve":
            await approve_milestone(tx, booking, row)
        case "reject":
            await return_milestone(tx, booking, row, request.reason or "")
        case "cancel":
            await _cancel(tx, booking, row)
        case "submit":
            await _set_status(tx, milestone_id, "submitted")
            await tx.execute(REPEAT_ROUND, tx.org_id, milestone_id, tx.at)
        case "start":
            await _set_status(tx, milestone_id, "in_progress")
    return await get_milestone(tx, milestone_id)


async def approve_milestone(tx: Tx, booking: asyncpg.Record, milestone: asyncpg.Record) -> None:
    """Approve a milestone of a locked booking; after the last one the booking is delivered."""
    await _set_status(tx, milestone["id"], "approved")
    await _deliver_when_done(tx, booking, milestone["booking_id"])


async def return_milestone(tx: Tx, booking: asyncpg.Record, milestone: asyncpg.Record, reason: str) -> None:
    """Set a rejected milestone of a locked booking in progress again, and return the booking with it."""
    await _set_status(tx, milestone["id"], "in_progress")
    if action := RETURN_ACTIONS.get(booking["status"]):
        await take_automatic_transition(tx, milestone["booking_id"], booking, action, reason)


async def _cancel(tx: Tx, booking: asyncpg.Record, milestone: asyncpg.Record) -> None:
    booking_id, milestone_id = milestone["booking_id"], milestone["id"]
    await tx.execute(CANCEL_TASKS, tx.org_id, milestone_id)
    await _set_status(tx, milestone_id, "cancelled")
    await tx.execute(CLOSE_LEVELS, tx.org_id, booking_id, milestone_id, 0, tx.at, "The milestone was cancelled.")
    others = await tx.rows(SELECT_MILESTONES, tx.org_id, booking_id)
    if any(other["status"] == "approved" for other in others):
        await _deliver_when_done(tx, booking, booking_id)


async def _deliver_when_done(tx: Tx, booking: asyncpg.Record, booking_id: UUID) -> None:
    """Deliver the booking, if the lifecycle allows it: it requires that every milestone is approved."""
    await take_automatic_transition(tx, booking_id, booking, "deliver", "every milestone approved")


async def _set_status(tx: Tx, milestone_id: UUID, status: MilestoneStatus) -> None:
    await tx.execute(UPDATE_STATUS, tx.org_id, milestone_id, status, tx.at)


async def _demand_no_levels(tx: Tx, milestone_id: UUID) -> None:
    if (await tx.one(HAS_LEVELS, tx.org_id, milestone_id))["has_levels"]:
        raise Refusal(
            "conflict", "levels_decide", "This milestone has approval levels: decide the lowest pending level."
        )
