"""Insights: the list, one insight, the answers of people to it, and what the Hub learnt from them."""

from typing import Annotated, Final, get_args
from uuid import UUID

from fastapi import APIRouter, Query, Response

from dashboard.access import Admin, Owner, SentForm, Visitor
from dashboard.forms import Rejected, attempt, submit
from dashboard.queries import insights as queries
from dashboard.rendering import PageRoute, leads_to, page
from notifications import charts
from sources.api.routes.sign_in import own_page
from sources.operations.communication import insights
from sources.operations.communication.insights import Dismissal, Feedback, Kind, KnownEvent, Rating, Severity, Status
from sources.row_values import CALENDAR_EVENT_KINDS

router = APIRouter(prefix="/insights", route_class=PageRoute, include_in_schema=False, tags=["pages"])

PAGE: Final = 25


@router.get("")
async def list_insights(
    visitor: Owner,
    status: Annotated[Status | str, Query(pattern="^(open|acknowledged|resolved|dismissed|)$")] = "open",
    kind: Annotated[Kind | str, Query(max_length=20)] = "",
    severity: Annotated[Severity | str, Query(max_length=20)] = "",
    after: UUID | None = None,
) -> Response:
    rows = await queries.list_insights(visitor, status or None, kind or None, severity or None, after, PAGE)
    return page(
        visitor,
        "insights.html.j2",
        insights=rows[:PAGE],
        next_id=rows[PAGE - 1]["id"] if len(rows) > PAGE else None,
        counts=await queries.count_insights(visitor),
        chosen={"status": status, "kind": kind, "severity": severity},
        statuses=get_args(Status),
        kinds=get_args(Kind),
        severities=get_args(Severity),
        is_later=after is not None,
    )


@router.get("/learnt")
async def list_lessons(visitor: Admin, after: UUID | None = None) -> Response:
    lessons = await visitor.run(lambda tx: insights.list_lessons(tx, after=after, limit=PAGE))
    return page(visitor, "insights_learnt.html.j2", lessons=lessons)


@router.post("/learnt/{lesson_id}/undo")
async def undo_lesson(form: SentForm, visitor: Admin, lesson_id: UUID) -> Response:
    result = await attempt(visitor, form, lambda tx: insights.undo_lesson(tx, lesson_id))
    if isinstance(result, Rejected):
        return leads_to("/insights/learnt", result.sentence)
    return leads_to("/insights/learnt", "Undone.")


@router.get("/{insight_id}")
async def read_insight(visitor: Owner, insight_id: UUID) -> Response:
    return await _show(visitor, insight_id)


async def _show(visitor: Visitor, insight_id: UUID, rejected: Rejected | None = None) -> Response:
    found = await queries.read_insight(visitor, insight_id, visitor.as_of)
    began = found.insight.started_on or found.insight.day
    history = [
        {**day, "is_marked": began <= day["day"] <= found.insight.day, "begins": False, "event": None}
        for day in found.history
    ]
    drivers = [
        {"name": driver["member_name"], "value": driver["contribution"]}
        for driver in found.insight.drivers
        if driver.get("contribution") is not None
    ]
    return page(
        visitor,
        "insight.html.j2",
        status=422 if rejected else 200,
        found=found,
        history=charts.series(history) if history else None,
        drivers=charts.ranked_bars(drivers) if drivers else None,
        rejected=rejected,
        event_kinds=CALENDAR_EVENT_KINDS,
    )


@router.post("/{insight_id}/acknowledge")
async def acknowledge(form: SentForm, visitor: Admin, insight_id: UUID) -> Response:
    result = await submit(
        visitor,
        form,
        Feedback,
        lambda tx, body: insights.react_to_insight(tx, insight_id, "acknowledged", body.feedback),
    )
    return await _answered(visitor, form, insight_id, result, "Acknowledged: it stays in the list until it is over.")


@router.post("/{insight_id}/resolve")
async def resolve(form: SentForm, visitor: Admin, insight_id: UUID) -> Response:
    result = await submit(
        visitor, form, Feedback, lambda tx, body: insights.react_to_insight(tx, insight_id, "resolved", body.feedback)
    )
    return await _answered(visitor, form, insight_id, result, "Resolved.")


@router.post("/{insight_id}/dismiss")
async def dismiss(form: SentForm, visitor: Admin, insight_id: UUID) -> Response:
    result = await submit(
        visitor,
        form,
        Dismissal,
        lambda tx, body: insights.react_to_insight(tx, insight_id, "dismissed", body.feedback, reason=body.reason),
    )
    return await _answered(visitor, form, insight_id, result, "Dismissed. You can undo it under “What was learnt”.")


@router.post("/{insight_id}/planned")
async def add_planned_event(form: SentForm, visitor: Admin, insight_id: UUID) -> Response:
    """Dismiss the insight as a planned event, which is added to the calendar."""
    result = await submit(
        visitor,
        form,
        KnownEvent,
        lambda tx, event: insights.react_to_insight(
            tx, insight_id, "dismissed", None, reason="known_event", event=event
        ),
    )
    return await _answered(visitor, form, insight_id, result, "Added to the calendar: forecasts and alarms know it.")


@router.post("/{insight_id}/rate")
async def rate(form: SentForm, visitor: Admin, insight_id: UUID) -> Response:
    result = await submit(visitor, form, Rating, lambda tx, body: insights.rate_insight(tx, insight_id, body))
    return await _answered(visitor, form, insight_id, result, "Thank you: the Hub learns from it.")


async def _answered(visitor: Visitor, form: SentForm, insight_id: UUID, result: object, notice: str) -> Response:
    if isinstance(result, Rejected):
        return await _show(visitor, insight_id, result)
    return leads_to(own_page(str(form.get("back") or f"/insights/{insight_id}")), notice)
