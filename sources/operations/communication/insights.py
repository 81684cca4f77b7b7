"""Insights, the reactions of people to them, and what the Hub learns from these; for administrators."""

from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sources import insight_values
from sources.operations.bookings.access import Page, page_of
from sources.operations.calendar import Day, demand_days
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Moment, Money, Note, Request
from sources.operations.settings.rows import demand_owner
from sources.operations.transaction import Tx
from sources.row_values import CalendarEventKind

Kind = insight_values.InsightKind
Severity = insight_values.Severity
Status = insight_values.InsightStatus
Reaction = Literal["acknowledged", "resolved", "dismissed"]
DismissalReason = insight_values.DismissalReason
FeedbackReason = insight_values.FeedbackReason


class Feedback(Request):
    """A comment on an insight: the measure taken, or the reason to dismiss it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"feedback": "The card terminal was replaced."}]})

    feedback: Note | None = Field(None, description="Stored with the insight; by default the earlier feedback is kept.")


class KnownEvent(Request):
    """The event that explains an insight; it is added to the calendar. By default it has the days of the insight."""

    title: Note
    kind: CalendarEventKind = "event"
    starts_on: Day | None = None
    ends_on: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "KnownEvent":
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise ValueError("An event ends on the day on which it starts or later.")
        return self


class Dismissal(Feedback):
    """Why an insight is dismissed. A known event needs its title."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "known_event", "event": {"title": "Spring fair"}}]}
    )

    reason: DismissalReason | None = Field(
        None,
        description="`wrong` or `not_interesting`: raised again only if it is half as large again. `expected`: its "
        "days are not learnt from. `known_event`: it is added to the calendar. Without a reason nothing is learnt.",
    )
    event: KnownEvent | None = None

    @model_validator(mode="after")
    def _has_its_event(self) -> "Dismissal":
        if (self.reason == "known_event") != (self.event is not None):
            raise ValueError("The reason known_event needs an event with a title, and no other reason has one.")
        return self


class Rating(Feedback):
    """Whether an insight was useful."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"useful": True}]})

    useful: bool


class Lesson(BaseModel):
    """What a person said about an insight, which decides whether the same alarm is raised again."""

    id: UUID
    insight_id: UUID
    title: str
    reason: FeedbackReason
    given_by: str
    given_at: Moment
    kind: Kind
    metric: str
    dimension: str
    member: str
    direction: str
    size: Decimal | None = Field(description="Of the insight then: its money, or its distance from what was expected.")
    comment: str | None
    calendar_event_id: UUID | None = Field(description="The event that was added to the calendar.")
    undone_at: Moment | None


class Insight(BaseModel):
    """A finding that people are notified of, from its first to its last detection."""

    id: UUID
    kind: Kind
    severity: Severity
    status: Status
    metric: str
    dimension: str
    member: str
    day: date
    title: str
    summary: str
    value: Decimal | None
    expected: Decimal | None
    lower: Decimal | None
    upper: Decimal | None
    impact: Money | None
    drivers: list[dict[str, Any]] = Field(
        description="The members that explain the deviation, and their contributions."
    )
    recommendation: str | None
    started_on: date | None
    direction: str | None
    pattern: str | None
    effects: list[dict[str, Any]] = Field(description="What the same cause moved as well.")
    facts: list[str] = Field(description="What is known beside it.")
    actions: list[dict[str, Any]] = Field(description="What to do: text, and where they apply link and impact.")
    worsened_at: Moment | None
    first_seen: Moment
    last_seen: Moment
    resolved_at: Moment | None
    feedback: str | None
    feedback_reason: DismissalReason | None
    useful: bool | None


class RequestedRun(BaseModel):
    """The requested run."""

    run_id: UUID


COLUMNS: Final = """
    id, kind, severity, status, metric, dimension, member, day, title, summary, value, expected, lower, upper, impact,
    drivers, recommendation, started_on, direction, pattern, effects, facts, actions, worsened_at, first_seen,
    last_seen, resolved_at, feedback, feedback_reason, useful"""
SELECT_INSIGHT: Final = f"select {COLUMNS} from app.insight_events where org_id = $1 and id = $2"  # noqa: S608  constants of this file
# A UUIDv7 contains its time of creation: the order of ids is the order of time.
SELECT_INSIGHTS: Final = f"""
select {COLUMNS} from app.insight_events
where org_id = $1 and ($2::text[] is null or status = any($2)) and ($3::text[] is null or kind = any($3))
    and ($4::text[] is null or severity = any($4)) and ($5::uuid is null or id < $5)
