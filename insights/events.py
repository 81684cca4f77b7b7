"""Insight events: rows of app.insight_events, opened, refreshed and resolved by the findings of a run.

An event is identified by (kind, metric, dimension, member, direction). While an event of that identity is unresolved,
a new finding only refreshes it; a dismissed one stays dismissed until the condition itself has ended. A finding with
`opens` False opens no event, but keeps an open one from being resolved.
Nothing here sends a message: callers enqueue the messages of the returned changes in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from insights.findings import Finding
from insights.organizations import Organization
from sources.insight_values import BOOKING_QUESTION, InsightKind


@dataclass(frozen=True)
class Changes:
    """Ids of the events that were opened, and of those that were resolved after people were notified of them."""

    opened: list[UUID]
    resolved: list[UUID]


def update_events(
    connection: psycopg.Connection,
    organization: Organization,
    findings: Sequence[Finding],
    *,
    kinds: Sequence[InsightKind],
) -> Changes:
    """Bring the events of these kinds up to `findings`, which are all current ones: open, refresh, resolve the rest."""
    opened = _open_or_refresh(connection, organization, findings)
    return Changes(opened, _resolve_others(connection, organization, findings, kinds))


def expire_events(connection: psycopg.Connection, organization: Organization, kinds: Sequence[InsightKind]) -> None:
    """Close the events of these kinds without a message: the data no longer show whether the condition has ended.

    They are resolved as of when they were last seen, so that no message claims that they are back to normal now.
    """
    connection.execute(
        """
        update app.insight_events
        set resolved_at = last_seen, status = case status when 'dismissed' then 'dismissed' else 'resolved' end
        where org_id = %(org_id)s and kind = any(%(kinds)s) and resolved_at is null and dimension <> %(question)s
        """,
        {"org_id": organization.id, "kinds": list(kinds), "question": BOOKING_QUESTION},
    )


def update_questions(
    connection: psycopg.Connection, organization: Organization, questions: Sequence[Finding]
) -> Changes:
    """Open an event for each question that was never asked.

    A question stays open until a person answers it, or until its booking has another amount or is deleted: then it is
    closed without a message, because the person who corrected the booking needs none.
    """
    connection.execute(
        """
        update app.insight_events as events
        set resolved_at = %(now)s, status = case events.status when 'dismissed' then 'dismissed' else 'resolved' end
        where events.org_id = %(org_id)s and events.dimension = %(dimension)s and events.resolved_at is null
            and not exists (
                select from marts.fct_bookings as bookings
                where bookings.org_id = events.org_id and bookings.booking_id::text = events.member
                    and bookings.total_amount = events.value
            )
        """,
        {"org_id": organization.id, "dimension": BOOKING_QUESTION, "now": organization.as_of_at},
    )
    return Changes(_open_or_refresh(connection, organization, questions), [])


def _open_or_refresh(
    connection: psycopg.Connection, organization: Organization, findings: Sequence[Finding]
) -> list[UUID]:
    """Refresh the unresolved event of each finding, or open one; return the ids of the opened events."""
    opened = []
    for finding in findings:
        values = {
            **finding,
            "org_id": organization.id,
            "now": organization.as_of_at,
            "identity": _identity(finding),
            "drivers": Jsonb(finding["drivers"]),
        }
        if not _refresh(connection, values) and finding.get("opens", True):
            opened += _open(connection, values)
    return opened


def _refresh(connection: psycopg.Connection, values: Finding) -> bool:
    """Refresh the unresolved event of this identity; return True if there was one."""
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
    return bool(refreshed.rowcount)


def _open(connection: psycopg.Connection, values: Finding) -> list[UUID]:
    """Open an event and return its id.

    Return nothing if a resolved event of the same identity and start exists, whether a person or a run resolved
    it: people were notified of that one already.
    """
    rows = connection.execute(
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
    )
    return [row[0] for row in rows]


def _resolve_others(
    connection: psycopg.Connection,
    organization: Organization,
    findings: Sequence[Finding],
    kinds: Sequence[InsightKind],
) -> list[UUID]:
    """Resolve the events of these kinds that have no finding; return the ids of those that people saw as open."""
    rows = connection.execute(
        """
        with ended as (
            select events.id, events.status from app.insight_events as events
            where events.org_id = %(org_id)s and events.kind = any(%(kinds)s) and events.resolved_at is null
                and events.dimension <> %(question)s
                and events.last_seen <= %(now)s
                and not exists (
                    select from unnest(%(ongoing)s::text[]) as ongoing (identity)
                    where starts_with(events.dedupe_key, ongoing.identity || '|')
                )
            for update
        )
        update app.insight_events as events
        set resolved_at = %(now)s,
            status = case events.status when 'dismissed' then 'dismissed' else 'resolved' end
        from ended
        where events.id = ended.id
        returning events.id, ended.status
        """,
        {
            "org_id": organization.id,
            "kinds": list(kinds),
            "question": BOOKING_QUESTION,
            "now": organization.as_of_at,
            "ongoing": [_identity(finding) for finding in findings],
        },
    ).fetchall()
    return [event_id for event_id, status in rows if status in ("open", "acknowledged")]


def _identity(finding: Finding) -> str:
    return "|".join(str(finding[part]) for part in ("kind", "metric", "dimension", "member", "direction"))
