"""What the page of an insight shows beside the insight: who was told, and the history of its metric."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from dashboard.access import Visitor
from sources.channel_secrets import without_secret
from sources.operations.communication import insights
from sources.operations.communication.insights import Insight
from sources.operations.transaction import Tx

HISTORY_DAYS: Final = 56

_LIST: Final = """
select
    id, kind, severity, status, title, summary, impact, day, started_on, first_seen, last_seen, resolved_at
from app.insight_events
where org_id = $1 and ($2::text is null or status = $2) and ($3::text is null or kind = $3)
    and ($4::text is null or severity = $4) and ($5::uuid is null or id < $5)
order by id desc
limit $6
"""
_COUNTS: Final = "select status, count(*) as insights from app.insight_events where org_id = $1 group by status"
_DELIVERIES: Final = "select * from app.deliveries_of_insight($1)"
_HISTORY: Final = """
select day, value as actual, expected, lower, upper
from ml.anomalies
where org_id = $1 and metric = $2 and dimension = $3 and member = $4 and day > $5 and day <= $6
order by day
"""
_METRIC: Final = "select label, unit, good_direction, description from marts.dim_metric where metric = $1"
_MEMBER: Final = "select member_name from marts.dim_member where org_id = $1 and dimension = $2 and member = $3"


@dataclass(frozen=True, slots=True)
class InsightPage:
    """An insight with its surroundings. `metric` is None where the insight is of none (a state, a failure)."""

    insight: Insight
    deliveries: list[dict[str, Any]]
    history: list[dict[str, Any]]
    metric: dict[str, Any] | None
    member_name: str | None


async def list_insights(
    visitor: Visitor, status: str | None, kind: str | None, severity: str | None, after: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """Return the insights, the latest first, one more than `limit` where there is a further page."""
    return await visitor.rows(_LIST, visitor.org_id, status, kind, severity, after, limit + 1)


async def count_insights(visitor: Visitor) -> dict[str, int]:
    """Return the number of insights of each status."""
    return {row["status"]: row["insights"] for row in await visitor.rows(_COUNTS, visitor.org_id)}


async def read_insight(visitor: Visitor, insight_id: UUID, as_of: date | None) -> InsightPage:
    """Return the insight and what belongs to it. Raises Refusal not_found."""

    async def read(tx: Tx) -> InsightPage:
        insight = await insights.get_insight(tx, insight_id)
        of_series = (visitor.org_id, insight.metric, insight.dimension, insight.member)
        last = max(insight.day, as_of) if as_of else insight.day
        first = min(insight.started_on or insight.day, last) - timedelta(HISTORY_DAYS)
        metric = await tx.row(_METRIC, insight.metric) if as_of else None
        member = await tx.row(_MEMBER, visitor.org_id, insight.dimension, insight.member) if as_of else None
        return InsightPage(
            insight=insight,
            deliveries=[
                {**row, "recipient": without_secret(row["recipient"])} for row in await tx.rows(_DELIVERIES, insight_id)
            ],
            history=[dict(row) for row in await tx.rows(_HISTORY, *of_series, first, last)],
            metric=dict(metric) if metric else None,
            member_name=member["member_name"] if member and insight.dimension != "total" else None,
        )

    return await visitor.read(read)
