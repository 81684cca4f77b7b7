"""Tasks of a milestone. The database rolls up their progress, by weight, to the milestone and the booking."""

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from sources import lifecycle
from sources.operations.bookings.access import (
    All,
    Hours,
    Percent,
    Weight,
    demand_staff,
    demand_status,
    demand_version,
    lock_child,
)
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Line, Moment, Named, Request
from sources.operations.transaction import Tx
from sources.operations.work.milestones import EDITABLE, SELECT_MILESTONE, get_milestone
from sources.row_values import TaskStatus

MOST_TASKS: Final = 500  # of one milestone
DONE: Final = Decimal(100)


class NewTask(Request):
    """A task of a milestone."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Sketch three logos", "weight": "2", "estimated_hours": "6.5"}]}
    )
    title: Line
    weight: Weight = Decimal(1)
    estimated_hours: Hours | None = None
    due_at: Moment | None = None
    assignee_id: UUID | None = Field(None, description="A provider or an admin.")


class TaskChange(Request):
    """The fields to change; a field that is absent is kept.

    Status and progress depend on each other: a task at 100 is done, at 0 it is to do, between them in progress.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"progress_pct": "40"}, {"status": "done"}]})
    title: Line = Field(default_factory=str)
    weight: Weight = Field(default_factory=Decimal)
    estimated_hours: Hours | None = None
    due_at: Moment | None = None
    assignee_id: UUID | None = None
    progress_pct: Percent = Field(default_factory=Decimal)
    status: TaskStatus = Field(default_factory=lambda: "todo")


class Task(BaseModel):
    """A task of a milestone, with its assignee."""

    id: UUID
    booking_id: UUID
    milestone_id: UUID
    title: str
    status: TaskStatus
    weight: Decimal
    progress_pct: Decimal
    estimated_hours: Decimal | None
    assignee: Named | None
    due_at: Moment | None
    completed_at: Moment | None
    created_at: Moment
    updated_at: Moment
    version: str = Field(description="The ETag; it differs after every change.")


FROM_TASKS: Final = """
select tasks.id, tasks.booking_id, tasks.milestone_id, tasks.title, tasks.status, tasks.weight, tasks.progress_pct,
    tasks.estimated_hours, tasks.assignee_id, assignees.full_name as assignee_name, tasks.due_at, tasks.completed_at,
    tasks.created_at, tasks.updated_at, tasks.row_version::text as version
from app.tasks as tasks
left join app.profiles as assignees on assignees.org_id = tasks.org_id and assignees.id = tasks.assignee_id
"""
SELECT_TASK: Final = f"{FROM_TASKS} where tasks.org_id = $1 and tasks.id = $2"
SELECT_TASKS: Final = f"""
{FROM_TASKS} where tasks.org_id = $1 and tasks.milestone_id = $2 order by tasks.created_at, tasks.id
"""
COUNT_TASKS: Final = "select count(*) as tasks from app.tasks where org_id = $1 and milestone_id = $2"
IS_ASSIGNABLE: Final = """
select exists (
    select from app.profiles where org_id = $1 and id = $2 and role in ('provider', 'admin') and is_active
) as is_assignable
"""
INSERT_TASK: Final = """
insert into app.tasks (
    org_id, booking_id, milestone_id, title, weight, estimated_hours, due_at, assignee_id, created_at, updated_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
returning id
"""
UPDATE_TASK: Final = """
update app.tasks set
    title = $3, weight = $4, estimated_hours = $5, due_at = $6, assignee_id = $7, progress_pct = $8, status = $9,
    completed_at = case when $9 = 'done' then coalesce(completed_at, $10) end
where org_id = $1 and id = $2
"""
START_MILESTONE: Final = """
update app.milestones set status = 'in_progress' where org_id = $1 and id = $2 and status = 'pending'
"""


async def list_tasks(tx: Tx, milestone_id: UUID) -> All[Task]:
    """Return the tasks of a milestone, the oldest first. Raises Refusal not_found."""
    await get_milestone(tx, milestone_id)
    rows = await tx.rows(SELECT_TASKS, tx.org_id, milestone_id)
    return All.model_construct(items=[_as_task(dict(row)) for row in rows])


async def get_task(tx: Tx, task_id: UUID) -> Task:
    """Return the task, if the caller sees its booking. Raises Refusal not_found."""
    row = await tx.row(SELECT_TASK, tx.org_id, task_id)
    if row is None:
        raise not_found("task")
    return _as_task(dict(row))