order by id desc limit $6
"""  # noqa: S608  constants of this file
UPDATE_STATUS: Final = f"""
update app.insight_events set
    status = $3,
    feedback = coalesce($4, feedback),
    feedback_reason = $6,
    closed_by = case when $3 <> 'acknowledged' then $7 end,
    resolved_at = case when $3 = 'resolved' then $5 else resolved_at end
where org_id = $1 and id = $2
returning {COLUMNS}
"""  # noqa: S608  constants of this file
RATE: Final = f"""
update app.insight_events set useful = $3, feedback = coalesce($4, feedback) where org_id = $1 and id = $2
returning {COLUMNS}
"""  # noqa: S608  constants of this file
INSERT_FEEDBACK: Final = """
insert into app.insight_feedback (
    org_id, insight_id, reason, given_by, given_at, comment, calendar_event_id,
    kind, metric, dimension, member, direction, size, share, is_size_money, as_of
)
select org_id, id, $3, $4, $5, $6, $7,
    kind, metric, dimension, member, coalesce(direction, 'up'), size, share, is_size_money, last_seen
from app.insight_events where org_id = $1 and id = $2
"""
INSERT_EVENT: Final = """
insert into app.calendar_events (org_id, kind, title, starts_on, ends_on, service_id, provider_id)
select org_id, $3, $4, coalesce($5, started_on, day), greatest(coalesce($6, day), $5),
    case dimension when 'service' then member::uuid end, case dimension when 'provider' then member::uuid end
from app.insight_events where org_id = $1 and id = $2
returning id, starts_on, ends_on
"""
SELECT_LESSONS: Final = """
select feedback.id, feedback.insight_id, insights.title, feedback.reason, feedback.given_by, feedback.given_at,
    feedback.kind, feedback.metric, feedback.dimension, feedback.member, feedback.direction, feedback.size,
    feedback.comment, feedback.calendar_event_id, feedback.undone_at
from app.insight_feedback as feedback
join app.insight_events as insights on insights.org_id = feedback.org_id and insights.id = feedback.insight_id
where feedback.org_id = $1 and ($2::uuid is null or feedback.id < $2) and ($4::uuid is null or feedback.id = $4)
order by feedback.id desc limit $3
"""
UNDO: Final = """
update app.insight_feedback set undone_at = $3, calendar_event_id = null
where org_id = $1 and id = $2 and undone_at is null
"""
DELETE_EVENT: Final = "delete from app.calendar_events where org_id = $1 and id = $2"
# The insight is as it was before: open again while its condition lasts.
REOPEN: Final = """
update app.insight_events set
    feedback_reason = null,
    closed_by = null,
    status = case when resolved_at is null then 'open' else 'resolved' end
