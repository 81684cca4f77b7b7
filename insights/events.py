"""From findings to insight events: an ongoing thing is one event, and what goes back to normal is resolved.

An event's identity is (kind, metric, dimension, member, direction). While an event of that identity is unresolved,
a new finding only refreshes it; a dismissed one stays dismissed until the thing itself has ended. A finding that does
not open an event (`opens` false) keeps the one that there is from being resolved.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from insights.findings import Finding, Scope
from notifications.ledger import enqueue_insights
from sources.tables import BOOKING_QUESTION


@dataclass(frozen=True)
class Changes:
    """Events that a pass opened and resolved."""

    opened: list[UUID]
    resolved: list[UUID]


def keep(
    connection: psycopg.Connection, scope: Scope, findings: Sequence[Finding], *, kinds: Sequence[str], now: datetime
) -> Changes:
    """Bring app.insight_events up to `findings`, which are all that is known now of these `kinds`.

    New ones are opened, ongoing ones refreshed, the rest resolved. Deliveries and in-app notifications of what was
    opened or resolved are written with them, due at `now`, in the caller's transaction.
    """
    kept = [_keep_one(connection, scope, finding) for finding in findings]
    opened = [event for event in kept if event is not None]
    resolved = _resolve_others(connection, scope, findings, kinds)
    recipients = {scope.org_id: _administrators(connection, scope)}
    enqueue_insights(connection, opened, "opened", now=now, recipients=recipients)
    enqueue_insights(connection, resolved, "resolved", now=now, recipients=recipients)
    return Changes(opened, resolved)


def lapse(connection: psycopg.Connection, scope: Scope, kinds: Sequence[str]) -> None:
    """Close the events of these kinds without a message: the data do not say any more whether they are over.

    They count as resolved when they were last seen, so that nobody reads that they are back to normal now.
    """
    connection.execute(
        """
        update app.insight_events
        set resolved_at = last_seen, status = case status when 'dismissed' then 'dismissed' else 'resolved' end
        where org_id = %(org_id)s and kind = any(%(kinds)s) and resolved_at is null and dimension <> %(question)s
        """,
        {"org_id": scope.org_id, "kinds": list(kinds), "question": BOOKING_QUESTION},
    )


def ask(connection: psycopg.Connection, scope: Scope, questions: Sequence[Finding], *, now: datetime) -> list[UUID]:
    """Open an event for each question that was never asked; the ids of those.

    A question stays open until somebody answers it, or until its booking has another amount or is gone: then it is
    closed without a message, because whoever corrected it knows.
    """
    connection.execute(
        """
        update app.insight_events as event
        set resolved_at = %(now)s, status = case event.status when 'dismissed' then 'dismissed' else 'resolved' end
        where event.org_id = %(org_id)s and event.dimension = %(dimension)s and event.resolved_at is null
            and not exists (
                select from marts.fct_bookings as booking
                where booking.org_id = event.org_id and booking.booking_id::text = event.member
                    and booking.total_amount = event.value
            )
        """,
        {"org_id": scope.org_id, "dimension": BOOKING_QUESTION, "now": scope.as_of_at},
    )
    kept = [_keep_one(connection, scope, question) for question in questions]
    opened = [event for event in kept if event is not None]
    enqueue_insights(
        connection, opened, "opened", now=now, recipients={scope.org_id: _administrators(connection, scope)}
    )
    return opened


def _administrators(connection: psycopg.Connection, scope: Scope) -> list[UUID]:
    """The profiles that are told in the app."""
    rows = connection.execute(
        "select profile_id from staging.stg_app__profiles where org_id = %s and role = 'admin' and is_active",
        [scope.org_id],
    )
    return [row[0] for row in rows]


def _keep_one(connection: psycopg.Connection, scope: Scope, finding: Finding) -> UUID | None:
    """Refresh the unresolved event of this identity, or open one; the id of an event that was opened."""
    values = {
        **finding,
        "org_id": scope.org_id,
        "now": scope.as_of_at,
        "identity": _identity(finding),
        "drivers": Jsonb(finding["drivers"]),
    }
    refreshed = connection.execute(
        """
        update app.insight_events
        set severity = %(severity)s, day = %(day)s, title = %(title)s, summary = %(summary)s, value = %(value)s,
            expected = %(expected)s, lower = %(lower)s, upper = %(upper)s, impact = %(impact)s,
            drivers = %(drivers)s, recommendation = %(recommendation)s, last_seen = greatest(last_seen, %(now)s)
        where org_id = %(org_id)s and starts_with(dedupe_key, %(identity)s || '|') and resolved_at is null
        """,
        values,
    )
    if refreshed.rowcount or not finding.get("opens", True):
        return None
    # The same thing, found again for the same beginning after somebody resolved it, was told already.
    opened = connection.execute(
        """
        insert into app.insight_events (
            org_id, kind, severity, metric, dimension, member, day, title, summary, value, expected, lower,
            upper, impact, drivers, recommendation, dedupe_key, first_seen, last_seen
        )
        values (
            %(org_id)s, %(kind)s, %(severity)s, %(metric)s, %(dimension)s, %(member)s, %(day)s, %(title)s,
            %(summary)s, %(value)s, %(expected)s, %(lower)s, %(upper)s, %(impact)s, %(drivers)s,
            %(recommendation)s, %(identity)s || '|' || %(started_on)s::text, %(now)s, %(now)s
        )
        on conflict (org_id, dedupe_key) do nothing
        returning id
        """,
        values,
    ).fetchone()
    return opened[0] if opened else None


def _resolve_others(
    connection: psycopg.Connection, scope: Scope, findings: Sequence[Finding], kinds: Sequence[str]
) -> list[UUID]:
    """Resolve the events of these kinds that no finding speaks of; the ids of those that people know as open."""
    rows = connection.execute(
        """
        with ended as (
            select event.id, event.status from app.insight_events as event
            where event.org_id = %(org_id)s and event.kind = any(%(kinds)s) and event.resolved_at is null
                and event.dimension <> %(question)s
                and event.last_seen <= %(now)s
                and not exists (
                    select from unnest(%(ongoing)s::text[]) as ongoing (identity)
                    where starts_with(event.dedupe_key, ongoing.identity || '|')
                )
            for update
        )
        update app.insight_events as event
        set resolved_at = %(now)s,
            status = case event.status when 'dismissed' then 'dismissed' else 'resolved' end
        from ended
        where event.id = ended.id
        returning event.id, ended.status
        """,
        {
            "org_id": scope.org_id,
            "kinds": list(kinds),
            "question": BOOKING_QUESTION,
            "now": scope.as_of_at,
            "ongoing": [_identity(finding) for finding in findings],
        },
    ).fetchall()
    return [event for event, status in rows if status in ("open", "acknowledged")]


def _identity(finding: Finding) -> str:
    return "|".join(str(finding[part]) for part in ("kind", "metric", "dimension", "member", "direction"))
