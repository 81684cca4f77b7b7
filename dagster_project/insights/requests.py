"""Requests for insights (app.insight_run_logs): a run claims them, and answers each once, for its organisation."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from dagster_project.organization_failures import failures_by_organization

MAX_ATTEMPTS: Final = 3  # runs of one request; then it has failed
PAUSE: Final = timedelta(minutes=5)  # before the second run of a request; twice as long before the third
NO_ANSWER: Final = (
    f"{MAX_ATTEMPTS} runs of daily_insights ended without insights; their errors are in the Dagster UI, under Runs."
)
NOTHING_KNOWN: Final = "The organisation is not in the warehouse: run `hub run`, which ingests it, first."


def claim_requests(connection: psycopg.Connection, now: datetime) -> int:
    """Claim the requests for which a run is to start now, and return their number.

    To be called while no run is under way: the run that claimed a request before has then ended without an answer.
    After MAX_ATTEMPTS of them the request has failed.
    """
    connection.execute(
        """
        update app.insight_run_logs
        set status = 'failed', finished_at = %(now)s, updated_at = %(now)s, error = %(error)s
        where status = 'running' and attempts >= %(max)s and started_at + attempts * %(pause)s <= %(now)s
        """,
        {"now": now, "error": NO_ANSWER, "max": MAX_ATTEMPTS, "pause": PAUSE},
    )
    return connection.execute(
        """
        update app.insight_run_logs
        set status = 'running', attempts = attempts + 1, started_at = %(now)s, updated_at = %(now)s
        where status = 'requested'
            or (status = 'running' and attempts < %(max)s and started_at + attempts * %(pause)s <= %(now)s)
        """,
        {"now": now, "max": MAX_ATTEMPTS, "pause": PAUSE},
    ).rowcount


def answer_requests(
    connection: psycopg.Connection, counts: Mapping[UUID, Mapping[str, int]], names: Mapping[UUID, str]
) -> None:
    """Answer the requests that were made before this transaction, with what the run did for their organisation.

    `counts` and `names`: of each organisation of the warehouse. Where a step failed for the organisation, or for one of
    them if the request is for all, the request has failed with the reason, and the name of the organisation.
    """
    failures = failures_by_organization(connection)
    waiting = connection.execute(
        "select id, org_id from app.insight_run_logs where status in ('requested', 'running') and created_at <= now()"
    ).fetchall()
    for request_id, org_id in waiting:
        asked = [org_id] if org_id else list(counts)
        found = [(each, error) for each in asked if (error := _error(each, counts, failures))]
        errors = [error if org_id else f"{names[each]}: {error}" for each, error in found]
        total = total_counts(counts[each] for each in asked if each in counts)
        connection.execute(
            """
            update app.insight_run_logs
            set status = %s, error = %s, counts = %s, finished_at = now(), updated_at = now()
            where id = %s
            """,
            ["failed" if errors else "succeeded", " ".join(errors) or None, Jsonb(total), request_id],
        )


def total_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of the counts by name, zeros included."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


def _error(
    org_id: UUID, counts: Mapping[UUID, Mapping[str, int]], failures: Mapping[UUID, Mapping[str, str]]
) -> str | None:
    if org_id not in counts:
        return NOTHING_KNOWN
    return "; ".join(f"{step}: {message}" for step, message in failures.get(org_id, {}).items()) or None
