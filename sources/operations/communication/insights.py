"""Insights and the reactions of people to them; for administrators."""

from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from sources import insight_values
from sources.operations.bookings.access import Page, page_of
from sources.operations.errors import Refusal, not_found
from sources.operations.field_types import Moment, Money, Note, Request
from sources.operations.transaction import Tx

Kind = insight_values.InsightKind
Severity = insight_values.Severity
Status = insight_values.InsightStatus
Reaction = Literal["acknowledged", "resolved", "dismissed"]


class Feedback(Request):
    """A comment on an insight: the measure taken, or the reason to dismiss it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"feedback": "The card terminal was replaced."}]})

    feedback: Note | None = Field(None, description="Stored with the insight; by default the earlier feedback is kept.")


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
    first_seen: Moment
    last_seen: Moment
    resolved_at: Moment | None
    feedback: str | None


class RequestedRun(BaseModel):
    """The requested run."""

    run_id: UUID


COLUMNS: Final = """
    id, kind, severity, status, metric, dimension, member, day, title, summary, value, expected, lower, upper, impact,
    drivers, recommendation, first_seen, last_seen, resolved_at, feedback"""
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
    resolved_at = case when $3 = 'resolved' then $5 else resolved_at end
where org_id = $1 and id = $2
returning {COLUMNS}
"""  # noqa: S608  constants of this file
INSERT_RUN: Final = """
insert into app.insight_run_logs (org_id, requested_by, created_at, updated_at) values ($1, $2, $3, $3) returning id
"""


async def list_insights(
    tx: Tx, *, statuses: list[Status] | None, kinds: list[Kind] | None, severities: list[Severity] | None,
    after: UUID | None, limit: int,
) -> Page[Insight]:  # fmt: skip
    """Return the insights, the latest first. A filter of None keeps all. Raises Refusal forbidden."""
    _demand_admin(tx)
    rows = await tx.rows(SELECT_INSIGHTS, tx.org_id, statuses, kinds, severities, after, limit + 1)
    return page_of([_as_insight(row) for row in rows], [row["id"] for row in rows], limit)


async def get_insight(tx: Tx, insight_id: UUID) -> Insight:
    """Return one insight. Raises Refusal forbidden, not_found."""
    _demand_admin(tx)
    row = await tx.row(SELECT_INSIGHT, tx.org_id, insight_id)
    if row is None:
        raise not_found("insight")
    return _as_insight(row)


async def react_to_insight(tx: Tx, insight_id: UUID, reaction: Reaction, feedback: str | None) -> Insight:
    """Acknowledge, resolve or dismiss an insight; a dismissed one is not raised again while it lasts.

    Raises Refusal: forbidden, not_found, conflict where the insight is resolved or dismissed already.
    """
    _demand_admin(tx)
    before = await tx.row(f"{SELECT_INSIGHT} for update", tx.org_id, insight_id)
    if before is None:
        raise not_found("insight")
    if before["status"] in ("resolved", "dismissed"):
        raise Refusal("conflict", "already_over", f"“{before['title']}” is already {before['status']}.")
    return _as_insight(await tx.one(UPDATE_STATUS, tx.org_id, insight_id, reaction, feedback, tx.at))


async def request_insights(tx: Tx) -> RequestedRun:
    """Request a run of insights: a sensor of the running Hub starts it within a minute. Raises Refusal forbidden."""
    _demand_admin(tx)
    row = await tx.one(INSERT_RUN, tx.org_id, f"profile {tx.caller.profile_id}", tx.at)
    return RequestedRun(run_id=row["id"])


def _demand_admin(tx: Tx) -> None:
    if tx.caller.role not in ("admin", "system"):
        raise Refusal("forbidden", "not_allowed", "Insights are for administrators.")


def _as_insight(row: asyncpg.Record) -> Insight:
    return Insight.model_construct(**dict(row))