async def create_task(tx: Tx, milestone_id: UUID, request: NewTask) -> Task:
    """Create a task of a milestone that is not approved or cancelled.

    Raises Refusal: not_found, forbidden, conflict (wrong_status, too_many), invalid (unknown_assignee).
    """
    booking, milestone = await lock_child(tx, SELECT_MILESTONE, milestone_id, "milestone")
    demand_staff(tx, "plan tasks")
    demand_status(booking["status"], lifecycle.UNDELIVERED, "booking", "plan tasks")
    demand_status(milestone["status"], EDITABLE, "milestone", "plan tasks")
    if (await tx.one(COUNT_TASKS, tx.org_id, milestone_id))["tasks"] >= MOST_TASKS:
        raise Refusal("conflict", "too_many", f"A milestone has at most {MOST_TASKS} tasks.")
    await _demand_assignable(tx, request.assignee_id)
    inserted = await tx.one(
        INSERT_TASK, tx.org_id, milestone["booking_id"], milestone_id, request.title, request.weight,
        request.estimated_hours, request.due_at, request.assignee_id, tx.at,
    )  # fmt: skip
    return await get_task(tx, inserted["id"])


async def edit_task(tx: Tx, task_id: UUID, change: TaskChange, expected: str | None) -> Task:
    """Change a task; the first progress of a pending milestone starts it.

    `expected`: the version that the caller last read, if given. Raises Refusal: not_found, forbidden, stale, conflict
    (wrong_status), invalid (unknown_assignee, progress_contradicts_status).
    """
    booking, row = await lock_child(tx, SELECT_TASK, task_id, "task")
    demand_staff(tx, "edit tasks")
    demand_version(row, expected, "task")
    milestone = await get_milestone(tx, row["milestone_id"])
    demand_status(milestone.status, EDITABLE, "milestone", "edit its tasks")
    changes = change.model_dump(exclude_unset=True)
    changes |= _progress_of(changes, dict(row))
    is_work = changes["status"] != row["status"] or changes["progress_pct"] != row["progress_pct"]
    if is_work and changes["status"] != "cancelled":
        demand_status(booking["status"], lifecycle.WORKABLE, "booking", "work on tasks")
    else:
        demand_status(booking["status"], lifecycle.UNDELIVERED, "booking", "edit tasks")
    await _demand_assignable(tx, changes.get("assignee_id"))
    new = dict(row) | changes
    await tx.execute(
        UPDATE_TASK, tx.org_id, task_id, new["title"], new["weight"], new["estimated_hours"], new["due_at"],
        new["assignee_id"], new["progress_pct"], new["status"], tx.at,
    )  # fmt: skip
    if is_work and new["status"] in ("in_progress", "done"):
        await tx.execute(START_MILESTONE, tx.org_id, row["milestone_id"])
    return await get_task(tx, task_id)


def _progress_of(changes: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """Return status and progress after a change; if only one of them is given, the other is derived from it."""
    status, progress = changes.get("status"), changes.get("progress_pct")
    if status is None and progress is None:
        return {"status": row["status"], "progress_pct": row["progress_pct"]}
    if status is None:
        status = "done" if progress == DONE else "in_progress" if progress else "todo"
    if progress is None:
        reopened = row["progress_pct"] if row["progress_pct"] < DONE else Decimal(0)  # a done task starts again at 0
        progress = {"done": DONE, "todo": Decimal(0), "cancelled": row["progress_pct"]}.get(status, reopened)
    if ((status == "done") != (progress == DONE) and status != "cancelled") or (status == "todo" and progress > 0):
        raise Refusal(
            "invalid", "progress_contradicts_status", f"A task that is {status} cannot be at {progress} %.",
            field="progress_pct",
        )  # fmt: skip
    return {"status": status, "progress_pct": progress}


def _as_task(values: dict[str, Any]) -> Task:
    assignee_id, name = values.pop("assignee_id"), values.pop("assignee_name")
    assignee = Named.model_construct(id=assignee_id, name=name or "") if assignee_id else None
    return Task.model_construct(assignee=assignee, **values)


async def _demand_assignable(tx: Tx, assignee_id: UUID | None) -> None:
    if assignee_id and not (await tx.one(IS_ASSIGNABLE, tx.org_id, assignee_id))["is_assignable"]:
        raise Refusal("invalid", "unknown_assignee", "There is no such active provider or admin.", field="assignee_id")
