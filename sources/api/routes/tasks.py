"""Routes of tasks."""

from uuid import UUID

from fastapi import APIRouter, Response

from sources.api.problems import CHANGES, COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import All
from sources.operations.work import tasks
from sources.operations.work.tasks import NewTask, Task, TaskChange

router = APIRouter(prefix="/v1", tags=["tasks"], responses=COMMON)


@router.get("/milestones/{milestone_id}/tasks", response_model=All[Task], summary="List a milestone's tasks")
async def list_tasks(context: Reading, milestone_id: UUID) -> Response:
    return reply(await context.run(lambda tx: tasks.list_tasks(tx, milestone_id)))


@router.post(
    "/milestones/{milestone_id}/tasks", status_code=201, response_model=Task, responses=WRITES, summary="Create a task"
)
async def create_task(context: Writing, milestone_id: UUID, body: NewTask) -> Response:
    return await context.write(
        lambda tx: tasks.create_task(tx, milestone_id, body),
        status=201,
        location=lambda created: f"/v1/tasks/{created.id}",
    )


@router.get("/tasks/{task_id}", response_model=Task, summary="Read a task")
async def get_task(context: Reading, task_id: UUID) -> Response:
    return reply(await context.run(lambda tx: tasks.get_task(tx, task_id)))


@router.patch("/tasks/{task_id}", response_model=Task, responses=CHANGES, summary="Change a task")
async def edit_task(context: Writing, task_id: UUID, body: TaskChange) -> Response:
    """The progress of a milestone is that of its tasks by weight; that of a booking, of its milestones by weight."""
    return await context.write(lambda tx: tasks.edit_task(tx, task_id, body, context.if_match))
