"""Insights: what the figures say, as events that people are told of."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import dagster as dg
import psycopg
from psycopg.types.json import Jsonb

from dagster_project.ownership import OWNERS
from dagster_project.resources import HubDatabase
from dagster_project.run_failures import forget_failures, isolated
from insights import events as insight_events
from insights import findings
from insights.anomalies import anomaly_findings
from insights.questions import booking_questions

GROUP: Final = "insights"
# Kind of insight: what finds it now, or None where the data cannot say. `pipeline` events come from health.py too.
JUDGES: Final[dict[str, Callable[[psycopg.Connection, findings.Scope], list[findings.Finding] | None]]] = {
    "anomaly": anomaly_findings,
    "forecast": findings.forecast_findings,
    "workload": findings.workload_findings,
}


@dg.asset(
    key=["app", "insight_events"],
    deps=[
        ["analytics", "v_booking_anomalies"],
        ["analytics", "v_revenue_forecast"],
        ["analytics", "v_booking_trends"],
        ["intermediate", "int_unusual_bookings"],
        ["marts", "dim_metric"],
        ["marts", "dim_organization"],
        ["marts", "dim_provider"],
        ["marts", "dim_service"],
        ["marts", "fct_bookings"],
        ["marts", "kpi_daily"],
        ["ml", "provider_workload"],
        ["staging", "stg_app__profiles"],
    ],
    group_name=GROUP,
    kinds={"python", "postgres"},
    owners=OWNERS,
    description="What people are told: title, summary, drivers, what to do. Opened, refreshed, resolved.",
)
def events(database: HubDatabase) -> dg.MaterializeResult[None]:
    # The clock is read here, at the edge: it says when messages are due, not what the events say.
    now = datetime.now(UTC)
    counts: Counter[str] = Counter()
    with database.connect() as connection:
        forget_failures(connection, "insights")
        for scope in findings.known_scopes(connection):
            with isolated(connection, scope.org_id, scope.as_of, "insights"):
                _tell(connection, scope, counts, now)
        _answer_requests(connection, counts)
        total = connection.execute("select count(*) from app.insight_events").fetchone()
    return dg.MaterializeResult(metadata={"dagster/row_count": total[0] if total else 0, **counts})


def _tell(connection: psycopg.Connection, scope: findings.Scope, counts: Counter[str], now: datetime) -> None:
    """Judge one organisation's figures, and bring its events up to that."""
    judged = {kind: judge(connection, scope) for kind, judge in JUDGES.items()}
    insight_events.lapse(connection, scope, [kind for kind, found in judged.items() if found is None])
    known = {kind: found for kind, found in judged.items() if found is not None}
    found = [finding for each in known.values() for finding in each]
    changes = insight_events.keep(connection, scope, found, kinds=list(known), now=now)
    asked = insight_events.ask(connection, scope, booking_questions(connection, scope), now=now)
    counts.update(findings=len(found), opened=len(changes.opened), resolved=len(changes.resolved), questions=len(asked))


def _answer_requests(connection: psycopg.Connection, counts: Counter[str]) -> None:
    """Whoever asked for insights before this pass has them now."""
    connection.execute(
        """
        update app.insight_run_logs
        set status = 'succeeded', finished_at = now(), counts = %s::jsonb
        where status in ('requested', 'running') and created_at <= now()
        """,
        [Jsonb(dict(counts))],
    )