where org_id = $1 and id = $2 and status = 'dismissed'
"""
FORGET_RATING: Final = "update app.insight_events set useful = null where org_id = $1 and id = $2"
REQUEST_INSIGHTS: Final = "select app.request_insights($1, $2) as id"


async def list_insights(
    tx: Tx, *, statuses: list[Status] | None, kinds: list[Kind] | None, severities: list[Severity] | None,
    after: UUID | None, limit: int,
) -> Page[Insight]:  # fmt: skip
    """Return the insights, the latest first. A filter of None keeps all. Raises Refusal forbidden."""
    demand_owner(tx, "Insights are")
    rows = await tx.rows(SELECT_INSIGHTS, tx.org_id, statuses, kinds, severities, after, limit + 1)
    return page_of([_as_insight(row) for row in rows], [row["id"] for row in rows], limit)


async def get_insight(tx: Tx, insight_id: UUID) -> Insight:
    """Return one insight. Raises Refusal forbidden, not_found."""
    demand_owner(tx, "Insights are")
    row = await tx.row(SELECT_INSIGHT, tx.org_id, insight_id)
    if row is None:
        raise not_found("insight")
    return _as_insight(row)


async def react_to_insight(
    tx: Tx,
    insight_id: UUID,
    reaction: Reaction,
    feedback: str | None,
    *,
    reason: DismissalReason | None = None,
    event: KnownEvent | None = None,
) -> Insight:
    """Acknowledge, resolve or dismiss an insight; a dismissed one is not raised again while it lasts.

    `reason` of a dismissal: what the Hub learns from it; `event`: of the reason known_event, added to the calendar.
    Raises Refusal: forbidden, not_found, conflict where the insight is resolved or dismissed already.
    """
    before = await _locked(tx, insight_id)
    if before["status"] in ("resolved", "dismissed"):
        raise Refusal("conflict", "already_over", f"“{before['title']}” is already {before['status']}.")
    changed = await tx.one(UPDATE_STATUS, tx.org_id, insight_id, reaction, feedback, tx.at, reason, _name(tx))
    if reason:
        event_id = await _add_to_calendar(tx, insight_id, event) if event else None
        await tx.execute(INSERT_FEEDBACK, tx.org_id, insight_id, reason, _name(tx), tx.at, feedback, event_id)
    return _as_insight(changed)


async def _add_to_calendar(tx: Tx, insight_id: UUID, event: KnownEvent) -> UUID:
    row = await tx.one(INSERT_EVENT, tx.org_id, insight_id, event.kind, event.title, event.starts_on, event.ends_on)
    demand_days(row["starts_on"], row["ends_on"])
    event_id: UUID = row["id"]
    return event_id


async def rate_insight(tx: Tx, insight_id: UUID, rating: Rating) -> Insight:
    """Record whether an insight was useful, in any status. Raises Refusal: forbidden, not_found."""
    await _locked(tx, insight_id)
    reason: FeedbackReason = "useful" if rating.useful else "not_useful"
    await tx.execute(INSERT_FEEDBACK, tx.org_id, insight_id, reason, _name(tx), tx.at, rating.feedback, None)
    return _as_insight(await tx.one(RATE, tx.org_id, insight_id, rating.useful, rating.feedback))


async def list_lessons(tx: Tx, *, after: UUID | None, limit: int) -> Page[Lesson]:
    """Return what people said about insights, the latest first. Raises Refusal forbidden."""
    _demand_admin(tx)
    rows = await tx.rows(SELECT_LESSONS, tx.org_id, after, limit + 1, None)
    return page_of([Lesson.model_construct(**dict(row)) for row in rows], [row["id"] for row in rows], limit)


async def undo_lesson(tx: Tx, lesson_id: UUID) -> Lesson:
    """Undo what was learnt from one feedback: the calendar's event is removed, and the insight is as it was before.

    Raises Refusal: forbidden, not_found, conflict where it is undone already.
    """
    _demand_admin(tx)
    before = await tx.row(SELECT_LESSONS, tx.org_id, None, 1, lesson_id)
    if before is None:
        raise not_found("feedback")
    if before["undone_at"]:
        raise Refusal("conflict", "already_undone", "This feedback is undone already.")
    await tx.execute(UNDO, tx.org_id, lesson_id, tx.at)
    if before["calendar_event_id"]:
        await tx.execute(DELETE_EVENT, tx.org_id, before["calendar_event_id"])
    is_rating = before["reason"] in ("useful", "not_useful")
    await tx.execute(FORGET_RATING if is_rating else REOPEN, tx.org_id, before["insight_id"])
    return Lesson.model_construct(**dict(await tx.one(SELECT_LESSONS, tx.org_id, None, 1, lesson_id)))


async def _locked(tx: Tx, insight_id: UUID) -> asyncpg.Record:
    """Return the insight and lock it. Raises Refusal: forbidden, not_found."""
    _demand_admin(tx)
    row = await tx.row(f"{SELECT_INSIGHT} for update", tx.org_id, insight_id)
    if row is None:
        raise not_found("insight")
    return row


def _name(tx: Tx) -> str:
    """Return the caller as it is kept with the feedback."""
    return f"profile {tx.caller.profile_id}" if tx.caller.profile_id else "the command line"


async def request_insights(tx: Tx) -> RequestedRun:
    """Request a run of insights: a sensor of the running Hub starts it within a minute.

    Where a request of the organisation waits already, it is this one. Raises Refusal forbidden.
    """
    _demand_admin(tx)
    row = await tx.one(REQUEST_INSIGHTS, tx.org_id, f"profile {tx.caller.profile_id}")
    return RequestedRun(run_id=row["id"])


def _demand_admin(tx: Tx) -> None:
    if tx.caller.role not in ("admin", "system"):
        raise Refusal("forbidden", "not_allowed", "Insights are for administrators.")


def _as_insight(row: asyncpg.Record) -> Insight:
    return Insight.model_construct(**dict(row))
