"""Routes of insights."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from sources.api.problems import COMMON, WRITES
from sources.api.request_context import Reading, Writing, reply
from sources.operations.bookings.access import Page
from sources.operations.communication import insights
from sources.operations.communication.insights import (
    Dismissal,
    Feedback,
    Insight,
    Kind,
    Lesson,
    Rating,
    Reaction,
    RequestedRun,
    Severity,
    Status,
)

router = APIRouter(prefix="/v1/insights", tags=["insights"], responses=COMMON)


@router.get("", response_model=Page[Insight], summary="List insights")
async def list_insights(
    context: Reading,
    status: Annotated[list[Status] | None, Query(description="Repeatable; by default any.")] = None,
    kind: Annotated[list[Kind] | None, Query(description="Repeatable; by default any.")] = None,
    severity: Annotated[list[Severity] | None, Query(description="Repeatable; by default any.")] = None,
    after: Annotated[UUID | None, Query(description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """The latest first. For admins."""
    return reply(
        await context.run(
            lambda tx: insights.list_insights(
                tx, statuses=status, kinds=kind, severities=severity, after=after, limit=limit
            )
        )
    )


@router.post(
    "/generate", status_code=202, response_model=RequestedRun, responses=WRITES, summary="Request a run of insights"
)
async def request_insights(context: Writing) -> Response:
    """The running Hub starts it within a minute. Its findings appear as insights, and as events of the stream."""
    return await context.write(insights.request_insights, status=202)


@router.get("/learnt", response_model=Page[Lesson], summary="List what was learnt")
async def list_lessons(
    context: Reading,
    after: Annotated[UUID | None, Query(description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """The feedback of people, which decides whether the same alarm is raised again; the latest first."""
    return reply(await context.run(lambda tx: insights.list_lessons(tx, after=after, limit=limit)))


@router.post(
    "/learnt/{lesson_id}/undo",
    response_model=Lesson,
    responses=WRITES,
    summary="Undo what was learnt from one feedback",
)
async def undo_lesson(context: Writing, lesson_id: UUID) -> Response:
    """The event that it added to the calendar is removed, and a dismissed insight that lasts is open again."""
    return await context.write(lambda tx: insights.undo_lesson(tx, lesson_id))


@router.get("/{insight_id}", response_model=Insight, summary="Read an insight")
async def get_insight(context: Reading, insight_id: UUID) -> Response:
    return reply(await context.run(lambda tx: insights.get_insight(tx, insight_id)))


@router.post("/{insight_id}/acknowledge", response_model=Insight, responses=WRITES, summary="Acknowledge an insight")
async def acknowledge_insight(context: Writing, insight_id: UUID, body: Feedback | None = None) -> Response:
    return await _react(context, insight_id, "acknowledged", body)


@router.post("/{insight_id}/resolve", response_model=Insight, responses=WRITES, summary="Resolve an insight")
async def resolve_insight(context: Writing, insight_id: UUID, body: Feedback | None = None) -> Response:
    return await _react(context, insight_id, "resolved", body)


@router.post("/{insight_id}/dismiss", response_model=Insight, responses=WRITES, summary="Dismiss an insight")
async def dismiss_insight(context: Writing, insight_id: UUID, body: Dismissal | None = None) -> Response:
    """The same finding is not raised again while it lasts; with a reason, later ones only if they are larger."""
    dismissal = body or Dismissal(feedback=None)
    return await context.write(
        lambda tx: insights.react_to_insight(
            tx, insight_id, "dismissed", dismissal.feedback, reason=dismissal.reason, event=dismissal.event
        )
    )


@router.post(
    "/{insight_id}/rate", response_model=Insight, responses=WRITES, summary="Say whether an insight was useful"
)
async def rate_insight(context: Writing, insight_id: UUID, body: Rating) -> Response:
    return await context.write(lambda tx: insights.rate_insight(tx, insight_id, body))


async def _react(context: Writing, insight_id: UUID, reaction: Reaction, body: Feedback | None) -> Response:
    feedback = body.feedback if body else None
    return await context.write(lambda tx: insights.react_to_insight(tx, insight_id, reaction, feedback))
